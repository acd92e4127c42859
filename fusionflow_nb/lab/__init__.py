"""The Jupyter server extension: serves assets to the browser and receives uploads, without the kernel.

    GET, HEAD  <base>/fusionflow/assets/<sha256>[.<ext>]    the bytes, with ranges and an ETag     downloads.py
    GET, HEAD  <base>/fusionflow/previews/<sha256>          a WebP of at most 256 px a side        downloads.py
    PUT        <base>/fusionflow/uploads/<sha256>?...       bytes to store, at a signed URL        uploads.py
    GET        <base>/fusionflow/probe?nonce=<hex>          does it share the kernel's disk?       probe.py

Jupyter authenticates every request. The kernel signs URLs with `signing`, which works without an installed server.
This module imports neither Jupyter nor Tornado, so that kernels stay light.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from jupyter_server.serverapp import ServerApp


def _jupyter_server_extension_points() -> list[dict[str, str]]:
    """The module that holds the loader, for Jupyter's extension discovery."""
    return [{"module": "fusionflow_nb.lab"}]


def _load_jupyter_server_extension(server: ServerApp) -> None:
    """Add the routes to a starting server."""
    from fusionflow_nb.lab.routes import add_routes  # noqa: PLC0415 - Tornado only inside a server
    from fusionflow_nb.settings.logs import configure_logging  # noqa: PLC0415

    configure_logging()
    add_routes(server.web_app)
