"""Simulated Gemini API: interactions, generateContent, long-running operations, files."""

from __future__ import annotations

import base64
import json
from typing import TYPE_CHECKING, Any

from aiohttp import web

from fusionflow_nb import errors
from fusionflow_nb.simulator.scenario import BAD_KEY, File, Job, base_url, drop_connection

if TYPE_CHECKING:
    from fusionflow_nb.simulator.media import GeneratedMedia
    from fusionflow_nb.simulator.scenario import Scenario, World

IMAGE_TOKENS, TOKENS_PER_SECOND, TEXT_TOKENS = 1120, 5715, 8
TWO_DAYS_S = 48 * 3600.0
ERRORS = {
    "busy": (429, "RESOURCE_EXHAUSTED", "You exceeded your current quota."),
    "broken": (500, "INTERNAL", "An internal error has occurred."),
    "failed": (500, "INTERNAL", "An internal error has occurred."),
    "no_funds": (400, "FAILED_PRECONDITION", "Billing is not enabled for this project."),
    "invalid": (400, "INVALID_ARGUMENT", "Request contains an invalid argument."),
}


class SimulatedGoogle:
    """Serves `/google/api`, in versions `v1` and `v1beta`."""

    def __init__(self, world: World, tasks: dict[str, str]) -> None:
        self.world = world
        self.tasks = tasks

    def routes(self) -> list[web.RouteDef]:
        """Return the routes."""
        root = "/google/api/{version:v1|v1beta}"
        return [
            web.post(f"{root}/interactions", self.create),
            web.get(f"{root}/interactions/{{id}}", self.get),
            web.post(f"{root}/interactions/{{id}}/cancel", self.cancel),
            web.delete(f"{root}/interactions/{{id}}", self.delete),
            web.post(f"{root}/models/{{model}}:generateContent", self.generate),
            web.post(f"{root}/models/{{model}}:predictLongRunning", self.run_long),
            web.get(f"{root}/models/{{model}}/operations/{{id}}", self.operation),
            web.post("/google/api/upload/{version}/files", self.upload),
            web.get(f"{root}/files/{{name}}", self.file),
        ]

    # --- interactions ----------------------------------------------------------------------------------------------

    async def create(self, request: web.Request) -> web.StreamResponse:
        """Create an interaction; without `background` the response is the final one."""
        _check(request)
        body = await request.json()
        content = body.get("input")
        items = content if isinstance(content, list) else [{"type": "text", "text": content}]
        items = [part for item in items for part in item.get("content", [item])]
        job = await self._start_job(request, str(body.get("model")), items, body)
        if not isinstance(job, Job):
            return job
        if not body.get("background"):
            job.polls = job.scenario.polls + 1
        return web.json_response(self._payload(request, job, _status(job)))

    async def get(self, request: web.Request) -> web.Response:
        """Return an interaction with its input."""
        job = self._job_of(request)
        if not job.is_cancelled:
            self.world.poll(job)
        payload = self._payload(request, job, _status(job))
        payload["steps"].insert(0, {"type": "user_input", "content": [{"type": "text", "text": job.body["prompt"]}]})
        return web.json_response(payload)

    async def cancel(self, request: web.Request) -> web.Response:
        """Cancel an interaction."""
        job = self._job_of(request)
        job.is_cancelled = True
        return web.json_response(self._payload(request, job, "cancelled"))

    async def delete(self, request: web.Request) -> web.Response:
        """Delete an interaction."""
        del self.world.jobs[self._job_of(request).id]
        return web.json_response({})

    def _payload(self, request: web.Request, job: Job, status: str) -> dict[str, Any]:
        payload: dict[str, Any] = {
            "id": job.id,
            "object": "interaction",
            "model": job.model,
            "status": status,
            "created": "2026-01-01T00:00:00Z",
            "updated": "2026-01-01T00:00:05Z",
            "steps": [],
        }
        if status == "completed":
            payload["steps"] = [
                {"type": "model_output", "content": [self._item(request, result) for result in job.results]}
            ]
            payload["usage"] = _usage(job)
        if status == "failed":
            payload["errors"] = [{"code": "internal", "message": "The model had an error."}]
        return payload

    def _item(self, request: web.Request, result: GeneratedMedia) -> dict[str, Any]:
        """Return the item of a result: inline data for images and sounds, a URI for videos."""
        kind = result.media_type.partition("/")[0]
        if kind == "video":
            location = {"uri": self.world.store_file(request, result.content, result.media_type)}
        else:
            location = {"data": base64.b64encode(result.content).decode()}
        return {"type": kind, "mime_type": result.media_type, **location}

    # --- generateContent ----------------------------------------------------------------------------------------------

    async def generate(self, request: web.Request) -> web.StreamResponse:
        """Return an image in the response; a refusal has none."""
        _check(request)
        body = await request.json()
        items = []
        for part in body["contents"][-1]["parts"]:
            inline, file = part.get("inlineData"), part.get("fileData")
            if inline:
                # The service accepts both spellings of a name, and its client uses both.
                items.append({"type": "image", "data": inline["data"], "mime_type": _field(inline, "mimeType")})
            elif file:
                items.append({"type": "image", "uri": _field(file, "fileUri")})
            else:
                items.append({"type": "text", "text": part.get("text")})
        job = await self._start_job(request, request.match_info["model"], items, body, is_synchronous=True)
        if not isinstance(job, Job):
            return job
        usage: dict[str, Any] = {"promptTokenCount": TEXT_TOKENS, "totalTokenCount": TEXT_TOKENS}
        if job.scenario.end == "refused":
            feedback = {"blockReason": "PROHIBITED_CONTENT"}
            return web.json_response({"promptFeedback": feedback, "usageMetadata": usage, "modelVersion": job.model})
        parts = [
            {"inlineData": {"mimeType": result.media_type, "data": base64.b64encode(result.content).decode()}}
            for result in job.results
        ]
        count = IMAGE_TOKENS * len(parts)
        usage |= {"candidatesTokenCount": count, "totalTokenCount": TEXT_TOKENS + count}
        usage["candidatesTokensDetails"] = [{"modality": "IMAGE", "tokenCount": count}]
        candidate: dict[str, Any] = {"content": {"role": "model", "parts": parts}, "finishReason": "STOP", "index": 0}
        payload: dict[str, Any] = {
            "candidates": [candidate],
            "usageMetadata": usage,
            "modelVersion": job.model,
            "responseId": job.id,
        }
        return web.json_response(payload)

    # --- long-running operations ------------------------------------------------------------------------------------

    async def run_long(self, request: web.Request) -> web.StreamResponse:
        """Start a long-running operation that generates a video."""
        _check(request)
        body = await request.json()
        instance = body["instances"][0]
        items = [{"type": "text", "text": instance.get("prompt")}]
        if "image" in instance:
            items.append({"type": "image", "data": instance["image"]["bytesBase64Encoded"], "mime_type": "image/png"})
        job = await self._start_job(request, request.match_info["model"], items, body)
        if not isinstance(job, Job):
            return job
        return web.json_response({"name": f"models/{job.model}/operations/{job.id}"})

    async def operation(self, request: web.Request) -> web.Response:
        """Return an operation's state and response."""
        job = self._job_of(request)
        payload: dict[str, Any] = {"name": f"models/{job.model}/operations/{job.id}"}
        if self.world.poll(job) != "ended":
            return web.json_response(payload)
        payload["done"] = True
        if job.scenario.end == "failed":
            return web.json_response({**payload, "error": {"code": 13, "message": "The model had an error."}})
        videos = [
            {"video": {"uri": self.world.store_file(request, video.content, video.media_type)}} for video in job.results
        ]
        response: dict[str, Any] = {"generatedSamples": videos}
        if job.scenario.end == "refused":
            response = {"raiMediaFilteredCount": 1, "raiMediaFilteredReasons": ["It was filtered."]}
        return web.json_response({**payload, "response": {"generateVideoResponse": response}})

    # --- files -----------------------------------------------------------------------------------------------------

    async def upload(self, request: web.Request) -> web.Response:
        """Resumable upload: the `start` command returns the upload URL, the second request sends the bytes."""
        command = request.headers.get("X-Goog-Upload-Command")
        if command == "start":
            _check(request)
            url = f"{base_url(request)}{request.path}?upload_id={self.world.new_id()}"
            return web.json_response({}, headers={"x-goog-upload-url": url, "x-goog-upload-status": "active"})
        content = await request.read()
        if command != "upload, finalize" or str(len(content)) != request.headers["X-Goog-Upload-Header-Content-Length"]:
            return _error("invalid")
        name = request.query["upload_id"]
        media_type = request.headers["X-Goog-Upload-Header-Content-Type"]
        self.world.files[name] = File(content, media_type, self.world.clock() + TWO_DAYS_S)
        state = "PROCESSING" if media_type.startswith("video/") else "ACTIVE"
        payload = {"file": self._file_payload(request, name, state)}
        return web.json_response(payload, headers={"x-goog-upload-status": "final"})

    async def file(self, request: web.Request) -> web.Response:
        """Return a file's metadata."""
        _check(request)
        name = request.match_info["name"]
        if name not in self.world.files:
            raise _not_found("File not found.")
        return web.json_response(self._file_payload(request, name, "ACTIVE"))

    def _file_payload(self, request: web.Request, name: str, state: str) -> dict[str, str]:
        file = self.world.files[name]
        uri = f"{base_url(request)}/google/api/v1/files/{name}"
        payload = {
            "name": f"files/{name}",
            "mimeType": file.media_type,
            "sizeBytes": str(len(file.content)),
            "uri": uri,
        }
        return {**payload, "state": state, "expirationTime": "2100-01-01T00:00:00Z"}

    # --- shared helpers --------------------------------------------------------------------------------------------

    async def _start_job(
        self,
        request: web.Request,
        model: str,
        items: list[dict[str, Any]],
        body: dict[str, Any],
        *,
        is_synchronous: bool = False,
    ) -> Job | web.StreamResponse:
        task = self.tasks.get(model)
        if task is None:
            raise _not_found(f"models/{model} is not found.")
        prompt = " ".join(str(item["text"]) for item in items if item.get("type") == "text")
        media = [_image_url(item) for item in items if item.get("type") == "image"]
        if media:
            task = "image-to-video" if task.endswith("video") else "edit-image"
        scenario: Scenario = self.world.scenario_for(prompt)
        if scenario.submit in ERRORS or (is_synchronous and scenario.end in ERRORS):
            return _error(scenario.submit if scenario.submit in ERRORS else scenario.end)
        job_body = {"prompt": prompt, "media": media, "request": body}
        try:
            job = await self.world.start_job(model, task, job_body, scenario)
        except (errors.FusionFlowError, ValueError):
            return _error("invalid")
        return drop_connection(request) if scenario.submit == "lost" else job

    def _job_of(self, request: web.Request) -> Job:
        _check(request)
        job = self.world.jobs.get(request.match_info["id"])
        if job is None:
            raise _not_found("Requested entity was not found.")
        return job


