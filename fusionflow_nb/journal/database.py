"""How the SQLite file is opened: by its one writer, and by readers that cannot harm it."""

from __future__ import annotations

import sqlite3
from typing import TYPE_CHECKING

from fusionflow_nb.journal import messages, schema

if TYPE_CHECKING:
    from pathlib import Path

    from fusionflow_nb.journal.commit_lock import CommitLock

FILE_NAME = "journal.sqlite"
_BUSY_TIMEOUT_MS = 2_000


def open_writer(path: Path, turnstile: CommitLock) -> sqlite3.Connection:
    """The writing connection, migrated to our schema; transactions are begun by hand.

    Raises:
        sqlite3.Error: the file cannot be opened, or is damaged.
        JournalError: its schema is newer than ours.
    """
    connection = sqlite3.connect(path, isolation_level=None, timeout=_BUSY_TIMEOUT_MS / 1000, cached_statements=256)
    try:
        cursor = connection.cursor()
        _refuse_newer(cursor, path)
        is_ready = schema.version_of(cursor) == len(schema.STEPS) and _journal_mode(cursor) == "wal"
        if not is_ready:
            with turnstile.turn():
                _prepare(cursor, path)
        cursor.execute("PRAGMA synchronous = NORMAL")  # the writer syncs each commit itself: see durability
        cursor.execute("PRAGMA wal_autocheckpoint = 4000")  # pages: folding the log in less often halves its cost
        cursor.execute("PRAGMA fullfsync = 1")  # macOS: without it a commit may still sit in the drive's cache
    except BaseException:
        connection.close()
        raise
    return connection


def open_reader(path: Path) -> sqlite3.Connection:
    """A connection that can only read; it never waits for writers.

    Raises:
        sqlite3.Error: the file is not there, or cannot be read.
    """
    return sqlite3.connect(
        f"{path.resolve().as_uri()}?mode=ro",
        uri=True,
        isolation_level=None,
        timeout=_BUSY_TIMEOUT_MS / 1000,
        check_same_thread=False,
        cached_statements=256,
    )


def _prepare(cursor: sqlite3.Cursor, path: Path) -> None:
    cursor.execute("PRAGMA journal_mode = WAL")
    cursor.execute("BEGIN IMMEDIATE")
    try:
        _refuse_newer(cursor, path)  # somebody may have migrated it while we stood in the queue
        schema.migrate(cursor)
        cursor.execute("COMMIT")
    except BaseException:
        if cursor.connection.in_transaction:
            cursor.execute("ROLLBACK")
        raise


def _refuse_newer(cursor: sqlite3.Cursor, path: Path) -> None:
    version = schema.version_of(cursor)
    if version > len(schema.STEPS):
        raise messages.newer(path, version, len(schema.STEPS))


def _journal_mode(cursor: sqlite3.Cursor) -> str:
    (mode,) = cursor.execute("PRAGMA journal_mode").fetchone()
    return str(mode)
