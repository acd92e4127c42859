"""Uploads to one bucket, as rows of the journal: what waits outlives the kernel that was to bring it there."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from fusionflow_nb.journal import codec

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Callable, Iterable

    from fusionflow_nb.journal.journal import Journal

WAITING = "waiting"


class UploadRows:
    """The rows of one bucket. Every call blocks; callable from any thread but the loop's.

    Args:
        journal: whose table it is.
        store: the bucket, as `s3://name` at its endpoint.
    """

    def __init__(self, journal: Journal, store: str) -> None:
        self._journal = journal
        self._store = store

    def keep(self, rows: Iterable[tuple[str, str, dict[str, Any]]]) -> None:
        """Write (sha256, state, detail) rows, each in place of what was known of its digest.

        Raises:
            JournalError: they could not be written.
        """
        made = [
            (sha256, self._store, state, codec.dumps(detail), self._journal.kernel_id) for sha256, state, detail in rows
        ]
        self._journal.write_now(lambda cursor: cursor.executemany(_KEEP, made) and None)

    def state(self, sha256: str) -> str | None:
        """What is known of a digest. Raises JournalError."""

        def read(cursor: sqlite3.Cursor) -> str | None:
            found = cursor.execute(
                "SELECT state FROM uploads WHERE sha256 = ? AND store = ?", (sha256, self._store)
            ).fetchone()
            return None if found is None else str(found[0])

        return self._journal.read_now(read)

    def adopt(self) -> list[dict[str, Any]]:
        """Take over what waits and has no living kernel; its details. Raises JournalError."""
        return self._journal.write_now(lambda cursor: self._adopted(cursor, self._journal.is_alive))

    def forget(self, sha256: Iterable[str]) -> None:
        """They are not there (any more). Raises JournalError."""
        named = [(one, self._store) for one in sha256]
        self._journal.write_now(
            lambda cursor: cursor.executemany("DELETE FROM uploads WHERE sha256 = ? AND store = ?", named) and None
        )

    def _adopted(self, cursor: sqlite3.Cursor, is_alive: Callable[[str], bool]) -> list[dict[str, Any]]:
        rows = cursor.execute(
            "SELECT sha256, detail, kernel_id FROM uploads WHERE store = ? AND state = ?", (self._store, WAITING)
        ).fetchall()
        mine = self._journal.kernel_id
        lives = {kernel_id: is_alive(kernel_id) for kernel_id in {row[2] for row in rows} - {mine}}
        free = [(sha256, detail) for sha256, detail, kernel_id in rows if not lives.get(kernel_id, True)]
        cursor.executemany(
            "UPDATE uploads SET kernel_id = ? WHERE sha256 = ? AND store = ?",
            [(mine, sha256, self._store) for sha256, _ in free],
        )
        return [json.loads(detail) for _, detail in free]


_KEEP = """
    INSERT INTO uploads (sha256, store, state, detail, kernel_id) VALUES (?, ?, ?, ?, ?)
    ON CONFLICT (sha256, store) DO UPDATE SET
        state = excluded.state, detail = excluded.detail, kernel_id = excluded.kernel_id"""
