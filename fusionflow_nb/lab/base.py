"""Common to all routes: authentication, error responses, security headers."""

from __future__ import annotations

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
from fusionflow_nb.lab.signing import check

if TYPE_CHECKING:
    from fusionflow_nb.lab.server_state import ServerState
    from fusionflow_nb.lab.signing import Link

# No leading zeros, no sign, no spaces: a number has one spelling, as it was signed.
_MAX_DIGITS = 15


class LabHandler(APIHandler):
    """A handler that answers in the words of the house; `place` is set before anything else."""

    auth_resource = "contents"
    place: ServerState

    def initialize(self, place: ServerState) -> None:
        """Take what the handlers share; Tornado calls it."""
        self.place = place

    @property
    def content_security_policy(self) -> str:
        """What a page made of our bytes may do: nothing."""
        return "sandbox; default-src 'none'"

    def set_default_headers(self) -> None:
        """Headers of every answer, refusals too."""
        super().set_default_headers()
        self.set_header("X-Content-Type-Options", "nosniff")
        # Other sites cannot embed these responses, so they cannot probe for them.
        self.set_header("Cross-Origin-Resource-Policy", "same-origin")
        self.set_header("Cache-Control", "no-store")

    def refuse(self, error: errors.FusionFlowError) -> None:
        """Respond with an error, unless the response has started or the browser is gone."""
        if not self._finished:
            self.set_status(status_of(error))
            self._forget_representation()
            self.finish({"error": error.to_payload()})

    def write_error(self, status_code: int, **kwargs: Any) -> None:  # noqa: ANN401 - Tornado's signature
        """Tell Jupyter's own refusals and unexpected errors in the same shape; never a stack."""
        raised = kwargs.get("exc_info", (None, None, None))[1]
        if isinstance(raised, errors.FusionFlowError):
            self.refuse(raised)
            return
        message = HTTPStatus(status_code).phrase
        if isinstance(raised, web.HTTPError) and raised.log_message:
            message = raised.log_message % raised.args if raised.args else raised.log_message
        code = {401: "not_allowed", 403: "not_allowed", 404: "not_found"}.get(status_code, "server")
        self._forget_representation()
        self.finish({"error": {"code": code, "node_id": None, "message": message}})

    def log_exception(self, typ: Any, value: Any, tb: Any) -> None:  # noqa: ANN401 - Tornado's signature
        """FusionFlow errors become responses; everything else is logged as Jupyter does."""
        if not isinstance(value, errors.FusionFlowError):
            super().log_exception(typ, value, tb)

    async def believe(self, link: Link) -> None:
        """Check the signature in the query against what is asked for.

        Raises:
            ForgedLinkError, ExpiredLinkError, SecretError: not believed.
        """
        secret = await self.place.in_thread(partial(read_secret, self.place.home))
        check(secret, link, self.field("signature"), now_s=time.time())

    def field(self, name: str) -> str:
        """A field of the query.

        Raises:
            MalformedQueryError: it is not there.
        """
        value = self.get_query_argument(name, None, strip=False)
        if value is None:
            raise MalformedQueryError(name)
        return value

    def number(self, name: str) -> int:
        """A whole number of the query, in its only spelling.

        Raises:
            MalformedQueryError: it is missing or malformed.
        """
        text = self.field(name)
        if len(text) > _MAX_DIGITS or not text.isascii() or not text.isdigit() or text != str(int(text)):
            raise MalformedQueryError(name)
        return int(text)

    def _forget_representation(self) -> None:
        # Headers about the bytes do not apply to an error.
        for name in ("Etag", "Content-Disposition", "Content-Range", "Accept-Ranges", "Content-Length"):
            self.clear_header(name)
        self.set_header("Cache-Control", "no-store")


class UnknownHandler(LabHandler):
    """Every other address below ours: 404, to those who may know."""

    @web.authenticated
    @authorized
    async def get(self) -> None:
        """Say that there is nothing."""
        raise web.HTTPError(404)

    # Spelled out: a handler without the method would answer 405 before asking who is there.
    head = put = post = patch = delete = get
