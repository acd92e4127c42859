"""The one thread that writes: everything that waits goes into one transaction, each request undone on its own.

So many small requests share one sync to disk, and one that fails takes no other along. A caller waits at most
`patience_s`; a request with an `undo` (a claim) whose caller has gone is never carried out, or is undone.
"""

from __future__ import annotations

import asyncio
import queue
import sqlite3
import threading
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any, TypeAlias, TypeVar

from fusionflow_nb import errors
from fusionflow_nb.failpoints import Failpoint, failpoint
from fusionflow_nb.journal import database, messages
from fusionflow_nb.journal.durability import CommitSync
from fusionflow_nb.journal.write_queue import State, WriteBatch, WriteRequest

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from fusionflow_nb.journal.commit_lock import CommitLock

T = TypeVar("T")
Prologue: TypeAlias = "Callable[[sqlite3.Cursor], Callable[[], None] | None]"


class Writer:
    """Owns the writing connection. `ask` from any event loop, `wait` from any other thread."""

    def __init__(self, path: Path, turnstile: CommitLock, *, prologue: Prologue, patience_s: float) -> None:
        """Start the thread; returns when the file is open and migrated.

        Args:
            path: the SQLite file.
            turnstile: the queue before each commit; the thread alone goes through it.
            prologue: run first in every transaction; what it returns is called after the commit.
            patience_s: how long a caller waits.

        Raises:
            JournalError: the file cannot be used.
            JournalBusyError: another process held the turnstile all the time.
        """
        self._path = path
        self._turnstile = turnstile
        self._prologue = prologue
        self._patience_s = patience_s
        self._queue: queue.SimpleQueue[WriteRequest[Any] | None] = queue.SimpleQueue()
        self._lock = threading.Lock()
        self._is_closed = False
        self._inode: int | None = None
        self._opening_failure: errors.FusionFlowError | None = None
        is_ready = threading.Event()
        self._thread = threading.Thread(target=self._serve, args=(is_ready,), name="journal-writer", daemon=True)
        self._thread.start()
        if not is_ready.wait(patience_s):
            self._is_closed = True
            self._queue.put(None)
            raise self._busy()
        if self._opening_failure is not None:
            raise self._opening_failure

    async def ask(
        self,
        work: Callable[[sqlite3.Cursor], T],
        *,
        undo: Callable[[sqlite3.Cursor, T], None] | None = None,
        or_else: Callable[[errors.JournalError], T] | None = None,
    ) -> T:
        """Have work done and committed; durable when this returns. Without `undo` it is done even if the caller leaves.

        Raises:
            JournalBusyError: it did not come to pass in time; with an `undo`, it never will.
            JournalError: it failed; nothing of it is written.
        """
        request = WriteRequest(work, undo, or_else)
        loop = request.loop = asyncio.get_running_loop()
        reply = request.reply = loop.create_future()
        self._put(request)
        timer = loop.call_later(self._patience_s, _set_done, reply)
        is_received = False
        try:
            await reply
            if request.state is State.DONE:
                is_received = True
        finally:
            timer.cancel()
            if not is_received:
                self._leave(request)
        if is_received:
            return request.outcome()
        if or_else is None:
            raise self._busy()
        return await asyncio.to_thread(or_else, self._busy())

    def wait(self, work: Callable[[sqlite3.Cursor], T]) -> T:
        """`ask`, for callers without an event loop."""
        request = WriteRequest(work)
        event = request.event = threading.Event()
        self._put(request)
        if not event.wait(self._patience_s):
            raise self._busy()
        return request.outcome()

    def close(self) -> None:
        """Carry out what waits, then end the thread. A writer stuck at the turnstile is left behind after a while."""
        with self._lock:
            if self._is_closed:
                return
            self._is_closed = True
            self._queue.put(None)
        self._thread.join(self._patience_s)

    def _put(self, request: WriteRequest[Any]) -> None:
        with self._lock:
            if self._is_closed:
                raise messages.closed()
            self._queue.put(request)

    def _leave(self, request: WriteRequest[Any]) -> None:
        """The caller will never see the answer: a claim must not be, or not stay, granted. The rest goes on."""
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
        return messages.busy(self._turnstile.holder(), self._patience_s)

    # What follows runs in the thread.

    def _serve(self, is_ready: threading.Event) -> None:
        with ExitStack() as opened:
            opened.callback(self._turnstile.close)
            try:
                connection = database.open_writer(self._path, self._turnstile)
                opened.callback(connection.close)
                self._inode = self._path.stat().st_ino
                commit_sync = CommitSync(self._path, self._turnstile)
                opened.callback(commit_sync.close)
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
            opened.callback(self._refuse_the_rest)
            cursor = connection.cursor()
            while (first := self._queue.get()) is not None:
                if not self._serve_batch(cursor, commit_sync, first):
                    return

    def _serve_batch(self, cursor: sqlite3.Cursor, commit_sync: CommitSync, first: WriteRequest[Any]) -> bool:
        """One transaction for all that waits. False: `close` was among it."""
        batch = WriteBatch(first, self._queue, self._lock)
        failure: errors.FusionFlowError | None = None
        is_committed = False
        try:
            with self._turnstile.turn():
                after_commit = self._write(cursor, batch, first)
            is_committed = True
            failpoint(Failpoint.AFTER_COMMIT)
            commit_sync.sync(cursor)  # others write meanwhile
            if after_commit is not None:
                after_commit()
        except sqlite3.Error as error:
            failure = messages.translate(error, self._path)
        except OSError as error:
            failure = messages.unusable(self._path, str(error))
        except errors.FusionFlowError as error:
            failure = error
        if failure is not None:
            _roll_back(cursor)
            for request in batch.all():
                if is_committed:  # but perhaps not for ever: nobody may act on a claim
                    self._undo(request)
                _fail(request, failure)
        self._deliver(batch.all())
        return not batch.has_close

    def _write(self, cursor: sqlite3.Cursor, batch: WriteBatch, first: WriteRequest[Any]) -> Callable[[], None] | None:
        """The transaction, inside the turnstile; what is to be called once it is durable."""
        self._refuse_replaced()
        self._begin(cursor, first)
        after_commit = self._prologue(cursor)
        is_empty = after_commit is None
        for request in batch.started():
            if is_empty:
                self._carry_out_first(cursor, request)
            else:
                self._carry_out(cursor, request)
            is_empty = False
        failpoint(Failpoint.BEFORE_COMMIT)
        cursor.execute("COMMIT")
        return after_commit

    def _begin(self, cursor: sqlite3.Cursor, first: WriteRequest[Any]) -> None:
        """BEGIN IMMEDIATE; again while a writer that knows no turnstile is inside and somebody still waits for us."""
        while True:
            try:
                cursor.execute("BEGIN IMMEDIATE")
            except sqlite3.OperationalError as error:
                if not messages.is_busy(error) or first.state is State.WITHDRAWN or self._is_closed:
                    raise
            else:
                return

    def _carry_out_first(self, cursor: sqlite3.Cursor, request: WriteRequest[Any]) -> None:
        """Most transactions hold one request: it needs no savepoint, because to undo it is to begin anew."""
        self._attempt(cursor, request)
        if request.failure is not None:
            cursor.execute("ROLLBACK")
            cursor.execute("BEGIN IMMEDIATE")

    def _carry_out(self, cursor: sqlite3.Cursor, request: WriteRequest[Any]) -> None:
        cursor.execute("SAVEPOINT request")
        self._attempt(cursor, request)
        if request.failure is not None:
            cursor.execute("ROLLBACK TO request")
        cursor.execute("RELEASE request")

    def _attempt(self, cursor: sqlite3.Cursor, request: WriteRequest[Any]) -> None:
        try:
            request.result = request.work(cursor)
        except sqlite3.Error as error:
            if messages.is_of_place(error) or not cursor.connection.in_transaction:
                raise
            request.failure = messages.translate(error, self._path)
        except errors.FusionFlowError as error:
            request.failure = error
        except Exception as error:  # noqa: BLE001 - the border: one request must not end the thread that serves all
            request.failure = messages.broken_request(error)
        else:
            if request.undo is not None and request.has_no_caller:
                request.failure = messages.caller_left()

    def _deliver(self, requests: list[WriteRequest[Any]]) -> None:
        """Tell each caller; those of one event loop are told at once, with one wake-up."""
        by_loop: dict[asyncio.AbstractEventLoop, list[asyncio.Future[None]]] = {}
        gone: list[WriteRequest[Any]] = []
        with self._lock:
            for request in requests:
                request.state = State.DONE
                if request.has_no_caller:
                    gone.append(request)
                elif request.loop is not None and request.reply is not None:
                    by_loop.setdefault(request.loop, []).append(request.reply)
                elif request.event is not None:
                    request.event.set()
        for loop, replies in by_loop.items():
            try:
                loop.call_soon_threadsafe(_set_done, *replies)
            except RuntimeError:  # the loop was closed: its callers are gone
                gone += [request for request in requests if request.loop is loop]
        for request in gone:
            self._undo(request)

    def _refuse_replaced(self) -> None:
        try:
            inode = self._path.stat().st_ino
        except OSError:
            inode = None
        if inode != self._inode:
            raise messages.replaced(self._path)

    def _refuse_the_rest(self) -> None:
        with self._lock:
            self._is_closed = True
        rest: list[WriteRequest[Any]] = []
        while True:
            try:
                request = self._queue.get_nowait()
            except queue.Empty:
                break
            if request is not None and request.state is State.WAITING:
                request.failure = messages.closed()
                rest.append(request)
        self._deliver(rest)


def _fail(request: WriteRequest[Any], failure: errors.FusionFlowError) -> None:
    """The whole transaction failed: put the work aside where that is possible."""
    request.result = None
    request.failure = failure
    if request.or_else is not None and isinstance(failure, messages.CANNOT_WRITE):
        try:
            request.result, request.failure = request.or_else(failure), None
        except errors.FusionFlowError as worse:
            request.failure = worse


def _roll_back(cursor: sqlite3.Cursor) -> None:
    if cursor.connection.in_transaction:
        try:
            cursor.execute("ROLLBACK")
        except sqlite3.Error:
            return  # SQLite has rolled back by itself


def _set_done(*replies: asyncio.Future[None]) -> None:
    for reply in replies:
        if not reply.done():
            reply.set_result(None)
