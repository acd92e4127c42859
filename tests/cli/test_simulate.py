"""`fusionflow simulate` as a program of its own."""

from __future__ import annotations

import os
import signal
import subprocess
import sys

import httpx

from fusionflow_nb.settings.environment import SIMULATOR_VARIABLE


def test_it_serves_until_it_is_interrupted_and_a_run_elsewhere_finds_it() -> None:
    """It says where it is and how to be led there; Ctrl-C ends it without a traceback."""
    with subprocess.Popen(
        [sys.executable, "-m", "fusionflow_nb", "simulate", "--port", "0"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONUNBUFFERED": "1", "COLUMNS": "200"},
    ) as running:
        assert running.stdout is not None
        assert running.stderr is not None
        said = ""
        while SIMULATOR_VARIABLE not in said:
            line = running.stdout.readline()
            assert line, running.stderr.read()
            said += line
        base = said.split(f"{SIMULATOR_VARIABLE}=")[1].split()[0]
        answer = httpx.post(f"{base}/fal/queue/fal-ai/flux/dev", json={"prompt": "x"}, trust_env=False)
        assert (answer.status_code, answer.json()["detail"]) == (401, "No user found for Key ID and Secret")
        running.send_signal(signal.SIGINT)
        rest, trouble = running.communicate(timeout=30)
    assert running.returncode == 0, trouble
    assert "Traceback" not in rest + trouble


def test_a_taken_port_is_a_sentence() -> None:
    """It names the option, not a stack."""
    import socket

    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
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
