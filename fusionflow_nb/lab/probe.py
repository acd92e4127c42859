"""Tell whether this server shares the kernel's disk: only readers of the same secret know the answer to a nonce."""

from __future__ import annotations

from functools import partial

from jupyter_server.auth.decorator import authorized
from tornado import web

from fusionflow_nb.lab.base import LabHandler
from fusionflow_nb.lab.secret import read_secret
from fusionflow_nb.lab.signing import probe_answer


class ProbeHandler(LabHandler):
    """`{"answer": ...}`: the canvas compares it with the kernel's answer. It does not reveal the secret."""

    kind = "probe"
    # A probe of the canvas is not user activity.
    _track_activity = False

    @web.authenticated
    @authorized
    async def get(self) -> None:
        """Answer the nonce; null if this server's home folder has no secret, so it is not the kernel's."""
        nonce = self.query_field("nonce")
        secret = await self.state.run_in_thread(partial(read_secret, self.state.home))
        # A malformed nonce is refused whether or not there is a secret.
        answer = probe_answer(secret or b"", nonce)
        self.finish({"answer": None if secret is None else answer})
