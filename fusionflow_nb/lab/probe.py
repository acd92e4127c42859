"""Does this server read the kernel's disk? Only who shares the secret can answer, and answering does not tell it."""

from __future__ import annotations

from functools import partial

from jupyter_server.auth.decorator import authorized
from tornado import web

from fusionflow_nb.lab.base import LabHandler
from fusionflow_nb.lab.secret import read_secret
from fusionflow_nb.lab.signing import probe_answer


class ProbeHandler(LabHandler):
    """`{"answer": ...}`: the canvas compares it with what the kernel expects."""

    # A probe of the canvas is not user activity.
    _track_activity = False

    @web.authenticated
    @authorized
    async def get(self) -> None:
        """Answer the nonce; null where this server's home folder has no secret, so cannot be the kernel's."""
        nonce = self.field("nonce")
        secret = await self.place.in_thread(partial(read_secret, self.place.home))
        # A malformed nonce is refused whether or not there is a secret.
        answer = probe_answer(secret or b"", nonce)
        self.finish({"answer": None if secret is None else answer})
