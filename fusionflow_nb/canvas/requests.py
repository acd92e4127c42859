"""What views ask for, one at a time and on the worker: tape, recipes, bytes, uploads, the file."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

from fusionflow_nb import errors
from fusionflow_nb.api import recipe_files
from fusionflow_nb.canvas import messages, uploads
from fusionflow_nb.media import media_types
from fusionflow_nb.media.values import Asset
from fusionflow_nb.session import current_session

if TYPE_CHECKING:
    from fusionflow_nb.api.flow import Flow
    from fusionflow_nb.canvas.asset_urls import AssetUrls
    from fusionflow_nb.canvas.autosave import Autosave
    from fusionflow_nb.canvas.environment import Environment
    from fusionflow_nb.journal.records import Coordinate

Response: TypeAlias = tuple[dict[str, Any], list[bytes]]

MAX_BUFFER_BYTES = 64 << 20
"""More than that never goes through the kernel's socket in one piece."""
_LAYERING = Path(__file__).parent / "static" / "layering.js"
"""Lays nodes out in layers; not in the canvas itself, because it is large and seldom needed."""
TAPE_CELL = """%%tape
SELECT finished_at, node_id, model, prompt_snapshot, seed, cost_computation, output_url
FROM generations
WHERE project_id = '{project_id}'
ORDER BY finished_at DESC
LIMIT 50
"""
_TYPES = {suffix: kind for kind, suffix in media_types.EXTENSIONS.items()}


class RequestHandler:
    """Answers of one canvas.

    Args:
        flow: what is asked about.
        file: writes it.
        addresses: where the browser finds bytes.
        surroundings: what stands around the flow.
    """

    def __init__(self, flow: Flow, file: Autosave, addresses: AssetUrls, surroundings: Environment) -> None:
        self._flow = flow
        self._file = file
        self._addresses = addresses
        self._surroundings = surroundings

    def to(self, said: messages.Message, buffers: list[Any]) -> Response:
        """The answer's facts and buffers.

        Raises:
            FusionFlowError: what went wrong, in words for the person.
        """
        buffer: bytes | None = None
        facts: dict[str, Any] = {}
        match said:
            case messages.Ask():
                facts, buffer = self._told(said)
            case messages.Restore():
                at = said.position
                placed = self._flow.restore(said.generation_id, position=(at.get("x", 0.0), at.get("y", 0.0)))
                facts = {"node_id": placed.node_id}
            case messages.InsertSqlCell():
                facts = {"source": TAPE_CELL.format(project_id=self._flow.id.replace("'", "''"))}
            case messages.RenewUrls():
                facts = {"urls": {sha256: self._signed(sha256) for sha256 in said.sha256}}
            case messages.RequestBytes():
                facts, buffer = self._bytes(said)
            case messages.PlaceUpload() | messages.ConfirmUpload():
                facts = uploads.told(said, buffers, self._addresses)
            case messages.Upload():
                facts = {"asset": _stored(said, buffers)}
            case messages.Download():
                facts, buffer = self._file_of(said)
            case messages.Save():
                facts = self._save(said.how)
            case _:
                raise errors.EditError(f"The canvas cannot be asked for {said.type!r}.", hint="Reload the page.")
        return facts, [] if buffer is None else [buffer]

    def _told(self, said: messages.Ask) -> tuple[dict[str, Any], bytes | None]:
        match said.what:
            case "tape":
                return {"tape": self._surroundings.tape(said.of, said.before)}, None
            case "generation":
                return {"generation": self._surroundings.generation(said.generation_id)}, None
            case "layering":
                return {}, _LAYERING.read_bytes()
            case _:
                return {"python": self._flow.to_python(layout=True)}, None

    def _signed(self, sha256: str) -> dict[str, str]:
        self._addresses.forget(sha256)
        return self._addresses.of(current_session().store.look_up(sha256))

    def _bytes(self, said: messages.RequestBytes) -> tuple[dict[str, Any], bytes]:
        store = current_session().store
        if said.use == "preview":
            data = store.kept_preview(said.sha256) or store.preview(store.look_up(said.sha256))
            if data is None:
                raise errors.MediaError(f"Asset {said.sha256[:12]} has no preview.", hint="Open the result itself.")
            return {"media_type": "image/webp"}, data
        path = store.path(said.sha256)
        asset = _asset(path)
        return {"media_type": asset.media_type}, _read(path)

    def _file_of(self, said: messages.Download) -> tuple[dict[str, Any], bytes | None]:
        """The bytes as a file with its recipe inside; too large a one is fetched as it is."""
        path = current_session().store.path(said.sha256)
        asset = _asset(path)
        name = f"{said.node_id or said.sha256[:12]}.{path.suffix[1:]}"
        if asset.size_bytes > MAX_BUFFER_BYTES:
            return {"name": name, "media_type": asset.media_type, **self._addresses.of(asset)}, None
        data = self._with_recipe(path, said.node_id, said.coordinate)
        return {"name": name, "media_type": asset.media_type}, data

    def _with_recipe(self, path: Path, node_id: str | None, coordinate: Coordinate) -> bytes:
        with self._flow.history.held() as document:
            snapshot = document.model_copy(deep=True)
        if node_id not in snapshot.nodes:
            return _read(path)
        with tempfile.TemporaryDirectory() as folder:
            target = Path(folder) / path.name
            recipe_files.writer(snapshot, node_id, coordinate)(path, target)
            return target.read_bytes()

    def _save(self, how: str) -> dict[str, Any]:
        if how == "reload":
            self._file.reload()
        elif how == "keep_mine":
            self._file.keep_mine()
        elif how == "copy":
            self._file.copy()
        else:
            self._file.save()
        return {"file": self._file.facts()}


def _stored(said: messages.Upload, buffers: list[Any]) -> dict[str, Any]:
    if len(buffers) != 1:
        raise errors.MediaError("The upload came without its bytes.", hint="Drop the file again.")
    return current_session().store.put(bytes(buffers[0]), media_type=said.media_type).to_json()


def _read(path: Path) -> bytes:
    size_bytes = path.stat().st_size
    if size_bytes > MAX_BUFFER_BYTES:
        raise errors.MediaError(
            f"These {size_bytes >> 20} MB are too much to send through the kernel.",
            hint="Start JupyterLab with the server extension fusionflow_nb.lab on the kernel's machine.",
        )
    return path.read_bytes()


def _asset(path: Path) -> Asset:
    """As much of a stored file as its name and size tell."""
    return Asset(path.stem, _TYPES[path.suffix[1:]], path.stat().st_size)
