"""Endpoints that are not the service: unreachable hosts, untrusted certificates, other servers."""

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
    """Return the bytes of an HTTP response."""
    fields = {"content-type": kind, "content-length": str(len(body))}
    fields.update({name.replace("_", "-"): value for name, value in headers.items()})
    lines = [f"HTTP/1.1 {status} Status", *(f"{name}: {value}" for name, value in fields.items())]
    return "\r\n".join([*lines, "", ""]).encode() + body


@contextlib.asynccontextmanager
async def unreachable(place: str, folder: Path) -> AsyncIterator[str]:
    """Yield a base URL from which no response can come."""
    if place == "no name":
        yield "http://name.invalid"
    elif place == "closed":
        with socket.socket() as unused:  # bound but not listening, so that no other process uses the port
            unused.bind(("127.0.0.1", 0))
            yield f"http://127.0.0.1:{unused.getsockname()[1]}"
    else:
        async with served(_empty_response, untrusted(folder)) as base:
            yield base


async def _empty_response(_request: web.Request) -> web.Response:
    return web.Response()


def untrusted(folder: Path) -> ssl.SSLContext:
    """Return a TLS server context with a self-signed certificate."""
    program = shutil.which("openssl") or pytest.skip("openssl is needed to create the certificate")
    files = ["-keyout", str(folder / "k.pem"), "-out", str(folder / "c.pem")]
    request = [program, "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=localhost"]
    subprocess.run([*request, *files], check=True, capture_output=True)  # noqa: S603 - resolved by `which`
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "c.pem", folder / "k.pem")
    return context


@contextlib.asynccontextmanager
async def served(
    handler: Callable[[web.Request], Awaitable[web.Response]], secure: ssl.SSLContext | None = None
) -> AsyncIterator[str]:
    """Serve a handler at all paths; yield the base URL."""
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
