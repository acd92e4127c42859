"""The one thread that writes: everything that waits goes into one transaction, each request in a savepoint of its own.

So many small requests share one sync to disk, and one that fails takes no other along. A caller waits at most
`patience_s`; a request with an `undo` (a claim) whose caller has gone is never carried out, or is undone.
"""

from __future__ import annotations

import asyncio
import queue
import sqlite3
import threading
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Generic, TypeAlias, TypeVar

from fusionflow_nb import errors
from fusionflow_nb.journal import database, failures

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from fusionflow_nb.journal.turnstile import Turnstile

T = TypeVar("T")
Prologue: TypeAlias = "Callable[[sqlite3.Cursor], Callable[[], None] | None]"

_BATCH_LIMIT = 256  # requests in one transaction: bounds how long others wait at the turnstile


@dataclass(slots=True, eq=False)
class Request(Generic[T]):
    """Work to be done in a transaction, and who waits for it."""

    work: Callable[[sqlite3.Cursor], T]
    undo: Callable[[sqlite3.Cursor, T], None] | None = None
    future: Future[T] = field(default_factory=Future)
    has_no_caller: bool = False


class Writer:
    """Owns the writing connection. `ask` from any event loop, `wait` from any other thread."""

    def __init__(self, path: Path, turnstile: Turnstile, *, prologue: Prologue, patience_s: float) -> None:
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
        self._queue: queue.SimpleQueue[Request[Any] | None] = queue.SimpleQueue()
        self._lock = threading.Lock()
        self._is_closed = False
        self._inode: int | None = None
        ready: Future[None] = Future()
        self._thread = threading.Thread(target=self._serve, args=(ready,), name="journal-writer", daemon=True)
        self._thread.start()
        try:
            ready.result(patience_s)
        except TimeoutError:
            self._is_closed = True
            self._queue.put(None)
            raise self._busy() from None

    async def ask(
        self, work: Callable[[sqlite3.Cursor], T], undo: Callable[[sqlite3.Cursor, T], None] | None = None
    ) -> T:
        """Have work done and committed; durable when this returns.

        Raises:
            JournalBusyError: it did not come to pass in time; with an `undo`, it never will.
            JournalError: it failed; nothing of it is written.
        """
        request = self._put(Request(work, undo))
        reply = asyncio.wrap_future(request.future)
        reply.add_done_callback(_retrieve)
        is_received = False
        try:
            async with asyncio.timeout(self._patience_s):
                # Shielded: a caller who leaves must not withdraw the record of something that has happened.
                result = await asyncio.shield(reply)
            is_received = True
        except TimeoutError:
            raise self._busy() from None
        finally:
            if not is_received:
                self._leave(request)
        return result

    def wait(self, work: Callable[[sqlite3.Cursor], T]) -> T:
        """`ask`, for callers without an event loop."""
        request = self._put(Request(work))
        try:
            return request.future.result(self._patience_s)
        except TimeoutError:
            raise self._busy() from None

    def close(self) -> None:
        """Carry out what waits, then end the thread. A writer stuck at the turnstile is left behind after a while."""
        with self._lock:
            if self._is_closed:
                return
            self._is_closed = True
            self._queue.put(None)
        self._thread.join(self._patience_s)

    def _put(self, request: Request[T]) -> Request[T]:
        with self._lock:
            if self._is_closed:
                raise failures.closed()
            self._queue.put(request)
        return request

    def _leave(self, request: Request[T]) -> None:
        """The caller will never see the result: see to it that a claim is not, or does not stay, granted."""
        if request.undo is None or request.future.cancel():
            return
        with self._lock:
            if not request.future.done():
                request.has_no_caller = True
                return
        self._undo(request)

    def _undo(self, request: Request[T]) -> None:
        undo = request.undo
        if undo is None or request.future.exception() is not None:
            return
        result = request.future.result()
        with self._lock:
            if not self._is_closed:
                self._queue.put(Request(lambda cursor: undo(cursor, result)))

    def _busy(self) -> errors.JournalBusyError:
        return failures.busy(self._turnstile.holder(), self._patience_s)

    # What follows runs in the thread.

    def _serve(self, ready: Future[None]) -> None:
        try:
            connection = database.open_writer(self._path, self._turnstile)
            self._inode = self._path.stat().st_ino
        except sqlite3.Error as error:
            ready.set_exception(failures.translate(error, self._path))
            return
        except OSError as error:
            ready.set_exception(failures.unusable(self._path, str(error)))
            return
        except errors.JournalError as error:
            ready.set_exception(error)
            return
        ready.set_result(None)
        try:
            cursor = connection.cursor()
            while (first := self._queue.get()) is not None:
                if not self._serve_batch(cursor, first):
                    return
        finally:
            self._refuse_the_rest()
            connection.close()
            self._turnstile.close()

    def _serve_batch(self, cursor: sqlite3.Cursor, first: Request[Any]) -> bool:
        """One transaction for all that waits. False: `close` was among it."""
        done: list[tuple[Request[Any], Any, errors.FusionFlowError | None]] = []
        waiting = _Waiting(first, self._queue)
        try:
            with self._turnstile.turn():
                self._refuse_replaced()
                self._begin(cursor, first)
                after_commit = self._prologue(cursor)
                done.extend((request, *self._carry_out(cursor, request)) for request in waiting.started())
                cursor.execute("COMMIT")
        except sqlite3.Error as error:
            _roll_back(cursor)
            waiting.fail(failures.translate(error, self._path))
        except (OSError, errors.FusionFlowError) as error:
            _roll_back(cursor)
            ours = error if isinstance(error, errors.FusionFlowError) else failures.unusable(self._path, str(error))
            waiting.fail(ours)
        else:
            if after_commit is not None:
                after_commit()
            for request, result, failure in done:
                self._deliver(request, result, failure)
        return not waiting.has_close

    def _begin(self, cursor: sqlite3.Cursor, first: Request[Any]) -> None:
        """BEGIN IMMEDIATE; again while a writer that knows no turnstile is inside and somebody still waits for us."""
        while True:
            try:
                cursor.execute("BEGIN IMMEDIATE")
            except sqlite3.OperationalError as error:
                if not failures.is_busy(error) or first.future.cancelled() or self._is_closed:
                    raise
            else:
                return

    def _carry_out(self, cursor: sqlite3.Cursor, request: Request[Any]) -> tuple[Any, errors.FusionFlowError | None]:
        cursor.execute("SAVEPOINT request")
        failure: errors.FusionFlowError
        try:
            result = request.work(cursor)
        except sqlite3.Error as error:
            if failures.is_of_place(error) or not cursor.connection.in_transaction:
                raise
            failure = failures.translate(error, self._path)
        except errors.FusionFlowError as error:
            failure = error
        except Exception as error:  # noqa: BLE001 - the border: one request must not end the thread that serves all
            failure = failures.broken_request(error)
        else:
            cursor.execute("RELEASE request")
            return result, None
        cursor.execute("ROLLBACK TO request")
        cursor.execute("RELEASE request")
        return None, failure

    def _deliver(self, request: Request[Any], result: Any, failure: errors.FusionFlowError | None) -> None:  # noqa: ANN401
        with self._lock:
            if failure is None:
                request.future.set_result(result)
            else:
                request.future.set_exception(failure)
            has_no_caller = request.has_no_caller
        if has_no_caller:
            self._undo(request)

    def _refuse_replaced(self) -> None:
        try:
            inode = self._path.stat().st_ino
        except OSError:
            inode = None
        if inode != self._inode:
            raise failures.replaced(self._path)

    def _refuse_the_rest(self) -> None:
        with self._lock:
            self._is_closed = True
        while True:
            try:
                request = self._queue.get_nowait()
            except queue.Empty:
                return
            if request is not None and request.future.set_running_or_notify_cancel():
                request.future.set_exception(failures.closed())


