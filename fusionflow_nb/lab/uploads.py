"""Receive uploads from the browser: each is streamed into the store if it matches what the kernel signed."""

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
from fusionflow_nb.lab.upload_pipe import UploadPipe, run_in_daemon_thread
from fusionflow_nb.lab.verify_upload import verified_chunks

if TYPE_CHECKING:
    import asyncio

    from fusionflow_nb.media.values import Asset

# Timeout for the next chunk of an upload.
IDLE_S = 60.0
# A refused upload up to this size is read to its end and discarded: browsers show no response sent before that.
DRAIN_BYTES = 64 << 20
# A chunked body may exceed its declared size by this much before the connection is closed without a response.
_OVERRUN_BYTES = 1 << 20


@web.stream_request_body
class UploadHandler(LabHandler):
    """PUT of the bytes that a URL was signed for; the response is the stored asset."""

    kind = "upload"
    _refusal: errors.FusionFlowError | None = None
    _pipe: UploadPipe | None = None
    _stored: asyncio.Future[Asset] | None = None

    async def prepare(self) -> None:  # type: ignore[override] # Jupyter's own API handler narrows it so
        """Check access and the signed URL before the first byte is read."""
        await super().prepare()
        if self._finished or self.request.method != "PUT":
            return
        # The decorators of `put` run only after the body, and a server may admit anonymous users up to there.
        may_write = self.current_user and await ensure_async(
            self.authorizer.is_authorized(self, self.current_user, "write", self.auth_resource)
        )
        if not may_write:
            raise web.HTTPError(403)
        try:
            link = await self._declared_link(self.path_args[0])
        except (errors.StoreError, errors.MediaError, errors.SecretError) as error:
            self._refusal = error
            if self._content_length() > DRAIN_BYTES:
                self.respond_with_error(error)
            return
        await self._start_storing(link)

    async def data_received(self, chunk: bytes) -> None:
        """Queue a chunk; waits while the disk is slower than the network."""
        if self._pipe is not None:
            await self._pipe.write(chunk)

    @web.authenticated
    @authorized
    async def put(self, sha256: str) -> None:  # noqa: ARG002 - verified in `prepare`
        """Respond after the whole body was received."""
        if self._pipe is None or self._stored is None:
            self.respond_with_error(self._refusal or WrongLengthError(0, "no body"))
            return
        self._pipe.end()
        try:
            asset = await self._stored
        except errors.FusionFlowError as error:
            self.respond_with_error(error)
            return
        self.finish(asset.to_json())

    def on_connection_close(self) -> None:
        """Discard the upload when the browser disconnects, unless it was received completely."""
        if self._pipe is not None:
            self._pipe.abort()
        super().on_connection_close()

    def on_finish(self) -> None:
        """Discard an upload that was not received to its end, whatever the response."""
        if self._pipe is not None:
            self._pipe.abort()
        super().on_finish()

    async def _declared_link(self, sha256: str) -> Link:
        """What the signed URL allows, after checking that the headers agree with it.

        Raises:
            StoreError, MediaError, SecretError: the signature is invalid, or a header contradicts it.
        """
        signed_type = self.query_field("media_type")
        link = Link("uploads", sha256, self.query_int("expires_at"), signed_type, self.query_int("size_bytes"))
        await self.verify_link(link)
        sent_type = self.request.headers.get("Content-Type")
        if sent_type and plain_type(sent_type) != signed_type:
            raise WrongTypeError(signed_type, sent_type)
        length = self.request.headers.get("Content-Length")
        if length is not None and self._content_length() != link.size_bytes:
            error_class = TooLongError if self._content_length() > link.size_bytes else WrongLengthError
            raise error_class(link.size_bytes, str(self._content_length()))
        return link

    def _content_length(self) -> int:
        """Content-Length, or 0 if the header is not a number (then Tornado refuses the body)."""
        text = self.request.headers.get("Content-Length", "0")
        return int(text) if text.isascii() and text.isdigit() else 0

    async def _start_storing(self, link: Link) -> None:
        """Start a thread that stores the body; waits for a free slot."""
        await self.state.upload_slots.acquire()
        connection = self.request.connection
        if isinstance(connection, HTTP1Connection):
            # Jupyter's own limit is meant for notebooks; the signature allows exactly this size.
            connection.set_max_body_size(link.size_bytes + _OVERRUN_BYTES)
        self._pipe = pipe = UploadPipe(IDLE_S)
        state = self.state

        def store() -> Asset:
            return state.store().put(verified_chunks(pipe.chunks(), link), media_type=link.media_type)

        self._stored = run_in_daemon_thread(store)
        self._stored.add_done_callback(self._on_stored)

    def _on_stored(self, stored: asyncio.Future[Asset]) -> None:
        """Admit the next upload, and discard the rest of this upload."""
        self.state.upload_slots.release()
        if self._pipe is not None:
            self._pipe.close()
        error = stored.exception()  # retrieved, so that an abandoned upload is not logged as an unhandled error
        if isinstance(error, StalledError):
            # The body will not end, so `put` will not be called: respond here, which also closes the connection.
            self.respond_with_error(error)
