"""A cell output that any thread can replace, and that the saved notebook keeps in its last state.

It is not a widget. A widget exists only with its kernel, and shows "model not found" in a notebook opened without one;
an output updated by its `display_id` is part of the notebook.
"""

from __future__ import annotations

import contextvars
import sys
import threading
import uuid
from typing import Any


class CellOutput:
    """One output of the running cell.

    Args:
        bundle: its content, by media type.

    Raises:
        NotImplementedError: there is no kernel; IPython then falls back to the static form.
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
        """Replace the content."""
        with self._lock:
            content = {"data": bundle, "metadata": {}, "transient": {"display_id": self._id}}
            # A plain send on IOPub is safe on other threads; IPython's display() is not.
            self._kernel.session.send(
                self._kernel.iopub_socket,
                "update_display_data",
                content,
                parent=_latest_request(),
                ident=b"display_data",
            )


def running_kernel() -> Any:  # noqa: ANN401 - an ipykernel Kernel, or None
    """The kernel of this process; None in plain Python."""
    ipython = sys.modules.get("IPython")
    shell = ipython.get_ipython() if ipython is not None and hasattr(ipython, "get_ipython") else None
    return getattr(shell, "kernel", None)


def _latest_request() -> Any:  # noqa: ANN401 - a message header
    """Header of the current request: nbclient ignores messages of other requests; front ends match the display_id."""
    publisher = sys.modules["IPython"].get_ipython().display_pub
    return contextvars.Context().run(lambda: publisher.parent_header)
