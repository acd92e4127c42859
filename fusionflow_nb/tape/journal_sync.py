"""From the journal's events to the tape's tables: `seq > the last one seen`, so nothing is read twice or missed.

Payloads go to DuckDB as lines of JSON in short-lived files: its reader is parallel and needs no extra package.
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
    """The tape's own, reading connection to the journal. One thread at a time may `pull`."""

    def __init__(self, journal: Path) -> None:
        """Open the journal for reading.

        Raises:
            sqlite3.Error: it cannot be read.
        """
        self._connection = open_reader(journal)
        self._connection.text_factory = bytes
        self._seen_seq = 0
        self._seen_version: int | None = None

    def close(self) -> None:
        """Let the journal go."""
        self._connection.close()

    def pull(self, target: duckdb.DuckDBPyConnection) -> bool:
        """Bring the tables up to date; whether there was anything new.

        Raises:
            sqlite3.Error, duckdb.Error, OSError: nothing was changed; the next pull tries again.
        """
        (version,) = self._connection.execute("PRAGMA data_version").fetchone()
        if version == self._seen_version:
            return False
        (last,) = self._connection.execute("SELECT coalesce(max(seq), 0) FROM events").fetchone()
        is_newer = bool(last > self._seen_seq)
        if is_newer:
            try:
                self._load(target, last, is_lenient=False)
            except duckdb.Error as error:
                _log.warning("Some events do not fit the tape and are left out: %s", error)
                self._load(target, last, is_lenient=True)
            self._seen_seq = last
        self._seen_version = version
        return is_newer

    def _load(self, target: duckdb.DuckDBPyConnection, last: int, *, is_lenient: bool) -> None:
        """All that is new, in one transaction."""
        is_large = last - self._seen_seq > _ROWS_PER_PART
        with tempfile.TemporaryDirectory(prefix="fusionflow-tape-") as folder:
            parts = _parts(self._connection, Path(folder), self._seen_seq, last)
            target.execute("BEGIN")
            try:
                before = latest.end_positions(target)
                for part in _ahead(parts) if is_large else parts:
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
    """A number of payloads as files, one for each kind."""

    folder: Path
    number: int
    rows: int = 0  # at most
    files: dict[bytes, _File] = field(default_factory=dict)

    def add(self, kind: bytes, lines: bytes) -> None:
        """Append payloads, a line each, to the file of their kind; kinds of a newer version are not for our tables."""
        if kind not in _TABLES:
            return
        file = self.files.get(kind)
        if file is None:
            file = self.files[kind] = _File(self.folder / f"{self.number}-{kind.decode()}.ndjson")
        if len(lines) > file.longest_line:  # else none of them is longer
            file.longest_line = max(file.longest_line, *map(len, lines.split(b"\n")))
        with file.path.open("ab") as target:
            target.write(lines)
            target.write(b"\n")
        self.rows += _ROWS_PER_FETCH


def _parts(connection: sqlite3.Connection, folder: Path, after: int, last: int) -> Iterator[_Part]:
    """All events between two numbers: the ends of generations, which are most of them, then the others."""
    part = _Part(folder, 0)
    for kind, lines in _payloads(connection, after, last):
        part.add(kind, lines)
        if part.rows >= _ROWS_PER_PART:
            yield part
            part = _Part(folder, part.number + 1)
    yield part


def _payloads(connection: sqlite3.Connection, after: int, last: int) -> Iterator[tuple[bytes, bytes]]:
    """(kind, payloads as lines). What is read in bulk never becomes a list: joining the cursor's own rows halves it."""
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
    """The payload of an event; a project's with its number and time, which are in no other place."""
    seq, kind, at_us, payload = row
    return b'{"seq":%d,"at_us":%d,%b' % (seq, at_us, payload[1:]) if kind == b"project" else payload


def _ahead(parts: Iterator[_Part]) -> Iterator[_Part]:
    """The same parts, the next one being written while the last one is read."""
    made: queue.Queue[_Part | BaseException | None] = queue.Queue(maxsize=1)
    is_over = threading.Event()

    def make() -> None:
        last_word: BaseException | None = None
        try:
            for part in parts:
                made.put(part)
                if is_over.is_set():
                    return
        except BaseException as error:  # noqa: BLE001 - carried over to the reading thread and raised there
            last_word = error
        made.put(last_word)

    with ExitStack() as stack:
        thread = threading.Thread(target=make, name="tape-feed", daemon=True)
        thread.start()
        stack.callback(thread.join)
        stack.callback(_drain, made)
        stack.callback(is_over.set)
        while (part := made.get()) is not None:
            if isinstance(part, BaseException):
                raise part
            yield part


def _drain(made: queue.Queue[Any]) -> None:
    """Make room, so that the writing thread can see that nobody reads any more."""
    while not made.empty():
        made.get_nowait()


def _read(target: duckdb.DuckDBPyConnection, kind: bytes, file: _File, *, is_lenient: bool) -> None:
    table, selected, columns = _TABLES[kind]
    # Table, columns and types are ours; path, limit and leniency are parameters.
    statement = (
        f"INSERT INTO internal.{table} SELECT {selected} "  # noqa: S608
        f"FROM read_ndjson(?, columns = {schema.as_json_columns(columns)}, maximum_object_size = ?, ignore_errors = ?) "
        "WHERE id IS NOT NULL"  # a line that is ignored comes back as a row of nothing
    )
    target.execute(statement, [str(file.path), file.longest_line + 64, is_lenient])
    file.path.unlink()
