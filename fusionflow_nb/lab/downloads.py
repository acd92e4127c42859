"""Serve assets and previews to the browser: with ranges and caching, never as content that it would execute."""

from __future__ import annotations

import os
from dataclasses import dataclass
from functools import partial
from hashlib import sha256 as digest_of
from io import BytesIO
from typing import TYPE_CHECKING

from jupyter_server.auth.decorator import authorized
from tornado import web
from tornado.iostream import StreamClosedError

from fusionflow_nb import errors
from fusionflow_nb.assets.sniff import DECLARED_TYPES, EXTENSIONS, HEAD_BYTES, sniff
from fusionflow_nb.lab.base import LabHandler
from fusionflow_nb.lab.errors import NoPreviewError
from fusionflow_nb.lab.ranges import ByteRange, UnsatisfiableRangeError, matches_etag, parse_range
from fusionflow_nb.lab.signing import ANY_TYPE, Link
from fusionflow_nb.media.values import Asset

if TYPE_CHECKING:
    from pathlib import Path
    from typing import BinaryIO

    from fusionflow_nb.assets.local import LocalFolderStore
    from fusionflow_nb.lab.signing import Use

# Each chunk is sent before the next is read: a download holds this much memory, whatever the file's size.
CHUNK_BYTES = 256 << 10
# A digest names the same bytes forever; private, because a proxy does not check who may see them.
CACHE_CONTROL = "private, max-age=31536000, immutable"
# Types that a browser shows without executing anything. SVG is excluded; the store refuses it too.
SAFE_INLINE = frozenset(kind for kind in EXTENSIONS if kind.partition("/")[0] in {"image", "video", "audio"}) - {
    "image/svg+xml"
}
_TYPES = {suffix: kind for kind, suffix in EXTENSIONS.items()}


@dataclass(slots=True)
class OpenFile:
    """An open file with its headers."""

    stream: BinaryIO
    size_bytes: int
    etag: str
    media_type: str
    name: str


class DownloadHandler(LabHandler):
    """GET and HEAD of content addressed by a digest."""

    use: Use

    @web.authenticated
    @authorized
    async def get(self, sha256: str) -> None:
        """Send the bytes, or the requested range of them."""
        await self._respond(sha256)

    @web.authenticated
    @authorized
    async def head(self, sha256: str) -> None:
        """Send the headers of a GET."""
        await self._respond(sha256)

    def open(self, sha256: str) -> OpenFile:
        """Open the requested content. Blocks.

        Raises:
            StoreError: it is missing or damaged.
        """
        raise NotImplementedError

    async def _respond(self, sha256: str) -> None:
        await self._check_access(sha256)
        file = await self.state.run_in_thread(partial(self.open, sha256))
        try:
            await self._send(file)
        finally:
            await self.state.run_in_thread(file.stream.close)

    async def _check_access(self, sha256: str) -> None:
        """A signed URL proves that the request is the canvas's; otherwise Jupyter's XSRF check decides."""
        if self.get_query_argument("signature", None) is None:
            self.check_xsrf_cookie()
        else:
            await self.verify_link(Link(self.use, sha256, self.query_int("expires_at")))

    async def _send(self, file: OpenFile) -> None:
        self.set_header("Etag", file.etag)
        self.set_header("Cache-Control", CACHE_CONTROL)
        self.set_header("Accept-Ranges", "bytes")
        disposition = "inline" if file.media_type in SAFE_INLINE else "attachment"
        self.set_header("Content-Disposition", f'{disposition}; filename="{file.name}"')
        if matches_etag(self.request.headers.get("If-None-Match"), file.etag):
            self.set_status(304)
            self.finish()
            return
        try:
            byte_range = self._requested_range(file)
        except UnsatisfiableRangeError:
            self.set_status(416)
            self._clear_content_headers()
            self.set_header("Content-Range", f"bytes */{file.size_bytes}")
            message = f"Asset {file.name} has {file.size_bytes} bytes; the requested range is outside of them."
            self.finish({"error": {"code": "range", "node_id": None, "message": message}})
            return
        if byte_range is None:
            byte_range = ByteRange(0, file.size_bytes)
        else:
            self.set_status(206)
            self.set_header("Content-Range", f"bytes {byte_range.start}-{byte_range.end - 1}/{file.size_bytes}")
        content_type = f"{file.media_type}; charset=utf-8" if file.media_type in DECLARED_TYPES else file.media_type
        self.set_header("Content-Type", content_type)
        self.set_header("Content-Length", byte_range.size_bytes)
        if self.request.method == "GET":
            try:
                await self._stream(file.stream, byte_range)
            except StreamClosedError:
                return  # media players disconnect as soon as they have enough
        self.finish(set_content_type=content_type)

    def _requested_range(self, file: OpenFile) -> ByteRange | None:
        """The range that applies: only for GET, and only if If-Range names these bytes."""
        condition = self.request.headers.get("If-Range")
        if self.request.method != "GET" or (condition is not None and condition.strip() != file.etag):
            return None
        return parse_range(self.request.headers.get("Range"), file.size_bytes)

    async def _stream(self, stream: BinaryIO, byte_range: ByteRange) -> None:
        await self.state.run_in_thread(partial(stream.seek, byte_range.start))
        remaining = byte_range.size_bytes
        while remaining:
            chunk = await self.state.run_in_thread(partial(stream.read, min(CHUNK_BYTES, remaining)))
            if not chunk:
                return  # truncated meanwhile; Tornado closes the connection, so the response is incomplete
            remaining -= len(chunk)
            self.write(chunk)
            await self.flush()


