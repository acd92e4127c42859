"""Which address leads to which handler. A digest is 64 hex digits here already: nothing else ever names a file."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from fusionflow_nb.lab.base import UnknownHandler
from fusionflow_nb.lab.downloads import AssetHandler, PreviewHandler
from fusionflow_nb.lab.probe import ProbeHandler
from fusionflow_nb.lab.server_state import ServerState
from fusionflow_nb.lab.signing import PREFIX
from fusionflow_nb.lab.uploads import UploadHandler
from fusionflow_nb.settings.environment import home_folder

if TYPE_CHECKING:
    from tornado.web import Application

_SHA256 = "([0-9a-f]{64})"


def add_routes(application: Application) -> None:
    """Add our addresses below the server's base URL."""
    shared = {"place": ServerState(home_folder())}
    base = re.escape(f"{application.settings['base_url'].rstrip('/')}/{PREFIX}")
    application.add_handlers(
        ".*",
        [
            # The extension is for people and for tools that look at names; the digest alone finds the bytes.
            (rf"{base}/assets/{_SHA256}(?:\.[a-z0-9]{{1,5}})?", AssetHandler, shared),
            (rf"{base}/previews/{_SHA256}", PreviewHandler, shared),
            (rf"{base}/uploads/{_SHA256}", UploadHandler, shared),
            (rf"{base}/probe", ProbeHandler, shared),
            (rf"{base}/.*", UnknownHandler, shared),
        ],
    )
