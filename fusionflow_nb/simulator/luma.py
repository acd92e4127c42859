"""Luma's side of the wire (Agents API): generations, and files that are put there first."""

from __future__ import annotations

import base64
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from aiohttp import web

from fusionflow_nb import errors
from fusionflow_nb.simulator.scenario import BAD_KEY, base_of, cut

if TYPE_CHECKING:
    from fusionflow_nb.simulator.scenario import Job, World

ROOT = "/luma/api"
CREATED_AT = "2026-01-01T00:00:00Z"
VERSION = {"x-api-version": "2026-04-01"}
TYPES = {
    "image": "text-to-image",
    "image_edit": "edit-image",
    "video": "text-to-video",
    "video_edit": "video-to-video",
}
FAILURES = {
    "refused": ("content_moderated", "The prompt or a picture was moderated."),
    "failed": ("generation_failed", "The generation failed."),
}
MEDIA = ("url", "data", "generation_id", "file_id")
READY_AFTER = 2
"""A file is taken in at the second look after it is complete."""


@dataclass
class Kept:
    """A file that a client has announced."""

    mime_type: str
    size_bytes: int
    content: bytes = b""
    is_complete: bool = False
    looked: int = 0


class LumaSide:
    """Routes under `/luma/api`."""

    def __init__(self, world: World, tasks: dict[str, str]) -> None:
        self.world = world
        self.tasks = tasks
        self.files: dict[str, Kept] = {}

    def routes(self) -> list[web.RouteDef]:
        """Generations, files, and where their bytes go."""
        return [
            web.post(f"{ROOT}/generations", self.create),
            web.get(f"{ROOT}/generations/{{id}}", self.look),
            web.post(f"{ROOT}/files", self.announce),
            web.get(f"{ROOT}/files/{{id}}", self.file),
            web.post(f"{ROOT}/files/{{id}}/complete", self.complete),
            web.put(f"{ROOT}/uploads/{{id}}", self.put),
        ]

    async def create(self, request: web.Request) -> web.StreamResponse:
        """Take a generation."""
        check(request)
        body = await request.json()
        model, kind = str(body.get("model")), str(body.get("type"))
        if model not in self.tasks or kind not in TYPES:
            return problem(422, "Unknown model or type.")
        mood = self.world.mood(body.get("prompt"))
        answer = unwilling(mood.submit)
        if answer is not None:
            return answer
        film = body.get("video") or {}
        given = [body.get("source"), film.get("start_frame"), *body.get("image_ref", ())]
        try:
            media = [self._medium(each) for each in given if each is not None]
            task = "image-to-video" if "start_frame" in film else TYPES[kind]
            job = await self.world.begin(model, task, {"prompt": body["prompt"], "media": media, "type": kind}, mood)
        except (errors.FusionFlowError, KeyError, TypeError, ValueError) as error:
            return problem(400, f"The request cannot be read: {error}")
        if mood.submit == "lost":
            return cut(request)
        return web.json_response(self._stands(job, "queued"), status=201, headers=VERSION)

    async def look(self, request: web.Request) -> web.Response:
        """How a generation stands."""
        check(request)
        job = self.world.jobs.get(request.match_info["id"])
        if job is None:
            return problem(404, "Generation not found.")
        stands = self.world.look(job)
        if stands != "ended":
            return web.json_response(self._stands(job, "queued" if stands == "queued" else "processing"))
        if job.mood.end in FAILURES:
            code, reason = FAILURES[job.mood.end]
            return web.json_response({**self._stands(job, "failed"), "failure_code": code, "failure_reason": reason})
        kind = "video" if job.body["type"].startswith("video") else "image"
        made = [
            {"type": kind, "url": self.world.keep(request, each.content, each.media_type)} for each in job.made
        ]  # fmt: skip
        return web.json_response({**self._stands(job, "completed"), "output": made})

    async def announce(self, request: web.Request) -> web.Response:
        """Say where a file's bytes go."""
        check(request)
        body = await request.json()
        name = self.world.name()
        self.files[name] = kept = Kept(body["mime_type"], body["size_bytes"])
        where = {
            "url": f"{base_of(request)}{ROOT}/uploads/{name}",
            "method": "PUT",
            "headers": {"Content-Type": kept.mime_type},
            "expires_at": "2099-01-01T00:00:00Z",
        }
        file = self._file(name, "pending")
        return web.json_response({"id": name, "state": "pending", "file": file, "upload": where}, status=201)

    async def put(self, request: web.Request) -> web.Response:
        """Take the bytes: the address is the permission, so a key has no business here."""
        kept = self.files.get(request.match_info["id"])
        content = await request.read()
        is_right = kept is not None and (len(content), request.content_type) == (kept.size_bytes, kept.mime_type)
        if kept is None or not is_right or "authorization" in request.headers:
            return web.Response(status=403, text="<Error>SignatureDoesNotMatch</Error>")
        kept.content = content
        return web.Response()

    async def complete(self, request: web.Request) -> web.Response:
        """The bytes are there."""
        check(request)
        name = request.match_info["id"]
        kept = self.files.get(name)
        if kept is None or not kept.content:
            return problem(409, "There are no bytes yet.")
        kept.is_complete = True
        return web.json_response(self._file(name, "pending"))

    async def file(self, request: web.Request) -> web.Response:
        """How a file stands."""
        check(request)
        name = request.match_info["id"]
        kept = self.files.get(name)
        if kept is None:
            return problem(404, "File not found.")
        kept.looked += kept.is_complete
        return web.json_response(self._file(name, self._state(kept)))

    def _state(self, kept: Kept) -> str:
        return "ready" if kept.looked >= READY_AFTER else "pending"

    def _medium(self, given: dict[str, Any]) -> str:
        """A medium as the world reads it. Raises ValueError, KeyError: it is not exactly one of the four."""
        [kind] = [each for each in MEDIA if each in given]
        if kind == "data":
            return f"data:{given['media_type']};base64,{given['data']}"
        if kind == "file_id":
            kept = self.files[given["file_id"]]
            if self._state(kept) != "ready":
                raise ValueError("the file is not ready")
            return data_uri(kept.content, kept.mime_type)
        return str(given[kind])

    def _stands(self, job: Job, state: str) -> dict[str, Any]:
        about = {"id": job.id, "type": job.body["type"], "model": job.model, "state": state}
        return {**about, "created_at": CREATED_AT, "output": None, "failure_code": None, "failure_reason": None}

    def _file(self, name: str, state: str) -> dict[str, Any]:
        kept = self.files[name]
        about = {"id": name, "state": state, "mime_type": kept.mime_type, "size_bytes": kept.size_bytes}
        return {**about, "created_at": CREATED_AT, "purpose": "input"}


def data_uri(content: bytes, media_type: str) -> str:
    """Bytes as an address."""
    return f"data:{media_type};base64,{base64.b64encode(content).decode()}"


def check(request: web.Request) -> None:
    """Both of Luma's APIs take a bearer's key. Raises HTTPUnauthorized."""
    key = request.headers.get("authorization", "").removeprefix("Bearer ")
    if key in {"", BAD_KEY}:
        raise web.HTTPUnauthorized(text=json.dumps({"detail": "Invalid API key"}), content_type="application/json")


def problem(status: int, says: str, headers: dict[str, str] | None = None) -> web.Response:
    """An error, as both APIs write it."""
    return web.json_response({"detail": says}, status=status, headers=headers)


def unwilling(mood: str) -> web.Response | None:
    """The answer of a service that does not take the request."""
    match mood:
        case "busy":
            return problem(429, "Too many requests.", {"retry-after": "1"})
        case "broken":
            return problem(500, "Internal error.")
        case "no_funds":
            return problem(402, "Insufficient credits.")
        case "invalid":
            return problem(400, "Invalid request.")
    return None
