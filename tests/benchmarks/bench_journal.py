"""How many durable rows a second the journal takes from many kernels at once, and how evenly it serves them.

Each process records one generation after another, each waiting for its commit. The floors are measured in the same
rounds: bare SQLite (WAL, synchronous=FULL, the same row, no turnstile) from as many processes, and from one.

    python tests/benchmarks/bench_journal.py [--quick]
"""

from __future__ import annotations

import argparse
import asyncio
import hashlib
import json
import multiprocessing
import sqlite3
import statistics
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from rich.table import Table

from fusionflow_nb.journal.ids import new_id
from fusionflow_nb.journal.journal import Journal
from fusionflow_nb.journal.records import Generation
from fusionflow_nb.media.values import Asset

SPAWN = multiprocessing.get_context("spawn")
WORDS = ["neon", "city", "at", "dawn", "with", "rain", "on", "glass", "and", "a", "slow", "tram", "far", "away"]


@dataclass(frozen=True)
class Outcome:
    """One cell of the table; latencies in ms."""

    rows_per_s: float
    p50: float
    p99: float
    slowest: float
    fewest: int
    most: int


def a_generation(number: int) -> Generation:
    """About 0.7 kB as JSON, like a real one."""
    name = new_id()
    digest = hashlib.sha256(name.encode())
    return Generation(
        id=name,
        project_id="bench",
        run_id="run",
        node_id=f"generate_image_{number % 50}",
        node_type="generate_image",
        status="succeeded",
        content_key=digest.digest(),
        provider="fake",
        model="fake/one",
        prompt_snapshot=" ".join(WORDS * 2),
        settings_snapshot={"width": 1024, "height": 1024, "steps": 30, "style": "film"},
        outputs={"image": Asset(digest.hexdigest(), "image/png", 1_000_000, 1024, 1024)},
        cost_micro_usd=0,
    )


def write_journal(pipe, home: str, seconds: float) -> None:
    """One kernel: the whole path from `record` to its acknowledgement."""
    journal = Journal.open(Path(home))
    pipe.send("ready")
    pipe.recv()

    async def go() -> list[float]:
        latencies = []
        end = time.perf_counter() + seconds
        while (begin := time.perf_counter()) < end:
            await journal.record([a_generation(len(latencies))])
            latencies.append(time.perf_counter() - begin)
        return latencies

    pipe.send(asyncio.run(go()))
    journal.close()


def write_bare(pipe, home: str, seconds: float) -> None:
    """One process on SQLite alone: one row per commit, waiting by SQLite's own busy handler."""
    connection = sqlite3.connect(Path(home) / "bare.sqlite", isolation_level=None, timeout=60)
    connection.execute("PRAGMA synchronous = FULL")
    payload = json.dumps({"prompt": " ".join(WORDS * 2), "filler": "x" * 500})
    pipe.send("ready")
    pipe.recv()
    latencies = []
    end = time.perf_counter() + seconds
    while (begin := time.perf_counter()) < end:
        connection.execute("BEGIN IMMEDIATE")
        connection.execute("INSERT INTO events (event_id, payload) VALUES (?, ?)", (new_id(), payload))
        connection.execute("COMMIT")
        latencies.append(time.perf_counter() - begin)
    pipe.send(latencies)
    connection.close()


def prepare_bare(home: str) -> None:
    """Make the bare file."""
    connection = sqlite3.connect(Path(home) / "bare.sqlite")
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute(
        "CREATE TABLE events (seq INTEGER PRIMARY KEY AUTOINCREMENT, event_id TEXT UNIQUE, payload TEXT)"
    )
    connection.close()


def measure(worker, processes: int, seconds: float) -> Outcome:
    """Let so many processes write for so long, all begun together."""
    with tempfile.TemporaryDirectory() as home:
        prepare_bare(home)
        pairs = []
        for _ in range(processes):
            ours, theirs = SPAWN.Pipe()
            process = SPAWN.Process(target=worker, args=(theirs, home, seconds))
            process.start()
            pairs.append((process, ours))
        for _, pipe in pairs:
            pipe.recv()
        for _, pipe in pairs:
            pipe.send("go")
        each = [pipe.recv() for _, pipe in pairs]
        for process, _ in pairs:
            process.join()
    latencies = sorted(latency * 1000 for one in each for latency in one)
    counts = [len(one) for one in each]
    return Outcome(
        len(latencies) / seconds,
        latencies[len(latencies) // 2],
        latencies[int(len(latencies) * 0.99)],
        latencies[-1],
        min(counts),
        max(counts),
    )


def middle(outcomes: list[Outcome]) -> Outcome:
    """The median of each figure; counts from the round with the median rate."""
    ordered = sorted(outcomes, key=lambda one: one.rows_per_s)
    typical = ordered[len(ordered) // 2]
    figures = (
        statistics.median(getattr(one, name) for one in outcomes) for name in ("rows_per_s", "p50", "p99", "slowest")
    )
    return Outcome(*figures, typical.fewest, typical.most)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--quick", action="store_true", help="fewer processes, one short round")
    is_quick = parser.parse_args().quick
    processes, seconds, rounds = (4, 1.0, 1) if is_quick else (16, 3.0, 3)
    cells = {
        f"bare SQLite, {processes} processes (floor)": (write_bare, processes),
        "bare SQLite, 1 process (floor)": (write_bare, 1),
        f"journal, {processes} kernels": (write_journal, processes),
        "journal, 1 kernel": (write_journal, 1),
    }
    measured: dict[str, list[Outcome]] = {name: [] for name in cells}
    for _ in range(rounds):
        for name, (worker, count) in cells.items():
            measured[name].append(measure(worker, count, seconds))
    table = Table(title=f"Durable rows, one per commit; medians of {rounds} rounds of {seconds:g} s")
    for heading in ("", "rows/s", "p50 ms", "p99 ms", "max ms", "rows of slowest/fastest"):
        table.add_column(heading, justify="left" if not heading else "right")
    for name, outcomes in measured.items():
        one = middle(outcomes)
        table.add_row(
            name,
            f"{one.rows_per_s:,.0f}",
            f"{one.p50:.2f}",
            f"{one.p99:.1f}",
            f"{one.slowest:.0f}",
            f"{one.fewest}/{one.most}",
        )
    console = Console()
    console.print(table)
    console.print("Target, 16 kernels: at least 2,500 rows/s, p99 at most 25 ms, fair within 2x.")


if __name__ == "__main__":
    main()
