"""The edit history of a document: revisions, undo and redo, and notification of listeners."""

from __future__ import annotations

import threading
from collections import deque
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

from fusionflow_nb.flow import edits as edit_types
from fusionflow_nb.flow.edit_types import parts

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from fusionflow_nb.flow.document import FlowDocument
    from fusionflow_nb.flow.edits import Edit

    Listener: TypeAlias = Callable[[int, str, list[Edit], frozenset[str]], None]

DEPTH = 1000
"""Number of steps that can be undone."""


@dataclass(slots=True)
class _Step:
    inverse: Edit
    gesture: tuple[str, str] | None
    """Origin and gesture of the step; the next step merges into it if both are equal."""


class ReplanTracker:
    """Collects what to plan again since the last `take`; updated under the lock that protects the document."""

    def __init__(self) -> None:
        self.replanned: set[str] = set()
        self.is_structural = False

    def take(self) -> tuple[set[str], bool]:
        """Return and reset the nodes to plan again (see `edits.replanned`), and whether nodes or edges changed.

        Call it while the document is locked, so that the result matches the document.
        """
        result = self.replanned, self.is_structural
        self.replanned, self.is_structural = set(), False
        return result


class History:
    """Applies edits to a document and keeps undo and redo. Thread-safe.

    Listeners are called for every change in order, outside the lock, before the call that made the change returns. They
    may edit (which notifies the listeners afterwards), but must not wait for another thread that edits. If a listener
    raises, the other listeners are still called, and then the error is raised.

    Args:
        document: changed in place.
    """

    def __init__(self, document: FlowDocument) -> None:
        self.document = document
        self.rev = 0
        self._undo: list[_Step] = []
        self._redo: list[Edit] = []
        self._listeners: list[Listener] = []
        self._trackers: list[ReplanTracker] = []
        self._notifications: deque[tuple[int, str, list[Edit], frozenset[str]]] = deque()
        self._lock = threading.RLock()
        self._notify_lock = threading.RLock()
        self._is_notifying = False

    @property
    def can_undo(self) -> bool:
        """Whether there is a step to undo."""
        return bool(self._undo)

    @property
    def can_redo(self) -> bool:
        """Whether there is an undone step to redo."""
        return bool(self._redo)

    @contextmanager
    def locked_document(self) -> Iterator[FlowDocument]:
        """The document, locked against edits. Keep the block short, because edits wait for it."""
        with self._lock:
            yield self.document

    def track_replans(self) -> ReplanTracker:
        """A tracker of what to plan again after the edits that follow."""
        with self._lock:
            tracker = ReplanTracker()
            self._trackers.append(tracker)
        return tracker

    def subscribe(self, listener: Listener) -> Callable[[], None]:
        """Call `listener(rev, origin, edits, replanned)` after each change. Returns a function that unsubscribes.

        `replanned` is the result of `edits.replanned`: the nodes to plan again.
        """
        with self._lock:
            self._listeners.append(listener)

        def unsubscribe() -> None:
            with self._lock:
                if listener in self._listeners:
                    self._listeners.remove(listener)

        return unsubscribe

    def do(self, edits: list[Edit], *, origin: str, gesture: str | None = None) -> int:
        """Apply edits as one step and return the new revision.

        Args:
            edits: all of them apply, or none.
            origin: source of the edits (a canvas's client id, `python`), so that a view recognizes its own edits.
            gesture: consecutive steps with equal origin and gesture (dragging a slider) become one undo step.

        Raises:
            EditError: an edit does not fit; the document is unchanged.
        """
        with self._lock:
            if not edits:
                return self.rev
            step = edit_types.EditGroup(edits=edits)
            inverse = edit_types.apply(self.document, step)
            replanned = edit_types.replanned(self.document, step, inverse)
            key = None if gesture is None else (origin, gesture)
            if key is not None and self._undo and self._undo[-1].gesture == key:
                inverse = _merge(inverse, self._undo.pop().inverse)
            self._undo.append(_Step(inverse, key))
            del self._undo[:-DEPTH]
            self._redo.clear()
            rev = self._record(origin, edits, replanned)
        self._notify()
        return rev

    def undo(self, *, origin: str = "undo") -> bool:
        """Undo the last step. Returns False if there is no step."""
        with self._lock:
            if not self._undo:
                return False
            inverse = self._undo.pop().inverse
            step = edit_types.apply(self.document, inverse)
            self._redo.append(step)
            self._record(origin, [inverse], edit_types.replanned(self.document, inverse, step))
        self._notify()
        return True

    def redo(self, *, origin: str = "redo") -> bool:
        """Redo the last undone step. Returns False if there is no such step."""
        with self._lock:
            if not self._redo:
                return False
            step = self._redo.pop()
            inverse = edit_types.apply(self.document, step)
            self._undo.append(_Step(inverse, None))
            self._record(origin, [step], edit_types.replanned(self.document, step, inverse))
        self._notify()
        return True

    def _record(self, origin: str, edits: list[Edit], replanned: frozenset[str]) -> int:
        """Queue the notification of a change. The caller holds the lock, so the queue keeps the order of changes."""
        self.rev += 1
        self._notifications.append((self.rev, origin, edits, replanned))
        for tracker in self._trackers:
            tracker.replanned |= replanned
            tracker.is_structural = tracker.is_structural or any(map(edit_types.is_structural, edits))
        return self.rev

    def _notify(self) -> None:
        """Send the queued notifications. Waits for another thread that sends; a nested call returns immediately."""
        with self._notify_lock:
            if self._is_notifying:
                return
            self._is_notifying = True
            try:
                while self._notifications:
                    notification = self._notifications.popleft()
                    # ExitStack calls all listeners even if one raises, and then raises the error.
                    with ExitStack() as calls:
                        for listener in reversed(self._listeners):
                            calls.callback(listener, *notification)
            finally:
                self._is_notifying = False


def _merge(later: Edit, earlier: Edit) -> Edit:
    """The inverse of two steps of a gesture; the later step is undone first.

    If the later step only changed values that the earlier step had set, the inverse of the earlier step is enough: a
    slider dragged through a thousand values is undone by one edit.
    """
    slots = {_slot(part) for part in parts(earlier)}
    if all(_changes_only_value(part) and _slot(part) in slots for part in parts(later)):
        return earlier
    return edit_types.EditGroup(edits=[*parts(later), *parts(earlier)])


def _slot(edit: Edit) -> tuple[str, ...]:
    """Identifies the field that an edit sets."""
    match edit:
        case edit_types.SetParam():
            return edit.kind, edit.node_id, edit.name
        case edit_types.SetNode():
            return edit.kind, edit.node_id, edit.field
        case edit_types.SetLayout():
            return edit.kind, edit.node_id
        case edit_types.SetVariable():
            return edit.kind, edit.name
        case edit_types.SetFlow():
            return edit.kind, edit.field
        case _:
            return (edit.kind,)


def _changes_only_value(inverse: Edit) -> bool:
    """Whether an inverse only changes a value, and does not add, remove or move anything."""
    match inverse:
        case edit_types.SetParam() | edit_types.SetNode() | edit_types.SetVariable():
            return not inverse.is_unset and inverse.index is None
        case edit_types.SetLayout():
            return inverse.mode == "replace" and inverse.index is None
        case edit_types.SetFlow():
            return True
        case _:
            return False
