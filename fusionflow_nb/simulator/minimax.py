"""Simulated MiniMax API: videos as tasks, errors with HTTP 200."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from aiohttp import web

from fusionflow_nb import errors
from fusionflow_nb.simulator.scenario import BAD_KEY, drop_connection

if TYPE_CHECKING:
    from fusionflow_nb.simulator.scenario import World

SUCCESS = {"status_code": 0, "status_msg": "success"}
ERRORS = {
    "busy": (1002, "rate limit exceeded"),
    "broken": (1033, "internal error"),
    "no_funds": (1008, "insufficient balance"),
    "invalid": (2013, "invalid params"),
}
FAILURES = {"failed": ("1000", "unknown error"), "refused": ("1027", "output is sensitive")}


class SimulatedMiniMax:
    """Serves `/minimax/api/v2`."""

    def __init__(self, world: World, tasks: dict[str, str]) -> None:
        self.world = world
        self.tasks = tasks

    def routes(self) -> list[web.RouteDef]:
        """Return the routes: create and query."""
        root = "/minimax/api/v2"
        return [
            web.post(f"{root}/video_generation", self.create),
            web.get(f"{root}/query/video_generation/{{id}}", self.get),
        ]

    async def create(self, request: web.Request) -> web.StreamResponse:
        """Create a task."""
        if _is_unauthorized(request):
            return _error(1004, "invalid api key")
        body = await request.json()
        content = body.get("content") or []
        prompts = [item.get("text") for item in content if item.get("type") == "text"]
        roles = {item.get("role") for item in content if "role" in item}
        scenario = self.world.scenario_for(prompts[0] if prompts else None)
        if scenario.submit in ERRORS:
            return _error(*ERRORS[scenario.submit])
        is_mixed = "reference_image" in roles and bool(roles & {"first_frame", "last_frame"})
        has_shape = bool(roles) or body.get("ratio") not in {None, "adaptive"}
        if body.get("model") not in self.tasks or len(prompts) != 1 or is_mixed or not has_shape:
            return _error(*ERRORS["invalid"])
        media = [item["image_url"]["url"] for item in content if item.get("type") == "image_url"]
        task = "image-to-video" if media else "text-to-video"
        try:
            job = await self.world.start_job(
                body["model"], task, {"prompt": prompts[0], "media": media, "request": body}, scenario
            )
        except (errors.FusionFlowError, ValueError):
            return _error(*ERRORS["invalid"])
        return (
            drop_connection(request)
            if scenario.submit == "lost"
            else web.json_response({"task_id": job.id, "base_resp": SUCCESS})
        )

    async def get(self, request: web.Request) -> web.Response:
        """Return a task."""
        if _is_unauthorized(request):
            return _error(1004, "invalid api key")
        job = self.world.jobs.get(request.match_info["id"])
        if job is None:
            return _error(2013, "invalid params, task not found")
        ends = "succeeded" if job.scenario.end == "done" else "failed"
        status = {"queued": "queued", "running": "running", "ended": ends}[self.world.poll(job)]
        payload: dict[str, Any] = {"id": job.id, "model": job.model, "status": status}
        if status == "succeeded":
            payload["content"] = {
                "video_url": self.world.store_file(request, job.results[0].content, job.results[0].media_type)
            }
            payload["usage"] = {"duration": job.body["request"].get("duration")}
        if status == "failed":
            code, message = FAILURES[job.scenario.end]
            payload["error"] = {"code": code, "message": message}
        return web.json_response({"task": payload, "base_resp": SUCCESS})


def _is_unauthorized(request: web.Request) -> bool:
    scheme, _, key = request.headers.get("Authorization", "").partition(" ")
    return scheme != "Bearer" or key in {"", BAD_KEY}


def _error(code: int, message: str) -> web.Response:
    headers = {"Retry-After": "1"} if code == ERRORS["busy"][0] else {}
    return web.json_response({"base_resp": {"status_code": code, "status_msg": message}}, headers=headers)
