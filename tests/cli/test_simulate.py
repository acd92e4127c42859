"""`fusionflow simulate` in a child process."""

from __future__ import annotations

import os
import signal
import subprocess
import sys

import httpx

from fusionflow_nb.settings.environment import SIMULATOR_VARIABLE


def test_simulate_serves_until_it_is_interrupted() -> None:
    """It prints its address and the variable to set; Ctrl-C ends it without a traceback."""
    with subprocess.Popen(
        [sys.executable, "-m", "fusionflow_nb", "simulate", "--port", "0"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONUNBUFFERED": "1", "COLUMNS": "200"},
    ) as running:
        assert running.stdout is not None
        assert running.stderr is not None
        printed = ""
        while SIMULATOR_VARIABLE not in printed:
            line = running.stdout.readline()
            assert line, running.stderr.read()
            printed += line
        base = printed.split(f"{SIMULATOR_VARIABLE}=")[1].split()[0]
        answer = httpx.post(f"{base}/fal/queue/fal-ai/flux/dev", json={"prompt": "x"}, trust_env=False)
        assert (answer.status_code, answer.json()["detail"]) == (401, "No user found for Key ID and Secret")
        running.send_signal(signal.SIGINT)
        rest, stderr = running.communicate(timeout=30)
    assert running.returncode == 0, stderr
    assert "Traceback" not in rest + stderr


def test_a_port_in_use_names_the_option() -> None:
    """The message names --port and has no traceback."""
    import socket

    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        port = str(listener.getsockname()[1])
        done = subprocess.run(
            [sys.executable, "-m", "fusionflow_nb", "simulate", "--port", port],
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )
    assert done.returncode != 0
    assert "--port" in done.stdout + done.stderr
    assert "Traceback" not in done.stderr
