"""Notices to the user about background work: shown below the running cell, on a terminal's stderr, on canvases."""

from __future__ import annotations

import sys
import threading
from html import escape
from typing import TYPE_CHECKING

from fusionflow_nb.display.cell_output import CellOutput, running_kernel

if TYPE_CHECKING:
    from collections.abc import Callable


class Notices:
    """The notices of one session. Thread-safe."""

    def __init__(self) -> None:
        self.texts: list[str] = []
        """All texts so far, newest last."""
        self._listeners: list[Callable[[str], None]] = []

    def subscribe(self, listener: Callable[[str], None]) -> Callable[[], None]:
        """Call `listener` with every later text. Returns the unsubscriber."""
        self._listeners.append(listener)
        return lambda: self._listeners.remove(listener)

    def show(self, text: str) -> Notice:
        """Show a text; the returned notice can replace it later."""
        return Notice(self, text)

    def publish(self, text: str) -> None:
        """Record a text and send it to the subscribers."""
        self.texts.append(text)
        for listener in tuple(self._listeners):
            listener(text)


class Notice:
    """One notice, whose text can be replaced."""

    def __init__(self, notices: Notices, text: str) -> None:
        self._notices = notices
        self._output: CellOutput | None = None
        kernel = running_kernel()
        # Other threads have no cell to show it in; canvases show it anyway.
        if kernel is not None and threading.current_thread() is threading.main_thread():
            self._output = CellOutput(_bundle(text))
        elif kernel is None:
            _print(text)
        notices.publish(text)

    def replace(self, text: str) -> None:
        """Replace the text (a terminal prints another line)."""
        if self._output is not None:
            self._output.replace(_bundle(text))
        elif running_kernel() is None:
            _print(text)
        self._notices.publish(text)


def _bundle(text: str) -> dict[str, str]:
    return {"text/plain": text, "text/html": f"<p><em>{escape(text)}</em></p>"}


def _print(text: str) -> None:
    if not sys.stderr.isatty():
        return  # stderr is redirected, possibly to a log of another program
    print(f"fusionflow: {text}", file=sys.stderr, flush=True)  # noqa: T201 - for the user of a script
