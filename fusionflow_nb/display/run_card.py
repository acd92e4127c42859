"""The card that follows a run in a cell: shown once, replaced while the run goes on, and left there as it ended."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING

from fusionflow_nb import display
from fusionflow_nb.display.cell_output import CellOutput

if TYPE_CHECKING:
    from fusionflow_nb.api.run import RunHandle

REFRESH_S = 0.1
TICK_S = 1.0  # without news, so that the clock of a long job is seen to go on


def show(run: RunHandle) -> Card:
    """Show a run in the cell that is being executed, and keep that output up to date until the run has ended.

    Raises:
        NotImplementedError: there is no kernel, or nothing will change any more; IPython then shows the static form.
    """
    if run.is_done:
        raise NotImplementedError
    card = Card(run)
    run.on_change(card.changed.set, at_most_every_s=0)
    # A thread of its own: neither the loop nor the nodes' workers wait for a preview, nor it for them.
    threading.Thread(target=card.follow, name="fusionflow-card", daemon=True).start()
    return card


class Card:
    """The output of one run.

    Raises:
        NotImplementedError: there is no kernel.
    """

    def __init__(self, run: RunHandle) -> None:
        self.changed = threading.Event()
        self._run = run
        self._output = CellOutput(display.bundle(run))
        self._lock = threading.Lock()

    def follow(self) -> None:
        """Draw whatever is new, at most so often; for the last time after the end."""
        is_over = False
        while not is_over:
            self.changed.wait(TICK_S)
            self.changed.clear()
            is_over = self._run.is_done
            self.draw()
            time.sleep(REFRESH_S)

    def draw(self) -> None:
        """Draw it as it stands now; from any thread."""
        with self._lock:  # what is sent last was read last
            self._output.replace(display.bundle(self._run))
