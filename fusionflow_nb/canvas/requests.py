"""Handles the requests of views that run on the worker: tape, recipes, bytes, uploads, the file."""

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
    from fusionflow_nb.canvas import wire
    from fusionflow_nb.canvas.asset_urls import AssetUrls
    from fusionflow_nb.canvas.autosave import Autosave
    from fusionflow_nb.canvas.environment import Environment
    from fusionflow_nb.journal.records import Coordinate

Response: TypeAlias = "tuple[wire.ReplyFields, list[bytes]]"

MAX_BUFFER_BYTES = 64 << 20
"""Larger data is not sent through the kernel's socket in one message."""
_LAYERING = Path(__file__).parent / "static" / "layering.js"
"""The module with the layered layout, loaded on demand because it is large and rarely used."""
TAPE_CELL = """%%tape
SELECT finished_at, node_id, model, prompt_snapshot, seed, cost_computation, output_url
FROM generations
WHERE project_id = '{project_id}'
ORDER BY finished_at DESC
LIMIT 50
"""
_TYPES = {suffix: kind for kind, suffix in media_types.EXTENSIONS.items()}


class RequestHandler:
    """Handles the requests of one canvas.

    Args:
        flow: the flow on the canvas.
        file: writes the flow to its file.
        urls: signs URLs of assets.
        environment: reads catalog, tape and budgets.
    """

    def __init__(self, flow: Flow, file: Autosave, urls: AssetUrls, environment: Environment) -> None:
        self._flow = flow
        self._file = file
        self._urls = urls
        self._environment = environment

    def handle(self, request: messages.Message, buffers: list[Any]) -> Response:
        """Return the fields and buffers of the reply.

        Raises:
            FusionFlowError: the request failed; the message is for the user.
        """
        fields: wire.ReplyFields
        reply_buffers: list[bytes] = []
        match request:
            case messages.Ask():
                fields, reply_buffers = self._ask(request)
            case messages.Restore():
                at = request.position.get("x", 0.0), request.position.get("y", 0.0)
                fields = {"node_id": self._flow.restore(request.generation_id, position=at).node_id}
            case messages.InsertSqlCell():
                fields = {"source": TAPE_CELL.format(project_id=self._flow.id.replace("'", "''"))}
            case messages.RenewUrls():
                fields = {"urls": {sha256: self._renewed_urls(sha256) for sha256 in request.sha256}}
            case messages.RequestBytes():
                fields, reply_buffers = self._bytes(request)
            case messages.PlaceUpload() | messages.ConfirmUpload() | messages.Upload():
                fields = self._upload(request, buffers)
            case messages.Download():
                fields, reply_buffers = self._download(request)
            case messages.Save():
                fields = self._save(request.how)
            case _:
                raise errors.EditError(f"Unknown request {request.type!r}.", hint="Reload the page.")
        return fields, reply_buffers

    def _upload(
        self, request: messages.PlaceUpload | messages.ConfirmUpload | messages.Upload, buffers: list[Any]
    ) -> wire.UploadTarget | wire.AssetReply:
        match request:
            case messages.PlaceUpload():
                return uploads.place(request, buffers, self._urls)
            case messages.ConfirmUpload():
                return uploads.confirm(request, buffers)
            case messages.Upload():
                return {"asset": _store(request, buffers)}

    def _ask(self, request: messages.Ask) -> Response:
        match request.what:
            case "tape":
                return {"tape": self._environment.tape(request.of, request.before)}, []
            case "generation":
                return {"generation": self._environment.generation(request.generation_id)}, []
            case "layering":
                return {}, [_LAYERING.read_bytes()]
            case _:
                return {"python": self._flow.to_python(layout=True)}, []

    def _renewed_urls(self, sha256: str) -> dict[str, str]:
        self._urls.invalidate(sha256)
        return self._urls.of(current_session().store.look_up(sha256))

    def _bytes(self, request: messages.RequestBytes) -> Response:
        store = current_session().store
        if request.use == "preview":
            data = store.stored_preview(request.sha256) or store.preview(store.look_up(request.sha256))
            if data is None:
                raise errors.MediaError(f"Asset {request.sha256[:12]} has no preview.", hint="Open the result instead.")
            return {"media_type": "image/webp"}, [data]
        path = store.path(request.sha256)
        return {"media_type": _asset(path).media_type}, [_read(path)]

    def _download(self, request: messages.Download) -> Response:
        """The bytes as a file with embedded recipe; a large file as a URL, without recipe."""
        path = current_session().store.path(request.sha256)
        asset = _asset(path)
        name = f"{request.node_id or request.sha256[:12]}.{path.suffix[1:]}"
        reply: wire.DownloadReply = {"name": name, "media_type": asset.media_type}
        if asset.size_bytes > MAX_BUFFER_BYTES:
            urls = self._urls.of(asset)
            reply["url"] = urls["url"]
            if "preview_url" in urls:
                reply["preview_url"] = urls["preview_url"]
            return reply, []
        return reply, [self._with_recipe(path, request.node_id, request.coordinate)]

    def _with_recipe(self, path: Path, node_id: str | None, coordinate: Coordinate) -> bytes:
        with self._flow.history.locked_document() as document:
            snapshot = document.model_copy(deep=True)
        if node_id not in snapshot.nodes:
            return _read(path)
        with tempfile.TemporaryDirectory() as folder:
            target = Path(folder) / path.name
            recipe_files.writer(snapshot, node_id, coordinate)(path, target)
            return target.read_bytes()

    def _save(self, how: str) -> wire.SaveReply:
        if how == "reload":
            self._file.reload()
        elif how == "keep_mine":
            self._file.keep_mine()
        elif how == "copy":
            self._file.copy()
        else:
            self._file.save()
        return {"file": self._file.facts()}


def _store(request: messages.Upload, buffers: list[Any]) -> dict[str, Any]:
    if len(buffers) != 1:
        raise errors.MediaError("The upload has no bytes.", hint="Drop the file again.")
    return current_session().store.put(bytes(buffers[0]), media_type=request.media_type).to_json()


def _read(path: Path) -> bytes:
    size_bytes = path.stat().st_size
    if size_bytes > MAX_BUFFER_BYTES:
        raise errors.MediaError(
            f"A file of {size_bytes >> 20} MB is too large to send through the kernel.",
            hint="Start JupyterLab with the server extension fusionflow_nb.lab on the kernel's machine.",
        )
    return path.read_bytes()


def _asset(path: Path) -> Asset:
    """An asset from the name and size of a stored file."""
    return Asset(path.stem, _TYPES[path.suffix[1:]], path.stat().st_size)
