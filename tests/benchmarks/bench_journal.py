"""How many durable rows a second the journal takes from many kernels at once, and how evenly it serves them.

A row is one call of the journal by one of many processes, each waiting until its row is on the disk before it makes
the next. What a call writes, from the least to the most:

- an event: a generation of about 0.7 kB appended to the log (what the target means);
- the same from several jobs of a kernel at a time, which share its commits as they do in life;
- a finish: the end of a claimed job, which also settles it, and keeps its result and what its node shows.

The floors are measured in the same rounds: bare SQLite (WAL, synchronous=FULL, the same event, no turnstile), and the
disk itself (4 kB written over and over, each time synced).

    python tests/benchmarks/bench_journal.py [--quick]
"""

from __future__ import annotations

import argparse
import asyncio
import hashlib
import multiprocessing
import os
import sqlite3
import statistics
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from rich.table import Table

from fusionflow_nb.journal import codec
from fusionflow_nb.journal.durability import sync_file
from fusionflow_nb.journal.ids import new_id
from fusionflow_nb.journal.journal import Journal
from fusionflow_nb.journal.protocol import Intent
from fusionflow_nb.journal.records import Generation
from fusionflow_nb.media.values import Asset

JOBS = 8
CLAIMED_AT_ONCE = 100
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
    cpu_us: float


def a_generation(number: int, *, is_cached: bool) -> Generation:
    """About 0.7 kB as JSON, like a real one; one that is not cached is an event and nothing else."""
    name = new_id()
    digest = hashlib.sha256(name.encode())
    return Generation(
        id=name,
        project_id="bench",
        run_id="run",
        node_id=f"generate_image_{number % 50}",
        node_type="generate_image",
        status="succeeded",
        content_key=digest.digest() if is_cached else None,
        provider="fake",
        model="fake/one",
        prompt_snapshot=" ".join(WORDS * 2),
        settings_snapshot={"width": 1024, "height": 1024, "steps": 30, "style": "film"},
        outputs={"image": Asset(digest.hexdigest(), "image/png", 1_000_000, 1024, 1024)},
        cost_micro_usd=0,
    )


async def append_events(journal: Journal, end: float) -> list[float]:
    """One job after another."""
    latencies = []
    while (begin := time.perf_counter()) < end:
        await journal.record([a_generation(len(latencies), is_cached=False)])
        latencies.append(time.perf_counter() - begin)
    return latencies


async def append_events_of_many_jobs(journal: Journal, end: float) -> list[float]:
    """Several jobs of one kernel at a time."""
    each = await asyncio.gather(*(append_events(journal, end) for _ in range(JOBS)))
    return [latency for latencies in each for latency in latencies]


async def finish_jobs(journal: Journal, end: float) -> list[float]:
    """Claim some, then finish one after another; only the finishes are counted, though the claims take their time."""
    latencies: list[float] = []
    while time.perf_counter() < end:
        intents = [an_intent(a_generation(number, is_cached=True)) for number in range(CLAIMED_AT_ONCE)]
        granted = await journal.claim(intents, {})
        for intent, claim in zip(intents, granted, strict=True):
            if (begin := time.perf_counter()) >= end:
                break
            await journal.finish(claim.job_id, claim.epoch, intent.draft)
            latencies.append(time.perf_counter() - begin)
    return latencies


def an_intent(generation: Generation) -> Intent:
    """A job that will end as this generation."""
    return Intent(
        job_id=generation.id,
        run_id=generation.run_id,
        project_id=generation.project_id,
        node_id=generation.node_id,
        coordinate=(),
        content_key=generation.content_key or b"",
        provider="fake",
        model="fake/one",
        idempotency_key=new_id(),
        reserve_micro_usd=0,
        draft=generation,
    )


def write_journal(pipe, home: str, seconds: float, work) -> None:
    """One kernel: the whole path from a call to its acknowledgement."""
    journal = Journal.open(Path(home))
    pipe.send("ready")
    pipe.recv()
    cpu = time.process_time()
    latencies = asyncio.run(work(journal, time.perf_counter() + seconds))
    pipe.send((latencies, time.process_time() - cpu))
    journal.close()


def write_bare(pipe, home: str, seconds: float, _work) -> None:
    """One process on SQLite alone: one row per commit, waiting by SQLite's own busy handler."""
    connection = sqlite3.connect(Path(home) / "bare.sqlite", isolation_level=None, timeout=60)
    connection.execute("PRAGMA synchronous = FULL")
    payload = codec.dumps(codec.generation_to_json(a_generation(0, is_cached=False)))
    pipe.send("ready")
    pipe.recv()
    latencies = []
    cpu = time.process_time()
    end = time.perf_counter() + seconds
    while (begin := time.perf_counter()) < end:
        connection.execute("BEGIN IMMEDIATE")
        connection.execute("INSERT INTO events (event_id, payload) VALUES (?, ?)", (new_id(), payload))
        connection.execute("COMMIT")
        latencies.append(time.perf_counter() - begin)
    pipe.send((latencies, time.process_time() - cpu))
    connection.close()


