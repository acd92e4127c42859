"""Threads for functions we do not know: Python nodes and transforms.

They are apart from the pool of our own blocking work, for three reasons. A function may never return: its thread is
left behind as a daemon, so that neither the next job nor the end of the process waits for it. A function may wait for a
run of its own: while it does, its place is lent to others, or nested runs would stand still. And results are stored by
the other pool, which no function can fill up.
"""

from __future__ import annotations

import asyncio
import contextlib
import queue
import threading
from collections import deque
from concurrent.futures import Future
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator

    Inbox = queue.SimpleQueue[tuple[Future[Any], Callable[..., Any], tuple[Any, ...]] | None]

_here = threading.local()


class FunctionThreads:
    """At most `limit` functions run at once; those left behind do not count.

    Places are given on the event loop that asks first; threads are made when needed and kept for the next.
    """

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._busy = 0
        self._queue: deque[asyncio.Future[None]] = deque()
        self._idle: list[Inbox] = []
        self._loop: asyncio.AbstractEventLoop | None = None
        self._is_closed = False

    @property
    def is_full(self) -> bool:
        """Whether the next function would have to wait."""
        return self._busy >= self._limit

    @contextlib.asynccontextmanager
    async def place(self) -> AsyncIterator[None]:
        """One of the places, in order of asking; given back at the end of the block."""
        self._loop = asyncio.get_running_loop()
        if self.is_full or self._queue:
            turn: asyncio.Future[None] = self._loop.create_future()
            self._queue.append(turn)
            try:
                await turn
            except asyncio.CancelledError:
                if turn.done() and not turn.cancelled():
                    self._give_back()  # the place came in the same moment as the cancel
                raise
        else:
            self._busy += 1
        try:
            yield
        finally:
            self._give_back()

    def begin(self, function: Callable[..., Any], *args: Any) -> Future[Any]:  # noqa: ANN401 - the function's own
        """Start a function in a thread; on the loop thread, inside a `place`."""
        future: Future[Any] = Future()
        inbox = self._idle.pop() if self._idle else self._grown()
        inbox.put((future, function, args))
        return future

    def close(self) -> None:
        """Let idle threads end; busy ones end after their function."""
        self._is_closed = True
        while self._idle:
            self._idle.pop().put(None)

    def _grown(self) -> Inbox:
        inbox: Inbox = queue.SimpleQueue()
        threading.Thread(target=self._work, args=(inbox,), name="fusionflow-function", daemon=True).start()
        return inbox

    def _work(self, inbox: Inbox) -> None:
        _here.threads = self
        while (task := inbox.get()) is not None:
            future, function, args = task
            if future.set_running_or_notify_cancel():
                try:
                    result = function(*args)
                except BaseException as error:  # noqa: BLE001 - handed to whoever waits
                    future.set_exception(error)
                else:
                    future.set_result(result)
                    del result
            del task, future, function, args
            if self._is_closed:
                return
            self._idle.append(inbox)

    def _give_back(self) -> None:
        self._busy -= 1
        while self._queue and self._busy < self._limit:
            turn = self._queue.popleft()
            if not turn.done():
                self._busy += 1
                turn.set_result(None)

    def _take_back(self) -> None:
        self._busy += 1

    @contextlib.contextmanager
    def lent(self) -> Iterator[None]:
        """Give the calling function's place to others while it waits."""
        assert self._loop is not None  # noqa: S101 - the function got its place from it
        self._loop.call_soon_threadsafe(self._give_back)
        try:
            yield
        finally:
            if not self._loop.is_closed():
                self._loop.call_soon_threadsafe(self._take_back)


def waiting() -> contextlib.AbstractContextManager[None]:
    """To be entered before a thread blocks on a run: a node's function lends its place meanwhile."""
    threads: FunctionThreads | None = getattr(_here, "threads", None)
    return contextlib.nullcontext() if threads is None else threads.lent()
