"""An output of a cell that can be replaced later, from any thread, and stays in the stored notebook as it last looked.

It is no widget. A widget lives in the kernel, and leaves "model not found" behind in a notebook opened without one; an
output that is updated under its `display_id` is there for everybody who opens the notebook.
"""

from __future__ import annotations

import contextvars
import sys
import threading
import uuid
from typing import Any


class CellOutput:
    """One output of the cell that is being executed.

    Args:
        bundle: what it shows, by media type.

    Raises:
        NotImplementedError: there is no kernel; IPython then shows the static form.
    """

    def __init__(self, bundle: dict[str, str]) -> None:
        kernel = running_kernel()
        if kernel is None:
            raise NotImplementedError
        from IPython.display import display as show_in_cell  # noqa: PLC0415 - only in a notebook

        self._kernel = kernel
        self._id = uuid.uuid4().hex
        self._lock = threading.Lock()
        show_in_cell(bundle, raw=True, display_id=self._id)  # type: ignore[no-untyped-call]

    def replace(self, bundle: dict[str, str]) -> None:
        """Show something else in its place."""
        with self._lock:
            content = {"data": bundle, "metadata": {}, "transient": {"display_id": self._id}}
            # A plain send on IOPub is safe off the main thread; IPython's display() is not.
            self._kernel.session.send(
                self._kernel.iopub_socket,
                "update_display_data",
                content,
                parent=_latest_request(),
                ident=b"display_data",
            )


def running_kernel() -> Any:  # noqa: ANN401 - an ipykernel Kernel, or None
    """The kernel that we run in; None in a plain Python."""
    ipython = sys.modules.get("IPython")
    shell = ipython.get_ipython() if ipython is not None and hasattr(ipython, "get_ipython") else None
    return getattr(shell, "kernel", None)


def _latest_request() -> Any:  # noqa: ANN401 - a message header
    """The request the kernel is at: front ends go by the display_id, but nbclient hears its current cell alone."""
    publisher = sys.modules["IPython"].get_ipython().display_pub
    return contextvars.Context().run(lambda: publisher.parent_header)
