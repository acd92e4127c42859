"""Sixteen kernels share a budget of one dollar: they use it up to the last job that fits, and never exceed it."""

from __future__ import annotations

import json
import sqlite3
import threading
from contextlib import closing
from typing import TYPE_CHECKING, Self

from support.kernels import Job, Orders, kernels

from fusionflow_nb.journal.journal import Journal

if TYPE_CHECKING:
    from pathlib import Path

KERNELS, JOBS = 16, 200
CAP_MICRO_USD = 1_000_000
MOST_ROUNDS = 12
HELD = """
SELECT coalesce(max(held), 0) FROM (SELECT sum(micro_usd) AS held FROM reservations WHERE scope LIKE 'month:%'
GROUP BY scope)"""


class Watch:
    """Polls the sum of spent and reserved amounts on a separate connection."""

    def __init__(self, home: Path) -> None:
        self.highest = self.polls = 0
        self._path = home / "journal.sqlite"
        self._is_done = threading.Event()
        self._thread = threading.Thread(target=self._poll)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._is_done.set()
        self._thread.join()

    def _poll(self) -> None:
        with closing(sqlite3.connect(f"{self._path.as_uri()}?mode=ro", uri=True)) as reader:
            while not self._is_done.wait(0.001):
                self.highest = max(self.highest, *reader.execute(HELD).fetchone())
                self.polls += 1


def record_highest(home: Path) -> None:
    """Add triggers that record the highest sum in the file, between polls and inside transactions too."""
    Journal.open(home).close()
    with closing(sqlite3.connect(home / "journal.sqlite")) as writer:
        writer.execute("CREATE TABLE highest (micro_usd INTEGER)")
        writer.execute("INSERT INTO highest VALUES (0)")
        for change in ("INSERT", "UPDATE"):
            writer.execute(
                f"CREATE TRIGGER highest_{change} AFTER {change} ON reservations WHEN new.scope LIKE 'month:%' BEGIN "  # noqa: S608 - constants
                f"UPDATE highest SET micro_usd = max(micro_usd, ({HELD})); END"
            )
        writer.commit()


def jobs_by_kernel() -> list[tuple[Job, ...]]:
    """200 jobs of four to fifteen cents for 16 kernels; every third costs less than its estimate."""
    lengths = (None, None, 1, 2, 3)
    jobs = []
    for at in range(JOBS):
        seconds = lengths[at % len(lengths)]
        high = 40_000 if seconds is None else 50_000 * seconds
        jobs.append(Job(f"p{at}", high * 3 // 4 if at % 3 == 0 else high, seconds))
    return [tuple(jobs[at::KERNELS]) for at in range(KERNELS)]


def test_sixteen_kernels_share_a_dollar(tmp_path: Path) -> None:
    """Spent and reserved amounts never exceed the cap; jobs over budget in the end would not have fitted."""
    home, folder = tmp_path / "home", tmp_path / "service"
    folder.mkdir()
    record_highest(home)
    shares = jobs_by_kernel()
    orders = [Orders(share, caps_micro_usd={"month": CAP_MICRO_USD}, rounds=MOST_ROUNDS) for share in shares]
    spent: list[int] = []
    with Watch(home) as watch, kernels(home, folder, *orders) as together:
        for _ in range(MOST_ROUNDS):
            for kernel in together:
                kernel.start()
            states = {node: state for kernel in together for node, state in kernel.wait_for_end()[0].items()}
            spent.append(sum(entry[1] for entry in _settled(home)))
            if spent[-1:] == spent[-2:-1]:  # amounts below the estimate made no more room
                break
    assert spent[-1:] == spent[-2:-1]
    assert len(states) == JOBS
    assert set(states.values()) <= {"succeeded", "cached", "over_budget"}
    with closing(sqlite3.connect(home / "journal.sqlite")) as reader:
        [highest] = reader.execute("SELECT micro_usd FROM highest").fetchone()
        open_rows = reader.execute("SELECT * FROM reservations WHERE state <> 'settled'").fetchall()
    assert watch.polls > 0
    assert watch.highest <= highest <= CAP_MICRO_USD
    assert highest > CAP_MICRO_USD - 150_000, "no kernel came near the cap"
    assert open_rows == []
    paid = {job_id for job_id, _ in _settled(home)}
    lines = (folder / "submissions.jsonl").read_text().splitlines()
    assert {json.loads(line)["idempotency_key"] for line in lines} == paid
    assert len(lines) == len(paid)
    remaining = CAP_MICRO_USD - spent[-1]
    refused = [job for share in shares for job in share if states[job.prompt] == "over_budget"]
    assert refused
    assert all((40_000 if job.seconds is None else 50_000 * job.seconds) > remaining for job in refused)


def _settled(home: Path) -> list[tuple[str, int]]:
    with closing(sqlite3.connect(f"{(home / 'journal.sqlite').as_uri()}?mode=ro", uri=True)) as reader:
        return reader.execute(
            "SELECT job_id, micro_usd FROM reservations WHERE state = 'settled' AND scope LIKE 'month:%'"
        ).fetchall()