class _Waiting:
    """The requests of one transaction: taken from the queue only when it is our turn, so that callers can leave."""

    def __init__(self, first: Request[Any], more: queue.SimpleQueue[Request[Any] | None]) -> None:
        self._next: Request[Any] | None = first
        self._more = more
        self._started: list[Request[Any]] = []
        self.has_close = False

    def started(self) -> Iterator[Request[Any]]:
        """Each request whose caller still waits; from here on it can no longer be withdrawn."""
        for _ in range(_BATCH_LIMIT):
            if self._next is None and not self._take():
                return
            request, self._next = self._next, None
            if request is not None and request.future.set_running_or_notify_cancel():
                self._started.append(request)
                yield request

    def fail(self, failure: errors.FusionFlowError) -> None:
        """Tell everybody in this transaction, and the one it was begun for."""
        if self._next is not None and self._next.future.set_running_or_notify_cancel():
            self._started.append(self._next)
        for request in self._started:
            request.future.set_exception(failure)

    def _take(self) -> bool:
        if self.has_close:
            return False
        try:
            self._next = self._more.get_nowait()
        except queue.Empty:
            return False
        self.has_close = self._next is None
        return not self.has_close


def _roll_back(cursor: sqlite3.Cursor) -> None:
    if cursor.connection.in_transaction:
        try:
            cursor.execute("ROLLBACK")
        except sqlite3.Error:
            return  # SQLite has rolled back by itself


def _retrieve(reply: asyncio.Future[Any]) -> None:
    """Look at an outcome that its caller did not wait for, so that asyncio does not complain about it."""
    if not reply.cancelled():
        reply.exception()
