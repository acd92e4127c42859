"""Syncing commits to disk: after each commit the writer syncs the write-ahead log, outside the commit lock.

SQLite's `synchronous = FULL` syncs inside the commit, so kernels would wait for the disk one after another. Here they
wait for the commit only; their syncs overlap, and the operating system serves several with one flush. WAL frames are
in commit order and chained by checksums, so a sync makes every earlier commit durable too: nothing durable can depend
on a commit that a power failure undoes. `synchronous = NORMAL` still syncs around each checkpoint.
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
    """Syncs the commits of one connection to disk. Used by the connection's thread only.

    Opening the WAL file a second time is safe: SQLite takes its locks on other files, and removes the WAL only when
    the last connection closes.
    """

    def __init__(self, journal: Path, commit_lock: CommitLock) -> None:
        """Open the WAL file of a journal that is open for writing.

        Raises:
            OSError: there is no WAL file, or it cannot be written.
        """
        self._descriptor = os.open(f"{journal}-wal", os.O_RDWR)
        self._commit_lock = commit_lock
        self._has_failed = False

    def sync(self, cursor: sqlite3.Cursor) -> None:
        """Make all commits so far durable. The caller does not hold the commit lock.

        After a failed sync the system may drop the pages it could not write, and later syncs would not report that.
        Therefore, after a failure, the WAL is checkpointed into the database file, which has its own syncs.

        Raises:
            OSError, sqlite3.Error: both ways failed; no commit since then is known to be durable.
        """
        if not self._has_failed:
            try:
                sync_file(self._descriptor)
            except OSError:
                self._has_failed = True
            else:
                return
        is_busy, in_log, in_file = self._checkpoint(cursor)
        if is_busy or in_log != in_file:
            message = "the written data could not be synced to disk"
            raise OSError(message)
        self._has_failed = False

    def _checkpoint(self, cursor: sqlite3.Cursor) -> tuple[int, int, int]:
        with self._commit_lock.hold():
            is_busy, in_log, in_file = cursor.execute("PRAGMA wal_checkpoint(FULL)").fetchone()
        return is_busy, in_log, in_file

    def close(self) -> None:
        """Close the WAL file. Call it before closing the connection, which may remove the file."""
        os.close(self._descriptor)


def sync_file(descriptor: int) -> None:
    """Block until the data written to an open file is on disk.

    Raises:
        OSError: the sync failed.
    """
    if sys.platform == "darwin":
        import fcntl  # noqa: PLC0415 - not available on Windows

        fcntl.fcntl(descriptor, fcntl.F_FULLFSYNC)  # a plain sync may leave the data in the drive's cache
    elif hasattr(os, "fdatasync"):
        os.fdatasync(descriptor)
    else:
        os.fsync(descriptor)
