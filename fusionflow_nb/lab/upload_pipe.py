"""Bytes from the server's event loop to the thread that stores them, a few at a time: a slow disk slows the browser."""

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

# Chunks of at most 64 kB come from Tornado: an upload in progress holds 1 MB of memory.
ROOM_CHUNKS = 16


class UploadPipe:
    """A narrow pipe: `give`, `end`, `cut` on the loop, `chunks` in one thread.

    Args:
        idle_s: how long the thread waits for the next chunk.
    """

    def __init__(self, idle_s: float) -> None:
        self._loop = asyncio.get_running_loop()
        self._idle_s = idle_s
        self._room = asyncio.Semaphore(ROOM_CHUNKS)
        self._queue: SimpleQueue[bytes | CutOffError | None] = SimpleQueue()
        self._is_closed = False

    async def give(self, chunk: bytes) -> None:
        """Pass a chunk on once there is room; dropped if the reader has ended."""
        if not self._is_closed:
            await self._room.acquire()
        if self._is_closed:
            self._room.release()  # the next waiter is released too
        else:
            self._queue.put(chunk)

    def end(self) -> None:
        """Say that all bytes have been given."""
        self._queue.put(None)

    def cut(self) -> None:
        """Say that no more bytes will come: the thread raises CutOffError, unless it has all of them already."""
        self._queue.put(CutOffError())

    def close(self) -> None:
        """Say that the thread has stopped taking chunks, for good or bad."""
        self._is_closed = True
        self._room.release()

    def chunks(self) -> Iterator[bytes]:
        """Every chunk given, in order, until `end`.

        Raises:
            CutOffError: `cut` was called.
            StalledError: nothing came for too long.
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
            _tell(self._loop, self._room.release)


def in_daemon_thread(work: Callable[[], T]) -> asyncio.Future[T]:
    """Do blocking work in a thread of its own, which the end of the server does not wait for."""
    loop = asyncio.get_running_loop()
    future: asyncio.Future[T] = loop.create_future()

    def settle(tell: Callable[[], None]) -> None:
        if not future.done():
            tell()

    def run() -> None:
        try:
            outcome = work()
        except BaseException as error:  # noqa: BLE001 - it belongs to whoever awaits the future
            _tell(loop, partial(settle, partial(future.set_exception, error)))
        else:
            _tell(loop, partial(settle, partial(future.set_result, outcome)))

    threading.Thread(target=run, name="fusionflow-upload", daemon=True).start()
    return future


def _tell(loop: asyncio.AbstractEventLoop, what: Callable[[], None]) -> None:
    # A closed loop has no waiter.
    with suppress(RuntimeError):
        loop.call_soon_threadsafe(what)
