"""Threads for the functions of Python nodes and transforms.

They are separate from the pool for the engine's own blocking work, for three reasons. A function may never return: its
daemon thread is abandoned, so that neither the next job nor the end of the process waits for it. A function may wait
for a run that it started: meanwhile it lends its slot to others, or nested runs would deadlock. And results are stored
by the other pool, which functions cannot block.
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
    """At most `limit` functions run concurrently; abandoned threads do not count.

    Slots are assigned on the event loop of the first caller; threads are created when needed and reused.
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
    async def slot(self) -> AsyncIterator[None]:
        """Hold a slot, first come, first served; released at the end of the block."""
        self._loop = asyncio.get_running_loop()
        if self.is_full or self._queue:
            turn: asyncio.Future[None] = self._loop.create_future()
            self._queue.append(turn)
            try:
                await turn
            except asyncio.CancelledError:
                if turn.done() and not turn.cancelled():
                    self._release_slot()  # assigned in the same step as the cancel
                raise
        else:
            self._busy += 1
        try:
            yield
        finally:
            self._release_slot()

    def begin(self, function: Callable[..., Any], *args: Any) -> Future[Any]:  # noqa: ANN401 - the function's own
        """Start a function in a thread; call it on the loop thread, inside a `slot`."""
        future: Future[Any] = Future()
        inbox = self._idle.pop() if self._idle else self._new_thread()
        inbox.put((future, function, args))
        return future

    def close(self) -> None:
        """End idle threads; busy ones end after their function."""
        self._is_closed = True
        while self._idle:
            self._idle.pop().put(None)

    def _new_thread(self) -> Inbox:
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
                except BaseException as error:  # noqa: BLE001 - passed on through the future
                    future.set_exception(error)
                else:
                    future.set_result(result)
                    del result
            del task, future, function, args
            if self._is_closed:
                return
            self._idle.append(inbox)

    def _release_slot(self) -> None:
        self._busy -= 1
        while self._queue and self._busy < self._limit:
            turn = self._queue.popleft()
            if not turn.done():
                self._busy += 1
                turn.set_result(None)

    def _reclaim_slot(self) -> None:
        self._busy += 1

    @contextlib.contextmanager
    def lend(self) -> Iterator[None]:
        """Lend the calling function's slot to others while it waits."""
        assert self._loop is not None  # noqa: S101 - the function got its slot on it
        self._loop.call_soon_threadsafe(self._release_slot)
        try:
            yield
        finally:
            if not self._loop.is_closed():
                self._loop.call_soon_threadsafe(self._reclaim_slot)


def lend_slot() -> contextlib.AbstractContextManager[None]:
    """Enter it before a thread blocks on a run: if the thread runs a node's function, its slot is lent meanwhile."""
    threads: FunctionThreads | None = getattr(_here, "threads", None)
    return contextlib.nullcontext() if threads is None else threads.lend()
