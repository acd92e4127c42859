"""Durable rows per second that the journal takes from many kernels, and how evenly it serves them.

A row is one call of the journal by one of many processes; each process waits until its row is on the disk before it
makes the next. From the smallest write to the largest:

- event: a generation of about 0.7 kB appended to the log (the target is about this row);
- the same from several jobs of a kernel, which share its commits;
- finish: the end of a claimed job, which also settles it and stores its result and what its node shows.

The baselines are measured in the same rounds: bare SQLite (WAL, synchronous=FULL, the same event, no commit lock), and
the disk (4 kB overwritten and synced).

    python tests/benchmarks/bench_journal.py [--quick] [--json FILE]
"""

from __future__ import annotations

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

from report import Report, options

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
    """Figures of one arm; latencies in ms."""

    rows_per_s: float
    p50: float
    p99: float
    slowest: float
    fewest: int
    most: int
    cpu_us: float


def a_generation(number: int, *, is_cached: bool) -> Generation:
    """A generation of about 0.7 kB as JSON. Without a content key it is an event only."""
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
    """Several concurrent jobs of one kernel."""
    rounds = await asyncio.gather(*(append_events(journal, end) for _ in range(JOBS)))
    return [latency for latencies in rounds for latency in latencies]


async def finish_jobs(journal: Journal, end: float) -> list[float]:
    """Claim a batch, then finish one after another; only the finishes are counted."""
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
    """The intent of a job that ends as this generation."""
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
    """One kernel: from the call to its acknowledgement."""
    journal = Journal.open(Path(home))
    pipe.send("ready")
    pipe.recv()
    cpu = time.process_time()
    latencies = asyncio.run(work(journal, time.perf_counter() + seconds))
    pipe.send((latencies, time.process_time() - cpu))
    journal.close()


def write_bare(pipe, home: str, seconds: float, _work) -> None:
    """One process with SQLite alone: one row per commit, SQLite's busy handler."""
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
    """The cost of one durable write of the disk."""
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
    """Create the database of the bare arm."""
    connection = sqlite3.connect(Path(home) / "bare.sqlite")
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute(
        "CREATE TABLE events (seq INTEGER PRIMARY KEY AUTOINCREMENT, event_id TEXT UNIQUE, payload TEXT)"
    )
    connection.close()


def measure(worker, work, processes: int, seconds: float) -> Outcome:
    """Let `processes` write for `seconds`, all started together."""
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
        results = [pipe.recv() for _, pipe in pairs]
        for process, _ in pairs:
            process.join()
    latencies = sorted(latency * 1000 for row, _ in results for latency in row)
    counts = [len(row) for row, _ in results]
    cpu = sum(spent for _, spent in results)
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
    ordered = sorted(outcomes, key=lambda outcome: outcome.rows_per_s)
    typical = ordered[len(ordered) // 2]
    rate, p50, p99, slowest, cpu_us = (
        statistics.median(getattr(outcome, name) for outcome in outcomes)
        for name in ("rows_per_s", "p50", "p99", "slowest", "cpu_us")
    )
    return Outcome(rate, p50, p99, slowest, typical.fewest, typical.most, cpu_us)


def main() -> int:
    """Measure and print."""
    chosen = options(__doc__, "fewer processes, one short round").parse_args()
    processes, seconds, rounds = (4, 1.0, 1) if chosen.quick else (16, 2.0, 3)
    cells = {
        "disk alone, 1 process (baseline)": (write_disk, None, 1),
        f"bare SQLite, {processes} processes (baseline)": (write_bare, None, processes),
        "bare SQLite, 1 process (baseline)": (write_bare, None, 1),
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
    report = Report(f"durable rows; medians of {rounds} rounds of {seconds:g} s (targets are for 16 kernels)")
    for name, outcomes in measured.items():
        row = middle(outcomes)
        has_target = name == f"event, {processes} kernels"
        detail = f"p50 {row.p50:.2f} ms, max {row.slowest:.0f} ms, {row.cpu_us:.0f} us CPU/row"
        report.add(name, row.rows_per_s, "rows/s", ">= 2500" if has_target else "", detail)
        report.add(f"{name}, p99", row.p99, "ms", "<= 25" if has_target else "")
        if has_target:
            detail = f"fewest {row.fewest}, most {row.most} rows of a kernel"
            report.add(f"{name}, most / fewest", row.most / max(1, row.fewest), "x", "<= 2", detail)
    return report.finish(chosen.json)


if __name__ == "__main__":
    raise SystemExit(main())
