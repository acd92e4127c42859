"""Kernel processes with the fake service that are killed at a state of their jobs."""

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
"""Number of polls of a job that outlives its kernel."""


class Shared:
    """A home and a fake service that kernels share; the service logs its submissions."""

    def __init__(self, folder: Path) -> None:
        self.home, self.folder = folder / "home", folder / "service"
        self.service = FakeProvider(self.folder)

    def behave(self, **by_prompt: dict[str, object]) -> None:
        """Script the service's behaviour by prompt."""
        (self.folder / "behaviours.json").write_text(json.dumps(by_prompt))

    def environment(self, notebook: str = "") -> dict[str, str]:
        variables = {"JPY_SESSION_NAME": f"/notebooks/{notebook}"} if notebook else {}
        return {**os.environ, HOME_VARIABLE: str(self.home), FOLDER_VARIABLE: str(self.folder), **variables}

    def die(self, flow: str, *prompts: str, notebook: str = "film.ipynb", state: str = "accepted") -> None:
        """Run prompts in a kernel and kill it when all their jobs have that state in the journal."""
        before = self.jobs(state)
        kernel = subprocess.Popen([sys.executable, "-c", KERNEL, flow, *prompts], env=self.environment(notebook))
        try:
            deadline = time.monotonic() + PATIENCE_S
            while self.jobs(state) < before + len(prompts):
                assert kernel.poll() is None, "the kernel ended before it was killed"
                assert time.monotonic() < deadline, "the jobs did not reach the state"
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
            return 0  # the schema is being created
        finally:
            connection.close()

    def let_end(self) -> None:
        """Let all running jobs of the service end at the next poll."""
        for path in (self.folder / "jobs").glob("*.json"):
            job = json.loads(path.read_text())
            job["behaviour"]["polls"] = 1
            path.write_text(json.dumps(job))
