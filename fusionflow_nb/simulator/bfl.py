"""Black Forest Labs' side of the wire: submit, result, balance."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from aiohttp import web

from fusionflow_nb import errors
from fusionflow_nb.simulator.scenario import BAD_KEY, base_of, cut

if TYPE_CHECKING:
    from fusionflow_nb.simulator.scenario import Job, World

CREDITS = 4.0
STATES = {"failed": "Error", "refused": "Content Moderated", "done": "Ready", "never": "Pending"}


class BflSide:
    """Routes under `/bfl/api/v1`."""

    def __init__(self, world: World, tasks: dict[str, str]) -> None:
        self.world = world
        self.tasks = tasks

    def routes(self) -> list[web.RouteDef]:
        """Result and balance stand before the models, whose names are the rest."""
        root = "/bfl/api/v1"
        return [
            web.get(f"{root}/get_result", self.result),
            web.get(f"{root}/credits", self.credits),
            web.post(f"{root}/{{model}}", self.submit),
        ]

    async def submit(self, request: web.Request) -> web.StreamResponse:
        """Take a job; what it costs is in the answer."""
        _check(request)
        body, model = await request.json(), request.match_info["model"]
        if model not in self.tasks:
            return web.json_response({"detail": "Not Found"}, status=404)
        mood = self.world.mood(body.get("prompt"))
        unwilling = _unwilling(mood.submit)
        if unwilling is not None:
            return unwilling
        pictures = {name: _address(value) for name, value in body.items() if name.startswith("input_image")}
        try:
            job = await self.world.begin(model, self.tasks[model], {**body, **pictures}, mood)
        except errors.FusionFlowError as error:
            return _invalid(str(error))
        if mood.submit == "lost":
            return cut(request)
        where = f"{base_of(request)}/bfl/api/v1/get_result?id={job.id}"
        return web.json_response(
            {"id": job.id, "polling_url": where, "cost": CREDITS, "input_mp": 0.0, "output_mp": 1.0}
        )

    async def result(self, request: web.Request) -> web.Response:
        """How a job stands."""
        _check(request)
        job = self.world.jobs.get(request.query.get("id", ""))
        if job is None:
            said = {"id": request.query.get("id"), "status": "Task not found", "result": None}
            return web.json_response(said, status=404)
        stands = self.world.look(job)
        state = STATES[job.mood.end] if stands == "ended" else "Pending"
        details = {"Moderation Reasons": ["Derivative Works Filter"]} if state == "Content Moderated" else None
        return web.json_response(
            {
                "id": job.id,
                "status": state,
                "result": self._made(request, job) if state == "Ready" else None,
                "progress": None if stands == "queued" else job.progress,
                "details": details,
                "preview": None,
            }
        )

    async def credits(self, request: web.Request) -> web.Response:
        """The balance."""
        _check(request)
        return web.json_response({"credits": 1000.0})

    def _made(self, request: web.Request, job: Job) -> dict[str, Any]:
        [made] = job.made
        seed, prompt = job.body.get("seed") or 42, job.body.get("prompt")
        times = {"start_time": 0.0, "end_time": 2.0, "duration": 2.0}
        return {
            "sample": self.world.keep(request, made.content, made.media_type), "prompt": prompt, "seed": seed, **times
        }  # fmt: skip


def _address(value: Any) -> Any:  # noqa: ANN401 - JSON
    """Bare base64 as an address, as the world reads media."""
    return value if not isinstance(value, str) or value.startswith("http") else f"data:image/png;base64,{value}"


def _invalid(says: str) -> web.Response:
    return web.json_response({"detail": [{"loc": ["body", "prompt"], "msg": says, "type": "value_error"}]}, status=422)


def _check(request: web.Request) -> None:
    if request.headers.get("x-key") in {None, "", BAD_KEY}:
        text = json.dumps({"detail": "Not authenticated"})
        raise web.HTTPForbidden(text=text, content_type="application/json")


def _unwilling(mood: str) -> web.Response | None:
    """The answer of a service that does not take the request."""
    match mood:
        case "busy":
            return web.json_response({"detail": "Too many active tasks."}, status=429, headers={"Retry-After": "1"})
        case "broken":
            return web.json_response({"detail": "Internal Server Error"}, status=500)
        case "no_funds":
            return web.json_response({"detail": "Insufficient credits."}, status=402)
        case "invalid":
            return _invalid("Field required")
    return None
