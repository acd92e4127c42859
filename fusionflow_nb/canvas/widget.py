"""`ff.Canvas`: an anywidget around a conversation, and a still picture of it for whoever opens the notebook later."""

from __future__ import annotations

import threading
import uuid
import weakref
from pathlib import Path
from typing import Any

import anywidget
import traitlets

from fusionflow_nb import errors
from fusionflow_nb.api.flow import Flow
from fusionflow_nb.canvas.autosave import Autosave
from fusionflow_nb.canvas.controller import CanvasController
from fusionflow_nb.canvas.snapshot import snapshot_html, snapshot_text
from fusionflow_nb.display.cell_output import CellOutput
from fusionflow_nb.session import current_session

STATIC = Path(__file__).parent / "static"
_IS_BUILT = (STATIC / "canvas.js").is_file()
"""Editable installs are made without Node.js and so without the canvas; importing this must not fail there."""
_open: weakref.WeakValueDictionary[Path, Flow] = weakref.WeakValueDictionary()
"""Flows that this kernel has open, by file: two canvases on one file show one flow."""
_opening = threading.Lock()


class Canvas(anywidget.AnyWidget):
    """A node canvas in a notebook cell.

    Args:
        flow: a flow, or the path of a `.flow.json` (made at the first edit where there is none). None: a new flow,
            kept beside the notebook as `untitled.flow.json`.
        height: of the canvas in the cell, as CSS has it.

    Raises:
        FlowFileError: the file is unreadable, corrupt or from a newer version.
        CanvasNotBuiltError: this copy came without the built canvas.

    In a notebook: `ff.Canvas("city.flow.json")`, or `ff.Canvas(flow)` to see and edit a flow that Python made.
    """

    _esm = STATIC / "canvas.js" if _IS_BUILT else ""
    _css = STATIC / "canvas.css" if _IS_BUILT else ""

    height = traitlets.Unicode("640px").tag(sync=True)
    snapshot_id = traitlets.Unicode().tag(sync=True)
    """Class of the still picture, which the living view hides."""

    def __init__(self, flow: Flow | str | Path | None = None, *, height: str = "640px") -> None:
        if not _IS_BUILT:
            raise errors.CanvasNotBuiltError(STATIC)
        super().__init__(height=height, snapshot_id=f"ff-snapshot-{uuid.uuid4().hex[:12]}")
        _deliver_as_addressed(self.comm)
        self.flow = flow if isinstance(flow, Flow) else _flow_at(None if flow is None else Path(flow))
        self._still: CellOutput | None = None
        file = Autosave(self.flow, self.flow.path, on_change=self._file_changed)
        self._conversation = CanvasController(self.flow, self._say, file, on_results=self._redraw_still)
        self.on_msg(self._heard)

    def save(self, path: str | Path | None = None) -> Path:
        """Write the flow to its file (or this one) now, and keep it there from now on."""
        return self._conversation.file.save(None if path is None else Path(path))

    def close(self) -> None:
        """Take the canvas away; the flow, its runs and its file stay."""
        conversation = getattr(self, "_conversation", None)
        if conversation is not None:
            conversation.close()
        super().close()

    def snapshot(self) -> str:
        """The canvas as a still picture: HTML without scripts, whole in a notebook without a kernel."""
        return snapshot_html(
            self.flow, self._conversation.results(), current_session().preview, css_class=self.snapshot_id
        )

    def _ipython_display_(self) -> None:
        from IPython.display import display  # noqa: PLC0415 - only in a notebook

        bundle = self._repr_mimebundle_()
        if bundle is not None:
            data, metadata = bundle
            display(data, metadata=metadata, raw=True)  # type: ignore[no-untyped-call]
        self._still = CellOutput(self._picture())

    def _picture(self) -> dict[str, str]:
        return {"text/html": self.snapshot(), "text/plain": snapshot_text(self.flow, self._conversation.results())}

    def _file_changed(self, facts: dict[str, Any]) -> None:
        self._conversation.file_changed(facts)
        self._redraw_still()

    def _redraw_still(self) -> None:
        if self._still is not None:
            self._still.replace(self._picture())

    def _heard(self, _widget: Any, content: Any, buffers: list[Any]) -> None:  # noqa: ANN401 - ipywidgets' callback
        self._conversation.hear(content, buffers)

    def _say(self, message: dict[str, Any], buffers: list[bytes]) -> None:
        if self.comm is not None:
            self.send(message, buffers)

    def __repr__(self) -> str:
        return f"<Canvas of {self.flow!r}>"


def _deliver_as_addressed(comm: Any) -> None:  # noqa: ANN401 - ipykernel's, or none where no kernel is
    """Have what the browser sends go to the subshell that it names.

    ipykernel 7.4 sends it to the subshell of the request under which the comm last spoke instead. A canvas speaks from
    threads, so under whichever request came last, whose subshell may be gone meanwhile (JupyterLab removes one a moment
    after a restart): nothing that the browser says would arrive any more.
    """
    if hasattr(comm, "_reply_subshell_for"):
        comm._reply_subshell_for = None  # noqa: SLF001 - there is no other way to say so


def _flow_at(path: Path | None) -> Flow:
    """The flow of a file: the one this kernel has open already, else as it is on disk, else a new one for it."""
    with _opening:
        if path is None:
            flow = Flow()
            flow.path = _free_path(Path.cwd())
            _open[flow.path] = flow
            return flow
        place = path.expanduser().absolute()
        found = _open.get(place)
        if found is None:
            found = Flow.load(place) if place.exists() else Flow(_title(place))
            found.path = path
            _open[place] = found
        return found


def _free_path(folder: Path) -> Path:
    taken = {other.name for other in _open}
    number = 1
    while True:
        name = f"untitled{'' if number == 1 else f'-{number}'}.flow.json"
        if name not in taken and not (folder / name).exists():
            return folder / name
        number += 1


def _title(path: Path) -> str:
    words = path.name.removesuffix(".json").removesuffix(".flow").replace("-", " ").replace("_", " ").strip()
    return words[:1].upper() + words[1:] or "Untitled"
