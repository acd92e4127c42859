"""Simulated Stability API: a form request, an image response."""

from __future__ import annotations

import base64
import json
from typing import TYPE_CHECKING, Any

from aiohttp import web

from fusionflow_nb import errors
from fusionflow_nb.simulator.form import parts_of
from fusionflow_nb.simulator.scenario import BAD_KEY, drop_connection

if TYPE_CHECKING:
    from fusionflow_nb.simulator.scenario import World

ERRORS = {
    "busy": (429, "rate_limit_exceeded", "You have made more than 150 requests in 10 seconds."),
    "broken": (500, "internal_error", "An unexpected server error has occurred."),
    "failed": (500, "internal_error", "An unexpected server error has occurred."),
    "no_funds": (402, "payment_required", "You lack sufficient credits to make this request."),
    "invalid": (400, "bad_request", "some-field: is required"),
}


class SimulatedStability:
    """Serves `/stability/api/v2beta`."""

    def __init__(self, world: World, tasks: dict[str, str]) -> None:
        self.world = world
        self.tasks = tasks

    def routes(self) -> list[web.RouteDef]:
        """Return the routes; all tools share one handler."""
        return [web.post("/stability/api/v2beta/{tool:.+}", self.generate)]

    async def generate(self, request: web.Request) -> web.StreamResponse:
        """Return the image."""
        _check(request)
        form = await parts_of(request)
        body: dict[str, Any] = {part.name: part.content.decode() for part in form if part.file_name is None}
        media = [part.content for part in form if part.file_name is not None]
        tool = request.match_info["tool"]
        task = self.tasks.get(f"{tool} (model={body['model']})" if "model" in body else tool)
        if task is None:
            return _problem(404, "not_found", f"There is no {tool}.")
        if media and task == "text-to-image":
            task = "edit-image"
        scenario = self.world.scenario_for(body.get("prompt"))
        if scenario.submit == "lost":
            return drop_connection(request)
        outcome = next((name for name in (scenario.submit, scenario.end) if name in ERRORS), None)
        if outcome is not None:
            return _problem(*ERRORS[outcome])
        try:
            results = await self.world.generator.generate(task, body.get("prompt"), body, media)
        except errors.FusionFlowError as error:
            return _problem(400, "bad_request", str(error))
        reason = "CONTENT_FILTERED" if scenario.end == "refused" else "SUCCESS"
        seed = body.get("seed") or "4237291"
        if request.headers.get("accept") == "application/json":
            text = base64.b64encode(results[0].content).decode()
            return web.json_response({"image": text, "finish_reason": reason, "seed": int(seed)})
        headers = {"finish-reason": reason, "seed": seed}
        return web.Response(body=results[0].content, content_type=results[0].media_type, headers=headers)


def _problem(status: int, name: str, message: str) -> web.Response:
    headers = {"Retry-After": "1"} if status == ERRORS["busy"][0] else {}
    return web.json_response({"id": "simulated", "name": name, "errors": [message]}, status=status, headers=headers)


def _check(request: web.Request) -> None:
    scheme, _, key = request.headers.get("Authorization", "").partition(" ")
    if scheme != "Bearer" or key in {"", BAD_KEY}:
        text = json.dumps({"id": "simulated", "name": "unauthorized", "errors": ["authorization: invalid"]})
        raise web.HTTPUnauthorized(text=text, content_type="application/json")