class AssetHandler(DownloadHandler):
    """The bytes of an asset."""

    kind = "asset"
    use: Use = "assets"

    def open(self, sha256: str) -> OpenFile:
        """Open the bytes; their hash is checked at the first use since the server started.

        Raises:
            LostAssetError, CorruptAssetError, StoreError: the bytes are missing or damaged.
        """
        path = self.state.store().path(sha256)
        try:
            stream = path.open("rb")
        except OSError as error:
            raise errors.LostAssetError(
                f"Asset {sha256[:12]} cannot be read ({error.strerror}).", hint="Try again."
            ) from error
        media_type = _verified_type(stream.read(HEAD_BYTES), path)
        size_bytes = os.fstat(stream.fileno()).st_size
        return OpenFile(stream, size_bytes, f'"{sha256}"', media_type, f"{sha256[:12]}{path.suffix}")


class PreviewHandler(DownloadHandler):
    """The preview image of an asset."""

    kind = "preview"
    use: Use = "previews"

    def open(self, sha256: str) -> OpenFile:
        """Read the preview, or render it again if it is missing.

        Raises:
            NoPreviewError, LostAssetError, CorruptAssetError: there is no preview.
        """
        data = _preview(self.state.store(), sha256)
        if data is None:
            raise NoPreviewError(sha256)
        # Another version may render it differently, so the ETag is the digest of its own bytes.
        etag = f'"{digest_of(data).hexdigest()}"'
        return OpenFile(BytesIO(data), len(data), etag, "image/webp", f"{sha256[:12]}.webp")


def _preview(store: LocalFolderStore, sha256: str) -> bytes | None:
    stored = store.stored_preview(sha256)
    if stored is not None:
        return stored  # the asset itself may be in a bucket only
    path = store.path(sha256)
    return store.preview(Asset(sha256, _TYPES[path.suffix[1:]], path.stat().st_size))


def _verified_type(head: bytes, path: Path) -> str:
    """The type that a stored file's extension names, if its first bytes agree; else application/octet-stream."""
    named = _TYPES[path.suffix[1:]]
    detected = sniff(head)
    if named in DECLARED_TYPES:
        return named if detected is None else ANY_TYPE
    families = {"image"} if named.startswith("image/") else {"video", "audio"}
    return named if detected is not None and detected.partition("/")[0] in families else ANY_TYPE
