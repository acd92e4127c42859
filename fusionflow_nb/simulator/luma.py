"""Simulated Luma Agents API: generations and uploaded files."""

from __future__ import annotations

import base64
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from aiohttp import web

from fusionflow_nb import errors
from fusionflow_nb.simulator.scenario import BAD_KEY, base_url, drop_connection

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
READY_AFTER_POLLS = 2
"""Number of polls after completion until a file is ready."""


@dataclass
class UploadedFile:
    """A file created by a client, with its content once uploaded."""

    mime_type: str
    size_bytes: int
    content: bytes = b""
    is_complete: bool = False
    polls: int = 0


class SimulatedLuma:
    """Serves `/luma/api`."""

    def __init__(self, world: World, tasks: dict[str, str]) -> None:
        self.world = world
        self.tasks = tasks
        self.files: dict[str, UploadedFile] = {}

    def routes(self) -> list[web.RouteDef]:
        """Return the routes: generations, files, uploads."""
        return [
            web.post(f"{ROOT}/generations", self.create),
            web.get(f"{ROOT}/generations/{{id}}", self.get),
            web.post(f"{ROOT}/files", self.create_file),
            web.get(f"{ROOT}/files/{{id}}", self.file),
            web.post(f"{ROOT}/files/{{id}}/complete", self.complete),
            web.put(f"{ROOT}/uploads/{{id}}", self.put),
        ]

    async def create(self, request: web.Request) -> web.StreamResponse:
        """Create a generation."""
        check(request)
        body = await request.json()
        model, kind = str(body.get("model")), str(body.get("type"))
        if model not in self.tasks or kind not in TYPES:
            return problem(422, "Unknown model or type.")
        scenario = self.world.scenario_for(body.get("prompt"))
        error_response = rejection(scenario.submit)
        if error_response is not None:
            return error_response
        video = body.get("video") or {}
        inputs = [body.get("source"), video.get("start_frame"), *body.get("image_ref", ())]
        try:
            media = [self._medium_url(item) for item in inputs if item is not None]
            task = "image-to-video" if "start_frame" in video else TYPES[kind]
            job = await self.world.start_job(
                model, task, {"prompt": body["prompt"], "media": media, "type": kind}, scenario
            )
        except (errors.FusionFlowError, KeyError, TypeError, ValueError) as error:
            return problem(400, f"The request cannot be read: {error}")
        if scenario.submit == "lost":
            return drop_connection(request)
        return web.json_response(self._generation(job, "queued"), status=201, headers=VERSION)

    async def get(self, request: web.Request) -> web.Response:
        """Return a generation."""
        check(request)
        job = self.world.jobs.get(request.match_info["id"])
        if job is None:
            return problem(404, "Generation not found.")
        phase = self.world.poll(job)
        if phase != "ended":
            return web.json_response(self._generation(job, "queued" if phase == "queued" else "processing"))
        if job.scenario.end in FAILURES:
            code, reason = FAILURES[job.scenario.end]
            return web.json_response(
                {**self._generation(job, "failed"), "failure_code": code, "failure_reason": reason}
            )
        kind = "video" if job.body["type"].startswith("video") else "image"
        output = [
            {"type": kind, "url": self.world.store_file(request, result.content, result.media_type)}
            for result in job.results
        ]
        return web.json_response({**self._generation(job, "completed"), "output": output})

    async def create_file(self, request: web.Request) -> web.Response:
        """Create a file and return its upload URL."""
        check(request)
        body = await request.json()
        name = self.world.new_id()
        self.files[name] = file = UploadedFile(body["mime_type"], body["size_bytes"])
        upload = {
            "url": f"{base_url(request)}{ROOT}/uploads/{name}",
            "method": "PUT",
            "headers": {"Content-Type": file.mime_type},
            "expires_at": "2099-01-01T00:00:00Z",
        }
        payload = self._file_payload(name, "pending")
        return web.json_response({"id": name, "state": "pending", "file": payload, "upload": upload}, status=201)

    async def put(self, request: web.Request) -> web.Response:
        """Store the content: the URL is signed, so a request with an API key is rejected."""
        file = self.files.get(request.match_info["id"])
        content = await request.read()
        is_as_declared = file is not None and (len(content), request.content_type) == (file.size_bytes, file.mime_type)
        if file is None or not is_as_declared or "authorization" in request.headers:
            return web.Response(status=403, text="<Error>SignatureDoesNotMatch</Error>")
        file.content = content
        return web.Response()

    async def complete(self, request: web.Request) -> web.Response:
        """Mark an upload as complete."""
        check(request)
        name = request.match_info["id"]
        file = self.files.get(name)
        if file is None or not file.content:
            return problem(409, "There are no bytes yet.")
        file.is_complete = True
        return web.json_response(self._file_payload(name, "pending"))

    async def file(self, request: web.Request) -> web.Response:
        """Return a file's state."""
        check(request)
        name = request.match_info["id"]
        file = self.files.get(name)
        if file is None:
            return problem(404, "File not found.")
        file.polls += file.is_complete
        return web.json_response(self._file_payload(name, self._state(file)))

    def _state(self, file: UploadedFile) -> str:
        return "ready" if file.polls >= READY_AFTER_POLLS else "pending"

    def _medium_url(self, item: dict[str, Any]) -> str:
        """Return an input's URL. Raises ValueError or KeyError unless the item has exactly one of MEDIA."""
        [kind] = [name for name in MEDIA if name in item]
        if kind == "data":
            return f"data:{item['media_type']};base64,{item['data']}"
        if kind == "file_id":
            file = self.files[item["file_id"]]
            if self._state(file) != "ready":
                raise ValueError("the file is not ready")
            return data_uri(file.content, file.mime_type)
        return str(item[kind])

    def _generation(self, job: Job, state: str) -> dict[str, Any]:
        fields = {"id": job.id, "type": job.body["type"], "model": job.model, "state": state}
        return {**fields, "created_at": CREATED_AT, "output": None, "failure_code": None, "failure_reason": None}

    def _file_payload(self, name: str, state: str) -> dict[str, Any]:
        file = self.files[name]
        fields = {"id": name, "state": state, "mime_type": file.mime_type, "size_bytes": file.size_bytes}
        return {**fields, "created_at": CREATED_AT, "purpose": "input"}


def data_uri(content: bytes, media_type: str) -> str:
    """Return content as a data URL."""
    return f"data:{media_type};base64,{base64.b64encode(content).decode()}"


def check(request: web.Request) -> None:
    """Check the bearer key, as both of Luma's APIs do. Raises HTTPUnauthorized."""
    key = request.headers.get("authorization", "").removeprefix("Bearer ")
    if key in {"", BAD_KEY}:
        raise web.HTTPUnauthorized(text=json.dumps({"detail": "Invalid API key"}), content_type="application/json")


def problem(status: int, detail: str, headers: dict[str, str] | None = None) -> web.Response:
    """Return an error in the format of both APIs."""
    return web.json_response({"detail": detail}, status=status, headers=headers)


def rejection(submit: str) -> web.Response | None:
    """Return the error response of a service that rejects the request; None if it accepts."""
    match submit:
        case "busy":
            return problem(429, "Too many requests.", {"retry-after": "1"})
        case "broken":
            return problem(500, "Internal error.")
        case "no_funds":
            return problem(402, "Insufficient credits.")
        case "invalid":
            return problem(400, "Invalid request.")
    return None
