"""Simulated Black Forest Labs API: submit, result, balance."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from aiohttp import web

from fusionflow_nb import errors
from fusionflow_nb.simulator.scenario import BAD_KEY, base_url, drop_connection

if TYPE_CHECKING:
    from fusionflow_nb.simulator.scenario import Job, World

CREDITS = 4.0
STATES = {"failed": "Error", "refused": "Content Moderated", "done": "Ready", "never": "Pending"}


class SimulatedBfl:
    """Serves `/bfl/api/v1`."""

    def __init__(self, world: World, tasks: dict[str, str]) -> None:
        self.world = world
        self.tasks = tasks

    def routes(self) -> list[web.RouteDef]:
        """Return the routes; fixed paths come before the model route, which matches any name."""
        root = "/bfl/api/v1"
        return [
            web.get(f"{root}/get_result", self.result),
            web.get(f"{root}/credits", self.credits),
            web.post(f"{root}/{{model}}", self.submit),
        ]

    async def submit(self, request: web.Request) -> web.StreamResponse:
        """Accept a job; the response contains its cost."""
        _check(request)
        body, model = await request.json(), request.match_info["model"]
        if model not in self.tasks:
            return web.json_response({"detail": "Not Found"}, status=404)
        scenario = self.world.scenario_for(body.get("prompt"))
        rejection = _rejection(scenario.submit)
        if rejection is not None:
            return rejection
        pictures = {name: _image_url(value) for name, value in body.items() if name.startswith("input_image")}
        try:
            job = await self.world.start_job(model, self.tasks[model], {**body, **pictures}, scenario)
        except errors.FusionFlowError as error:
            return _invalid(str(error))
        if scenario.submit == "lost":
            return drop_connection(request)
        polling_url = f"{base_url(request)}/bfl/api/v1/get_result?id={job.id}"
        return web.json_response(
            {"id": job.id, "polling_url": polling_url, "cost": CREDITS, "input_mp": 0.0, "output_mp": 1.0}
        )

    async def result(self, request: web.Request) -> web.Response:
        """Return a job's status and result."""
        _check(request)
        job = self.world.jobs.get(request.query.get("id", ""))
        if job is None:
            payload = {"id": request.query.get("id"), "status": "Task not found", "result": None}
            return web.json_response(payload, status=404)
        phase = self.world.poll(job)
        state = STATES[job.scenario.end] if phase == "ended" else "Pending"
        details = {"Moderation Reasons": ["Derivative Works Filter"]} if state == "Content Moderated" else None
        return web.json_response(
            {
                "id": job.id,
                "status": state,
                "result": self._result(request, job) if state == "Ready" else None,
                "progress": None if phase == "queued" else job.progress,
                "details": details,
                "preview": None,
            }
        )

    async def credits(self, request: web.Request) -> web.Response:
        """Return the balance."""
        _check(request)
        return web.json_response({"credits": 1000.0})

    def _result(self, request: web.Request, job: Job) -> dict[str, Any]:
        [result] = job.results
        seed, prompt = job.body.get("seed") or 42, job.body.get("prompt")
        times = {"start_time": 0.0, "end_time": 2.0, "duration": 2.0}
        return {
            "sample": self.world.store_file(request, result.content, result.media_type),
            "prompt": prompt,
            "seed": seed,
            **times,
        }


def _image_url(value: Any) -> Any:  # noqa: ANN401 - JSON
    """Convert bare base64 to a data URL."""
    return value if not isinstance(value, str) or value.startswith("http") else f"data:image/png;base64,{value}"


def _invalid(message: str) -> web.Response:
    return web.json_response(
        {"detail": [{"loc": ["body", "prompt"], "msg": message, "type": "value_error"}]}, status=422
    )


def _check(request: web.Request) -> None:
    if request.headers.get("x-key") in {None, "", BAD_KEY}:
        text = json.dumps({"detail": "Not authenticated"})
        raise web.HTTPForbidden(text=text, content_type="application/json")


def _rejection(submit: str) -> web.Response | None:
    """Return the error response of a service that rejects the request; None if it accepts."""
    match submit:
        case "busy":
            return web.json_response({"detail": "Too many active tasks."}, status=429, headers={"Retry-After": "1"})
        case "broken":
            return web.json_response({"detail": "Internal Server Error"}, status=500)
        case "no_funds":
            return web.json_response({"detail": "Insufficient credits."}, status=402)
        case "invalid":
            return _invalid("Field required")
    return None
