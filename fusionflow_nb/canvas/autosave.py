"""A flow is written to its file shortly after the last edit, and never over what somebody else wrote there."""

from __future__ import annotations

import atexit
import logging
import threading
import time
import weakref
from typing import TYPE_CHECKING, Any, TypeAlias, TypeVar

from fusionflow_nb import errors
from fusionflow_nb.canvas.node_results import error_facts

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from fusionflow_nb.api.flow import Flow

    FileFacts: TypeAlias = dict[str, Any]
    Later: TypeAlias = Callable[[float, Callable[[], None]], None]

_T = TypeVar("_T")
_log = logging.getLogger(__name__)
_open: weakref.WeakSet[Autosave] = weakref.WeakSet()

QUIET_S = 1.0
"""Without an edit, before the file is written."""
MOST_S = 10.0
"""From the first edit that is not in the file; who edits without a pause is saved too."""
RETRY_S = 5.0
"""After a failure; doubled with each further one, up to `MOST_RETRY_S`."""
MOST_RETRY_S = 60.0


class Autosave:
    """Keeps the file of one flow up to date; several on one flow do not disturb each other. Safe from any thread.

    A file that is not there is made at the first edit; one that was deleted is written anew at the next. Where the
    file cannot be written, that is said and tried again until it can.

    Args:
        flow: written to its own path.
        path: where to keep it from now on; None: where it is, and nothing is written while it is nowhere.
        on_change: hears the new facts, on whatever thread they changed; be quick.
        later: calls a function after so many seconds (one timer thread by default).
        clock: seconds, for the pauses.
    """

    def __init__(
        self,
        flow: Flow,
        path: Path | None,
        *,
        on_change: Callable[[FileFacts], None],
        later: Later | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.flow = flow
        if path is not None:
            flow.path = path
        self._on_change = on_change
        self._later = later or _later
        self._clock = clock
        self._lock = threading.RLock()
        self._is_waiting = False
        self._is_closed = False
        self._edited_at = self._first_edit_at = clock()
        self._failures = 0
        self._error: errors.FusionFlowError | None = None
        self._told = self.facts()
        self._stop = flow.history.subscribe(lambda *_: self._edited())
        _open.add(self)
        if flow.path is not None and not self._is_all_written(flow.path):
            self._edited()

    # --- how it stands -----------------------------------------------------------------------------------------------

    @property
    def is_conflicting(self) -> bool:
        """Whether somebody else changed the file: nothing is written until `reload`, `keep_mine` or `copy`."""
        return self.flow.path is not None and self.flow.disk.known(self.flow.path).is_conflicting

    def facts(self) -> FileFacts:
        """`{path, saved_at_us, is_conflicting}`, and `error` where the file cannot be written."""
        path = self.flow.path
        facts: FileFacts = {
            "path": None if path is None else str(path),
            "saved_at_us": None if path is None else self.flow.disk.known(path).saved_at_us,
            "is_conflicting": self.is_conflicting,
        }
        return facts if self._error is None else {**facts, "error": error_facts(self._error)}

    # --- what a person asks for --------------------------------------------------------------------------------------

    def save(self, path: Path | None = None) -> Path:
        """Write the flow now and return where; a path given is its place from now on, whatever is there.

        Raises:
            FileChangedError: somebody else changed the file; nothing was written.
            DiskFullError, UnwritableError: the file is as it was.
        """
        if path is not None or self.flow.path is None:
            return self._now(lambda: self.flow.save(path or _free(self.flow.default_path())))
        target = self.flow.path
        self._now(lambda: self.flow.disk.write(target))
        return target

    def reload(self) -> None:
        """Take what is in the file; undo brings one's own back.

        Raises:
            FlowFileError: it cannot be read or is no flow.
        """
        path = self.flow.path
        if path is None:
            raise errors.FlowFileError("The flow has no file yet.", hint="Save it first.")
        self._now(lambda: self.flow.disk.reload(path))

    def keep_mine(self) -> Path:
        """Write over whatever is in the file.

        Raises:
            DiskFullError, UnwritableError: the file is as it was.
        """
        return self._now(self.flow.save)

    def copy(self) -> Path:
        """Write the flow beside its file, as `name (2).flow.json`, and go on there; the other file stays as it is.

        Raises:
            DiskFullError, UnwritableError: nothing was written.
        """
        beside = self.flow.path or self.flow.default_path()
        return self._now(lambda: self.flow.save(_free(beside)))

    def close(self) -> None:
        """Write what is pending and stop. What would be lost in a conflict goes into a copy."""
        with self._lock:
            if self._is_closed:
                return
            self._is_closed = True
        self._stop()
        _open.discard(self)
        path = self.flow.path
        if path is None or self._is_all_written(path):
            return
        try:
            try:
                self.flow.disk.write(path)
            except errors.FileChangedError:
                kept = self.flow.save(_free(path))
                _log.warning("%s was changed by somebody else; your own edits are in %s.", path, kept)
        except errors.FusionFlowError as error:
            _log.warning("The last edits of %r were not saved: %s", self.flow.name, error)

    # --- what happens by itself --------------------------------------------------------------------------------------

    def _edited(self) -> None:
        with self._lock:
            if self._is_closed:
                return
            self._edited_at = self._clock()
            if self._is_waiting:
                return
            self._first_edit_at = self._edited_at
            self._is_waiting = True
        self._later(QUIET_S, self._due)

    def _due(self) -> None:
        """The pause is over, unless somebody edited in it."""
        with self._lock:
            if self._is_closed:
                self._is_waiting = False
                return
            now = self._clock()
            rest_s = min(self._edited_at + QUIET_S, self._first_edit_at + MOST_S) - now
            if rest_s <= 0:
                # Before the write: an edit during it must begin another pause.
                self._is_waiting = False
        if rest_s > 0:
            self._later(rest_s, self._due)
            return
        path = self.flow.path
        if path is None:
            return
        if self._is_all_written(path):
            self._tell()
            return
        try:
            self._now(lambda: self.flow.disk.write(path))
        except errors.FileChangedError:
            return  # the facts say so, and a person decides
        except errors.FusionFlowError:
            with self._lock:
                if self._is_waiting:
                    return
                self._is_waiting = True
                wait_s = min(RETRY_S * 2 ** (self._failures - 1), MOST_RETRY_S)
            self._later(wait_s, self._due)

    def _is_all_written(self, path: Path) -> bool:
        """Whether the file holds everything; a new flow that nobody edited needs none."""
        return self.flow.disk.is_saved(path) or self.flow.history.rev == 0

    def _now(self, work: Callable[[], _T]) -> _T:
        """Do something with the file, and tell what it changed, however it ended."""
        try:
            given = work()
            self._error, self._failures = None, 0
        except errors.FileChangedError:
            self._error, self._failures = None, 0  # a conflict is no failure of the disk
            raise
        except errors.FusionFlowError as error:
            self._error, self._failures = error, self._failures + 1
            raise
        else:
            return given
        finally:
            self._tell()

    def _tell(self) -> None:
        facts = self.facts()
        with self._lock:
            is_news, self._told = facts != self._told, facts
        if is_news and not self._is_closed:
            self._on_change(facts)


def _later(seconds: float, work: Callable[[], None]) -> None:
    timer = threading.Timer(seconds, work)
    timer.name = "fusionflow-autosave"
    timer.daemon = True  # what it would have written is written at exit
    timer.start()


def _free(path: Path) -> Path:
    """The path itself if nothing is there, else the first free `name (2).flow.json` beside it."""
    stem, suffix = path.name, ""
    for ending in (".flow.json", ".json"):
        if path.name.endswith(ending):
            stem, suffix = path.name.removesuffix(ending), ending
            break
    given, number = path, 1
    while given.exists():
        number += 1
        given = path.with_name(f"{stem} ({number}){suffix}")
    return given


@atexit.register
def _close_all() -> None:
    """A kernel that is shut down within the pause after an edit still writes it."""
    for one in list(_open):
        one.close()
