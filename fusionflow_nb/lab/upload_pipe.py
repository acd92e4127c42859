"""Pass an upload from the event loop to the thread that stores it, with back-pressure."""

from __future__ import annotations

import asyncio
import threading
from contextlib import suppress
from functools import partial
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING, TypeVar

from fusionflow_nb.lab.errors import CutOffError, StalledError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

T = TypeVar("T")

# Tornado's chunks have at most 64 kB: an upload in progress holds 1 MB of memory.
MAX_CHUNKS = 16


class UploadPipe:
    """A bounded queue of chunks: `write`, `end` and `abort` on the event loop, `chunks` in one thread.

    Args:
        idle_s: how long the thread waits for the next chunk.
    """

    def __init__(self, idle_s: float) -> None:
        self._loop = asyncio.get_running_loop()
        self._idle_s = idle_s
        self._free_slots = asyncio.Semaphore(MAX_CHUNKS)
        self._queue: SimpleQueue[bytes | CutOffError | None] = SimpleQueue()
        self._is_closed = False

    async def write(self, chunk: bytes) -> None:
        """Queue a chunk, waiting while the queue is full. After `close` chunks are dropped."""
        if not self._is_closed:
            await self._free_slots.acquire()
        if self._is_closed:
            self._free_slots.release()  # wakes the next waiting writer
        else:
            self._queue.put(chunk)

    def end(self) -> None:
        """Mark the end of the upload."""
        self._queue.put(None)

    def abort(self) -> None:
        """Mark the upload as cut off: the reader raises CutOffError, unless it has reached the end."""
        self._queue.put(CutOffError())

    def close(self) -> None:
        """Mark that the reader has stopped: waiting writers continue."""
        self._is_closed = True
        self._free_slots.release()

    def chunks(self) -> Iterator[bytes]:
        """Iterate over the chunks, in order, until `end`. Blocks.

        Raises:
            CutOffError: `abort` was called.
            StalledError: no chunk arrived within `idle_s`.
        """
        while True:
            try:
                item = self._queue.get(timeout=self._idle_s)
            except Empty as error:
                raise StalledError(self._idle_s) from error
            if item is None:
                return
            if isinstance(item, CutOffError):
                raise item
            yield item
            _call_soon(self._loop, self._free_slots.release)


def run_in_daemon_thread(function: Callable[[], T]) -> asyncio.Future[T]:
    """Run a blocking function in a thread that does not delay the server's exit."""
    loop = asyncio.get_running_loop()
    future: asyncio.Future[T] = loop.create_future()

    def settle(set_outcome: Callable[[], None]) -> None:
        if not future.done():
            set_outcome()

    def run() -> None:
        try:
            result = function()
        except BaseException as error:  # noqa: BLE001 - raised where the future is awaited
            _call_soon(loop, partial(settle, partial(future.set_exception, error)))
        else:
            _call_soon(loop, partial(settle, partial(future.set_result, result)))

    threading.Thread(target=run, name="fusionflow-upload", daemon=True).start()
    return future


def _call_soon(loop: asyncio.AbstractEventLoop, callback: Callable[[], None]) -> None:
    # A closed loop has no waiter.
    with suppress(RuntimeError):
        loop.call_soon_threadsafe(callback)
