"""Sixteen kernels under one budget of a dollar: it is used up to the last job that fits, and never passed."""

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
    """Looks at what is spent and reserved, from a connection of its own, again and again until it is told to stop."""

    def __init__(self, home: Path) -> None:
        self.highest = self.looks = 0
        self._path = home / "journal.sqlite"
        self._ends = threading.Event()
        self._thread = threading.Thread(target=self._look)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ends.set()
        self._thread.join()

    def _look(self) -> None:
        with closing(sqlite3.connect(f"{self._path.as_uri()}?mode=ro", uri=True)) as reader:
            while not self._ends.wait(0.001):
                self.highest = max(self.highest, *reader.execute(HELD).fetchone())
                self.looks += 1


def keep_the_highest(home: Path) -> None:
    """Have the file itself keep the highest sum it ever held, between two looks and inside transactions too."""
    Journal.open(home).close()
    with closing(sqlite3.connect(home / "journal.sqlite")) as writer:
        writer.execute("CREATE TABLE highest (micro_usd INTEGER)")
        writer.execute("INSERT INTO highest VALUES (0)")
        for change in ("INSERT", "UPDATE"):
            writer.execute(
                f"CREATE TRIGGER highest_{change} AFTER {change} ON reservations WHEN new.scope LIKE 'month:%' BEGIN "  # noqa: S608 - two words of ours
                f"UPDATE highest SET micro_usd = max(micro_usd, ({HELD})); END"
            )
        writer.commit()


def dealt() -> list[tuple[Job, ...]]:
    """200 jobs of four to fifteen cents, dealt to 16 kernels; every third costs less than its estimate."""
    films = (None, None, 1, 2, 3)
    jobs = []
    for at in range(JOBS):
        seconds = films[at % len(films)]
        high = 40_000 if seconds is None else 50_000 * seconds
        jobs.append(Job(f"p{at}", high * 3 // 4 if at % 3 == 0 else high, seconds))
    return [tuple(jobs[at::KERNELS]) for at in range(KERNELS)]


def test_sixteen_kernels_share_a_dollar(tmp_path: Path) -> None:
    """Spent and reserved never pass the cap at any instant; what was refused in the end would not have fitted."""
    home, folder = tmp_path / "home", tmp_path / "service"
    folder.mkdir()
    keep_the_highest(home)
    hands = dealt()
    orders = [Orders(hand, caps_micro_usd={"month": CAP_MICRO_USD}, rounds=MOST_ROUNDS) for hand in hands]
    spent: list[int] = []
    with Watch(home) as watch, kernels(home, folder, *orders) as together:
        for _ in range(MOST_ROUNDS):
            for kernel in together:
                kernel.go()
            states = {node: state for kernel in together for node, state in kernel.ends()[0].items()}
            spent.append(sum(entry[1] for entry in _settled(home)))
            if spent[-1:] == spent[-2:-1]:  # what came cheaper than its estimate made no more room
                break
    assert spent[-1:] == spent[-2:-1]
    assert len(states) == JOBS
    assert set(states.values()) <= {"succeeded", "cached", "over_budget"}
    with closing(sqlite3.connect(home / "journal.sqlite")) as reader:
        [highest] = reader.execute("SELECT micro_usd FROM highest").fetchone()
        open_rows = reader.execute("SELECT * FROM reservations WHERE state <> 'settled'").fetchall()
    assert watch.looks > 0
    assert watch.highest <= highest <= CAP_MICRO_USD
    assert highest > CAP_MICRO_USD - 150_000, "nobody was near the cap"
    assert open_rows == []
    paid = {job_id for job_id, _ in _settled(home)}
    lines = (folder / "submissions.jsonl").read_text().splitlines()
    assert {json.loads(line)["idempotency_key"] for line in lines} == paid
    assert len(lines) == len(paid)
    left = CAP_MICRO_USD - spent[-1]
    refused = [job for hand in hands for job in hand if states[job.prompt] == "over_budget"]
    assert refused
    assert all((40_000 if job.seconds is None else 50_000 * job.seconds) > left for job in refused)


def _settled(home: Path) -> list[tuple[str, int]]:
    with closing(sqlite3.connect(f"{(home / 'journal.sqlite').as_uri()}?mode=ro", uri=True)) as reader:
        return reader.execute(
            "SELECT job_id, micro_usd FROM reservations WHERE state = 'settled' AND scope LIKE 'month:%'"
        ).fetchall()
