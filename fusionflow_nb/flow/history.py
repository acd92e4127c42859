"""One document's history: edits go in, revisions come out, undo and redo for free."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from fusionflow_nb.flow import edits as edit_forms

if TYPE_CHECKING:
    from collections.abc import Callable

    from fusionflow_nb.flow.document import FlowDocument
    from fusionflow_nb.flow.edits import Edit

    Listener = Callable[[int, str, list[Edit]], None]

DEPTH = 1000


class History:
    """The one way a living document changes. Safe to call from any thread.

    Args:
        document: changed in place.
    """

    def __init__(self, document: FlowDocument) -> None:
        self.document = document
        self.rev = 0
        self._undo: list[tuple[Edit, str | None]] = []
        self._redo: list[Edit] = []
        self._listeners: list[Listener] = []
        self._lock = threading.RLock()

    @property
    def can_undo(self) -> bool:
        return bool(self._undo)

    @property
    def can_redo(self) -> bool:
        return bool(self._redo)

    def subscribe(self, listener: Listener) -> Callable[[], None]:
        """Hear (rev, origin, edits) of every change, in order; returns how to stop."""
        self._listeners.append(listener)
        return lambda: self._listeners.remove(listener)

    def do(self, edits: list[Edit], *, origin: str, gesture: str | None = None) -> int:
        """Apply edits as one step and return the new revision.

        Args:
            edits: all of them apply, or none.
            origin: who made them (a canvas's client id, `python`), so that a view knows its own.
            gesture: steps of one gesture (a slider being dragged) are undone together.

        Raises:
            EditError: an edit does not fit; nothing changed.
        """
        with self._lock:
            inverse = edit_forms.apply(self.document, edit_forms.Several(edits=edits))
            if gesture is not None and self._undo and self._undo[-1][1] == gesture:
                before, _ = self._undo.pop()
                inverse = edit_forms.Several(edits=[inverse, before])
            self._undo.append((inverse, gesture))
            del self._undo[:-DEPTH]
            self._redo.clear()
            return self._tell(origin, edits)

    def undo(self, *, origin: str = "undo") -> bool:
        """Take the last step back; False where there is none."""
        with self._lock:
            if not self._undo:
                return False
            inverse, _ = self._undo.pop()
            self._redo.append(edit_forms.apply(self.document, inverse))
            self._tell(origin, [inverse])
            return True

    def redo(self, *, origin: str = "redo") -> bool:
        """Do the step that was taken back again; False where there is none."""
        with self._lock:
            if not self._redo:
                return False
            step = self._redo.pop()
            self._undo.append((edit_forms.apply(self.document, step), None))
            self._tell(origin, [step])
            return True

    def _tell(self, origin: str, edits: list[Edit]) -> int:
        self.rev += 1
        for listener in tuple(self._listeners):
            listener(self.rev, origin, edits)
        return self.rev
