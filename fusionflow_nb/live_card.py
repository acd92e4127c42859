"""The card that follows a run in a cell: shown once, replaced while the run goes on, and left there as it ended.

It is no widget. A widget lives in the kernel, and leaves "model not found" behind in a notebook opened without one; an
output that is updated under its `display_id` stays in the notebook as it last looked, for everybody who opens it.
"""

from __future__ import annotations

import contextvars
import sys
import threading
import time
import uuid
from typing import TYPE_CHECKING, Any

from fusionflow_nb import display

if TYPE_CHECKING:
    from fusionflow_nb.live_run import LiveRun

REFRESH_S = 0.1
TICK_S = 1.0  # without news, so that the clock of a long job is seen to go on


def show(run: LiveRun) -> Card:
    """Show a run in the cell that is being executed, and keep that output up to date until the run has ended.

    Raises:
        NotImplementedError: there is no kernel, or nothing will change any more; IPython then shows the static form.
    """
    kernel = _kernel()
    if kernel is None or run.is_done:
        raise NotImplementedError
    from IPython.display import display as show_in_cell  # noqa: PLC0415 - only in a notebook

    card = Card(run, kernel)
    show_in_cell(display.bundle(run), raw=True, display_id=card.display_id)  # type: ignore[no-untyped-call]
    run.on_change(card.changed.set, at_most_every_s=0)
    # A thread of its own: neither the loop nor the nodes' workers wait for a preview, nor it for them.
    threading.Thread(target=card.follow, name="fusionflow-card", daemon=True).start()
    return card


class Card:
    """One output of one cell."""

    def __init__(self, run: LiveRun, kernel: Any) -> None:  # noqa: ANN401 - an ipykernel Kernel
        self.display_id = uuid.uuid4().hex
        self.changed = threading.Event()
        self._run = run
        self._kernel = kernel
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
            content = {"data": display.bundle(self._run), "metadata": {}, "transient": {"display_id": self.display_id}}
            # A plain send on IOPub is safe off the main thread; IPython's display() is not.
            self._kernel.session.send(
                self._kernel.iopub_socket,
                "update_display_data",
                content,
                parent=_latest_request(),
                ident=b"display_data",
            )


def _kernel() -> Any:  # noqa: ANN401 - an ipykernel Kernel, or None
    ipython = sys.modules.get("IPython")
    shell = ipython.get_ipython() if ipython is not None and hasattr(ipython, "get_ipython") else None
    return getattr(shell, "kernel", None)


def _latest_request() -> Any:  # noqa: ANN401 - a message header
    """The request the kernel is at: front ends go by the display_id, but nbclient hears its current cell alone."""
    publisher = sys.modules["IPython"].get_ipython().display_pub
    return contextvars.Context().run(lambda: publisher.parent_header)
