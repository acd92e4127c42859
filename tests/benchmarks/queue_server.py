"""A service that answers immediately: fal's protocol with canned answers, in a separate process. Prints its base URL.

It does as little as a server can, so that the client is measured.
"""

from __future__ import annotations

import asyncio
import json

PENDING_POLLS = 2
PICTURE = bytes.fromhex("89504e470d0a1a0a0000000d49484452") + bytes(40_000)


def _answer(body: bytes, status: str = "200 OK", kind: str = "application/json") -> bytes:
    return f"HTTP/1.1 {status}\r\ncontent-type: {kind}\r\ncontent-length: {len(body)}\r\n\r\n".encode() + body


class Queue(asyncio.Protocol):
    """One connection. All connections share the counters."""

    jobs = 0
    polls: dict[bytes, int] = {}  # noqa: RUF012 - shared on purpose
    host = ""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport
        self.rest = b""

    def data_received(self, data: bytes) -> None:
        self.rest += data
        while (end := self.rest.find(b"\r\n\r\n")) >= 0:
            head = self.rest[:end].lower()
            at = head.find(b"content-length:")
            length = int(head[at + 15 :].split(b"\r\n", 1)[0]) if at >= 0 else 0
            if len(self.rest) < end + 4 + length:
                return
            method, path, _ = self.rest[:end].split(b"\r\n", 1)[0].split(b" ")
            self.rest = self.rest[end + 4 + length :]
            self.transport.write(self.answer(method, path))

    def answer(self, method: bytes, path: bytes) -> bytes:
        if method == b"POST":
            Queue.jobs += 1
            base = f"{self.host}/fal/queue/a/b/requests/{Queue.jobs}"
            urls = {"status_url": f"{base}/status", "response_url": base, "cancel_url": f"{base}/cancel"}
            return _answer(json.dumps({"request_id": str(Queue.jobs), **urls}).encode())
        if b"/status" in path:
            polls = self.polls[path] = self.polls.get(path, 0) + 1
            state = b"COMPLETED" if polls > PENDING_POLLS else b"IN_PROGRESS"
            return _answer(b'{"status": "' + state + b'"}')
        if b"/requests/" in path:
            name = path.rsplit(b"/", 1)[-1].decode()
            result = {"images": [{"url": f"{self.host}/fal/cdn/{name}.png"}], "seed": 7}
            return _answer(json.dumps(result).encode())
        return _answer(PICTURE, kind="image/png")


async def main() -> None:
    server = await asyncio.get_running_loop().create_server(Queue, "127.0.0.1", 0, backlog=4096)
    Queue.host = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    print(Queue.host, flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(main())
