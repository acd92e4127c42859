"""When a commit is on the disk: after a sync of the write-ahead log, made once the turnstile is free again.

SQLite's own `synchronous = FULL` syncs inside the commit, so kernels queue for the disk one by one. Here they queue
for the commit alone; their syncs overlap, and the system serves many with one flush. Frames lie in the log in the
order of commits and are chained by checksums: a sync makes everything before it durable too, so nobody can ever act
durably on something that a power cut takes back. `synchronous = NORMAL` still syncs around each checkpoint.
"""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import sqlite3
    from pathlib import Path

    from fusionflow_nb.journal.commit_lock import CommitLock


class CommitSync:
    """Brings to the disk what one connection has committed. Used by the connection's thread only.

    Opening the log a second time is safe: SQLite takes its locks on other files, and removes the log only when the
    last connection closes.
    """

    def __init__(self, journal: Path, turnstile: CommitLock) -> None:
        """Open the log of a journal that is open for writing.

        Raises:
            OSError: there is none, or it cannot be written.
        """
        self._descriptor = os.open(f"{journal}-wal", os.O_RDWR)
        self._turnstile = turnstile
        self._is_doubtful = False

    def sync(self, cursor: sqlite3.Cursor) -> None:
        """All that was committed is durable when this returns. The caller is outside the turnstile.

        After a failed sync the system may have forgotten what it could not write, and later syncs would say nothing
        of it; then the log is folded into the file, which has syncs of its own.

        Raises:
            OSError, sqlite3.Error: neither way succeeded; nothing since then may be called durable.
        """
        if not self._is_doubtful:
            try:
                sync_file(self._descriptor)
            except OSError:
                self._is_doubtful = True
            else:
                return
        is_busy, in_log, in_file = self._fold(cursor)
        if is_busy or in_log != in_file:
            message = "what was written could not be brought to the disk"
            raise OSError(message)
        self._is_doubtful = False

    def _fold(self, cursor: sqlite3.Cursor) -> tuple[int, int, int]:
        with self._turnstile.turn():
            is_busy, in_log, in_file = cursor.execute("PRAGMA wal_checkpoint(FULL)").fetchone()
        return is_busy, in_log, in_file

    def close(self) -> None:
        """Let the log go; before the connection, which may want to remove it."""
        os.close(self._descriptor)


def sync_file(descriptor: int) -> None:
    """Wait until what was written to an open file is on the disk.

    Raises:
        OSError: it could not be.
    """
    if sys.platform == "darwin":
        import fcntl  # noqa: PLC0415 - not everywhere

        fcntl.fcntl(descriptor, fcntl.F_FULLFSYNC)  # a plain sync may leave it in the drive's cache
    elif hasattr(os, "fdatasync"):
        os.fdatasync(descriptor)
    else:
        os.fsync(descriptor)