def _field(payload: dict[str, Any], name: str) -> str:
    """Return a field by its camelCase name or its snake_case name."""
    snake_case = "".join(f"_{letter.lower()}" if letter.isupper() else letter for letter in name)
    return str(payload.get(name) or payload[snake_case])


def _status(job: Job) -> str:
    if job.is_cancelled:
        return "cancelled"
    if job.scenario.end == "never" or job.polls <= job.scenario.polls:
        return "in_progress"
    return "failed" if job.scenario.end == "failed" else "completed"


def _usage(job: Job) -> dict[str, Any]:
    kinds = {result.media_type.partition("/")[0] for result in job.results}
    counts = {kind: TOKENS_PER_SECOND if kind == "video" else IMAGE_TOKENS * len(job.results) for kind in kinds}
    return {
        "total_input_tokens": TEXT_TOKENS,
        "total_output_tokens": sum(counts.values()),
        "total_tokens": TEXT_TOKENS + sum(counts.values()),
        "output_tokens_by_modality": [{"modality": kind, "tokens": count} for kind, count in counts.items()],
    }


def _image_url(item: dict[str, Any]) -> str:
    """Return the URL of an image item; the client encodes inline data as URL-safe base64."""
    if "uri" in item:
        return str(item["uri"])
    data = str(item["data"]).replace("-", "+").replace("_", "/")
    return f"data:{item.get('mime_type')};base64,{data}"


def _check(request: web.Request) -> None:
    if request.headers.get("x-goog-api-key", "") in {"", BAD_KEY}:
        payload = {"error": {"code": 401, "message": "API key not valid.", "status": "UNAUTHENTICATED"}}
        raise web.HTTPUnauthorized(text=json.dumps(payload), content_type="application/json")


def _not_found(message: str) -> web.HTTPNotFound:
    payload = {"error": {"code": 404, "message": message, "status": "NOT_FOUND"}}
    return web.HTTPNotFound(text=json.dumps(payload), content_type="application/json")


def _error(name: str) -> web.Response:
    status, code, message = ERRORS[name]
    payload: dict[str, Any] = {"code": status, "message": message, "status": code}
    if name == "busy":
        payload["details"] = [{"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": "1s"}]
    return web.json_response({"error": payload}, status=status)
