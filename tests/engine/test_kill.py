"""Kill kernels with SIGKILL at chosen and random points and restart them until the run is done.

Child processes run the unmodified package. The parent watches the service's log and the journal and kills a child when
the marker of a case holds. The invariants checked afterwards do not depend on the point of the kill.
"""

from __future__ import annotations

import json
import os
import random
import signal
import sqlite3
import subprocess
import sys
import time
from collections import Counter
from typing import TYPE_CHECKING, Any

import pytest
from support.engine import PATIENCE_S

from fusionflow_nb.settings.environment import HOME_VARIABLE
from fusionflow_nb.testing.fake import FOLDER_VARIABLE

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    Marker = Callable[["Service"], bool]

PAIRS = 6
JOBS = 2 * PAIRS
MOST_STARTS = 12

KERNEL = f"""
import sys
import fusionflow_nb as ff
from fusionflow_nb.session import Session, use_session
from fusionflow_nb.testing.fake import Behaviour, provider
from fusionflow_nb.providers.registry import Registry

fake = provider()
fake.poll_interval_s = 0.005
fake.max_concurrency = 3
session = Session(registry=Registry([fake]))
use_session(session)
if "resume" in sys.argv:
    print("resumed", *ff.resume(), flush=True)
if "run" in sys.argv:
    flow = ff.Flow("Killed", id="killed")
    for index in range({PAIRS}):
        fake.when(f"still {{index}}", Behaviour(polls=1 + index))
        fake.when(f"edit {{index}}", Behaviour(polls=1 + index))
        still = flow.generate_image(f"still {{index}}", model="fake/image", name=f"still_{{index}}")
        flow.edit_image(still, f"edit {{index}}", model="fake/edit", name=f"edit_{{index}}")
    run = flow.run()

    def print_end(event):
        if event.kind == "job-end" and event.state in ("succeeded", "cached"):
            print("done", event.node_id, flush=True)

    run._run.subscribe(print_end)
    run.wait()
    for (node_id, _), status in run.jobs.items():
        print("end", node_id, status.state, flush=True)
use_session(None)
"""


class Service:
    """State outside the kernels: the service's folder, their home folder, and the output of all kernels."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder / "service"
        self.home = folder / "home"
        self.folder.mkdir()
        self.output: list[str] = []
        self._out = folder / "out.txt"

    def submissions(self) -> list[dict[str, Any]]:
        path = self.folder / "submissions.jsonl"
        return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []

    def rows(self, sql: str) -> list[tuple[Any, ...]]:
        """Rows read from the journal by a second connection; empty before the journal exists."""
        try:
            with sqlite3.connect(f"file:{self.home / 'journal.sqlite'}?mode=ro", uri=True) as database:
                rows = database.execute(sql).fetchall()
            database.close()
        except sqlite3.Error:
            return []
        return rows

    def kernel(self, *words: str, until: Marker | None = None) -> bool:
        """Start a kernel and wait for its end, or kill it when `until` holds. True: it ended without a kill."""
        environment = {**os.environ, HOME_VARIABLE: str(self.home), FOLDER_VARIABLE: str(self.folder)}
        with self._out.open("w") as out:
            child = subprocess.Popen([sys.executable, "-c", KERNEL, *words], env=environment, stdout=out)
        deadline = time.monotonic() + PATIENCE_S
        while child.poll() is None:
            assert time.monotonic() < deadline, "the kernel hangs"
            if until is not None and until(self):
                child.send_signal(signal.SIGKILL)
                child.wait()
                break
            time.sleep(0.001)
        self.output += self._out.read_text().splitlines()
        assert child.returncode in (0, -signal.SIGKILL), "the kernel failed"
        return child.returncode == 0

    def ends(self) -> dict[str, str]:
        """The final state of each job of the last run, by node."""
        return {words[1]: words[2] for line in self.output if (words := line.split())[0] == "end"}


def submitted(count: int) -> Marker:
    """`count` submissions have arrived since the kernel started."""
    counts: list[int] = []

    def holds(service: Service) -> bool:
        now = len(service.submissions())
        counts.append(now)
        return now - counts[0] >= count

    return holds


def operations(count: int) -> Marker:
    """`count` operations are in the journal."""
    return lambda service: len(service.rows("SELECT 1 FROM jobs WHERE operation IS NOT NULL")) >= count


def intents(count: int) -> Marker:
    """`count` intents are in the journal, accepted or not."""
    return lambda service: len(service.rows("SELECT 1 FROM jobs")) >= count


def results(count: int) -> Marker:
    """`count` results are in the journal."""
    return lambda service: len(service.rows("SELECT 1 FROM results")) >= count


def after(seconds: float) -> Marker:
    """`seconds` have passed since this kernel's first event in the journal."""
    positions: list[Any] = []
    since: list[float] = []

    def holds(service: Service) -> bool:
        if not since:
            positions.append(service.rows("SELECT max(seq) FROM events"))
            if positions[-1] != positions[0]:
                since.append(time.monotonic())
        return bool(since) and time.monotonic() - since[0] >= seconds

    return holds


