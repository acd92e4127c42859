"""A line that tells a person what happens by itself: below the cell that runs, on a terminal's stderr, in a canvas."""

from __future__ import annotations

import sys
import threading
from html import escape
from typing import TYPE_CHECKING

from fusionflow_nb.display.cell_output import CellOutput, running_kernel

if TYPE_CHECKING:
    from collections.abc import Callable


class Notices:
    """The lines of one session. Any thread may say one."""

    def __init__(self) -> None:
        self.said: list[str] = []
        """Everything so far, the newest last."""
        self._listeners: list[Callable[[str], None]] = []

    def subscribe(self, listener: Callable[[str], None]) -> Callable[[], None]:
        """Hear every line from now on; returns how to stop."""
        self._listeners.append(listener)
        return lambda: self._listeners.remove(listener)

    def say(self, text: str) -> Notice:
        """Say a line; what comes back can say how it went on, in its place."""
        return Notice(self, text)

    def tell(self, text: str) -> None:
        """Keep a line, and tell it to who listens."""
        self.said.append(text)
        for listener in tuple(self._listeners):
            listener(text)


class Notice:
    """One line, and what becomes of it."""

    def __init__(self, notices: Notices, text: str) -> None:
        self._notices = notices
        self._output: CellOutput | None = None
        kernel = running_kernel()
        # Off the main thread there is no cell to show it in; canvases hear it all the same.
        if kernel is not None and threading.current_thread() is threading.main_thread():
            self._output = CellOutput(_bundle(text))
        elif kernel is None:
            _print(text)
        notices.tell(text)

    def replace(self, text: str) -> None:
        """Say something else in its place (a terminal gets a further line)."""
        if self._output is not None:
            self._output.replace(_bundle(text))
        elif running_kernel() is None:
            _print(text)
        self._notices.tell(text)


def _bundle(text: str) -> dict[str, str]:
    return {"text/plain": text, "text/html": f"<p><em>{escape(text)}</em></p>"}


def _print(text: str) -> None:
    if not sys.stderr.isatty():
        return  # a program's log, or nobody: what it runs on is not for it to read
    print(f"fusionflow: {text}", file=sys.stderr, flush=True)  # noqa: T201 - a script's person reads stderr
