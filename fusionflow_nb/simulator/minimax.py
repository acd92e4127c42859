"""MiniMax' side of the wire: films as tasks, and errors with HTTP 200."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from aiohttp import web

from fusionflow_nb import errors
from fusionflow_nb.simulator.scenario import BAD_KEY, cut

if TYPE_CHECKING:
    from fusionflow_nb.simulator.scenario import World

GOOD = {"status_code": 0, "status_msg": "success"}
ERRORS = {
    "busy": (1002, "rate limit exceeded"),
    "broken": (1033, "internal error"),
    "no_funds": (1008, "insufficient balance"),
    "invalid": (2013, "invalid params"),
}
ENDS = {"failed": ("1000", "unknown error"), "refused": ("1027", "output is sensitive")}


class MiniMaxSide:
    """Routes under `/minimax/api/v2`."""

    def __init__(self, world: World, tasks: dict[str, str]) -> None:
        self.world = world
        self.tasks = tasks

    def routes(self) -> list[web.RouteDef]:
        """Create and look."""
        root = "/minimax/api/v2"
        return [
            web.post(f"{root}/video_generation", self.create),
            web.get(f"{root}/query/video_generation/{{id}}", self.look),
        ]

    async def create(self, request: web.Request) -> web.StreamResponse:
        """A task."""
        if _is_stranger(request):
            return _error(1004, "invalid api key")
        body = await request.json()
        content = body.get("content") or []
        words = [each.get("text") for each in content if each.get("type") == "text"]
        roles = {each.get("role") for each in content if "role" in each}
        mood = self.world.mood(words[0] if words else None)
        if mood.submit in ERRORS:
            return _error(*ERRORS[mood.submit])
        is_mixed = "reference_image" in roles and bool(roles & {"first_frame", "last_frame"})
        has_shape = bool(roles) or body.get("ratio") not in {None, "adaptive"}
        if body.get("model") not in self.tasks or len(words) != 1 or is_mixed or not has_shape:
            return _error(*ERRORS["invalid"])
        media = [each["image_url"]["url"] for each in content if each.get("type") == "image_url"]
        task = "image-to-video" if media else "text-to-video"
        try:
            job = await self.world.begin(body["model"], task, {"prompt": words[0], "media": media, "asked": body}, mood)
        except (errors.FusionFlowError, ValueError):
            return _error(*ERRORS["invalid"])
        return cut(request) if mood.submit == "lost" else web.json_response({"task_id": job.id, "base_resp": GOOD})

    async def look(self, request: web.Request) -> web.Response:
        """How a task stands."""
        if _is_stranger(request):
            return _error(1004, "invalid api key")
        job = self.world.jobs.get(request.match_info["id"])
        if job is None:
            return _error(2013, "invalid params, task not found")
        ends = "succeeded" if job.mood.end == "done" else "failed"
        status = {"queued": "queued", "running": "running", "ended": ends}[self.world.look(job)]
        said: dict[str, Any] = {"id": job.id, "model": job.model, "status": status}
        if status == "succeeded":
            said["content"] = {"video_url": self.world.keep(request, job.made[0].content, job.made[0].media_type)}
            said["usage"] = {"duration": job.body["asked"].get("duration")}
        if status == "failed":
            code, message = ENDS[job.mood.end]
            said["error"] = {"code": code, "message": message}
        return web.json_response({"task": said, "base_resp": GOOD})


def _is_stranger(request: web.Request) -> bool:
    word, _, key = request.headers.get("Authorization", "").partition(" ")
    return word != "Bearer" or key in {"", BAD_KEY}


def _error(code: int, message: str) -> web.Response:
    headers = {"Retry-After": "1"} if code == ERRORS["busy"][0] else {}
    return web.json_response({"base_resp": {"status_code": code, "status_msg": message}}, headers=headers)