def check(service: Service) -> None:
    """Nothing is paid twice, no finished or accepted job is lost, and the journal agrees with the service."""
    sent = Counter(entry["prompt"] for entry in service.submissions())
    assert max(sent.values(), default=0) <= 1, "paid twice"
    ends = service.ends()
    assert len(ends) == JOBS
    good = {node_id for node_id, state in ends.items() if state in {"succeeded", "cached"}}
    unknown = {node_id for node_id, state in ends.items() if state == "unknown"}
    skipped = {node_id for node_id, state in ends.items() if state == "skipped"}
    assert good | unknown | skipped == set(ends)
    assert {node_id.replace("edit", "still") for node_id in skipped} <= unknown
    arrived = {prompt.replace(" ", "_") for prompt in sent}
    assert good <= arrived <= good | unknown
    finished_before = {line.split()[1] for line in service.output if line.startswith("done ")}
    assert finished_before <= good, "a result is lost"
    states = Counter(row[0] for row in service.rows("SELECT state FROM jobs"))
    assert states == Counter({"succeeded": len(good), **({"unknown": len(unknown)} if unknown else {})})
    with_operation = "SELECT json_extract(draft, '$.node_id') FROM jobs WHERE operation IS NOT NULL"
    accepted = {row[0] for row in service.rows(with_operation)}
    assert accepted <= good, "an accepted job is lost"
    assert len(service.rows("SELECT DISTINCT content_key FROM jobs")) == len(good) + len(unknown)


CHANCE = random.Random(7)  # noqa: S311 - kill times, not secrets
CASES: dict[str, list[Marker]] = {
    "at the first submissions": [submitted(1), submitted(2), submitted(2)],
    "in the middle of the submissions": [submitted(4), submitted(3), submitted(2)],
    "when intents are written": [intents(3), intents(9)],
    "when the first operation is written": [operations(1), operations(7)],
    "when all operations of a level are written": [operations(PAIRS), operations(JOBS)],
    "when results are written": [results(1), results(5), results(8)],
    "at random, early": [after(CHANCE.uniform(0, 0.03)) for _ in range(4)],
    "at random, late": [after(CHANCE.uniform(0, 0.15)) for _ in range(4)],
}


@pytest.mark.parametrize("markers", CASES.values(), ids=CASES.keys())
def test_killed_kernels_pay_once_and_lose_nothing(tmp_path: Path, markers: list[Marker]) -> None:
    """A kernel is killed at each marker in turn; the next continues; after the last the journal is checked."""
    service = Service(tmp_path)
    for marker in markers:
        service.kernel("run", until=marker)
    for _ in range(MOST_STARTS):
        if service.kernel("run"):
            break
    check(service)


def test_resume_finishes_accepted_jobs_without_a_submit(tmp_path: Path) -> None:
    """A new kernel that only resumes fetches every accepted job by polling; the service's log does not grow."""
    service = Service(tmp_path)
    assert not service.kernel("run", until=operations(PAIRS // 2))
    before = service.submissions()
    open_jobs = len(service.rows("SELECT 1 FROM jobs WHERE state = 'accepted'"))
    done = len(service.rows("SELECT 1 FROM results"))
    assert service.kernel("resume")
    assert service.submissions() == before
    assert len(service.rows("SELECT 1 FROM results")) == done + open_jobs >= PAIRS // 2
    [resumed] = [line.split()[1:] for line in service.output if line.startswith("resumed")]
    assert len(resumed) == open_jobs
    assert service.kernel("run")
    check(service)


def test_closed_session_leaves_accepted_jobs_to_the_next_kernel(tmp_path: Path) -> None:
    """Closing a session does not cancel accepted jobs; the next kernel fetches their results."""
    until = "[time.sleep(0.001) for _ in iter(lambda: len(fake.log()) < 6, False)]"
    code = KERNEL.replace("run.wait()", until).replace("import sys", "import sys, time").replace("= 3", "= 6")
    service = Service(tmp_path)
    environment = {**os.environ, HOME_VARIABLE: str(service.home), FOLDER_VARIABLE: str(service.folder)}
    slow = code.replace("polls=1 + index", "polls=100 + index")
    subprocess.run([sys.executable, "-c", slow, "run"], env=environment, check=True, timeout=PATIENCE_S)
    assert len(service.submissions()) == PAIRS
    assert len(service.rows("SELECT 1 FROM jobs WHERE state = 'accepted'")) == PAIRS
    assert service.kernel("resume", "run")
    check(service)
