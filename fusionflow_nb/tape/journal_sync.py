"""Loading new journal events into the tape's tables by `seq`, so that no event is read twice or missed.

Payloads are passed to DuckDB as temporary NDJSON files: its NDJSON reader is parallel and needs no extra package.
"""

from __future__ import annotations

import logging
import queue
import tempfile
import threading
from contextlib import ExitStack
from dataclasses import dataclass, field
from itertools import chain, islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

import duckdb

from fusionflow_nb.journal.database import open_reader
from fusionflow_nb.tape import latest, schema

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterator

_log = logging.getLogger(__name__)
_ROWS_PER_FETCH = 1_000
_ROWS_PER_PART = 100_000  # bounds the temporary files to about 100 MB each
_SMALLEST_OBJECT_LIMIT = 1 << 20

_TABLES = {
    b"intent": ("generations", "*, FALSE", schema.GENERATION_COLUMNS),
    b"generation": ("generations", "*, TRUE", schema.GENERATION_COLUMNS),
    b"operation": ("operations", "*", schema.OPERATION_COLUMNS),
    b"run": ("runs", "*", schema.RUN_COLUMNS),
    b"project": ("projects", "*, at_us", schema.PROJECT_COLUMNS),
}


class JournalSync:
    """The tape's read connection to the journal. Only one thread at a time may call `pull`."""

    def __init__(self, journal: Path) -> None:
        """Open the journal for reading.

        Raises:
            sqlite3.Error: the journal cannot be read.
        """
        self._connection = open_reader(journal)
        self._connection.text_factory = bytes
        self._last_seq = 0
        self._last_version: int | None = None

    def close(self) -> None:
        """Close the connection."""
        self._connection.close()

    def pull(self, target: duckdb.DuckDBPyConnection) -> bool:
        """Load all new events; returns whether there were any.

        Raises:
            sqlite3.Error, duckdb.Error, OSError: no table was changed; the next pull retries.
        """
        (version,) = self._connection.execute("PRAGMA data_version").fetchone()
        if version == self._last_version:
            return False
        (last,) = self._connection.execute("SELECT coalesce(max(seq), 0) FROM events").fetchone()
        is_newer = bool(last > self._last_seq)
        if is_newer:
            try:
                self._load(target, last, is_lenient=False)
            except duckdb.Error as error:
                # Not the message of the error: it may quote a prompt.
                _log.warning(
                    "Some events up to %d do not fit the tape and are skipped (%s).", last, type(error).__name__
                )
                self._load(target, last, is_lenient=True)
            _log.debug("Loaded events %d to %d.", self._last_seq + 1, last)
            self._last_seq = last
        self._last_version = version
        return is_newer

    def _load(self, target: duckdb.DuckDBPyConnection, last: int, *, is_lenient: bool) -> None:
        """Load events up to `last` in one transaction."""
        is_large = last - self._last_seq > _ROWS_PER_PART
        with tempfile.TemporaryDirectory(prefix="fusionflow-tape-") as folder:
            parts = _parts(self._connection, Path(folder), self._last_seq, last)
            target.execute("BEGIN")
            try:
                before = latest.end_positions(target)
                for part in _prefetch(parts) if is_large else parts:
                    for kind, file in part.files.items():
                        _read(target, kind, file, is_lenient=is_lenient)
                latest.keep_latest(target, before)
                target.execute("COMMIT")
            except BaseException:
                target.execute("ROLLBACK")
                raise


@dataclass(slots=True)
class _File:
    path: Path
    longest_line: int = _SMALLEST_OBJECT_LIMIT


