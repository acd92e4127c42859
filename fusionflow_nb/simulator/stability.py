"""Stability's side of the wire: a form goes in, a picture comes out."""

from __future__ import annotations

import base64
import json
from typing import TYPE_CHECKING, Any

from aiohttp import web

from fusionflow_nb import errors
from fusionflow_nb.simulator.form import parts_of
from fusionflow_nb.simulator.scenario import BAD_KEY, cut

if TYPE_CHECKING:
    from fusionflow_nb.simulator.scenario import World

ERRORS = {
    "busy": (429, "rate_limit_exceeded", "You have made more than 150 requests in 10 seconds."),
    "broken": (500, "internal_error", "An unexpected server error has occurred."),
    "failed": (500, "internal_error", "An unexpected server error has occurred."),
    "no_funds": (402, "payment_required", "You lack sufficient credits to make this request."),
    "invalid": (400, "bad_request", "some-field: is required"),
}


class StabilitySide:
    """Routes under `/stability/api/v2beta`."""

    def __init__(self, world: World, tasks: dict[str, str]) -> None:
        self.world = world
        self.tasks = tasks

    def routes(self) -> list[web.RouteDef]:
        """All tools are one kind of request."""
        return [web.post("/stability/api/v2beta/{tool:.+}", self.make)]

    async def make(self, request: web.Request) -> web.StreamResponse:
        """The picture itself."""
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
        mood = self.world.mood(body.get("prompt"))
        if mood.submit == "lost":
            return cut(request)
        wanted = next((each for each in (mood.submit, mood.end) if each in ERRORS), None)
        if wanted is not None:
            return _problem(*ERRORS[wanted])
        try:
            made = await self.world.maker.make(task, body.get("prompt"), body, media)
        except errors.FusionFlowError as error:
            return _problem(400, "bad_request", str(error))
        reason = "CONTENT_FILTERED" if mood.end == "refused" else "SUCCESS"
        seed = body.get("seed") or "4237291"
        if request.headers.get("accept") == "application/json":
            text = base64.b64encode(made[0].content).decode()
            return web.json_response({"image": text, "finish_reason": reason, "seed": int(seed)})
        headers = {"finish-reason": reason, "seed": seed}
        return web.Response(body=made[0].content, content_type=made[0].media_type, headers=headers)


def _problem(status: int, name: str, says: str) -> web.Response:
    headers = {"Retry-After": "1"} if status == ERRORS["busy"][0] else {}
    return web.json_response({"id": "simulated", "name": name, "errors": [says]}, status=status, headers=headers)


def _check(request: web.Request) -> None:
    word, _, key = request.headers.get("Authorization", "").partition(" ")
    if word != "Bearer" or key in {"", BAD_KEY}:
        text = json.dumps({"id": "simulated", "name": "unauthorized", "errors": ["authorization: invalid"]})
        raise web.HTTPUnauthorized(text=text, content_type="application/json")
