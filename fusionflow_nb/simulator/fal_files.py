"""Simulated fal file storage: single upload, multipart upload, or PUT to an upload URL."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from aiohttp import web

from fusionflow_nb.simulator.scenario import BAD_KEY, File, base_url

if TYPE_CHECKING:
    from fusionflow_nb.simulator.scenario import World

TOKEN = "simulated"  # noqa: S105 - accepted by the simulator only


class FalFiles:
    """Serves `/fal/rest/storage` and `/fal/cdn/files`."""

    def __init__(self, world: World) -> None:
        self.world = world
        self._parts: dict[str, dict[int, bytes]] = {}

    def routes(self) -> list[web.RouteDef]:
        """Return the routes."""
        parts = "/fal/cdn/files/{name}/multipart/{id}"
        return [
            web.post("/fal/rest/storage/auth/token", self.token),
            web.post("/fal/rest/storage/upload/initiate", self.initiate),
            web.post("/fal/cdn/files/upload", self.upload),
            web.post("/fal/cdn/files/upload/multipart", self.start_multipart),
            web.put(f"{parts}/{{number}}", self.part),
            web.post(f"{parts}/complete", self.complete),
            web.put("/fal/cdn/files/{name}", self.put),
        ]

    async def token(self, request: web.Request) -> web.Response:
        """Issue a token for the CDN."""
        check(request)
        payload = {
            "token": TOKEN,
            "token_type": "Bearer",
            "base_url": f"{base_url(request)}/fal/cdn",
            "expires_at": "2100-01-01T00:00:00+00:00",
        }
        return web.json_response(payload)

    async def initiate(self, request: web.Request) -> web.Response:
        """Return the upload URL and the final URL of a file."""
        check(request)
        body = await request.json()
        url = self.world.store_file(request, b"", str(body.get("content_type")))
        return web.json_response({"upload_url": url, "file_url": url})

    async def put(self, request: web.Request) -> web.Response:
        """Store the content sent to an upload URL."""
        name = request.match_info["name"]
        if name not in self.world.files:
            return web.Response(status=403)
        self.world.files[name] = File(await request.read(), request.content_type, self._expires_at_s())
        return web.Response()

    async def upload(self, request: web.Request) -> web.Response:
        """Store a file sent in one request."""
        _check_token(request)
        return web.json_response(
            {"access_url": self.world.store_file(request, await request.read(), request.content_type)}
        )

    async def start_multipart(self, request: web.Request) -> web.Response:
        """Start a multipart upload."""
        _check_token(request)
        url, upload_id = self.world.store_file(request, b"", request.content_type), self.world.new_id()
        self._parts[upload_id] = {}
        return web.json_response({"access_url": url, "uploadId": upload_id})

    async def part(self, request: web.Request) -> web.Response:
        """Store one part."""
        _check_token(request)
        number = int(request.match_info["number"])
        self._parts[request.match_info["id"]][number] = await request.read()
        return web.json_response({}, headers={"etag": f'"e{number}"'})

    async def complete(self, request: web.Request) -> web.Response:
        """Join the parts in the listed order; a wrong ETag is an error."""
        _check_token(request)
        parts, name = self._parts.pop(request.match_info["id"]), request.match_info["name"]
        listed = (await request.json())["parts"]
        if any(part["etag"] != f'"e{part["partNumber"]}"' for part in listed) or len(listed) != len(parts):
            return web.json_response({"detail": "The parts do not fit."}, status=400)
        content = b"".join(parts[part["partNumber"]] for part in listed)
        self.world.files[name] = File(content, self.world.files[name].media_type, self._expires_at_s())
        return web.json_response({})

    def _expires_at_s(self) -> float:
        return self.world.clock() + self.world.lifetime_s


def check(request: web.Request) -> None:
    """Check the API key. Raises HTTPUnauthorized."""
    scheme, _, key = request.headers.get("Authorization", "").partition(" ")
    if scheme != "Key" or key in {"", BAD_KEY}:
        text = json.dumps({"detail": "No user found for Key ID and Secret"})
        raise web.HTTPUnauthorized(text=text, content_type="application/json")


def _check_token(request: web.Request) -> None:
    if request.headers.get("Authorization") != f"Bearer {TOKEN}":
        raise web.HTTPUnauthorized(text=json.dumps({"detail": "No token"}), content_type="application/json")
