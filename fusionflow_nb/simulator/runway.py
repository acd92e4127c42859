"""Simulated Runway API: tasks of every kind, and uploads."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from aiohttp import web

from fusionflow_nb import errors
from fusionflow_nb.simulator.form import parts_of
from fusionflow_nb.simulator.scenario import BAD_KEY, File, base_url, drop_connection

if TYPE_CHECKING:
    from fusionflow_nb.simulator.scenario import World

ROOT = "/runway/api/v1"
CREATED_AT = "2026-01-01T00:00:00.000Z"
CREDITS = 8
VERSION = "2024-11-06"
TASKS = {
    "text_to_image": "text-to-image",
    "text_to_video": "text-to-video",
    "image_to_video": "image-to-video",
    "video_to_video": "video-to-video",
    "image_upscale": "upscale",
    "video_upscale": "video-to-video",
}
MEDIA = ("promptImage", "referenceImages", "imageUri", "videoUri", "promptVideo")
SIZED = frozenset({"text_to_image", "text_to_video", "image_to_video"})
"""Kinds whose requests must specify a ratio."""
SCHEME = "runway://"
FAILURES = {
    "refused": ("SAFETY.INPUT.TEXT", "The content was flagged by the moderation system."),
    "failed": ("INTERNAL.BAD_OUTPUT.CODE01", "The task failed."),
}


class SimulatedRunway:
    """Serves `/runway/api/v1` and the upload bucket."""

    def __init__(self, world: World, tasks: dict[str, str]) -> None:
        self.world = world
        self.tasks = tasks
        self.uploads: dict[str, str] = {}

    def routes(self) -> list[web.RouteDef]:
        """Return the routes; fixed paths come before the task route, which matches any kind."""
        return [
            web.get(f"{ROOT}/organization", self.organization),
            web.post(f"{ROOT}/uploads", self.create_upload),
            web.post("/runway/bucket", self.put),
            web.get(f"{ROOT}/tasks/{{id}}", self.get),
            web.delete(f"{ROOT}/tasks/{{id}}", self.delete),
            web.post(f"{ROOT}/{{kind}}", self.create),
        ]

    async def create(self, request: web.Request) -> web.StreamResponse:
        """Create a task."""
        check(request)
        body, kind = await request.json(), request.match_info["kind"]
        scenario = self.world.scenario_for(body.get("promptText"))
        error_response = self._validation_error(kind, body) or rejection(scenario.submit)
        if error_response is not None:
            return error_response
        uris = [uri for name in MEDIA for uri in _uris(body.get(name))]
        urls = [self._url(uri) for uri in uris]
        if None in urls:
            return invalid("uri", "The asset cannot be fetched.")
        task = "edit-image" if kind == "text_to_image" and uris else TASKS[kind]
        job_body = {"promptText": body.get("promptText"), "media": urls}
        try:
            job = await self.world.start_job(body["model"], task, job_body, scenario, prompt="promptText")
        except (errors.FusionFlowError, ValueError) as error:
            return invalid("uri", f"The asset cannot be read: {error}")
        if scenario.submit == "lost":
            return drop_connection(request)
        return web.json_response({"id": job.id, "estimatedCost": {"credits": CREDITS}})

    async def get(self, request: web.Request) -> web.Response:
        """Return a task."""
        check(request)
        job = self.world.jobs.get(request.match_info["id"])
        if job is None:
            return web.json_response({"error": "Task not found."}, status=404)
        payload: dict[str, Any] = {"id": job.id, "createdAt": CREATED_AT}
        if job.is_cancelled:
            return web.json_response({**payload, "status": "CANCELLED", "cost": {"credits": 0}})
        phase = self.world.poll(job)
        if phase != "ended":
            state = {"status": "THROTTLED"} if phase == "queued" else {"status": "RUNNING", "progress": job.progress}
            return web.json_response({**payload, **state, "estimatedCost": {"credits": CREDITS}})
        if job.scenario.end in FAILURES:
            code, message = FAILURES[job.scenario.end]
            cost = {"cost": {"credits": CREDITS if job.scenario.end == "refused" else 0}}
            return web.json_response({**payload, "status": "FAILED", "failure": message, "failureCode": code, **cost})
        output = [self.world.store_file(request, result.content, result.media_type) for result in job.results]
        return web.json_response({**payload, "status": "SUCCEEDED", "output": output, "cost": {"credits": CREDITS}})

    async def delete(self, request: web.Request) -> web.Response:
        """Cancel a running task or delete an ended one; the response is the same, and its cost is kept."""
        check(request)
        job = self.world.jobs.get(request.match_info["id"])
        if job is None:
            return web.json_response({"error": "Task not found."}, status=404)
        if job.scenario.end != "never" and job.polls > job.scenario.polls:
            del self.world.jobs[job.id]
        job.is_cancelled = True
        return web.Response(status=204)

    async def organization(self, request: web.Request) -> web.Response:
        """Return the balance and the limits."""
        check(request)
        models = {name: {"maxConcurrentGenerations": 2, "maxDailyGenerations": 200} for name in self.tasks}
        tier = {"maxMonthlyCreditSpend": 100_000, "models": models}
        return web.json_response({"tier": tier, "creditBalance": 1000, "usage": {"models": {}}})

    async def create_upload(self, request: web.Request) -> web.Response:
        """Create an upload and return its URL and form fields."""
        check(request)
        body = await request.json()
        if body.get("type") != "ephemeral" or not body.get("filename"):
            return invalid("filename", "Required")
        key = f"{self.world.new_id()}-{body['filename']}"
        self.uploads[key] = SCHEME + key
        payload = {"uploadUrl": f"{base_url(request)}/runway/bucket", "fields": {"key": key, "policy": "cG9saWN5"}}
        return web.json_response({**payload, "runwayUri": self.uploads[key]})

    async def put(self, request: web.Request) -> web.Response:
        """Store the last part of a form: its fields are signed, so a request with an API key is rejected."""
        *fields, file = await parts_of(request)
        key = next((field.content.decode() for field in fields if field.name == "key"), "")
        if key not in self.uploads or file.name != "file" or "authorization" in request.headers:
            return web.Response(status=403, text="<Error>AccessDenied</Error>")
        self.world.files[key] = File(file.content, file.media_type, float("inf"))
        return web.Response(status=204)

    def _validation_error(self, kind: str, body: dict[str, Any]) -> web.Response | None:
        if kind not in TASKS or body.get("model") not in self.tasks:
            return invalid("model", "Invalid option")
        return invalid("ratio", "Required") if kind in SIZED and "ratio" not in body else None

    def _url(self, uri: str) -> str | None:
        """Return a readable URL of a URI; None for an upload that does not exist."""
        if not uri.startswith(SCHEME):
            return uri
        key = uri.removeprefix(SCHEME)
        return f"https://uploads.example/{key}" if key in self.world.files else None


def _uris(value: Any) -> list[str]:  # noqa: ANN401 - JSON
    """Return the URIs of a field: a URI, an object with a URI, or a list of either."""
    if value is None:
        return []
    items = value if isinstance(value, list) else [value]
    return [item["uri"] if isinstance(item, dict) else item for item in items]


def check(request: web.Request) -> None:
    """Check the API key and the version header. Raises HTTPUnauthorized or HTTPBadRequest."""
    key = request.headers.get("Authorization", "").removeprefix("Bearer ")
    if key in {"", BAD_KEY}:
        raise web.HTTPUnauthorized(text=json.dumps({"error": "Invalid API key."}), content_type="application/json")
    if request.headers.get("X-Runway-Version") != VERSION:
        text = json.dumps({"error": "The X-Runway-Version header is missing or unknown."})
        raise web.HTTPBadRequest(text=text, content_type="application/json")


def invalid(field: str, message: str) -> web.Response:
    """Return a validation error."""
    issue = {"code": "invalid_value", "path": [field], "message": message}
    payload = {"error": "Validation of body failed", "issues": [issue], "docUrl": "https://docs.dev.runwayml.com/api"}
    return web.json_response(payload, status=400)


def rejection(submit: str) -> web.Response | None:
    """Return the error response of a service that rejects the task; None if it accepts."""
    match submit:
        case "busy":
            payload = {"error": "You have reached the daily task limit."}
            return web.json_response(payload, status=429, headers={"Retry-After": "1"})
        case "broken":
            return web.json_response({"error": "Internal error"}, status=500)
        case "no_funds":  # the error format is not documented
            return web.json_response({"error": "You do not have enough credits to run this task."}, status=400)
        case "invalid":
            return invalid("promptText", "Required")
    return None
