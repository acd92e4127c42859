"""Simulated OpenAI API: images (whole, or streamed with partial images), edits, speech."""

from __future__ import annotations

import asyncio
import base64
import json
from typing import TYPE_CHECKING, Any

from aiohttp import web

from fusionflow_nb import errors
from fusionflow_nb.simulator.form import parts_of
from fusionflow_nb.simulator.scenario import BAD_KEY, drop_connection

if TYPE_CHECKING:
    from fusionflow_nb.simulator.media import GeneratedMedia
    from fusionflow_nb.simulator.scenario import World

TOKENS = 272
ERRORS = {
    "busy": (429, "requests", "rate_limit_exceeded", "Rate limit reached."),
    "broken": (500, "server_error", None, "The server had an error."),
    "no_funds": (429, "insufficient_quota", "insufficient_quota", "You exceeded your current quota."),
    "invalid": (400, "invalid_request_error", "invalid_value", "Invalid value."),
    "refused": (400, "image_generation_user_error", "moderation_blocked", "Rejected by the safety system."),
    "failed": (500, "server_error", None, "The server had an error."),
}


class SimulatedOpenAI:
    """Serves `/openai/api`."""

    def __init__(self, world: World, tasks: dict[str, str]) -> None:
        self.world = world
        self.tasks = tasks

    def routes(self) -> list[web.RouteDef]:
        """Return the routes: images, edits, speech."""
        return [
            web.post("/openai/api/images/generations", self.generate),
            web.post("/openai/api/images/edits", self.edit),
            web.post("/openai/api/audio/speech", self.speak),
        ]

    async def generate(self, request: web.Request) -> web.StreamResponse:
        """Generate images from a prompt."""
        _check(request)
        body = await request.json()
        return await self._respond(request, body, "text-to-image", [], kind="image_generation")

    async def edit(self, request: web.Request) -> web.StreamResponse:
        """Edit images; the form's parts without a file name are its fields."""
        _check(request)
        form = await parts_of(request)
        body: dict[str, Any] = {part.name: part.content.decode() for part in form if part.file_name is None}
        media = [part.content for part in form if part.name in {"image", "image[]"} and part.file_name is not None]
        body["stream"] = body.get("stream") == "true"
        return await self._respond(request, body, "edit-image", media, kind="image_edit")

    async def speak(self, request: web.Request) -> web.StreamResponse:
        """Return sound for a text: a chord, not speech."""
        _check(request)
        body = await request.json()
        error = self._error_for(request, body, body.get("input"), "text-to-audio")
        if error is not None:
            return error
        [result] = await self.world.generator.generate("text-to-audio", body.get("input"), {}, [])
        return web.Response(body=result.content, content_type=result.media_type)

    async def _respond(
        self, request: web.Request, body: dict[str, Any], task: str, media: list[bytes], *, kind: str
    ) -> web.StreamResponse:
        error = self._error_for(request, body, body.get("prompt"), task)
        if error is not None:
            return error
        try:
            results = await self.world.generator.generate(task, body.get("prompt"), body, media)
        except errors.FusionFlowError:
            return _error("invalid")
        usage = _usage(len(results), len(media))
        if body.get("stream"):
            partial = int(body.get("partial_images") or 0)
            return await _stream(request, results[0], usage, kind, partial=partial, pause_s=self.world.pause_s)
        data = [{"b64_json": base64.b64encode(result.content).decode()} for result in results]
        payload = {"created": 1767225600, "output_format": "png", "quality": "low", "size": "1024x1024"}
        return web.json_response({**payload, "data": data, "usage": usage}, headers={"x-request-id": "req_simulated"})

    def _error_for(
        self, request: web.Request, body: dict[str, Any], prompt: object, task: str
    ) -> web.StreamResponse | None:
        """Return the error response of the scenario or of an invalid request, else None."""
        model = str(body.get("model"))
        if self.tasks.get(model) is None or (task == "text-to-audio") != (self.tasks[model] == "text-to-audio"):
            payload = {
                "error": {"message": f"The model '{model}' does not exist.", "code": "model_not_found", "type": "x"}
            }
            return web.json_response(payload, status=404)
        scenario = self.world.scenario_for(prompt)
        if scenario.submit == "lost":
            return drop_connection(request)
        for outcome in (scenario.submit, scenario.end):
            if outcome in ERRORS:
                return _error(outcome)
        return None


def _usage(pictures: int, references: int) -> dict[str, Any]:
    inputs, outputs = {"image_tokens": 100 * references, "text_tokens": 13}, TOKENS * pictures
    total = sum(inputs.values())
    return {
        "input_tokens": total,
        "input_tokens_details": inputs,
        "output_tokens": outputs,
        "output_tokens_details": {"image_tokens": outputs, "text_tokens": 0},
        "total_tokens": total + outputs,
    }


async def _stream(
    request: web.Request, result: GeneratedMedia, usage: dict[str, Any], kind: str, *, partial: int, pause_s: float
) -> web.StreamResponse:
    response = web.StreamResponse(headers={"content-type": "text/event-stream", "x-request-id": "req_simulated"})
    await response.prepare(request)
    common = {"b64_json": base64.b64encode(result.content).decode(), "created_at": 1767225600, "background": "opaque"}
    common.update(output_format="png", quality="low", size="1024x1024")
    events: list[dict[str, Any]] = [
        {"type": f"{kind}.partial_image", **common, "partial_image_index": index} for index in range(partial)
    ]
    for number, event in enumerate([*events, {"type": f"{kind}.completed", **common, "usage": usage}]):
        if number and pause_s:
            await asyncio.sleep(pause_s)
        await response.write(f"event: {event['type']}\ndata: {json.dumps(event)}\n\n".encode())
    await response.write_eof()
    return response


def _error(name: str) -> web.Response:
    status, kind, code, message = ERRORS[name]
    headers = {"retry-after-ms": "1000"} if name == "busy" else {}
    payload = {"message": message, "type": kind, "param": None, "code": code}
    return web.json_response({"error": payload}, status=status, headers={"x-request-id": "req_simulated", **headers})


def _check(request: web.Request) -> None:
    scheme, _, key = request.headers.get("Authorization", "").partition(" ")
    if scheme != "Bearer" or key in {"", BAD_KEY}:
        payload = {"message": "Incorrect API key provided.", "type": "invalid_request_error", "code": "invalid_api_key"}
        raise web.HTTPUnauthorized(text=json.dumps({"error": payload}), content_type="application/json")
