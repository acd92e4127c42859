"""The routes of the extension. A path names content by a digest of 64 hex digits, never by a file name."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from fusionflow_nb.lab.base import NotFoundHandler
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
    """Add the routes below the server's base URL."""
    shared = {"state": ServerState(home_folder())}
    base = re.escape(f"{application.settings['base_url'].rstrip('/')}/{PREFIX}")
    application.add_handlers(
        ".*",
        [
            # The extension is for users and for tools that look at names; only the digest is used.
            (rf"{base}/assets/{_SHA256}(?:\.[a-z0-9]{{1,5}})?", AssetHandler, shared),
            (rf"{base}/previews/{_SHA256}", PreviewHandler, shared),
            (rf"{base}/uploads/{_SHA256}", UploadHandler, shared),
            (rf"{base}/probe", ProbeHandler, shared),
            (rf"{base}/.*", NotFoundHandler, shared),
        ],
    )
