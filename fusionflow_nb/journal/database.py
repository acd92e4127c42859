"""Opening the SQLite file: one connection for the writer thread, read-only connections for readers."""

from __future__ import annotations

import sqlite3
from typing import TYPE_CHECKING

from fusionflow_nb.journal import messages, schema

if TYPE_CHECKING:
    from pathlib import Path

    from fusionflow_nb.journal.commit_lock import CommitLock

FILE_NAME = "journal.sqlite"
_BUSY_TIMEOUT_MS = 2_000


def open_writer(path: Path, commit_lock: CommitLock) -> sqlite3.Connection:
    """Open the write connection and migrate the schema. The caller begins transactions explicitly.

    Raises:
        sqlite3.Error: the file cannot be opened, or is damaged.
        JournalError: a newer version wrote its schema.
    """
    connection = sqlite3.connect(path, isolation_level=None, timeout=_BUSY_TIMEOUT_MS / 1000, cached_statements=256)
    try:
        cursor = connection.cursor()
        _refuse_newer(cursor, path)
        is_ready = schema.version_of(cursor) == len(schema.STEPS) and _journal_mode(cursor) == "wal"
        if not is_ready:
            with commit_lock.hold():
                _prepare(cursor, path)
        cursor.execute("PRAGMA synchronous = NORMAL")  # the writer syncs each commit itself: see durability
        cursor.execute("PRAGMA wal_autocheckpoint = 4000")  # pages: fewer checkpoints halve their cost
        cursor.execute("PRAGMA fullfsync = 1")  # macOS: without it a commit may stay in the drive's cache
    except BaseException:
        connection.close()
        raise
    return connection


def open_reader(path: Path) -> sqlite3.Connection:
    """Open a read-only connection; it never waits for writers.

    Raises:
        sqlite3.Error: the file is missing or cannot be read.
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
        _refuse_newer(cursor, path)  # another process may have migrated the file before the lock was acquired
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
