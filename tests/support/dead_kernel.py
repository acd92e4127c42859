"""Kernels that die: real processes with the moody service, killed where a test wants them dead."""

from __future__ import annotations

import json
import os
import sqlite3
import subprocess
import sys
import time
from typing import TYPE_CHECKING

from support.engine import PATIENCE_S

from fusionflow_nb.settings.environment import HOME_VARIABLE
from fusionflow_nb.testing.fake import FOLDER_VARIABLE, FakeProvider

if TYPE_CHECKING:
    from pathlib import Path

KERNEL = """
import sys
import fusionflow_nb as ff

flow = ff.Flow(sys.argv[1], id=sys.argv[1].lower())
for prompt in sys.argv[2:]:
    flow.generate_image(prompt, model="fake/image", name=prompt, seed=1)
flow.run().wait()
"""
LONG = 10_000
"""Polls: longer than any kernel lives here."""


class Shared:
    """A home and a service that kernels share; the service's own log is the truth."""

    def __init__(self, folder: Path) -> None:
        self.home, self.folder = folder / "home", folder / "service"
        self.service = FakeProvider(self.folder)

    def behave(self, **by_prompt: dict[str, object]) -> None:
        """What the service does with prompts from now on."""
        (self.folder / "behaviours.json").write_text(json.dumps(by_prompt))

    def environment(self, notebook: str = "") -> dict[str, str]:
        named = {"JPY_SESSION_NAME": f"/notebooks/{notebook}"} if notebook else {}
        return {**os.environ, HOME_VARIABLE: str(self.home), FOLDER_VARIABLE: str(self.folder), **named}

    def die(self, flow: str, *prompts: str, notebook: str = "film.ipynb", state: str = "accepted") -> None:
        """A kernel runs prompts and is killed when the journal has all of them in that state."""
        before = self.jobs(state)
        kernel = subprocess.Popen([sys.executable, "-c", KERNEL, flow, *prompts], env=self.environment(notebook))
        try:
            deadline = time.monotonic() + PATIENCE_S
            while self.jobs(state) < before + len(prompts):
                assert kernel.poll() is None, "it ended by itself"
                assert time.monotonic() < deadline, "it never came so far"
                time.sleep(0.005)
        finally:
            kernel.kill()
            kernel.wait()

    def jobs(self, state: str) -> int:
        path = self.home / "journal.sqlite"
        if not path.exists():
            return 0
        connection = sqlite3.connect(path)
        try:
            return connection.execute("SELECT count(*) FROM jobs WHERE state = ?", (state,)).fetchone()[0]
        except sqlite3.OperationalError:
            return 0  # it is being made
        finally:
            connection.close()

    def let_end(self) -> None:
        """Everything that the service works on ends at the next poll."""
        for path in (self.folder / "jobs").glob("*.json"):
            job = json.loads(path.read_text())
            job["behaviour"]["polls"] = 1
            path.write_text(json.dumps(job))
