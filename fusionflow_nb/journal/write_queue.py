"""Who waits for what in the writer's queue, and which of it goes into one transaction."""

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

BATCH_LIMIT = 256  # requests in one transaction: bounds how long others wait at the turnstile


class State(Enum):
    """How far a request has come; only one that still waits can be withdrawn."""

    WAITING = auto()
    RUNNING = auto()
    DONE = auto()
    WITHDRAWN = auto()


class WriteRequest(Generic[T]):
    """Work to be done in a transaction, and who waits for it.

    Args:
        work: what to do; its outcome is the answer.
        undo: takes back what `work` did, for a caller who left.
        or_else: the answer if the journal cannot be written (it puts the work aside, and may raise).
    """

    __slots__ = ("event", "failure", "has_no_caller", "loop", "or_else", "reply", "result", "state", "undo", "work")

    def __init__(
        self,
        work: Callable[[sqlite3.Cursor], T],
        undo: Callable[[sqlite3.Cursor, T], None] | None = None,
        or_else: Callable[[errors.JournalError], T] | None = None,
    ) -> None:
        """Not yet in any queue."""
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
        """The answer of a request that is done; raises its failure."""
        if self.failure is not None:
            raise self.failure
        return cast("T", self.result)  # done without failure: `work` has given it


class WriteBatch:
    """The requests of one transaction: taken from the queue only when it is our turn, so that callers can leave."""

    def __init__(
        self, first: WriteRequest[Any], more: queue.SimpleQueue[WriteRequest[Any] | None], lock: threading.Lock
    ) -> None:
        self._next: WriteRequest[Any] | None = first
        self._more = more
        self._lock = lock
        self._started: list[WriteRequest[Any]] = []
        self.has_close = False

    def started(self) -> Iterator[WriteRequest[Any]]:
        """Each request whose caller still waits; from here on it can no longer be withdrawn."""
        while len(self._started) < BATCH_LIMIT and (self._next is not None or self._take()):
            if request := self._start_next():
                yield request

    def all(self) -> list[WriteRequest[Any]]:
        """All that were started, and the one the transaction was begun for."""
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
