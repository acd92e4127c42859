"""Atomic, durable writes: after a crash a file is complete or absent."""

from __future__ import annotations

import os
import time
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING
from uuid import uuid4

from fusionflow_nb.assets.os_errors import store_errors

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path
    from typing import BinaryIO

PART_SUFFIX = ".part"
STALE_AFTER_S = 24 * 3600
_READ_ONLY = 0o444


class PartFile:
    """A file being written under a temporary name.

    Every method raises DiskFullError, UnwritableError or StoreError if the system call fails.
    """

    def __init__(self, path: Path, stream: BinaryIO, root: Path, hint: str | None) -> None:
        self.path = path
        self._stream = stream
        self._root = root
        self._hint = hint

    def write(self, data: bytes) -> None:
        """Append bytes."""
        with store_errors(self._root, hint=self._hint):
            self._stream.write(data)

    def finish(self) -> None:
        """Flush all bytes to the disk and close; the complete file may be read at its temporary path."""
        with store_errors(self._root, hint=self._hint):
            self._stream.flush()
            os.fsync(self._stream.fileno())
            self._stream.close()

    def publish(self, target: Path, *, mode: int = _READ_ONLY) -> None:
        """Move the finished file to `target` atomically, replacing an existing file, and flush it to the disk."""
        with store_errors(self._root, hint=self._hint):
            self.path.chmod(mode)
            _make_folder(target.parent)
            _rename(self.path, target)
            _flush_folder(target.parent)


@contextmanager
def part_file(folder: Path, *, root: Path | None = None, hint: str | None = None) -> Iterator[PartFile]:
    """Create a temporary file; it is deleted at the end of the block unless it was published.

    Args:
        folder: the folder, on the file system of the target; created if missing.
        root: the folder that errors name; `folder` by default.
        hint: replaces the default hint about FUSIONFLOW_HOME.

    Raises:
        DiskFullError, UnwritableError, StoreError: the file cannot be created.
    """
    root = root or folder
    path = folder / f"{uuid4().hex}{PART_SUFFIX}"
    with store_errors(root, hint=hint):
        folder.mkdir(parents=True, exist_ok=True)
        stream = path.open("xb")
    try:
        yield PartFile(path, stream, root, hint)
    finally:
        # Closing may flush and fail again on a full disk; the first error is the useful error.
        with suppress(OSError):
            stream.close()
        with suppress(OSError):
            path.unlink(missing_ok=True)


def write_disposable(target: Path, data: bytes, *, parts: Path) -> None:
    """Write a file that can be regenerated (a preview): atomically, but without flushing to the disk.

    Raises:
        DiskFullError, UnwritableError, StoreError: the file cannot be written.
    """
    with part_file(parts) as part:
        part.write(data)
        with store_errors(target.parent):
            part._stream.close()  # noqa: SLF001 - same file
            target.parent.mkdir(parents=True, exist_ok=True)
            _rename(part.path, target)


def sweep_stale(folder: Path) -> None:
    """Delete part files that were not modified for a day: leftovers of killed processes.

    Never raises: a file that cannot be deleted is retried at the next call.
    """
    oldest = time.time() - STALE_AFTER_S
    with suppress(OSError):
        for path in folder.glob(f"*{PART_SUFFIX}"):
            with suppress(OSError):
                if path.stat().st_mtime < oldest:
                    path.unlink()


def _make_folder(folder: Path) -> None:
    """Create a folder that survives a power failure."""
    if not folder.is_dir():
        folder.mkdir(parents=True, exist_ok=True)
        _flush_folder(folder.parent)


def _rename(part: Path, target: Path) -> None:
    try:
        part.replace(target)
    except PermissionError:
        # Windows will not rename over a read-only file.
        if os.name != "nt" or not target.exists():
            raise
        target.chmod(0o644)
        part.replace(target)


def _flush_folder(folder: Path) -> None:
    """Make a rename durable. Windows cannot open folders and orders renames itself."""
    if os.name == "nt":
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
