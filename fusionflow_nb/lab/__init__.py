"""The Jupyter server extension: the browser's way to the bytes, past the kernel.

    GET, HEAD  <base>/fusionflow/assets/<sha256>[.<ext>]    the bytes, with ranges and an ETag        serve.py
    GET, HEAD  <base>/fusionflow/previews/<sha256>          a WebP of at most 256 px a side           serve.py
    PUT        <base>/fusionflow/uploads/<sha256>?...       bytes to store, at a signed address       receive.py
    GET        <base>/fusionflow/probe?nonce=<hex>          is this server on the kernel's disk?      probe.py

Jupyter authenticates every request. The kernel signs addresses with `signing`, which needs no server to be installed.
This module imports neither Jupyter nor Tornado, so that kernels stay light.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from jupyter_server.serverapp import ServerApp


def _jupyter_server_extension_points() -> list[dict[str, str]]:
    """What Jupyter asks a package for: the module that holds the loader below."""
    return [{"module": "fusionflow_nb.lab"}]


def _load_jupyter_server_extension(server: ServerApp) -> None:
    """Add our addresses to a starting server."""
    from fusionflow_nb.lab.routes import add_routes  # noqa: PLC0415 - Tornado only inside a server

    add_routes(server.web_app)
