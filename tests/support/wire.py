"""A server on a real socket that sends raw answers and records the requests."""

from __future__ import annotations

import asyncio
import contextlib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from fusionflow_nb.providers.http import Endpoint, Http
from fusionflow_nb.settings.credentials import Key

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

KEY = "not-a-real-key-4711"
PNG = bytes.fromhex("89504e470d0a1a0a0000000d49484452") + bytes(60)


@dataclass
class ReceivedRequest:
    """One received request."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes
    connection: int


@dataclass
class RawServer:
    """Sends the answers in order, then repeats the last. An answer is raw bytes; None closes the connection."""

    answers: list[bytes | None]
    base: str = ""
    requests: list[ReceivedRequest] = field(default_factory=list)
    connections: int = 0
    also_close: bool = False

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        number = self.connections
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
                method, path, _ = head[0].split(" ")
                headers = dict(line.lower().split(": ", 1)[:2] for line in head[1:] if line)
                values = {line.split(": ", 1)[0].lower(): line.split(": ", 1)[1] for line in head[1:] if line}
                body = await reader.readexactly(int(headers.get("content-length", "0")))
                self.requests.append(ReceivedRequest(method, path, values, body, number))
                answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
                if answer is None:
                    break
                writer.write(answer)
                await writer.drain()
                if self.also_close or b"connection: close" in answer:
                    break
        writer.close()


def answer(
    status: int = 200, body: bytes = b"{}", *, kind: str = "application/json", length: int | None = None, **headers: str
) -> bytes:
    lines = [
        f"HTTP/1.1 {status} Said",
        f"content-type: {kind}",
        f"content-length: {len(body) if length is None else length}",
    ]
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    return "\r\n".join([*lines, "", ""]).encode() + body


@contextlib.asynccontextmanager
async def wire(*answers: bytes | None) -> AsyncIterator[RawServer]:
    raw_server = RawServer(list(answers))
    server = await asyncio.start_server(raw_server.serve, "127.0.0.1", 0)
    raw_server.base = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    try:
        yield raw_server
    finally:
        server.close()


def endpoint(base: str) -> Endpoint:
    return Endpoint(
        "fal",
        {"queue": "https://queue.fal.run"},
        lambda keys: {"authorization": Key(f"Key {keys['FAL_KEY']}")},
        base=base,
    )


class RecordedSleep:
    """A `sleep` that returns immediately and records the delays."""

    def __init__(self) -> None:
        self.seconds: list[float] = []

    async def __call__(self, seconds: float) -> None:
        self.seconds.append(seconds)


@contextlib.asynccontextmanager
async def http(base: str, **kwargs: Any) -> AsyncIterator[Http]:
    client = Http(endpoint(base), sleep=kwargs.pop("sleep", RecordedSleep()), **kwargs)
    try:
        yield client
    finally:
        await client.aclose()
