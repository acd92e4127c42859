"""Writing files that are either there in full or not there at all, whatever dies in between."""

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

    Every method raises DiskFullError, UnwritableError or StoreError where the system refuses.
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
        """Flush all bytes to the disk and close; the file is whole and may be read under its part name."""
        with store_errors(self._root, hint=self._hint):
            self._stream.flush()
            os.fsync(self._stream.fileno())
            self._stream.close()

    def publish(self, target: Path, *, mode: int = _READ_ONLY) -> None:
        """Give the finished file its name in one step, replacing what is there; then it survives a power cut."""
        with store_errors(self._root, hint=self._hint):
            self.path.chmod(mode)
            _make_folder(target.parent)
            _rename(self.path, target)
            _flush_folder(target.parent)


@contextmanager
def part_file(folder: Path, *, root: Path | None = None, hint: str | None = None) -> Iterator[PartFile]:
    """A new file to fill; on leaving it is deleted unless it was published.

    Args:
        folder: its folder, on the file system of the final name; created if missing.
        root: the folder that errors name; `folder` if not given.
        hint: replaces the default hint about FUSIONFLOW_HOME.

    Raises:
        DiskFullError, UnwritableError, StoreError: the file cannot be made.
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
    """Write a file that can be made again (a preview): in one step, but without waiting for the disk.

    Raises:
        DiskFullError, UnwritableError, StoreError: it cannot be written.
    """
    with part_file(parts) as part:
        part.write(data)
        with store_errors(target.parent):
            part._stream.close()  # noqa: SLF001 - same file
            target.parent.mkdir(parents=True, exist_ok=True)
            _rename(part.path, target)


def sweep_stale(folder: Path) -> None:
    """Delete part files that were not written to for a day: leftovers of killed processes.

    Never raises: what cannot be deleted now can be next time.
    """
    oldest = time.time() - STALE_AFTER_S
    with suppress(OSError):
        for path in folder.glob(f"*{PART_SUFFIX}"):
            with suppress(OSError):
                if path.stat().st_mtime < oldest:
                    path.unlink()


def _make_folder(folder: Path) -> None:
    """Make a folder whose existence survives a power cut."""
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
