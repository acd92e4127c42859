"""The live card of a run in a cell: updated during the run, and kept in its final state."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING

from fusionflow_nb import display
from fusionflow_nb.display.cell_output import CellOutput

if TYPE_CHECKING:
    from fusionflow_nb.display.run_view import RunView

REFRESH_S = 0.1
TICK_S = 1.0  # redraws without changes, so that the elapsed time advances


def show(run: RunView) -> Card:
    """Show a run in the running cell, and update that output until the run has ended.

    Raises:
        NotImplementedError: there is no kernel, or the run has ended; IPython then falls back to the static form.
    """
    if run.is_done:
        raise NotImplementedError
    card = Card(run)
    run.on_change(card.changed.set, at_most_every_s=0)
    # A separate thread, so that previews block neither the loop nor the workers of nodes.
    threading.Thread(target=card.follow, name="fusionflow-card", daemon=True).start()
    return card


class Card:
    """The output of one run.

    Raises:
        NotImplementedError: there is no kernel.
    """

    def __init__(self, run: RunView) -> None:
        self.changed = threading.Event()
        self._run = run
        self._output = CellOutput(display.bundle(run))
        self._lock = threading.Lock()

    def follow(self) -> None:
        """Redraw after changes, at most once per `REFRESH_S`, and once after the end."""
        is_over = False
        while not is_over:
            self.changed.wait(TICK_S)
            self.changed.clear()
            is_over = self._run.is_done
            self.draw()
            time.sleep(REFRESH_S)

    def draw(self) -> None:
        """Draw the current state. Thread-safe."""
        with self._lock:  # reading and sending together keep the states in order
            self._output.replace(display.bundle(self._run))
