"""Common to all routes: authentication, error responses, security headers, request log."""

from __future__ import annotations

import logging
import time
from functools import partial
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from jupyter_server.auth.decorator import authorized
from jupyter_server.base.handlers import APIHandler
from tornado import web

from fusionflow_nb import errors
from fusionflow_nb.lab.errors import MalformedQueryError, status_of
from fusionflow_nb.lab.secret import read_secret
from fusionflow_nb.lab.signing import verify

if TYPE_CHECKING:
    from fusionflow_nb.lab.server_state import ServerState
    from fusionflow_nb.lab.signing import Link

_log = logging.getLogger("fusionflow_nb.lab")
# No leading zeros, no sign, no spaces: a number has one spelling, as it was signed.
_MAX_DIGITS = 15


class LabHandler(APIHandler):
    """Base of all handlers: errors become JSON responses, and every request is logged."""

    auth_resource = "contents"
    kind = "other"
    """What is requested, for the log."""
    state: ServerState

    def initialize(self, state: ServerState) -> None:
        """Set the state that the handlers share; called by Tornado."""
        self.state = state

    @property
    def content_security_policy(self) -> str:
        """A document opened from a response may run or load nothing."""
        return "sandbox; default-src 'none'"

    def set_default_headers(self) -> None:
        """Headers of every response, errors included."""
        super().set_default_headers()
        self.set_header("X-Content-Type-Options", "nosniff")
        # Other sites cannot embed these responses, so they cannot probe for them.
        self.set_header("Cross-Origin-Resource-Policy", "same-origin")
        self.set_header("Cache-Control", "no-store")

    def on_finish(self) -> None:
        """Log the request, without its query string and headers."""
        super().on_finish()
        elapsed_ms = 1000 * self.request.request_time()
        _log.debug("%s %s %s %.0f ms", self.request.method, self.kind, self.get_status(), elapsed_ms)

    def respond_with_error(self, error: errors.FusionFlowError) -> None:
        """Respond with an error, unless the response is finished."""
        if not self._finished:
            self.set_status(status_of(error))
            self._clear_content_headers()
            self.finish({"error": error.to_payload()})

    def write_error(self, status_code: int, **kwargs: Any) -> None:  # noqa: ANN401 - Tornado's signature
        """Respond to Jupyter's own and unexpected errors in the same JSON shape, without a traceback."""
        raised = kwargs.get("exc_info", (None, None, None))[1]
        if isinstance(raised, errors.FusionFlowError):
            self.respond_with_error(raised)
            return
        message = HTTPStatus(status_code).phrase
        if isinstance(raised, web.HTTPError) and raised.log_message:
            message = raised.log_message % raised.args if raised.args else raised.log_message
        code = {401: "not_allowed", 403: "not_allowed", 404: "not_found"}.get(status_code, "server")
        self._clear_content_headers()
        self.finish({"error": {"code": code, "node_id": None, "message": message}})

    def log_exception(self, typ: Any, value: Any, tb: Any) -> None:  # noqa: ANN401 - Tornado's signature
        """FusionFlow errors become responses; everything else is logged as Jupyter does."""
        if not isinstance(value, errors.FusionFlowError):
            super().log_exception(typ, value, tb)

    async def verify_link(self, link: Link) -> None:
        """Check the signature in the query against the request.

        Raises:
            ForgedLinkError, ExpiredLinkError, SecretError: the signature does not allow the request.
        """
        secret = await self.state.run_in_thread(partial(read_secret, self.state.home))
        verify(secret, link, self.query_field("signature"), now_s=time.time())

    def query_field(self, name: str) -> str:
        """A field of the query.

        Raises:
            MalformedQueryError: it is missing.
        """
        value = self.get_query_argument(name, None, strip=False)
        if value is None:
            raise MalformedQueryError(name)
        return value

    def query_int(self, name: str) -> int:
        """A whole number >= 0 of the query, in its only spelling.

        Raises:
            MalformedQueryError: it is missing or malformed.
        """
        text = self.query_field(name)
        if len(text) > _MAX_DIGITS or not text.isascii() or not text.isdigit() or text != str(int(text)):
            raise MalformedQueryError(name)
        return int(text)

    def _clear_content_headers(self) -> None:
        # Headers about the bytes do not apply to an error.
        for name in ("Etag", "Content-Disposition", "Content-Range", "Accept-Ranges", "Content-Length"):
            self.clear_header(name)
        self.set_header("Cache-Control", "no-store")


class NotFoundHandler(LabHandler):
    """Every other path below the prefix: 404, for authorized users only."""

    @web.authenticated
    @authorized
    async def get(self) -> None:
        """Respond with 404."""
        raise web.HTTPError(404)

    # All methods: for a missing method Tornado would respond with 405 before authentication.
    head = put = post = patch = delete = get
