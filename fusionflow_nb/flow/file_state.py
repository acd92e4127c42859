"""The files of an open flow: their digests when last read or written, so that foreign changes are not overwritten.

Everything that writes a flow uses this module: `flow.save()` and the autosave of each canvas.
"""

from __future__ import annotations

import hashlib
import threading
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING
from uuid import uuid4

from fusionflow_nb import errors
from fusionflow_nb.flow import file
from fusionflow_nb.flow.diff import diff

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from fusionflow_nb.flow.history import History

_RELOAD_TRIES = 5


@dataclass(slots=True)
class FileRecord:
    """The last known state of a file."""

    digest: str | None = None
    """Sha256 of its bytes when last read or written; None if it did not exist or was never read."""
    rev: int = -1
    """Revision of the document in the file."""
    saved_at_us: int | None = None
    is_conflicting: bool = False
    """Whether another program changed the file since."""


class FileState:
    """The files of a flow. Thread-safe; reads and writes are serialized.

    Args:
        history: of the document.
        clock: returns seconds since 1970.
    """

    def __init__(self, history: History, clock: Callable[[], float] = time.time) -> None:
        self._history = history
        self._clock = clock
        self._records: dict[Path, FileRecord] = {}
        self._lock = threading.RLock()

    def record(self, path: Path) -> FileRecord:
        """The record of a file; an empty record if it was never read or written."""
        return self._records.setdefault(_resolved(path), FileRecord())

    def record_content(self, path: Path, data: bytes, *, rev: int) -> None:
        """Record the content of a file, which is the document at a revision."""
        with self._lock:
            record = self.record(path)
            record.digest, record.rev, record.is_conflicting = hashlib.sha256(data).hexdigest(), rev, False

    def is_saved(self, path: Path) -> bool:
        """Whether a file contains the current document, as far as is known."""
        return self.record(path).rev == self._history.rev

    def write(self, path: Path, *, overwrite: bool = False) -> bool:
        """Write the document to a file unless the content is equal. Returns whether it was written.

        Args:
            path: of the file.
            overwrite: write even if another program changed the file.

        Raises:
            FileChangedError: another program changed or created the file; it is unchanged and marked as conflicting.
            DiskFullError, UnwritableError: the file is unchanged.
        """
        with self._lock:
            with self._history.locked_document() as document:
                rev, data = self._history.rev, file.dumps(document).encode()
            record = self.record(path)
            digest = hashlib.sha256(data).hexdigest()

            def check_unchanged() -> None:
                current = None if overwrite else _file_digest(path)
                if current not in {None, record.digest, digest}:
                    record.is_conflicting = True
                    raise errors.FileChangedError(
                        f"{path} was changed by another program.",
                        hint="Reload it, keep yours, or save a copy.",
                    )

            check_unchanged()
            is_written = _file_digest(path) != digest
            if is_written:
                # Checked again right before the replacement: writing a large file takes time.
                file.write(data, path, check=check_unchanged)
            self.record_content(path, data, rev=rev)
            if is_written or record.saved_at_us is None:
                record.saved_at_us = round(self._clock() * 1e6)
            return is_written

    def reload(self, path: Path, *, origin: str = "file") -> None:
        """Load a file into the document as one undoable step. The document keeps its id.

        Raises:
            FlowFileError: the file cannot be read or is not a flow; the document is unchanged.
        """
        with self._lock:
            data = file.read(path)
            target = file.decode(data, path)
            gesture = uuid4().hex
            # Another thread may edit between the comparison and the edit; the loop then undoes its change, too.
            for _ in range(_RELOAD_TRIES):
                with self._history.locked_document() as document:
                    rev, changes = self._history.rev, diff(document, target)
                    if not changes:
                        # No edit sets unknown fields, but the next save must keep them.
                        document.__pydantic_extra__ = dict(target.model_extra or {})
                        document.layout.__pydantic_extra__ = dict(target.layout.model_extra or {})
                if not changes:
                    break
                try:
                    self._history.do(changes, origin=origin, gesture=gesture)
                except errors.EditError:
                    continue
            self.record_content(path, data, rev=rev)


def _resolved(path: Path) -> Path:
    """The real path, so that links to a file share its record."""
    return path.expanduser().resolve()


def _file_digest(path: Path) -> str | None:
    """Sha256 of a file; None if it does not exist.

    Raises:
        UnwritableError: the file cannot be read, so it must not be overwritten.
    """
    try:
        return hashlib.sha256(path.read_bytes()).hexdigest()
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        raise errors.UnwritableError(
            f"{path} cannot be read: {error.strerror}.", hint="Save the flow to a readable and writable folder."
        ) from error
