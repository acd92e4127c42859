"""Commit lock: a blocking file lock that every process holds while it commits.

SQLite's busy handler polls and sleeps, so under load it starves writers. The operating system's file lock queues
them, and releases the lock of a dead process immediately.
"""

from __future__ import annotations

import os
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

FILE_NAME = "journal.turnstile"
_PID_WIDTH = 20

if sys.platform == "win32":
    import portalocker

    def _lock(descriptor: int) -> None:
        portalocker.lock(descriptor, portalocker.LockFlags.EXCLUSIVE)

    _unlock = portalocker.unlock
else:  # the same calls without portalocker's checks, which cost more than taking a free lock
    import fcntl

    def _lock(descriptor: int) -> None:
        fcntl.flock(descriptor, fcntl.LOCK_EX)

    def _unlock(descriptor: int) -> None:
        fcntl.flock(descriptor, fcntl.LOCK_UN)


class CommitLock:
    """Exclusive lock between processes on the file `path`, which is created if missing. Not thread-safe."""

    def __init__(self, path: Path) -> None:
        """Open the lock file.

        Raises:
            OSError: the folder cannot be written.
        """
        self._path = path
        self._pid = f"{os.getpid():<{_PID_WIDTH}}".encode()
        # Python opens a raw descriptor as close-on-exec, so a subprocess never inherits the lock.
        self._descriptor: int | None = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)

    @contextmanager
    def hold(self) -> Iterator[None]:
        """Acquire the lock, blocking without a timeout, and release it at the end of the block."""
        descriptor = self._descriptor
        if descriptor is None:
            message = "the commit lock is closed"
            raise ValueError(message)
        _lock(descriptor)
        try:
            _write_pid(descriptor, self._pid)
            yield
        finally:
            _unlock(descriptor)

    def holder(self) -> str | None:
        """Return the pid of the latest holder, without blocking; None if it cannot be read."""
        try:
            text = self._path.read_text(encoding="ascii", errors="replace").strip()
        except OSError:
            return None
        return text or None

    def close(self) -> None:
        """Close the file. In a forked child, the parent keeps its lock."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None


def _write_pid(descriptor: int, text: bytes) -> None:
    try:
        os.lseek(descriptor, 0, os.SEEK_SET)
        os.write(descriptor, text)
    except OSError:
        # The disk is full. The pid is only shown in an error message; the lock works without it.
        return
