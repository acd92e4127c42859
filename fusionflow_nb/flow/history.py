"""One document's history: edits go in, revisions come out, undo and redo for free."""

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
"""Steps that can be undone."""


@dataclass(slots=True)
class _Step:
    inverse: Edit
    gesture: tuple[str, str] | None
    """Origin and gesture of an edit that the next one may join."""


class Watch:
    """What has to be planned again since somebody last looked; filled in the same breath as the document changes."""

    def __init__(self) -> None:
        self.replanned: set[str] = set()
        self.is_structural = False

    def take(self) -> tuple[set[str], bool]:
        """The nodes to plan again (as `edits.replanned` names them), and whether nodes or edges came or went.

        Call it while the document is held, so that it tells of exactly the document that is read then.
        """
        taken = self.replanned, self.is_structural
        self.replanned, self.is_structural = set(), False
        return taken


class History:
    """The one way a living document changes. Safe to call from any thread.

    Listeners hear of every change in order, before the call that made it returns, and outside the lock: they may edit
    (the others hear of that next), but must not wait for another thread that edits. An error of one is raised when all
    have heard.

    Args:
        document: changed in place.
    """

    def __init__(self, document: FlowDocument) -> None:
        self.document = document
        self.rev = 0
        self._undo: list[_Step] = []
        self._redo: list[Edit] = []
        self._listeners: list[Listener] = []
        self._watches: list[Watch] = []
        self._news: deque[tuple[int, str, list[Edit], frozenset[str]]] = deque()
        self._lock = threading.RLock()
        self._telling = threading.RLock()
        self._is_telling = False

    @property
    def can_undo(self) -> bool:
        """Whether there is a step to take back."""
        return bool(self._undo)

    @property
    def can_redo(self) -> bool:
        """Whether a step was taken back that can be done again."""
        return bool(self._redo)

    @contextmanager
    def held(self) -> Iterator[FlowDocument]:
        """The document, which nobody changes meanwhile. Keep it short: who edits waits."""
        with self._lock:
            yield self.document

    def watch(self) -> Watch:
        """Note from now on what has to be planned again."""
        with self._lock:
            watch = Watch()
            self._watches.append(watch)
        return watch

    def subscribe(self, listener: Listener) -> Callable[[], None]:
        """Hear (rev, origin, edits, replanned) of every change, in order; returns how to stop.

        `replanned` is what `edits.replanned` says: the nodes to plan again.
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
            origin: who made them (a canvas's client id, `python`), so that a view knows its own.
            gesture: consecutive steps of one origin in one gesture (a slider being dragged) are undone together.

        Raises:
            EditError: an edit does not fit; nothing changed.
        """
        with self._lock:
            if not edits:
                return self.rev
            step = edit_types.EditGroup(edits=edits)
            inverse = edit_types.apply(self.document, step)
            replanned = edit_types.replanned(self.document, step, inverse)
            key = None if gesture is None else (origin, gesture)
            if key is not None and self._undo and self._undo[-1].gesture == key:
                inverse = _joined(inverse, self._undo.pop().inverse)
            self._undo.append(_Step(inverse, key))
            del self._undo[:-DEPTH]
            self._redo.clear()
            rev = self._note(origin, edits, replanned)
        self._tell()
        return rev

    def undo(self, *, origin: str = "undo") -> bool:
        """Take the last step back; False where there is none."""
        with self._lock:
            if not self._undo:
                return False
            inverse = self._undo.pop().inverse
            step = edit_types.apply(self.document, inverse)
            self._redo.append(step)
            self._note(origin, [inverse], edit_types.replanned(self.document, inverse, step))
        self._tell()
        return True

    def redo(self, *, origin: str = "redo") -> bool:
        """Do the step that was taken back again; False where there is none."""
        with self._lock:
            if not self._redo:
                return False
            step = self._redo.pop()
            inverse = edit_types.apply(self.document, step)
            self._undo.append(_Step(inverse, None))
            self._note(origin, [step], edit_types.replanned(self.document, step, inverse))
        self._tell()
        return True

    def _note(self, origin: str, edits: list[Edit], replanned: frozenset[str]) -> int:
        """Queue the news of a change while the document's lock is held, so that news keep the order of changes."""
        self.rev += 1
        self._news.append((self.rev, origin, edits, replanned))
        for watch in self._watches:
            watch.replanned |= replanned
            watch.is_structural = watch.is_structural or any(map(edit_types.is_structural, edits))
        return self.rev

    def _tell(self) -> None:
        """Tell the listeners what is queued; another thread's telling is waited for, our own outer one goes on."""
        with self._telling:
            if self._is_telling:
                return
            self._is_telling = True
            try:
                while self._news:
                    news = self._news.popleft()
                    # A stack calls all of them even where one raises, and then lets that error through.
                    with ExitStack() as calls:
                        for listener in reversed(self._listeners):
                            calls.callback(listener, *news)
            finally:
                self._is_telling = False


def _joined(later: Edit, earlier: Edit) -> Edit:
    """The inverse of two steps of a gesture, the later one undone first.

    Where the later step only gave new values to what the earlier one had set, undoing the earlier one says it all:
    a slider dragged through a thousand values is one edit to undo.
    """
    known = {_slot(part) for part in parts(earlier)}
    if all(_is_mere_value(part) and _slot(part) in known for part in parts(later)):
        return earlier
    return edit_types.EditGroup(edits=[*parts(later), *parts(earlier)])


def _slot(edit: Edit) -> tuple[str, ...]:
    """What a setting edit sets."""
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


def _is_mere_value(inverse: Edit) -> bool:
    """Whether an inverse changes a value alone: nothing appears, goes, or finds another place."""
    match inverse:
        case edit_types.SetParam() | edit_types.SetNode() | edit_types.SetVariable():
            return not inverse.is_unset and inverse.index is None
        case edit_types.SetLayout():
            return inverse.mode == "replace" and inverse.index is None
        case edit_types.SetFlow():
            return True
        case _:
            return False
