"""Taking bytes from the browser: into the store as they come, and into nothing where they are not what was signed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from jupyter_core.utils import ensure_async
from jupyter_server.auth.decorator import authorized
from tornado import web
from tornado.http1connection import HTTP1Connection

from fusionflow_nb import errors
from fusionflow_nb.lab.base import LabHandler
from fusionflow_nb.lab.errors import StalledError, TooLongError, WrongLengthError, WrongTypeError
from fusionflow_nb.lab.signing import Link, plain_type
from fusionflow_nb.lab.upload_pipe import UploadPipe, in_daemon_thread
from fusionflow_nb.lab.verify_upload import as_announced

if TYPE_CHECKING:
    import asyncio

    from fusionflow_nb.media.values import Asset

# How long an upload may stand still before its thread and its part file are given up.
IDLE_S = 60.0
# A refused upload is read to its end up to this length, unkept: browsers show no answer that comes in the middle.
DRAIN_BYTES = 64 << 20
# How far a body of untold length may pass its announcement before the connection is closed instead of answered.
_OVERRUN_BYTES = 1 << 20


@web.stream_request_body
class UploadHandler(LabHandler):
    """PUT of the bytes that an address was signed for; the answer is the stored asset."""

    _refusal: errors.FusionFlowError | None = None
    _feed: UploadPipe | None = None
    _stored: asyncio.Future[Asset] | None = None

    async def prepare(self) -> None:  # type: ignore[override] # Jupyter's own API handler narrows it so
        """Decide before the first byte is read: who asks, for what, and whether it can become that."""
        await super().prepare()
        if self._finished or self.request.method != "PUT":
            return
        # The decorators of `put` come only after the body; a server may also let anybody in up to there.
        may_write = self.current_user and await ensure_async(
            self.authorizer.is_authorized(self, self.current_user, "write", self.auth_resource)
        )
        if not may_write:
            raise web.HTTPError(403)
        try:
            link = await self._announcement(self.path_args[0])
        except (errors.StoreError, errors.MediaError, errors.SecretError) as error:
            self._refusal = error
            if self._announced_bytes() > DRAIN_BYTES:
                self.refuse(error)
            return
        await self._begin(link)

    async def data_received(self, chunk: bytes) -> None:
        """Pass a chunk on; waits while the disk is slower than the network."""
        if self._feed is not None:
            await self._feed.give(chunk)

    @web.authenticated
    @authorized
    async def put(self, sha256: str) -> None:  # noqa: ARG002 - believed in `prepare` already
        """Answer, once the whole body has come."""
        if self._feed is None or self._stored is None:
            self.refuse(self._refusal or WrongLengthError(0, "no body"))
            return
        self._feed.end()
        try:
            asset = await self._stored
        except errors.FusionFlowError as error:
            self.refuse(error)
            return
        self.finish(asset.to_json())

    def on_connection_close(self) -> None:
        """The browser is gone: what has come is thrown away, unless it was everything."""
        if self._feed is not None:
            self._feed.cut()
        super().on_connection_close()

    def on_finish(self) -> None:
        """An upload that was not received to its end is discarded, whatever the response."""
        if self._feed is not None:
            self._feed.cut()

    async def _announcement(self, sha256: str) -> Link:
        """What the address allows, believed, and not contradicted by the headers.

        Raises:
            StoreError, MediaError, SecretError: not believed, or contradicted.
        """
        signed_type = self.field("media_type")
        link = Link("uploads", sha256, self.number("expires_at"), signed_type, self.number("size_bytes"))
        await self.believe(link)
        sent_type = self.request.headers.get("Content-Type")
        if sent_type and plain_type(sent_type) != signed_type:
            raise WrongTypeError(signed_type, sent_type)
        length = self.request.headers.get("Content-Length")
        if length is not None and self._announced_bytes() != link.size_bytes:
            kind = TooLongError if self._announced_bytes() > link.size_bytes else WrongLengthError
            raise kind(link.size_bytes, str(self._announced_bytes()))
        return link

    def _announced_bytes(self) -> int:
        """Content-Length, or 0 if the header is not a number (then Tornado refuses the body)."""
        text = self.request.headers.get("Content-Length", "0")
        return int(text) if text.isascii() and text.isdigit() else 0

    async def _begin(self, link: Link) -> None:
        """Start the thread that stores what comes, as soon as one is free."""
        await self.place.uploads.acquire()
        connection = self.request.connection
        if isinstance(connection, HTTP1Connection):
            # Jupyter's own limit is made for notebooks; the signature allows exactly this much.
            connection.set_max_body_size(link.size_bytes + _OVERRUN_BYTES)
        self._feed = feed = UploadPipe(IDLE_S)
        place = self.place

        def store() -> Asset:
            return place.store().put(as_announced(feed.chunks(), link), media_type=link.media_type)

        self._stored = in_daemon_thread(store)
        self._stored.add_done_callback(self._stored_or_not)

    def _stored_or_not(self, stored: asyncio.Future[Asset]) -> None:
        """Admit the next upload, and discard the rest of this upload."""
        self.place.uploads.release()
        if self._feed is not None:
            self._feed.close()
        error = stored.exception()  # retrieved, so that an abandoned upload is not logged as an unhandled error
        if isinstance(error, StalledError):
            # The body will not come to its end, so `put` will not be called: answer here, which also hangs up.
            self.refuse(error)
