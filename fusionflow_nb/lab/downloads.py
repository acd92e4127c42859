"""Handing bytes to the browser: whole or in ranges, once per browser, never as anything it would execute."""

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
from fusionflow_nb.lab.ranges import Stretch, UnsatisfiableRangeError, names_etag, read_range
from fusionflow_nb.lab.signing import ANY_TYPE, Link
from fusionflow_nb.media.values import Asset

if TYPE_CHECKING:
    from pathlib import Path
    from typing import BinaryIO

    from fusionflow_nb.assets.local import LocalFolderStore
    from fusionflow_nb.lab.signing import Use

# Read and sent before the next is read: what a download holds in memory, however long the film.
CHUNK_BYTES = 256 << 10
# A name stands for its bytes for ever; private, because a proxy does not know who may see them.
FOR_EVER = "private, max-age=31536000, immutable"
# Shown by a browser without executing anything. SVG is no such type; it is not stored either.
SAFE_INLINE = frozenset(kind for kind in EXTENSIONS if kind.partition("/")[0] in {"image", "video", "audio"}) - {
    "image/svg+xml"
}
_TYPES = {suffix: kind for kind, suffix in EXTENSIONS.items()}


@dataclass(slots=True)
class Served:
    """An open file with its headers."""

    stream: BinaryIO
    size_bytes: int
    etag: str
    media_type: str
    name: str


class ServingHandler(LabHandler):
    """GET and HEAD of something named by a digest; the two below say of what."""

    use: Use

    @web.authenticated
    @authorized
    async def get(self, sha256: str) -> None:
        """Send the bytes, or the stretch of them that was asked for."""
        await self._answer(sha256)

    @web.authenticated
    @authorized
    async def head(self, sha256: str) -> None:
        """Say what a GET would send."""
        await self._answer(sha256)

    def open(self, sha256: str) -> Served:
        """Open what is asked for. Blocks.

        Raises:
            StoreError: it is not here, or damaged.
        """
        raise NotImplementedError

    async def _answer(self, sha256: str) -> None:
        await self._check_asker(sha256)
        served = await self.place.in_thread(partial(self.open, sha256))
        try:
            await self._send(served)
        finally:
            await self.place.in_thread(served.stream.close)

    async def _check_asker(self, sha256: str) -> None:
        """A signed address proves that our own canvas asks; else Jupyter's check against other sites does."""
        if self.get_query_argument("signature", None) is None:
            self.check_xsrf_cookie()
        else:
            await self.believe(Link(self.use, sha256, self.number("expires_at")))

    async def _send(self, served: Served) -> None:
        self.set_header("Etag", served.etag)
        self.set_header("Cache-Control", FOR_EVER)
        self.set_header("Accept-Ranges", "bytes")
        disposition = "inline" if served.media_type in SAFE_INLINE else "attachment"
        self.set_header("Content-Disposition", f'{disposition}; filename="{served.name}"')
        if names_etag(self.request.headers.get("If-None-Match"), served.etag):
            self.set_status(304)
            self.finish()
            return
        try:
            asked = self._asked_range(served)
        except UnsatisfiableRangeError:
            self.set_status(416)
            self._forget_representation()
            self.set_header("Content-Range", f"bytes */{served.size_bytes}")
            message = f"Asset {served.name} has {served.size_bytes} bytes; none of them were asked for."
            self.finish({"error": {"code": "range", "node_id": None, "message": message}})
            return
        if asked is not None:
            self.set_status(206)
            self.set_header("Content-Range", f"bytes {asked.start}-{asked.end - 1}/{served.size_bytes}")
        sent = asked or Stretch(0, served.size_bytes)
        kind = f"{served.media_type}; charset=utf-8" if served.media_type in DECLARED_TYPES else served.media_type
        self.set_header("Content-Type", kind)
        self.set_header("Content-Length", sent.size_bytes)
        if self.request.method == "GET":
            try:
                await self._pour(served.stream, sent)
            except StreamClosedError:
                return  # players leave as soon as they have what they want
        self.finish(set_content_type=kind)

    def _asked_range(self, served: Served) -> Stretch | None:
        """The range that applies: only to GET, and only if the part that the browser has is of these bytes."""
        condition = self.request.headers.get("If-Range")
        if self.request.method != "GET" or (condition is not None and condition.strip() != served.etag):
            return None
        return read_range(self.request.headers.get("Range"), served.size_bytes)

    async def _pour(self, stream: BinaryIO, stretch: Stretch) -> None:
        await self.place.in_thread(partial(stream.seek, stretch.start))
        left = stretch.size_bytes
        while left:
            chunk = await self.place.in_thread(partial(stream.read, min(CHUNK_BYTES, left)))
            if not chunk:
                return  # truncated meanwhile; Tornado closes the connection, so the response is incomplete
            left -= len(chunk)
            self.write(chunk)
            await self.flush()


class AssetHandler(ServingHandler):
    """The bytes of an asset."""

    use: Use = "assets"

    def open(self, sha256: str) -> Served:
        """Open the bytes, hashed at their first use since the server started.

        Raises:
            LostAssetError, CorruptAssetError, StoreError: they are not here, or damaged.
        """
        path = self.place.store().path(sha256)
        try:
            stream = path.open("rb")
        except OSError as error:
            raise errors.LostAssetError(
                f"Asset {sha256[:12]} cannot be read ({error.strerror}).", hint="Try again."
            ) from error
        kind = _proven_type(stream.read(HEAD_BYTES), path)
        size_bytes = os.fstat(stream.fileno()).st_size
        return Served(stream, size_bytes, f'"{sha256}"', kind, f"{sha256[:12]}{path.suffix}")


class PreviewHandler(ServingHandler):
    """A small picture of an asset."""

    use: Use = "previews"

    def open(self, sha256: str) -> Served:
        """Read the preview, or make it again.

        Raises:
            NoPreviewError, LostAssetError, CorruptAssetError: there is no preview.
        """
        data = _preview(self.place.store(), sha256)
        if data is None:
            raise NoPreviewError(sha256)
        # Made again by another version it may differ, so its own bytes are its tag.
        return Served(BytesIO(data), len(data), f'"{digest_of(data).hexdigest()}"', "image/webp", f"{sha256[:12]}.webp")


def _preview(store: LocalFolderStore, sha256: str) -> bytes | None:
    kept = store.kept_preview(sha256)
    if kept is not None:
        return kept  # the bytes themselves may be in a bucket alone
    path = store.path(sha256)
    return store.preview(Asset(sha256, _TYPES[path.suffix[1:]], path.stat().st_size))


def _proven_type(head: bytes, path: Path) -> str:
    """The type of a stored file, by its name if its first bytes agree; else application/octet-stream."""
    named = _TYPES[path.suffix[1:]]
    proven = sniff(head)
    if named in DECLARED_TYPES:
        return named if proven is None else ANY_TYPE
    families = {"image"} if named.startswith("image/") else {"video", "audio"}
    return named if proven is not None and proven.partition("/")[0] in families else ANY_TYPE
