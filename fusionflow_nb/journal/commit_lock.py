"""The queue in front of every commit: a blocking file lock.

SQLite's own busy handler polls and sleeps, so under load it starves writers; the system's file lock queues them and
drops a dead holder's turn at once.
"""

from __future__ import annotations

import os
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_PID_WIDTH = 20

if sys.platform == "win32":
    import portalocker

    def _lock(descriptor: int) -> None:
        portalocker.lock(descriptor, portalocker.LockFlags.EXCLUSIVE)

    _unlock = portalocker.unlock
else:  # the same calls without portalocker's checks, which would cost more than a free lock
    import fcntl

    def _lock(descriptor: int) -> None:
        fcntl.flock(descriptor, fcntl.LOCK_EX)

    def _unlock(descriptor: int) -> None:
        fcntl.flock(descriptor, fcntl.LOCK_UN)


class CommitLock:
    """One process at a time may be inside; `path` is the lock file, made if missing. Used by one thread only."""

    def __init__(self, path: Path) -> None:
        """Open the lock file.

        Raises:
            OSError: the folder cannot be written.
        """
        self._path = path
        self._pid = f"{os.getpid():<{_PID_WIDTH}}".encode()
        # A raw descriptor: Python makes it close-on-exec, so a subprocess never keeps our turn.
        self._descriptor: int | None = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)

    @contextmanager
    def turn(self) -> Iterator[None]:
        """Wait as long as it takes, be alone inside, let the next one in."""
        descriptor = self._descriptor
        if descriptor is None:
            message = "the turnstile is closed"
            raise ValueError(message)
        _lock(descriptor)
        try:
            _write_pid(descriptor, self._pid)
            yield
        finally:
            _unlock(descriptor)

    def holder(self) -> str | None:
        """The pid of the process that went in last, read without waiting; None where it cannot be read."""
        try:
            text = self._path.read_text(encoding="ascii", errors="replace").strip()
        except OSError:
            return None
        return text or None

    def close(self) -> None:
        """Close the file; in a forked child this leaves the parent's turn untouched."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None


def _write_pid(descriptor: int, text: bytes) -> None:
    try:
        os.lseek(descriptor, 0, os.SEEK_SET)
        os.write(descriptor, text)
    except OSError:
        # A full disk: the pid is a courtesy for a message, the lock is what counts.
        return
