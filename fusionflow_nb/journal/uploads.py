"""Uploads to one bucket, stored in the journal so that pending uploads outlive their kernel."""

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
    """The upload rows of one bucket. All calls block; call them from any thread without a running event loop.

    Args:
        journal: the journal that stores them.
        store: the bucket, as `s3://name` at its endpoint.
    """

    def __init__(self, journal: Journal, store: str) -> None:
        self._journal = journal
        self._store = store

    def record(self, rows: Iterable[tuple[str, str, dict[str, Any]]]) -> None:
        """Store (sha256, state, detail) rows, replacing earlier rows of the same digests.

        Raises:
            JournalError: the rows could not be written.
        """
        values = [
            (sha256, self._store, state, codec.dumps(detail), self._journal.kernel_id) for sha256, state, detail in rows
        ]
        self._journal.write_blocking(lambda cursor: cursor.executemany(_UPSERT, values) and None)

    def state(self, sha256: str) -> str | None:
        """Return the state of a digest, or None. Raises JournalError."""

        def read(cursor: sqlite3.Cursor) -> str | None:
            row = cursor.execute(
                "SELECT state FROM uploads WHERE sha256 = ? AND store = ?", (sha256, self._store)
            ).fetchone()
            return None if row is None else str(row[0])

        return self._journal.read_blocking(read)

    def adopt(self) -> list[dict[str, Any]]:
        """Take over the pending uploads of dead kernels and return their details. Raises JournalError."""
        return self._journal.write_blocking(lambda cursor: self._adopted(cursor, self._journal.is_alive))

    def forget(self, sha256: Iterable[str]) -> None:
        """Delete the rows of some digests. Raises JournalError."""
        values = [(digest, self._store) for digest in sha256]
        self._journal.write_blocking(
            lambda cursor: cursor.executemany("DELETE FROM uploads WHERE sha256 = ? AND store = ?", values) and None
        )

    def _adopted(self, cursor: sqlite3.Cursor, is_alive: Callable[[str], bool]) -> list[dict[str, Any]]:
        rows = cursor.execute(
            "SELECT sha256, detail, kernel_id FROM uploads WHERE store = ? AND state = ?", (self._store, WAITING)
        ).fetchall()
        own_id = self._journal.kernel_id
        alive = {kernel_id: is_alive(kernel_id) for kernel_id in {row[2] for row in rows} - {own_id}}
        orphans = [(sha256, detail) for sha256, detail, kernel_id in rows if not alive.get(kernel_id, True)]
        cursor.executemany(
            "UPDATE uploads SET kernel_id = ? WHERE sha256 = ? AND store = ?",
            [(own_id, sha256, self._store) for sha256, _ in orphans],
        )
        return [json.loads(detail) for _, detail in orphans]


_UPSERT = """
    INSERT INTO uploads (sha256, store, state, detail, kernel_id) VALUES (?, ?, ?, ?, ?)
    ON CONFLICT (sha256, store) DO UPDATE SET
        state = excluded.state, detail = excluded.detail, kernel_id = excluded.kernel_id"""
