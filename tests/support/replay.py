"""Replay of a recorded exchange: serves the recorded answers in order and records the requests."""

from __future__ import annotations

import contextlib
import json
from collections import defaultdict, deque
from dataclasses import dataclass, field
from email.parser import BytesParser
from email.policy import HTTP
from pathlib import Path
from typing import TYPE_CHECKING, Any

from aiohttp import web

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

RECORDINGS = Path(__file__).parents[1] / "providers" / "recordings"
PNG = bytes.fromhex(
    "89504e470d0a1a0a0000000d49484452000000010000000108060000001f15c4890000000d49444154789c6364f8cf500f0003860180"
    "5a347d6b0000000049454e44ae426082"
)
"""The 70-byte image of the recordings."""
OUTPUT = "/output.png"


@dataclass
class Sent:
    """One request in the format of the recordings."""

    method: str
    path: str
    query: dict[str, str]
    headers: dict[str, str]
    json: Any = None
    multipart: list[dict[str, Any]] | None = None
    body_bytes: int | None = None


@dataclass
class Replay:
    """The recorded requests, and those sent by the test."""

    recorded: list[Sent]
    base: str = ""
    sent: list[Sent] = field(default_factory=list)


@contextlib.asynccontextmanager
async def replayed(case: str) -> AsyncIterator[Replay]:
    """Serve a recording. All output URLs are replaced by one on this server."""
    exchanges = json.loads((RECORDINGS / f"{case}.json").read_text())["exchanges"]
    replay = Replay([Sent(**{"query": {}, **exchange["request"]}) for exchange in exchanges])
    answers: dict[tuple[str, str], deque[Any]] = defaultdict(deque)
    for exchange in exchanges:
        request = exchange["request"]
        answers[request["method"], request["path"]].append(exchange["response"])

    async def answer(request: web.Request) -> web.StreamResponse:
        if request.path == OUTPUT:
            return web.Response(body=PNG, content_type="image/png")
        replay.sent.append(await sent(request))
        pending = answers[request.method, request.path]
        if not pending:
            return web.json_response({"detail": "not recorded"}, status=404)
        response = pending.popleft()
        headers = {
            name: value.replace("{BASE}", replay.base)
            for name, value in response.get("headers", {}).items()
            if name != "content-type"
        }
        kind = response.get("headers", {}).get("content-type", "application/json")
        body = _body(response, replay.base)
        return web.Response(status=response["status"], headers=headers, body=body, content_type=kind)

    app = web.Application()
    app.router.add_route("*", "/{path:.*}", answer)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    replay.base = f"http://127.0.0.1:{runner.addresses[0][1]}"
    try:
        yield replay
    finally:
        await runner.cleanup()


async def sent(request: web.Request) -> Sent:
    """Convert a request to the format of the recordings."""
    body = await request.read()
    headers = {name.lower(): value for name, value in request.headers.items() if name.lower() != "host"}
    received = Sent(request.method, request.path, dict(request.query), headers)
    kind = headers.get("content-type", "")
    if kind.startswith("multipart/"):
        headers["content-type"] = "multipart/form-data; boundary=<boundary>"
        received.multipart = _parts(kind, body)
    elif kind == "application/json" and body.startswith((b"{", b"[")):  # some clients use it for files and empty bodies
        received.json = json.loads(body)
    elif body:
        received.body_bytes = len(body)
    return received


def _parts(kind: str, body: bytes) -> list[dict[str, Any]]:
    form = BytesParser(policy=HTTP).parsebytes(f"Content-Type: {kind}\r\n\r\n".encode() + body)
    parts: list[dict[str, Any]] = []
    for part in form.iter_parts():
        content = part.get_payload(decode=True)
        name = part.get_param("name", header="content-disposition")
        if part.get_filename() is None:
            parts.append({"name": name, "value": content.decode()})
        else:
            about = {"filename": part.get_filename(), "content_type": part.get_content_type(), "bytes": len(content)}
            parts.append({"name": name, **about})
    return parts


def _body(response: dict[str, Any], base: str) -> bytes:
    if "sse" in response:
        return "".join(response["sse"]).encode()
    if "json" not in response:
        return b"ID3\x04\0\0\0\0\0\0"[: max(10, response.get("body_bytes", 0))]
    text = json.dumps(response["json"])
    for gone in ("{BASE}/v1/files/vid1:download?alt=media", "{BASE}/v1beta/files/vid1:download?alt=media"):
        text = text.replace(gone, f"{base}{OUTPUT}")
    text = text.replace("{BASE}", base)
    for gone in (
        "https://v3.fal.media/files/zebra/abc.jpeg",
        "https://replicate.delivery/xezq/abc/out-0.webp",
        "https://replicate.delivery/a/out.webp",
        "https://delivery-eu1.bfl.ai/results/x/sample.jpeg?se=...",
        "https://cdn.example/x.mp4",
        "https://dnznrvs05pmza.cloudfront.net/out.png?_jwt=...",
        "https://storage.cdn-luma.com/x.mp4",
    ):
        text = text.replace(gone, f"{base}{OUTPUT}")
    import base64

    return text.replace("<base64 96 chars>", base64.b64encode(PNG).decode()).encode()
