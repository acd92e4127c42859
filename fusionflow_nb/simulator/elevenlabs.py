"""Simulated ElevenLabs API: speech, sounds, music, voices, quota. Every output is a chord, not speech."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from aiohttp import web

from fusionflow_nb.simulator.scenario import BAD_KEY, drop_connection

if TYPE_CHECKING:
    from fusionflow_nb.simulator.scenario import World

VOICES = ("JBFqnCBsd6RMkjVDRZzb", "v")
ERRORS = {
    "busy": (429, "too_many_concurrent_requests", "Too many requests at once for this plan."),
    "broken": (500, "internal_error", "Something went wrong."),
    "failed": (500, "internal_error", "Something went wrong."),
    "no_funds": (401, "quota_exceeded", "This request exceeds your quota."),
    "refused": (400, "bad_prompt", "The prompt names what is protected."),
}


class SimulatedElevenLabs:
    """Serves `/elevenlabs/api/v1`."""

    def __init__(self, world: World, tasks: dict[str, str]) -> None:
        self.world = world
        self.tasks = tasks
        self.characters = 0

    def routes(self) -> list[web.RouteDef]:
        """Return the routes."""
        root = "/elevenlabs/api/v1"
        return [
            web.post(f"{root}/text-to-speech/{{voice}}", self.speak),
            web.post(f"{root}/text-to-speech/{{voice}}/stream", self.speak),
            web.post(f"{root}/sound-generation", self.sound),
            web.post(f"{root}/music", self.music),
            web.get(f"{root}/voices", self.voices),
            web.get(f"{root}/user/subscription", self.subscription),
        ]

    async def speak(self, request: web.Request) -> web.StreamResponse:
        """Generate speech with a voice of the account."""
        body = await _authenticated_body(request)
        if request.match_info["voice"] not in VOICES:
            return _error(404, "voice_not_found", "A voice with this id was not found.")
        if body.get("model_id", "eleven_multilingual_v2") not in self.tasks:
            return _error(400, "model_not_found", "A model with this id was not found.")
        return await self._generate(request, body, "text")

    async def sound(self, request: web.Request) -> web.StreamResponse:
        """Generate a sound of 0.5 to 30 seconds."""
        body = await _authenticated_body(request)
        if not 0.5 <= float(body.get("duration_seconds") or 1) <= 30:  # noqa: PLR2004 - the service's limits
            return _invalid("duration_seconds", "Input should be between 0.5 and 30")
        return await self._generate(request, body, "text")

    async def music(self, request: web.Request) -> web.StreamResponse:
        """Generate music of 3 seconds to 10 minutes."""
        body = await _authenticated_body(request)
        if not 3_000 <= int(body.get("music_length_ms") or 3_000) <= 600_000:  # noqa: PLR2004 - the service's limits
            return _invalid("music_length_ms", "Input should be between 3000 and 600000")
        return await self._generate(request, body, "prompt")

    async def voices(self, request: web.Request) -> web.Response:
        """List the voices."""
        _check(request)
        return web.json_response({"voices": [{"voice_id": voice, "name": voice} for voice in VOICES]})

    async def subscription(self, request: web.Request) -> web.Response:
        """Return the used quota."""
        _check(request)
        return web.json_response({"character_count": self.characters, "character_limit": 10_000, "tier": "free"})

    async def _generate(self, request: web.Request, body: dict[str, Any], field: str) -> web.StreamResponse:
        text = body.get(field)
        scenario = self.world.scenario_for(text)
        if scenario.submit == "lost":
            return drop_connection(request)
        if scenario.submit == "invalid" or not isinstance(text, str):
            return _invalid(field, "Field required")
        for outcome in (scenario.submit, scenario.end):
            if outcome in ERRORS:
                return _error(*ERRORS[outcome])
        [result] = await self.world.generator.generate("text-to-audio", text, {"seed": body.get("seed")}, [])
        self.characters += len(text)
        headers = {
            "request-id": self.world.new_id(),
            "character-cost": str(len(text)),
            "current-concurrent-requests": "1",
        }
        return web.Response(
            body=result.content, content_type=result.media_type, headers={**headers, "maximum-concurrent-requests": "2"}
        )


async def _authenticated_body(request: web.Request) -> dict[str, Any]:
    _check(request)
    body: dict[str, Any] = await request.json()
    return body


def _check(request: web.Request) -> None:
    if request.headers.get("xi-api-key", "") in {"", BAD_KEY}:
        payload = {"detail": {"status": "invalid_api_key", "message": "Invalid API key"}}
        raise web.HTTPUnauthorized(text=json.dumps(payload), content_type="application/json")


def _error(status: int, code: str, message: str) -> web.Response:
    headers = {"retry-after": "1"} if status == 429 else {}  # noqa: PLR2004 - HTTP status
    return web.json_response({"detail": {"status": code, "message": message}}, status=status, headers=headers)


def _invalid(field: str, message: str) -> web.Response:
    detail = [{"type": "value_error", "loc": ["body", field], "msg": message, "input": None}]
    return web.json_response({"detail": detail}, status=422)
