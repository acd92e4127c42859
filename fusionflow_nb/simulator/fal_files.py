"""fal's side of the wire, files: a token and one request, many parts, or an address to put it at."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from aiohttp import web

from fusionflow_nb.simulator.scenario import BAD_KEY, File, base_of

if TYPE_CHECKING:
    from fusionflow_nb.simulator.scenario import World

TOKEN = "simulated"  # noqa: S105 - opens a simulator


class FalFiles:
    """Routes under `/fal/rest/storage` and `/fal/cdn/files`."""

    def __init__(self, world: World) -> None:
        self.world = world
        self._parts: dict[str, dict[int, bytes]] = {}

    def routes(self) -> list[web.RouteDef]:
        """What it answers."""
        parts = "/fal/cdn/files/{name}/multipart/{id}"
        return [
            web.post("/fal/rest/storage/auth/token", self.token),
            web.post("/fal/rest/storage/upload/initiate", self.initiate),
            web.post("/fal/cdn/files/upload", self.upload),
            web.post("/fal/cdn/files/upload/multipart", self.begin),
            web.put(f"{parts}/{{number}}", self.part),
            web.post(f"{parts}/complete", self.complete),
            web.put("/fal/cdn/files/{name}", self.put),
        ]

    async def token(self, request: web.Request) -> web.Response:
        """A token for the CDN."""
        check(request)
        made = {
            "token": TOKEN,
            "token_type": "Bearer",
            "base_url": f"{base_of(request)}/fal/cdn",
            "expires_at": "2100-01-01T00:00:00+00:00",
        }
        return web.json_response(made)

    async def initiate(self, request: web.Request) -> web.Response:
        """An address to put a file at, and the one it will have."""
        check(request)
        said = await request.json()
        address = self.world.keep(request, b"", str(said.get("content_type")))
        return web.json_response({"upload_url": address, "file_url": address})

    async def put(self, request: web.Request) -> web.Response:
        """The file of such an address."""
        name = request.match_info["name"]
        if name not in self.world.files:
            return web.Response(status=403)
        self.world.files[name] = File(await request.read(), request.content_type, self._until())
        return web.Response()

    async def upload(self, request: web.Request) -> web.Response:
        """A file in one request."""
        _check_token(request)
        return web.json_response({"access_url": self.world.keep(request, await request.read(), request.content_type)})

    async def begin(self, request: web.Request) -> web.Response:
        """A file in parts."""
        _check_token(request)
        address, upload = self.world.keep(request, b"", request.content_type), self.world.name()
        self._parts[upload] = {}
        return web.json_response({"access_url": address, "uploadId": upload})

    async def part(self, request: web.Request) -> web.Response:
        """One of them."""
        _check_token(request)
        number = int(request.match_info["number"])
        self._parts[request.match_info["id"]][number] = await request.read()
        return web.json_response({}, headers={"etag": f'"e{number}"'})

    async def complete(self, request: web.Request) -> web.Response:
        """All of them, in the order that is told; a wrong tag is an error."""
        _check_token(request)
        parts, name = self._parts.pop(request.match_info["id"]), request.match_info["name"]
        told = (await request.json())["parts"]
        if any(each["etag"] != f'"e{each["partNumber"]}"' for each in told) or len(told) != len(parts):
            return web.json_response({"detail": "The parts do not fit."}, status=400)
        content = b"".join(parts[each["partNumber"]] for each in told)
        self.world.files[name] = File(content, self.world.files[name].media_type, self._until())
        return web.json_response({})

    def _until(self) -> float:
        return self.world.clock() + self.world.lifetime_s


def check(request: web.Request) -> None:
    """Whether a key opens fal. Raises HTTPUnauthorized."""
    word, _, key = request.headers.get("Authorization", "").partition(" ")
    if word != "Key" or key in {"", BAD_KEY}:
        text = json.dumps({"detail": "No user found for Key ID and Secret"})
        raise web.HTTPUnauthorized(text=text, content_type="application/json")


def _check_token(request: web.Request) -> None:
    if request.headers.get("Authorization") != f"Bearer {TOKEN}":
        raise web.HTTPUnauthorized(text=json.dumps({"detail": "No token"}), content_type="application/json")
