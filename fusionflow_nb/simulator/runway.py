"""Runway's side of the wire: tasks of every kind, and uploads that live for a day."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from aiohttp import web

from fusionflow_nb import errors
from fusionflow_nb.simulator.form import parts_of
from fusionflow_nb.simulator.scenario import BAD_KEY, File, base_of, cut

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
"""Kinds whose requests say how large the result is."""
SCHEME = "runway://"
FAILURES = {
    "refused": ("SAFETY.INPUT.TEXT", "The content was flagged by the moderation system."),
    "failed": ("INTERNAL.BAD_OUTPUT.CODE01", "The task failed."),
}


class RunwaySide:
    """Routes under `/runway/api/v1`, and where uploads go."""

    def __init__(self, world: World, tasks: dict[str, str]) -> None:
        self.world = world
        self.tasks = tasks
        self.announced: dict[str, str] = {}

    def routes(self) -> list[web.RouteDef]:
        """Account, uploads, tasks; the rest are kinds of tasks."""
        return [
            web.get(f"{ROOT}/organization", self.organization),
            web.post(f"{ROOT}/uploads", self.announce),
            web.post("/runway/bucket", self.put),
            web.get(f"{ROOT}/tasks/{{id}}", self.look),
            web.delete(f"{ROOT}/tasks/{{id}}", self.delete),
            web.post(f"{ROOT}/{{kind}}", self.create),
        ]

    async def create(self, request: web.Request) -> web.StreamResponse:
        """Take a task."""
        check(request)
        body, kind = await request.json(), request.match_info["kind"]
        mood = self.world.mood(body.get("promptText"))
        answer = self._unfit(kind, body) or unwilling(mood.submit)
        if answer is not None:
            return answer
        given = [each for name in MEDIA for each in _media(body.get(name))]
        known = [self._address(each) for each in given]
        if None in known:
            return invalid("uri", "The asset cannot be fetched.")
        task = "edit-image" if kind == "text_to_image" and given else TASKS[kind]
        about = {"promptText": body.get("promptText"), "media": known}
        try:
            job = await self.world.begin(body["model"], task, about, mood, prompt="promptText")
        except (errors.FusionFlowError, ValueError) as error:
            return invalid("uri", f"The asset cannot be read: {error}")
        if mood.submit == "lost":
            return cut(request)
        return web.json_response({"id": job.id, "estimatedCost": {"credits": CREDITS}})

    async def look(self, request: web.Request) -> web.Response:
        """How a task stands."""
        check(request)
        job = self.world.jobs.get(request.match_info["id"])
        if job is None:
            return web.json_response({"error": "Task not found."}, status=404)
        said: dict[str, Any] = {"id": job.id, "createdAt": CREATED_AT}
        if job.is_cancelled:
            return web.json_response({**said, "status": "CANCELLED", "cost": {"credits": 0}})
        stands = self.world.look(job)
        if stands != "ended":
            going = {"status": "THROTTLED"} if stands == "queued" else {"status": "RUNNING", "progress": job.progress}
            return web.json_response({**said, **going, "estimatedCost": {"credits": CREDITS}})
        if job.mood.end in FAILURES:
            code, says = FAILURES[job.mood.end]
            cost = {"cost": {"credits": CREDITS if job.mood.end == "refused" else 0}}
            return web.json_response({**said, "status": "FAILED", "failure": says, "failureCode": code, **cost})
        output = [self.world.keep(request, each.content, each.media_type) for each in job.made]
        return web.json_response({**said, "status": "SUCCEEDED", "output": output, "cost": {"credits": CREDITS}})

    async def delete(self, request: web.Request) -> web.Response:
        """Stop a task, or forget one that has ended: the answer is the same, and its cost stays."""
        check(request)
        job = self.world.jobs.get(request.match_info["id"])
        if job is None:
            return web.json_response({"error": "Task not found."}, status=404)
        if job.mood.end != "never" and job.looked > job.mood.looks:
            del self.world.jobs[job.id]
        job.is_cancelled = True
        return web.Response(status=204)

    async def organization(self, request: web.Request) -> web.Response:
        """The balance, and what may be asked."""
        check(request)
        models = {name: {"maxConcurrentGenerations": 2, "maxDailyGenerations": 200} for name in self.tasks}
        tier = {"maxMonthlyCreditSpend": 100_000, "models": models}
        return web.json_response({"tier": tier, "creditBalance": 1000, "usage": {"models": {}}})

    async def announce(self, request: web.Request) -> web.Response:
        """Say where a file goes."""
        check(request)
        body = await request.json()
        if body.get("type") != "ephemeral" or not body.get("filename"):
            return invalid("filename", "Required")
        key = f"{self.world.name()}-{body['filename']}"
        self.announced[key] = SCHEME + key
        said = {"uploadUrl": f"{base_of(request)}/runway/bucket", "fields": {"key": key, "policy": "cG9saWN5"}}
        return web.json_response({**said, "runwayUri": self.announced[key]})

    async def put(self, request: web.Request) -> web.Response:
        """Take a form whose file is last: its fields are the permission, so a key has no business here."""
        *fields, file = await parts_of(request)
        key = next((each.content.decode() for each in fields if each.name == "key"), "")
        if key not in self.announced or file.name != "file" or "authorization" in request.headers:
            return web.Response(status=403, text="<Error>AccessDenied</Error>")
        self.world.files[key] = File(file.content, file.media_type, float("inf"))
        return web.Response(status=204)

    def _unfit(self, kind: str, body: dict[str, Any]) -> web.Response | None:
        if kind not in TASKS or body.get("model") not in self.tasks:
            return invalid("model", "Invalid option")
        return invalid("ratio", "Required") if kind in SIZED and "ratio" not in body else None

    def _address(self, uri: str) -> str | None:
        """An address as the world reads media; None for an upload that nobody made."""
        if not uri.startswith(SCHEME):
            return uri
        key = uri.removeprefix(SCHEME)
        return f"https://uploads.example/{key}" if key in self.world.files else None


def _media(value: Any) -> list[str]:  # noqa: ANN401 - JSON
    """Addresses, alone or in objects with their positions and names."""
    if value is None:
        return []
    return [each["uri"] if isinstance(each, dict) else each for each in (value if isinstance(value, list) else [value])]


def check(request: web.Request) -> None:
    """The key and the version, without which nothing is answered."""
    key = request.headers.get("Authorization", "").removeprefix("Bearer ")
    if key in {"", BAD_KEY}:
        raise web.HTTPUnauthorized(text=json.dumps({"error": "Invalid API key."}), content_type="application/json")
    if request.headers.get("X-Runway-Version") != VERSION:
        text = json.dumps({"error": "The X-Runway-Version header is missing or unknown."})
        raise web.HTTPBadRequest(text=text, content_type="application/json")


def invalid(field: str, says: str) -> web.Response:
    """A request that is not taken, and why."""
    issue = {"code": "invalid_value", "path": [field], "message": says}
    said = {"error": "Validation of body failed", "issues": [issue], "docUrl": "https://docs.dev.runwayml.com/api"}
    return web.json_response(said, status=400)


def unwilling(mood: str) -> web.Response | None:
    """The answer of a service that does not take the task."""
    match mood:
        case "busy":
            said = {"error": "You have reached the daily task limit."}
            return web.json_response(said, status=429, headers={"Retry-After": "1"})
        case "broken":
            return web.json_response({"error": "Internal error"}, status=500)
        case "no_funds":  # how it is said is documented nowhere
            return web.json_response({"error": "You do not have enough credits to run this task."}, status=400)
        case "invalid":
            return invalid("promptText", "Required")
    return None
