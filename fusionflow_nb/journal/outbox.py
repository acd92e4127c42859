"""Where paid results go while the journal cannot be written: one file per kernel, one JSON line each, synced.

Space is set aside when the file is made, so that a full disk still takes the first lines. Lines are applied by id,
so applying one twice is harmless; what a crash tore off ends before the last newline.
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
_SPACE_SET_ASIDE_BYTES = 256 * 1024
_log = logging.getLogger(__name__)


class Outbox:
    """The outbox of this kernel. Any thread may append."""

    def __init__(self, folder: Path, kernel_id: str) -> None:
        """Make the file and set its space aside.

        Raises:
            OSError: the folder cannot be written.
        """
        self.path = outbox_path(folder, kernel_id)
        self._descriptor: int | None = os.open(self.path, os.O_RDWR | os.O_CREAT, 0o600)
        self._end = 0
        self._lock = threading.Lock()
        _set_aside(self._descriptor)

    @property
    def is_empty(self) -> bool:
        """Whether nothing waits."""
        return self._end == 0

    def append(self, entry: str) -> None:
        """Add one JSON text, durable when this returns.

        Raises:
            OSError: not even the outbox can be written.
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
        """What waits, and what to call once it is durable elsewhere."""
        with self._lock:
            end = self._end
        return read_entries(self.path), lambda: self._clear(end)

    def close(self) -> None:
        """Close the file; it stays only if something waits in it."""
        with self._lock:
            if self._descriptor is None:
                return
            os.close(self._descriptor)
            self._descriptor = None
            if self.is_empty:
                self.path.unlink(missing_ok=True)

    def leave_to_parent(self) -> None:
        """In a forked child: close our copy and touch nothing. The lock is not taken: its holder was not forked."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None

    def _clear(self, up_to: int) -> None:
        failpoint(Failpoint.OUTBOX_DRAINED)
        # Where it cannot be emptied it is written again with the next transaction: by id, so that nothing is doubled.
        with self._lock, suppress(OSError):
            if self._end == up_to and self._descriptor is not None:
                os.ftruncate(self._descriptor, 0)
                self._end = 0
                _set_aside(self._descriptor)


def outbox_path(folder: Path, kernel_id: str) -> Path:
    """The outbox file of a kernel."""
    return folder / f"{kernel_id}{SUFFIX}"


def read_entries(path: Path) -> list[dict[str, Any]]:
    """Every whole line of an outbox, in order; none if there is no file. A line that is no JSON object is reported."""
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
            _log.warning("A line of %s could not be read and was skipped: %.200r", path, line)
    return entries


def _set_aside(descriptor: int) -> None:
    if not hasattr(os, "posix_fallocate"):
        return
    try:
        os.posix_fallocate(descriptor, 0, _SPACE_SET_ASIDE_BYTES)
    except OSError:
        return  # no room, or a file system that cannot: appending will try for itself
