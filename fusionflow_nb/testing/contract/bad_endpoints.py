"""Where a request may end up in place of its service: nowhere, at a stranger's, at somebody who forges."""

from __future__ import annotations

import contextlib
import shutil
import socket
import ssl
import subprocess
from typing import TYPE_CHECKING

import pytest
from aiohttp import web

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable
    from pathlib import Path


def raw(status: int, body: bytes, kind: str = "text/html", **headers: str) -> bytes:
    """An answer as it goes over the socket."""
    made = {"content-type": kind, "content-length": str(len(body))}
    made.update({name.replace("_", "-"): value for name, value in headers.items()})
    lines = [f"HTTP/1.1 {status} Said", *(f"{name}: {value}" for name, value in made.items())]
    return "\r\n".join([*lines, "", ""]).encode() + body


@contextlib.asynccontextmanager
async def no_way(place: str, folder: Path) -> AsyncIterator[str]:
    """An address from which no answer can come."""
    if place == "no name":
        yield "http://name.invalid"
    elif place == "closed":
        with socket.socket() as unused:  # bound and not listened at, so that nobody else takes it
            unused.bind(("127.0.0.1", 0))
            yield f"http://127.0.0.1:{unused.getsockname()[1]}"
    else:
        async with served(_nothing, untrusted(folder)) as base:
            yield base


async def _nothing(_request: web.Request) -> web.Response:
    return web.Response()


def untrusted(folder: Path) -> ssl.SSLContext:
    """A server's side of TLS with a certificate of its own making."""
    program = shutil.which("openssl") or pytest.skip("openssl makes the certificate")
    files = ["-keyout", str(folder / "k.pem"), "-out", str(folder / "c.pem")]
    request = [program, "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=localhost"]
    subprocess.run([*request, *files], check=True, capture_output=True)  # noqa: S603 - found above
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "c.pem", folder / "k.pem")
    return context


@contextlib.asynccontextmanager
async def served(
    handler: Callable[[web.Request], Awaitable[web.Response]], secure: ssl.SSLContext | None = None
) -> AsyncIterator[str]:
    """A server that is not the simulator."""
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", handler)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0, ssl_context=secure).start()
        port = runner.addresses[0][1]
        yield f"https://localhost:{port}" if secure else f"http://127.0.0.1:{port}"
    finally:
        await runner.cleanup()
