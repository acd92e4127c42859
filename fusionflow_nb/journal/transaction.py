"""Running a batch of write requests in one transaction: one savepoint per request, so one failure affects no other."""

from __future__ import annotations

import sqlite3
from typing import TYPE_CHECKING, Any, TypeAlias

from fusionflow_nb import errors
from fusionflow_nb.failpoints import Failpoint, failpoint
from fusionflow_nb.journal import messages
from fusionflow_nb.journal.write_queue import State

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from fusionflow_nb.journal.write_queue import WriteBatch, WriteRequest

Prologue: TypeAlias = "Callable[[sqlite3.Cursor], Callable[[], None] | None]"
"""Runs first in every transaction; returns a callback for after the commit, or None if it wrote nothing."""


class BatchTransaction:
    """Runs batches on the write connection. Used by the writer thread only.

    Args:
        path: the SQLite file.
        prologue: runs first in every transaction.
        is_closing: whether the writer no longer waits for other connections.

    Raises:
        OSError: the file is missing.
    """

    def __init__(self, path: Path, prologue: Prologue, is_closing: Callable[[], bool]) -> None:
        self._path = path
        self._prologue = prologue
        self._is_closing = is_closing
        self._inode = path.stat().st_ino

    def commit(self, cursor: sqlite3.Cursor, batch: WriteBatch, first: WriteRequest[Any]) -> Callable[[], None] | None:
        """Run and commit a batch; the caller holds the commit lock. Returns a callback for after the sync.

        Raises:
            sqlite3.Error, FusionFlowError: the transaction failed as a whole; call `roll_back`.
        """
        self._refuse_replaced()
        self._begin(cursor, first)
        after_commit = self._prologue(cursor)
        is_empty = after_commit is None
        for request in batch.started():
            if is_empty:
                self._run_first(cursor, request)
            else:
                self._run_in_savepoint(cursor, request)
            is_empty = False
        failpoint(Failpoint.BEFORE_COMMIT)
        cursor.execute("COMMIT")
        return after_commit

    def _begin(self, cursor: sqlite3.Cursor, first: WriteRequest[Any]) -> None:
        """Begin; retry while a connection without the commit lock writes and the first caller still waits."""
        while True:
            try:
                cursor.execute("BEGIN IMMEDIATE")
            except sqlite3.OperationalError as error:
                if not messages.is_busy(error) or first.state is State.WITHDRAWN or self._is_closing():
                    raise
            else:
                return

    def _run_first(self, cursor: sqlite3.Cursor, request: WriteRequest[Any]) -> None:
        """Run the first request without a savepoint, as most transactions have one: to undo it, begin again."""
        self._run(cursor, request)
        if request.failure is not None:
            cursor.execute("ROLLBACK")
            cursor.execute("BEGIN IMMEDIATE")

    def _run_in_savepoint(self, cursor: sqlite3.Cursor, request: WriteRequest[Any]) -> None:
        cursor.execute("SAVEPOINT request")
        self._run(cursor, request)
        if request.failure is not None:
            cursor.execute("ROLLBACK TO request")
        cursor.execute("RELEASE request")

    def _run(self, cursor: sqlite3.Cursor, request: WriteRequest[Any]) -> None:
        try:
            request.result = request.work(cursor)
        except sqlite3.Error as error:
            if messages.is_storage_failure(error) or not cursor.connection.in_transaction:
                raise
            request.failure = messages.translate(error, self._path)
        except errors.FusionFlowError as error:
            request.failure = error
        except Exception as error:  # noqa: BLE001 - one request must not end the thread that serves all
            request.failure = messages.broken_request(error)
        else:
            if request.undo is not None and request.has_no_caller:
                request.failure = messages.caller_left()

    def _refuse_replaced(self) -> None:
        try:
            inode = self._path.stat().st_ino
        except OSError:
            inode = None
        if inode != self._inode:
            raise messages.replaced(self._path)


def roll_back(cursor: sqlite3.Cursor) -> None:
    """Roll back the transaction, if one is open."""
    if cursor.connection.in_transaction:
        try:
            cursor.execute("ROLLBACK")
        except sqlite3.Error:
            return  # SQLite has rolled back
