"""`ff.Canvas`: the anywidget, and a static picture of it for notebooks opened without a kernel."""

from __future__ import annotations

import threading
import uuid
import weakref
from pathlib import Path
from typing import TYPE_CHECKING, Any

import anywidget
import traitlets

from fusionflow_nb import errors
from fusionflow_nb.api.flow import Flow
from fusionflow_nb.canvas.autosave import Autosave
from fusionflow_nb.canvas.controller import CanvasController
from fusionflow_nb.canvas.snapshot import snapshot_html, snapshot_text
from fusionflow_nb.display.cell_output import CellOutput
from fusionflow_nb.session import current_session

if TYPE_CHECKING:
    from fusionflow_nb.canvas.wire import FileFacts, KernelMessage

STATIC = Path(__file__).parent / "static"
_IS_BUILT = (STATIC / "canvas.js").is_file()
"""Editable installs lack the built canvas; importing this module must not fail there."""
_open: weakref.WeakValueDictionary[Path, Flow] = weakref.WeakValueDictionary()
"""Open flows by file: two canvases on one file show the same flow."""
_opening = threading.Lock()


class Canvas(anywidget.AnyWidget):
    """A node canvas in a notebook cell.

    Args:
        flow: a flow, or the path of a `.flow.json` (created at the first edit if it does not exist). None: a new
            flow, saved next to the notebook as `untitled.flow.json`.
        height: height of the canvas in the cell, a CSS length.

    Raises:
        FlowFileError: the file is unreadable, corrupt or from a newer version.
        CanvasNotBuiltError: this copy of the package lacks the built canvas.

    In a notebook: `ff.Canvas("city.flow.json")`, or `ff.Canvas(flow)` to view and edit a flow built in Python.
    """

    _esm = STATIC / "canvas.js" if _IS_BUILT else ""
    _css = STATIC / "canvas.css" if _IS_BUILT else ""

    height = traitlets.Unicode("640px").tag(sync=True)
    snapshot_id = traitlets.Unicode().tag(sync=True)
    """CSS class of the static picture, which an active view hides."""

    def __init__(self, flow: Flow | str | Path | None = None, *, height: str = "640px") -> None:
        if not _IS_BUILT:
            raise errors.CanvasNotBuiltError(STATIC)
        super().__init__(height=height, snapshot_id=f"ff-snapshot-{uuid.uuid4().hex[:12]}")
        _use_addressed_subshell(self.comm)
        self.flow = flow if isinstance(flow, Flow) else _flow_at(None if flow is None else Path(flow))
        self._picture: CellOutput | None = None
        file = Autosave(self.flow, self.flow.path, on_change=self._file_changed)
        self._controller = CanvasController(self.flow, self._send_message, file, on_results=self._redraw_picture)
        self.on_msg(self._on_message)

    def save(self, path: str | Path | None = None) -> Path:
        """Save the flow to its file now. A `path` replaces its file."""
        return self._controller.file.save(None if path is None else Path(path))

    def close(self) -> None:
        """Close the canvas. The flow, its runs and its file remain."""
        controller = getattr(self, "_controller", None)
        if controller is not None:
            controller.close()
        super().close()

    def snapshot(self) -> str:
        """The canvas as a static picture: HTML without scripts, complete without a kernel."""
        results = self._controller.results()
        return snapshot_html(self.flow, results, current_session().preview, css_class=self.snapshot_id)

    def _ipython_display_(self) -> None:
        from IPython.display import display  # noqa: PLC0415 - only in a notebook

        bundle = self._repr_mimebundle_()
        if bundle is not None:
            data, metadata = bundle
            display(data, metadata=metadata, raw=True)  # type: ignore[no-untyped-call]
        self._picture = CellOutput(self._picture_bundle())

    def _picture_bundle(self) -> dict[str, str]:
        return {"text/html": self.snapshot(), "text/plain": snapshot_text(self.flow, self._controller.results())}

    def _file_changed(self, facts: FileFacts) -> None:
        self._controller.file_changed(facts)
        self._redraw_picture()

    def _redraw_picture(self) -> None:
        if self._picture is not None:
            self._picture.replace(self._picture_bundle())

    def _on_message(self, _widget: Any, content: Any, buffers: list[Any]) -> None:  # noqa: ANN401 - ipywidgets' callback
        self._controller.handle(content, buffers)

    def _send_message(self, message: KernelMessage, buffers: list[bytes]) -> None:
        if self.comm is not None:
            self.send(message, buffers)

    def __repr__(self) -> str:
        return f"<Canvas of {self.flow!r}>"


def _use_addressed_subshell(comm: Any) -> None:  # noqa: ANN401 - ipykernel's comm, or None without a kernel
    """Deliver messages of the browser to the subshell that they name.

    ipykernel 7.4 instead delivers them to the subshell of the request under which the comm last sent. A canvas sends
    from threads, under the latest request, whose subshell may no longer exist (JupyterLab removes one shortly after a
    restart). Then no message of the browser would arrive.
    """
    if hasattr(comm, "_reply_subshell_for"):
        comm._reply_subshell_for = None  # noqa: SLF001 - there is no public setting


def _flow_at(path: Path | None) -> Flow:
    """The flow of a file: the open flow if there is one, else the flow on disk, else a new flow."""
    with _opening:
        if path is None:
            flow = Flow()
            flow.path = _unused_path(Path.cwd())
            _open[flow.path] = flow
            return flow
        absolute = path.expanduser().absolute()
        open_flow = _open.get(absolute)
        if open_flow is None:
            open_flow = Flow.load(absolute) if absolute.exists() else Flow(_title(absolute))
            open_flow.path = path
            _open[absolute] = open_flow
        return open_flow


def _unused_path(folder: Path) -> Path:
    used = {other.name for other in _open}
    number = 1
    while True:
        name = f"untitled{'' if number == 1 else f'-{number}'}.flow.json"
        if name not in used and not (folder / name).exists():
            return folder / name
        number += 1


def _title(path: Path) -> str:
    words = path.name.removesuffix(".json").removesuffix(".flow").replace("-", " ").replace("_", " ").strip()
    return words[:1].upper() + words[1:] or "Untitled"
