"""A living flow and its files: what each held when the flow last read or wrote it, so that nobody is written over.

Everything that writes a flow goes through here: a cell's `flow.save()`, and the autosave of any canvas.
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

_READING_TRIES = 5


@dataclass(slots=True)
class Known:
    """What is known of one file."""

    digest: str | None = None
    """Sha256 of its bytes when they were last read or written; None: it was not there, or nobody looked."""
    rev: int = -1
    """Revision of the document that it holds."""
    saved_at_us: int | None = None
    is_conflicting: bool = False
    """Somebody else changed it since."""


class FileState:
    """The files of one flow. Safe to call from any thread; one at a time reads or writes.

    Args:
        history: of the document that is written.
        clock: tells seconds since 1970.
    """

    def __init__(self, history: History, clock: Callable[[], float] = time.time) -> None:
        self._history = history
        self._clock = clock
        self._known: dict[Path, Known] = {}
        self._lock = threading.RLock()

    def known(self, path: Path) -> Known:
        """What is known of a file; of one that was never read or written: nothing."""
        return self._known.setdefault(_place(path), Known())

    def holds(self, path: Path, data: bytes, *, rev: int) -> None:
        """Note that a file holds these bytes, which are the document at a revision."""
        with self._lock:
            known = self.known(path)
            known.digest, known.rev, known.is_conflicting = hashlib.sha256(data).hexdigest(), rev, False

    def is_saved(self, path: Path) -> bool:
        """Whether a file holds the document as it is now, as far as is known."""
        return self.known(path).rev == self._history.rev

    def write(self, path: Path, *, over_others: bool = False) -> bool:
        """Write the document to a file unless it holds just that already; whether it was written.

        Args:
            path: of the file.
            over_others: write, whoever changed it.

        Raises:
            FileChangedError: somebody else changed (or made) the file since; it is left as it is, and conflicting.
            DiskFullError, UnwritableError: the file is as it was.
        """
        with self._lock:
            with self._history.held() as document:
                rev, data = self._history.rev, file.dumps(document).encode()
            known = self.known(path)
            digest = hashlib.sha256(data).hexdigest()

            def refuse() -> None:
                found = None if over_others else _digest_at(path)
                if found not in {None, known.digest, digest}:
                    known.is_conflicting = True
                    raise errors.FileChangedError(
                        f"{path} was changed by somebody else.",
                        hint="Reload it, keep yours, or save a copy.",
                    )

            refuse()
            is_written = _digest_at(path) != digest
            if is_written:
                # Asked again in the last moment: bringing many bytes to a disk takes its time.
                file.write(data, path, check=refuse)
            self.holds(path, data, rev=rev)
            if is_written or known.saved_at_us is None:
                known.saved_at_us = round(self._clock() * 1e6)
            return is_written

    def reload(self, path: Path, *, origin: str = "file") -> None:
        """Make the document what a file holds, as one step that can be undone. The flow stays its project.

        Raises:
            FlowFileError: the file cannot be read or is no flow; the document is as it was.
        """
        with self._lock:
            data = file.read(path)
            wanted = file.decoded(data, path)
            gesture = uuid4().hex
            # Others may edit between looking and editing; what they did then is part of the same step.
            for _ in range(_READING_TRIES):
                with self._history.held() as document:
                    rev, changes = self._history.rev, diff(document, wanted)
                    if not changes:
                        # No edit sets what this version does not know; the next save must keep it all the same.
                        document.__pydantic_extra__ = dict(wanted.model_extra or {})
                        document.layout.__pydantic_extra__ = dict(wanted.layout.model_extra or {})
                if not changes:
                    break
                try:
                    self._history.do(changes, origin=origin, gesture=gesture)
                except errors.EditError:
                    continue
            self.holds(path, data, rev=rev)


def _place(path: Path) -> Path:
    """One name for one file, whatever links lead to it."""
    return path.expanduser().resolve()


def _digest_at(path: Path) -> str | None:
    """Sha256 of what a file holds; None where there is none.

    Raises:
        UnwritableError: nobody may look, so nobody should write.
    """
    try:
        return hashlib.sha256(path.read_bytes()).hexdigest()
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        raise errors.UnwritableError(
            f"{path} cannot be read: {error.strerror}.", hint="Save the flow to a folder that you can use."
        ) from error
