"""Time to open and to query a large tape.

A journal of a million finished generations (about 0.7 kB each, chains of 20) is written once; then each figure is the
median of several rounds. The baseline of opening is reading the same payloads from SQLite and nothing else.

    python tests/benchmarks/bench_tape.py [--quick] [--json FILE]
"""

from __future__ import annotations

import hashlib
import sqlite3
import statistics
import tempfile
import time
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from report import Report, options

from fusionflow_nb.journal import codec
from fusionflow_nb.journal.ids import new_id
from fusionflow_nb.journal.journal import Journal
from fusionflow_nb.journal.records import Generation, InputRecord
from fusionflow_nb.media.values import Asset
from fusionflow_nb.tape.query import Tape

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

CHAIN = 20
START_US = 1_800_000_000_000_000
WORDS = ["neon", "city", "dawn", "rain", "glass", "tram", "harbour", "fog", "copper", "garden", "night", "film"]


def generations(count: int) -> Iterator[Generation]:
    """Chains of edits: each edits the generation before it."""
    before = None
    for number in range(count):
        if number % CHAIN == 0:
            before = None
        digest = hashlib.sha256(str(number).encode())
        name = new_id()
        words = " ".join(WORDS[(number * step) % len(WORDS)] for step in (1, 2, 3, 5, 7))
        yield Generation(
            id=name,
            project_id=f"project-{number % 40}",
            run_id=f"run-{number // 50}",
            node_id=f"edit_image_{number % CHAIN}",
            node_type="edit_image",
            status="succeeded",
            content_key=digest.digest(),
            provider="fake",
            model=f"fake/{number % 7}",
            prompt_snapshot=f"{words}{' kingfisher' if number % 5000 == 0 else ''}, number {number}",
            settings_snapshot={"width": 1024, "height": 1024},
            seed=number,
            outputs={"image": Asset(digest.hexdigest(), "image/png", 900_000, 1024, 1024)},
            inputs=() if before is None else (InputRecord("image", 0, f"asset:{digest.hexdigest()}", before),),
            cost_micro_usd=number % 9_000,
            finished_at_us=START_US + number * 10_000_000,
        )
        before = name


def write(home: Path, count: int) -> Path:
    """Fill a journal's events directly: the writing is measured elsewhere."""
    with Journal.open(home) as journal:
        path = journal.path
    connection = sqlite3.connect(path, isolation_level=None)
    connection.execute("PRAGMA synchronous = OFF")
    connection.execute("BEGIN")
    connection.executemany(
        "INSERT INTO events (event_id, at_us, kernel_id, kind, entity_id, version, payload) "
        "VALUES (?, 0, 'bench', 'generation', ?, 1, ?)",
        ((new_id(), row.id, codec.dumps(codec.generation_to_json(row))) for row in generations(count)),
    )
    connection.execute("COMMIT")
    connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    connection.close()
    return path


def read_only(path: Path) -> None:
    """The baseline: read every payload from SQLite."""
    connection = sqlite3.connect(path)
    for _ in connection.execute("SELECT payload FROM events ORDER BY seq"):
        pass
    connection.close()


def open_tape(path: Path) -> None:
    """Open and fill."""
    tape = Tape(path)
    tape.refresh()
    tape.close()


def timed(work: Callable[[], object], rounds: int) -> tuple[float, float]:
    """(median, best) in ms."""
    times = []
    for _ in range(rounds):
        begin = time.perf_counter()
        work()
        times.append((time.perf_counter() - begin) * 1000)
    return statistics.median(times), min(times)


def add_ten(path: Path, number: int) -> None:
    """Commit ten new generations from another connection."""
    connection = sqlite3.connect(path)
    for row in generations(10):
        connection.execute(
            "INSERT INTO events (event_id, at_us, kernel_id, kind, entity_id, version, payload) "
            "VALUES (?, 0, 'bench', 'generation', ?, 1, ?)",
            (f"{number}-{row.id}", row.id, codec.dumps(codec.generation_to_json(row))),
        )
    connection.commit()
    connection.close()


QUERIES = {
    "prompt ILIKE": "SELECT count(*) FROM generations WHERE prompt_snapshot ILIKE '%kingfisher%'",
    "group by model, day": """
        SELECT model, CAST(finished_at AS DATE) AS day, sum(cost_computation) FROM generations GROUP BY ALL""",
    "newest 50 of a project": "FROM generations WHERE project_id = 'project-7' ORDER BY finished_at DESC LIMIT 50",
}


def measure(path: Path, rounds: int) -> dict[str, tuple[float, float]]:
    """(median, best) of every figure in ms, in the order of the table."""
    figures = {
        "read the payloads only (baseline)": timed(lambda: read_only(path), 3),
        "open": timed(lambda: open_tape(path), 3),
    }
    tape = Tape(path)
    tape.refresh()
    figures["refresh, nothing new"] = timed(tape.refresh, rounds)
    for name, query in QUERIES.items():
        figures[name] = timed(partial(tape.sql, query), rounds)
    ((tip,),) = tape.sql(
        "SELECT id FROM generations WHERE node_id = $tip LIMIT 1", tip=f"edit_image_{CHAIN - 1}"
    ).rows()
    figures["first lineage (sorts the edges)"] = timed(lambda: tape.ancestors(tip), 1)
    figures[f"lineage, {CHAIN} deep"] = timed(lambda: tape.ancestors(tip), rounds)
    refreshes = []
    for number in range(rounds):
        add_ten(path, number)
        refreshes.append(timed(tape.refresh, 1)[0])
    figures["refresh, 10 new rows"] = statistics.median(refreshes), min(refreshes)
    tape.close()
    return figures


TARGETS = {"open": "<= 3000", "prompt ILIKE": "<= 60", "group by model, day": "<= 25", f"lineage, {CHAIN} deep": "<= 5"}
"""At one million rows, in ms."""


def main() -> int:
    """Measure and print."""
    chosen = options(__doc__, "50,000 rows instead of a million").parse_args()
    count = 50_000 if chosen.quick else 1_000_000
    with tempfile.TemporaryDirectory() as home:
        figures = measure(write(Path(home), count), rounds=7)
    report = Report(f"a tape of {count:,} generations (targets are for 1,000,000)")
    for name, (median, best) in figures.items():
        report.add(name, median, "ms", TARGETS.get(name, ""), f"best {best:,.1f} ms")
    return report.finish(chosen.json)


if __name__ == "__main__":
    raise SystemExit(main())