@dataclass(slots=True)
class _Part:
    """Some payloads as files, one file per kind."""

    folder: Path
    number: int
    rows: int = 0  # at most
    files: dict[bytes, _File] = field(default_factory=dict)

    def add(self, kind: bytes, lines: bytes) -> None:
        """Append payloads, one per line, to the file of their kind; unknown kinds of newer versions are skipped."""
        if kind not in _TABLES:
            return
        file = self.files.get(kind)
        if file is None:
            file = self.files[kind] = _File(self.folder / f"{self.number}-{kind.decode()}.ndjson")
        if len(lines) > file.longest_line:  # otherwise no line is longer
            file.longest_line = max(file.longest_line, *map(len, lines.split(b"\n")))
        with file.path.open("ab") as target:
            target.write(lines)
            target.write(b"\n")
        self.rows += _ROWS_PER_FETCH


def _parts(connection: sqlite3.Connection, folder: Path, after: int, last: int) -> Iterator[_Part]:
    """Yield the events with `after` < seq <= `last` in parts: first generations, the bulk, then the other kinds."""
    part = _Part(folder, 0)
    for kind, lines in _payloads(connection, after, last):
        part.add(kind, lines)
        if part.rows >= _ROWS_PER_PART:
            yield part
            part = _Part(folder, part.number + 1)
    yield part


def _payloads(connection: sqlite3.Connection, after: int, last: int) -> Iterator[tuple[bytes, bytes]]:
    """Yield (kind, payloads as lines). Generations are joined from the cursor without a list, which halves the time."""
    ends = connection.execute(
        "SELECT payload FROM events WHERE seq > ? AND seq <= ? AND kind = 'generation' ORDER BY seq", (after, last)
    )
    payloads = chain.from_iterable(ends)
    while lines := b"\n".join(islice(payloads, _ROWS_PER_FETCH)):
        yield b"generation", lines
    others = connection.execute(
        "SELECT seq, kind, at_us, payload FROM events WHERE seq > ? AND seq <= ? AND kind <> 'generation' ORDER BY seq",
        (after, last),
    )
    while rows := others.fetchmany(_ROWS_PER_FETCH):
        for kind in {row[1] for row in rows}:
            yield kind, b"\n".join([_line(row) for row in rows if row[1] == kind])


def _line(row: tuple[int, bytes, int, bytes]) -> bytes:
    """Return the payload of an event; a project's payload gets its seq and time, which it lacks."""
    seq, kind, at_us, payload = row
    return b'{"seq":%d,"at_us":%d,%b' % (seq, at_us, payload[1:]) if kind == b"project" else payload


def _prefetch(parts: Iterator[_Part]) -> Iterator[_Part]:
    """Yield the parts, writing the next part in a thread while DuckDB reads the current part."""
    ready: queue.Queue[_Part | BaseException | None] = queue.Queue(maxsize=1)
    is_stopped = threading.Event()

    def write() -> None:
        end: BaseException | None = None
        try:
            for part in parts:
                ready.put(part)
                if is_stopped.is_set():
                    return
        except BaseException as error:  # noqa: BLE001 - raised in the reading thread
            end = error
        ready.put(end)

    with ExitStack() as stack:
        thread = threading.Thread(target=write, name="tape-sync", daemon=True)
        thread.start()
        stack.callback(thread.join)
        stack.callback(_drain, ready)
        stack.callback(is_stopped.set)
        while (part := ready.get()) is not None:
            if isinstance(part, BaseException):
                raise part
            yield part


def _drain(ready: queue.Queue[Any]) -> None:
    """Empty the queue, so that the writing thread wakes up and stops."""
    while not ready.empty():
        ready.get_nowait()


def _read(target: duckdb.DuckDBPyConnection, kind: bytes, file: _File, *, is_lenient: bool) -> None:
    table, selected, columns = _TABLES[kind]
    # Table, columns and types are not user input; path, limit and leniency are parameters.
    statement = (
        f"INSERT INTO internal.{table} SELECT {selected} "  # noqa: S608
        f"FROM read_ndjson(?, columns = {schema.as_json_columns(columns)}, maximum_object_size = ?, ignore_errors = ?) "
        "WHERE id IS NOT NULL"  # an ignored line is a row of NULLs
    )
    target.execute(statement, [str(file.path), file.longest_line + 64, is_lenient])
    file.path.unlink()
