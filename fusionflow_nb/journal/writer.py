"""Single writer thread: batches queued requests into one transaction and one sync to disk.

A caller waits at most `timeout_s`. A request with `undo` (a claim) whose caller was cancelled is not run, or is undone.
"""

from __future__ import annotations

import asyncio
import logging
import queue
import sqlite3
import threading
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any, TypeVar

from fusionflow_nb import errors
from fusionflow_nb.failpoints import Failpoint, failpoint
from fusionflow_nb.journal import database, messages
from fusionflow_nb.journal.durability import CommitSync
from fusionflow_nb.journal.transaction import BatchTransaction, roll_back
from fusionflow_nb.journal.write_queue import State, WriteBatch, WriteRequest

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from fusionflow_nb.journal.commit_lock import CommitLock
    from fusionflow_nb.journal.transaction import Prologue

T = TypeVar("T")
_log = logging.getLogger(__name__)


class Writer:
    """Owns the write connection. Call `run` from any event loop, `run_blocking` from any other thread."""

    def __init__(self, path: Path, commit_lock: CommitLock, *, prologue: Prologue, timeout_s: float) -> None:
        """Start the thread; returns when the file is open and migrated.

        Args:
            path: the SQLite file.
            commit_lock: held during each commit; used by the writer thread only.
            prologue: runs first in every transaction; the callback it returns is called after the commit.
            timeout_s: how long a caller waits.

        Raises:
            JournalError: the file cannot be used.
            JournalBusyError: another process held the commit lock for longer than `timeout_s`.
        """
        self._path = path
        self._commit_lock = commit_lock
        self._prologue = prologue
        self._timeout_s = timeout_s
        self._queue: queue.SimpleQueue[WriteRequest[Any] | None] = queue.SimpleQueue()
        self._lock = threading.Lock()
        self._is_closed = False
        self._opening_failure: errors.FusionFlowError | None = None
        is_ready = threading.Event()
        self._thread = threading.Thread(target=self._serve, args=(is_ready,), name="journal-writer", daemon=True)
        self._thread.start()
        if not is_ready.wait(timeout_s):
            self._is_closed = True
            self._queue.put(None)
            raise self._busy()
        if self._opening_failure is not None:
            raise self._opening_failure

    async def run(
        self,
        work: Callable[[sqlite3.Cursor], T],
        *,
        undo: Callable[[sqlite3.Cursor, T], None] | None = None,
        or_else: Callable[[errors.JournalError], T] | None = None,
    ) -> T:
        """Run a function in a transaction; its effects are durable on return.

        Args:
            work: what to run.
            undo: reverts `work` if the caller is cancelled; without it, `work` is run even then.
            or_else: called if the journal cannot be written; returns the result instead, or raises.

        Raises:
            JournalBusyError: it was not committed in time; with `undo`, it never will be.
            JournalError: it failed; nothing was written.
        """
        request = WriteRequest(work, undo, or_else)
        loop = request.loop = asyncio.get_running_loop()
        reply = request.reply = loop.create_future()
        self._put(request)
        timer = loop.call_later(self._timeout_s, _set_done, reply)
        is_received = False
        try:
            await reply
            if request.state is State.DONE:
                is_received = True
        finally:
            timer.cancel()
            if not is_received:
                self._abandon(request)
        if is_received:
            return request.outcome()
        if or_else is None:
            raise self._busy()
        return await asyncio.to_thread(or_else, self._busy())

    def run_blocking(self, work: Callable[[sqlite3.Cursor], T]) -> T:
        """`run` for threads without an event loop."""
        request = WriteRequest(work)
        event = request.event = threading.Event()
        self._put(request)
        if not event.wait(self._timeout_s):
            raise self._busy()
        return request.outcome()

    def close(self) -> None:
        """Run the queued requests, then end the thread; returns after the timeout if the commit lock is not free."""
        with self._lock:
            if self._is_closed:
                return
            self._is_closed = True
            self._queue.put(None)
        self._thread.join(self._timeout_s)

    def _put(self, request: WriteRequest[Any]) -> None:
        with self._lock:
            if self._is_closed:
                raise messages.closed()
            self._queue.put(request)

    def _abandon(self, request: WriteRequest[Any]) -> None:
        """The caller was cancelled: a request with `undo` is withdrawn or undone, others run to their end."""
        if request.undo is None:
            return
        with self._lock:
            if request.state is State.WAITING:
                request.state = State.WITHDRAWN
            request.has_no_caller = True
            is_done = request.state is State.DONE
        if is_done:
            self._undo(request)

    def _undo(self, request: WriteRequest[Any]) -> None:
        undo, result = request.undo, request.result
        if undo is None or request.failure is not None:
            return
        with self._lock:
            if not self._is_closed:
                self._queue.put(WriteRequest(lambda cursor: undo(cursor, result)))

    def _busy(self) -> errors.JournalBusyError:
        holder = self._commit_lock.holder()
        _log.warning(
            "Timed out after %g s waiting for the commit lock; last holder: process %s.", self._timeout_s, holder
        )
        return messages.busy(holder, self._timeout_s)

    # The methods below run in the writer thread.

    def _serve(self, is_ready: threading.Event) -> None:
        with ExitStack() as stack:
            stack.callback(self._commit_lock.close)
            try:
                connection = database.open_writer(self._path, self._commit_lock)
                stack.callback(connection.close)
                transaction = BatchTransaction(self._path, self._prologue, lambda: self._is_closed)
                commit_sync = CommitSync(self._path, self._commit_lock)
                stack.callback(commit_sync.close)
            except sqlite3.Error as error:
                self._opening_failure = messages.translate(error, self._path)
                return
            except OSError as error:
                self._opening_failure = messages.unusable(self._path, str(error))
                return
            except errors.JournalError as error:
                self._opening_failure = error
                return
            finally:
                is_ready.set()
            stack.callback(self._refuse_queued)
            cursor = connection.cursor()
            while (first := self._queue.get()) is not None:
                batch = WriteBatch(first, self._queue, self._lock)
                self._serve_batch(cursor, transaction, commit_sync, batch, first)
                if batch.has_close:
                    return

    def _serve_batch(
        self,
        cursor: sqlite3.Cursor,
        transaction: BatchTransaction,
        commit_sync: CommitSync,
        batch: WriteBatch,
        first: WriteRequest[Any],
    ) -> None:
        """Commit and sync all queued requests, and deliver their results."""
        failure: errors.FusionFlowError | None = None
        is_committed = False
        try:
            with self._commit_lock.hold():
                after_commit = transaction.commit(cursor, batch, first)
            is_committed = True
            failpoint(Failpoint.AFTER_COMMIT)
            commit_sync.sync(cursor)  # other processes commit meanwhile
            if after_commit is not None:
                after_commit()
        except sqlite3.Error as error:
            failure = messages.translate(error, self._path)
        except OSError as error:
            failure = messages.unusable(self._path, str(error))
        except errors.FusionFlowError as error:
            failure = error
        if failure is not None:
            roll_back(cursor)
            for request in batch.all():
                if is_committed:  # but perhaps not durable: no caller may act on a claim
                    self._undo(request)
                _fail(request, failure)
        self._deliver(batch.all())

    def _deliver(self, requests: list[WriteRequest[Any]]) -> None:
        """Notify each caller; the callers of one event loop share one wake-up."""
        by_loop: dict[asyncio.AbstractEventLoop, list[asyncio.Future[None]]] = {}
        abandoned: list[WriteRequest[Any]] = []
        with self._lock:
            for request in requests:
                request.state = State.DONE
                if request.has_no_caller:
                    abandoned.append(request)
                elif request.loop is not None and request.reply is not None:
                    by_loop.setdefault(request.loop, []).append(request.reply)
                elif request.event is not None:
                    request.event.set()
        for loop, replies in by_loop.items():
            try:
                loop.call_soon_threadsafe(_set_done, *replies)
            except RuntimeError:  # the loop is closed
                abandoned += [request for request in requests if request.loop is loop]
        for request in abandoned:
            self._undo(request)

    def _refuse_queued(self) -> None:
        with self._lock:
            self._is_closed = True
        refused: list[WriteRequest[Any]] = []
        while True:
            try:
                request = self._queue.get_nowait()
            except queue.Empty:
                break
            if request is not None and request.state is State.WAITING:
                request.failure = messages.closed()
                refused.append(request)
        self._deliver(refused)


def _fail(request: WriteRequest[Any], failure: errors.FusionFlowError) -> None:
    """The transaction failed as a whole: call `or_else` if the cause is a storage failure."""
    request.result = None
    request.failure = failure
    if request.or_else is not None and isinstance(failure, messages.CANNOT_WRITE):
        try:
            request.result, request.failure = request.or_else(failure), None
        except errors.FusionFlowError as worse:
            request.failure = worse


def _set_done(*replies: asyncio.Future[None]) -> None:
    for reply in replies:
        if not reply.done():
            reply.set_result(None)