def write_disk(pipe, home: str, seconds: float, _work) -> None:
    """What a durable write costs at least."""
    descriptor = os.open(Path(home) / "floor", os.O_RDWR | os.O_CREAT)
    pipe.send("ready")
    pipe.recv()
    latencies = []
    cpu = time.process_time()
    end = time.perf_counter() + seconds
    while (begin := time.perf_counter()) < end:
        os.lseek(descriptor, 0, os.SEEK_SET)
        os.write(descriptor, os.urandom(4096))
        sync_file(descriptor)
        latencies.append(time.perf_counter() - begin)
    pipe.send((latencies, time.process_time() - cpu))
    os.close(descriptor)


def prepare_bare(home: str) -> None:
    """Make the bare file."""
    connection = sqlite3.connect(Path(home) / "bare.sqlite")
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute(
        "CREATE TABLE events (seq INTEGER PRIMARY KEY AUTOINCREMENT, event_id TEXT UNIQUE, payload TEXT)"
    )
    connection.close()


def measure(worker, work, processes: int, seconds: float) -> Outcome:
    """Let so many processes write for so long, all begun together."""
    with tempfile.TemporaryDirectory() as home:
        prepare_bare(home)
        pairs = []
        for _ in range(processes):
            ours, theirs = SPAWN.Pipe()
            process = SPAWN.Process(target=worker, args=(theirs, home, seconds, work))
            process.start()
            pairs.append((process, ours))
        for _, pipe in pairs:
            pipe.recv()
        for _, pipe in pairs:
            pipe.send("go")
        each = [pipe.recv() for _, pipe in pairs]
        for process, _ in pairs:
            process.join()
    latencies = sorted(latency * 1000 for one, _ in each for latency in one)
    counts = [len(one) for one, _ in each]
    cpu = sum(spent for _, spent in each)
    return Outcome(
        len(latencies) / seconds,
        latencies[len(latencies) // 2],
        latencies[int(len(latencies) * 0.99)],
        latencies[-1],
        min(counts),
        max(counts),
        cpu / max(1, len(latencies)) * 1e6,
    )


def middle(outcomes: list[Outcome]) -> Outcome:
    """The median of each figure; counts from the round with the median rate."""
    ordered = sorted(outcomes, key=lambda one: one.rows_per_s)
    typical = ordered[len(ordered) // 2]
    rate, p50, p99, slowest, cpu_us = (
        statistics.median(getattr(one, name) for one in outcomes)
        for name in ("rows_per_s", "p50", "p99", "slowest", "cpu_us")
    )
    return Outcome(rate, p50, p99, slowest, typical.fewest, typical.most, cpu_us)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--quick", action="store_true", help="fewer processes, one short round")
    is_quick = parser.parse_args().quick
    processes, seconds, rounds = (4, 1.0, 1) if is_quick else (16, 3.0, 3)
    cells = {
        "disk alone, 1 process (floor)": (write_disk, None, 1),
        f"bare SQLite, {processes} processes (floor)": (write_bare, None, processes),
        "bare SQLite, 1 process (floor)": (write_bare, None, 1),
        f"event, {processes} kernels": (write_journal, append_events, processes),
        "event, 1 kernel": (write_journal, append_events, 1),
        f"event, {processes} kernels of {JOBS} jobs": (write_journal, append_events_of_many_jobs, processes),
        f"finish, {processes} kernels": (write_journal, finish_jobs, processes),
        "finish, 1 kernel": (write_journal, finish_jobs, 1),
    }
    measured: dict[str, list[Outcome]] = {name: [] for name in cells}
    for _ in range(rounds):
        for name, (worker, work, count) in cells.items():
            measured[name].append(measure(worker, work, count, seconds))
    table = Table(title=f"Durable rows; medians of {rounds} rounds of {seconds:g} s")
    for heading in ("", "rows/s", "p50 ms", "p99 ms", "max ms", "fewest/most", "CPU us/row"):
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
            f"{one.cpu_us:.0f}",
        )
    console = Console()
    console.print(table)
    console.print(f"Load of the machine at the end: {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores.")
    console.print("Target, event, 16 kernels: at least 2,500 rows/s, p99 at most 25 ms, fair within 2x.")


if __name__ == "__main__":
    main()
