"""Outbox for paid results while the journal cannot be written: one file per kernel, one synced JSON line per result.

Space is preallocated when the file is created, so that the first lines fit on a full disk. Lines are applied by id,
so applying a line twice has no effect; a line that a crash cut off has no newline and is ignored.
"""

from __future__ import annotations

import json
import logging
import os
import threading
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from fusionflow_nb.failpoints import Failpoint, failpoint
from fusionflow_nb.journal import durability

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

SUFFIX = ".outbox.jsonl"
_PREALLOCATED_BYTES = 256 * 1024
_log = logging.getLogger(__name__)


class Outbox:
    """The outbox of this kernel. Any thread may append."""

    def __init__(self, folder: Path, kernel_id: str) -> None:
        """Create the file and preallocate its space.

        Raises:
            OSError: the folder cannot be written.
        """
        self.path = outbox_path(folder, kernel_id)
        self._descriptor: int | None = os.open(self.path, os.O_RDWR | os.O_CREAT, 0o600)
        self._end = 0
        self._lock = threading.Lock()
        _preallocate(self._descriptor)

    @property
    def is_empty(self) -> bool:
        """Whether there are no lines."""
        return self._end == 0

    def append(self, entry: str) -> None:
        """Append one JSON text and sync it to disk.

        Raises:
            OSError: the file cannot be written.
        """
        line = entry.encode() + b"\n"
        with self._lock:
            if self._descriptor is None:
                message = "the outbox is closed"
                raise OSError(message)
            os.lseek(self._descriptor, self._end, os.SEEK_SET)
            rest = memoryview(line)
            while rest:
                rest = rest[os.write(self._descriptor, rest) :]
            durability.sync_file(self._descriptor)
            self._end += len(line)

    def pending(self) -> tuple[list[dict[str, Any]], Callable[[], None]]:
        """Return the entries, and a callback that removes them; call it once they are durable in the journal."""
        with self._lock:
            end = self._end
        return read_entries(self.path), lambda: self._clear(end)

    def close(self) -> None:
        """Close the file, and remove it if it is empty."""
        with self._lock:
            if self._descriptor is None:
                return
            os.close(self._descriptor)
            self._descriptor = None
            if self.is_empty:
                self.path.unlink(missing_ok=True)

    def close_in_child(self) -> None:
        """In a forked child: close the inherited descriptor only. The lock's holder may not exist in the child."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None

    def _clear(self, up_to: int) -> None:
        failpoint(Failpoint.OUTBOX_DRAINED)
        # If truncating fails, the next transaction applies the entries again; by id, so nothing is stored twice.
        with self._lock, suppress(OSError):
            if self._end == up_to and self._descriptor is not None:
                os.ftruncate(self._descriptor, 0)
                self._end = 0
                _preallocate(self._descriptor)


def outbox_path(folder: Path, kernel_id: str) -> Path:
    """Return the path of a kernel's outbox."""
    return folder / f"{kernel_id}{SUFFIX}"


def read_entries(path: Path) -> list[dict[str, Any]]:
    """Return the complete lines of an outbox, in order; empty without a file. Invalid lines are logged."""
    try:
        whole, _, _torn = path.read_bytes().rpartition(b"\n")
    except FileNotFoundError:
        return []
    entries = []
    for line in whole.splitlines():
        try:
            entry = json.loads(line)
        except ValueError:
            entry = None
        if isinstance(entry, dict):
            entries.append(entry)
        else:
            _log.warning("Skipped a line of %s that is not a JSON object (%d bytes).", path, len(line))
    return entries


def _preallocate(descriptor: int) -> None:
    if not hasattr(os, "posix_fallocate"):
        return
    try:
        os.posix_fallocate(descriptor, 0, _PREALLOCATED_BYTES)
    except OSError:
        return  # no space, or not supported by the file system: append reports a full disk
