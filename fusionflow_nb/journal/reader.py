"""Running queries on read-only connections: one on a reader thread, one for quick look-ups on the calling thread."""

from __future__ import annotations

import asyncio
import sqlite3
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, TypeVar

from fusionflow_nb.journal import database, messages

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

T = TypeVar("T")


class Reader:
    """The read connections of one kernel, opened at the first query. Readers of a WAL file never wait for writers."""

    def __init__(self, path: Path) -> None:
        """Use the SQLite file at `path`."""
        self._path = path
        self._executor = ThreadPoolExecutor(max_workers=1, thread_name_prefix="journal-reader")
        self._connection: sqlite3.Connection | None = None
        self._inline_connection: sqlite3.Connection | None = None
        self._inline_lock = threading.Lock()
        self._is_closed = False

    async def run(self, query: Callable[[sqlite3.Cursor], T]) -> T:
        """Run a query on the reader thread.

        Raises:
            JournalError: the journal is closed, or cannot be read.
        """
        self._refuse_closed()
        return await asyncio.get_running_loop().run_in_executor(self._executor, self._run, query)

    def run_blocking(self, query: Callable[[sqlite3.Cursor], T]) -> T:
        """Run a query on the reader thread and wait for its result; for threads without an event loop."""
        self._refuse_closed()
        return self._executor.submit(self._run, query).result()

    def run_inline(self, query: Callable[[sqlite3.Cursor], T]) -> T:
        """Run a query on the calling thread: some 10 us for a few keys, while a thread hop costs 100 us."""
        self._refuse_closed()
        with self._inline_lock:
            try:
                if self._inline_connection is None:
                    self._inline_connection = database.open_reader(self._path)
                return query(self._inline_connection.cursor())
            except sqlite3.Error as error:
                raise messages.translate(error, self._path) from error

    def close(self) -> None:
        """Wait for running queries, then close the connections."""
        self._is_closed = True
        self._executor.shutdown(wait=True)
        for connection in (self._inline_connection, self._connection):
            if connection is not None:
                connection.close()

    def _run(self, query: Callable[[sqlite3.Cursor], T]) -> T:
        try:
            if self._connection is None:
                self._connection = database.open_reader(self._path)
            return query(self._connection.cursor())
        except sqlite3.Error as error:
            raise messages.translate(error, self._path) from error

    def _refuse_closed(self) -> None:
        if self._is_closed:
            raise messages.closed()
