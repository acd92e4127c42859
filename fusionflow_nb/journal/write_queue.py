"""Queue of the writer thread: write requests, and the batch that goes into one transaction."""

from __future__ import annotations

import queue
from enum import Enum, auto
from typing import TYPE_CHECKING, Any, Generic, TypeVar, cast

if TYPE_CHECKING:
    import asyncio
    import sqlite3
    import threading
    from collections.abc import Callable, Iterator

    from fusionflow_nb import errors

T = TypeVar("T")

BATCH_LIMIT = 256  # requests per transaction: bounds how long other processes wait for the commit lock


class State(Enum):
    """Progress of a request; it can be withdrawn only while waiting."""

    WAITING = auto()
    RUNNING = auto()
    DONE = auto()
    WITHDRAWN = auto()


class WriteRequest(Generic[T]):
    """A function to run in a transaction, and the caller that waits for its result.

    Args:
        work: runs in the transaction; its return value is the result.
        undo: reverts `work` if the caller was cancelled.
        or_else: called if the journal cannot be written; returns the result instead, or raises.
    """

    __slots__ = ("event", "failure", "has_no_caller", "loop", "or_else", "reply", "result", "state", "undo", "work")

    def __init__(
        self,
        work: Callable[[sqlite3.Cursor], T],
        undo: Callable[[sqlite3.Cursor, T], None] | None = None,
        or_else: Callable[[errors.JournalError], T] | None = None,
    ) -> None:
        """Create a request that is in no queue."""
        self.work = work
        self.undo = undo
        self.or_else = or_else
        self.state = State.WAITING
        self.result: T | None = None
        self.failure: errors.FusionFlowError | None = None
        self.has_no_caller = False
        self.loop: asyncio.AbstractEventLoop | None = None
        self.reply: asyncio.Future[None] | None = None
        self.event: threading.Event | None = None

    def outcome(self) -> T:
        """Return the result of a finished request, or raise its error."""
        if self.failure is not None:
            raise self.failure
        return cast("T", self.result)  # no failure: `work` returned it


class WriteBatch:
    """The requests of one transaction, taken from the queue under the commit lock; until then they can be withdrawn."""

    def __init__(
        self, first: WriteRequest[Any], more: queue.SimpleQueue[WriteRequest[Any] | None], lock: threading.Lock
    ) -> None:
        self._next: WriteRequest[Any] | None = first
        self._more = more
        self._lock = lock
        self._started: list[WriteRequest[Any]] = []
        self.has_close = False

    def started(self) -> Iterator[WriteRequest[Any]]:
        """Yield each request whose caller still waits; it can no longer be withdrawn."""
        while len(self._started) < BATCH_LIMIT and (self._next is not None or self._take()):
            if request := self._start_next():
                yield request

    def all(self) -> list[WriteRequest[Any]]:
        """Return the started requests, and the request that the transaction was begun for."""
        self._start_next()
        return self._started

    def _start_next(self) -> WriteRequest[Any] | None:
        request, self._next = self._next, None
        if request is None:
            return None
        with self._lock:
            if request.state is not State.WAITING:
                return None
            request.state = State.RUNNING
        self._started.append(request)
        return request

    def _take(self) -> bool:
        if self.has_close:
            return False
        try:
            self._next = self._more.get_nowait()
        except queue.Empty:
            return False
        self.has_close = self._next is None
        return not self.has_close
