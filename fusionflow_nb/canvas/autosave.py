"""Saves a flow to its file shortly after the last edit, and never overwrites changes by another process."""

from __future__ import annotations

import atexit
import logging
import threading
import time
import weakref
from typing import TYPE_CHECKING, TypeAlias, TypeVar

from fusionflow_nb import errors
from fusionflow_nb.canvas.node_results import error_facts

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from fusionflow_nb.api.flow import Flow
    from fusionflow_nb.canvas.wire import FileFacts

    Schedule: TypeAlias = Callable[[float, Callable[[], None]], None]

_T = TypeVar("_T")
_log = logging.getLogger(__name__)
_open: weakref.WeakSet[Autosave] = weakref.WeakSet()

QUIET_S = 1.0
"""Time without an edit before the file is written."""
MOST_S = 10.0
"""Maximum time from the first unsaved edit, for continuous editing."""
RETRY_S = 5.0
"""Delay after a failure; doubles with each further failure, up to `MOST_RETRY_S`."""
MOST_RETRY_S = 60.0


class Autosave:
    """Keeps the file of one flow up to date. Thread-safe; several instances may share one flow.

    A missing file is created at the next edit. If the file cannot be written, the facts contain the error, and writing
    is retried until it succeeds.

    Args:
        flow: the flow, saved to its own path.
        path: sets the flow's path; None: keeps it, and saves nothing while the flow has no path.
        on_change: called with the new facts, on the thread that changed them; must be quick.
        schedule: calls a function after so many seconds (by default on a timer thread).
        clock: returns seconds, to measure pauses.
    """

    def __init__(
        self,
        flow: Flow,
        path: Path | None,
        *,
        on_change: Callable[[FileFacts], None],
        schedule: Schedule | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.flow = flow
        if path is not None:
            flow.path = path
        self._on_change = on_change
        self._schedule = schedule or _schedule
        self._clock = clock
        self._lock = threading.RLock()
        self._is_waiting = False
        self._is_closed = False
        self._edited_at = self._first_edit_at = clock()
        self._failures = 0
        self._error: errors.FusionFlowError | None = None
        self._sent = self.facts()
        self._unsubscribe = flow.history.subscribe(lambda *_: self._on_edit())
        _open.add(self)
        if flow.path is not None and not self._is_all_written(flow.path):
            self._on_edit()

    # --- state -------------------------------------------------------------------------------------------------------

    @property
    def is_conflicting(self) -> bool:
        """Whether another process changed the file. Saving stops until `reload`, `keep_mine` or `copy`."""
        return self.flow.path is not None and self.flow.disk.record(self.flow.path).is_conflicting

    def facts(self) -> FileFacts:
        """`{path, saved_at_us, is_conflicting}`, and `error` if the file cannot be written."""
        path = self.flow.path
        facts: FileFacts = {
            "path": None if path is None else str(path),
            "saved_at_us": None if path is None else self.flow.disk.record(path).saved_at_us,
            "is_conflicting": self.is_conflicting,
        }
        if self._error is not None:
            facts["error"] = error_facts(self._error)
        return facts

    # --- actions of the user -----------------------------------------------------------------------------------------

    def save(self, path: Path | None = None) -> Path:
        """Save the flow now and return its path. A `path` replaces the flow's path and overwrites an existing file.

        Raises:
            FileChangedError: another process changed the file; nothing was written.
            DiskFullError, UnwritableError: the file is unchanged.
        """
        if path is not None or self.flow.path is None:
            return self._attempt(lambda: self.flow.save(path or _unused(self.flow.default_path())))
        target = self.flow.path
        self._attempt(lambda: self.flow.disk.write(target))
        return target

    def reload(self) -> None:
        """Replace the flow by the file's content, as one undoable step.

        Raises:
            FlowFileError: the file is unreadable or not a flow.
        """
        path = self.flow.path
        if path is None:
            raise errors.FlowFileError("The flow has no file yet.", hint="Save it first.")
        self._attempt(lambda: self.flow.disk.reload(path))

    def keep_mine(self) -> Path:
        """Overwrite the file.

        Raises:
            DiskFullError, UnwritableError: the file is unchanged.
        """
        return self._attempt(self.flow.save)

    def copy(self) -> Path:
        """Save the flow next to its file, as `name (2).flow.json`, and use that file from then on.

        Raises:
            DiskFullError, UnwritableError: nothing was written.
        """
        beside = self.flow.path or self.flow.default_path()
        return self._attempt(lambda: self.flow.save(_unused(beside)))

    def close(self) -> None:
        """Save pending edits and stop. In a conflict, saves them to a copy."""
        with self._lock:
            if self._is_closed:
                return
            self._is_closed = True
        self._unsubscribe()
        _open.discard(self)
        path = self.flow.path
        if path is None or self._is_all_written(path):
            return
        try:
            try:
                self.flow.disk.write(path)
            except errors.FileChangedError:
                copy = self.flow.save(_unused(path))
                _log.warning("Another process changed %s. Your edits are in %s.", path, copy)
        except errors.FusionFlowError as error:
            _log.warning("The last edits of %r were not saved: %s", self.flow.name, error)

    # --- automatic saving --------------------------------------------------------------------------------------------

    def _on_edit(self) -> None:
        with self._lock:
            if self._is_closed:
                return
            self._edited_at = self._clock()
            if self._is_waiting:
                return
            self._first_edit_at = self._edited_at
            self._is_waiting = True
        self._schedule(QUIET_S, self._on_timer)

    def _on_timer(self) -> None:
        """Save, or wait again if there was an edit during the pause."""
        with self._lock:
            if self._is_closed:
                self._is_waiting = False
                return
            now = self._clock()
            rest_s = min(self._edited_at + QUIET_S, self._first_edit_at + MOST_S) - now
            if rest_s <= 0:
                # Before the write: an edit during it must start another pause.
                self._is_waiting = False
        if rest_s > 0:
            self._schedule(rest_s, self._on_timer)
            return
        path = self.flow.path
        if path is None:
            return
        if self._is_all_written(path):
            self._publish()
            return
        try:
            self._attempt(lambda: self.flow.disk.write(path))
        except errors.FileChangedError:
            return  # the facts contain the conflict; the user resolves it
        except errors.FusionFlowError:
            with self._lock:
                if self._is_waiting:
                    return
                self._is_waiting = True
                wait_s = min(RETRY_S * 2 ** (self._failures - 1), MOST_RETRY_S)
            self._schedule(wait_s, self._on_timer)

    def _is_all_written(self, path: Path) -> bool:
        """Whether the file is up to date; a new flow without edits needs no file."""
        return self.flow.disk.is_saved(path) or self.flow.history.rev == 0

    def _attempt(self, work: Callable[[], _T]) -> _T:
        """Run a file operation, record its error, and publish the new facts."""
        try:
            result = work()
            self._error, self._failures = None, 0
        except errors.FileChangedError:
            self._error, self._failures = None, 0  # a conflict is not a write error
            raise
        except errors.FusionFlowError as error:
            self._error, self._failures = error, self._failures + 1
            raise
        else:
            return result
        finally:
            self._publish()

    def _publish(self) -> None:
        facts = self.facts()
        with self._lock:
            is_changed, self._sent = facts != self._sent, facts
        if is_changed and not self._is_closed:
            self._on_change(facts)


def _schedule(seconds: float, work: Callable[[], None]) -> None:
    timer = threading.Timer(seconds, work)
    timer.name = "fusionflow-autosave"
    timer.daemon = True  # pending edits are saved at exit
    timer.start()


def _unused(path: Path) -> Path:
    """The path itself if it does not exist, else the first unused `name (2).flow.json` next to it."""
    stem, suffix = path.name, ""
    for ending in (".flow.json", ".json"):
        if path.name.endswith(ending):
            stem, suffix = path.name.removesuffix(ending), ending
            break
    candidate, number = path, 1
    while candidate.exists():
        number += 1
        candidate = path.with_name(f"{stem} ({number}){suffix}")
    return candidate


@atexit.register
def _close_all() -> None:
    """Save pending edits if the kernel shuts down shortly after an edit."""
    for autosave in list(_open):
        autosave.close()
