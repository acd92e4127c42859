"""Kling's side of the wire: tasks by kind, signed keys, codes in the body."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from typing import TYPE_CHECKING, Any

from aiohttp import web

from fusionflow_nb import errors
from fusionflow_nb.simulator.scenario import BAD_KEY, cut

if TYPE_CHECKING:
    from fusionflow_nb.simulator.scenario import Job, World

KINDS = {"text2video": "text-to-video", "image2video": "image-to-video"}
ERRORS = {
    "busy": (429, 1303, "Too many tasks at once."),
    "broken": (500, 5000, "Internal error."),
    "no_funds": (402, 1102, "Account balance not enough."),
    "invalid": (400, 1201, "Duration must be a string."),
}


class KlingSide:
    """Routes under `/kling/api/v1`."""

    def __init__(self, world: World, tasks: dict[str, str]) -> None:
        self.world = world
        self.tasks = tasks
        self.own_ids: set[str] = set()

    def routes(self) -> list[web.RouteDef]:
        """Create and look, for each kind."""
        root = "/kling/api/v1/{family:videos|images}/{kind}"
        return [web.post(root, self.create), web.get(f"{root}/{{id}}", self.look)]

    async def create(self, request: web.Request) -> web.StreamResponse:
        """A task."""
        self._check(request)
        body = await request.json()
        kind = request.match_info["kind"]
        mood = self.world.mood(body.get("prompt"))
        if mood.submit in ERRORS:
            return _error(*ERRORS[mood.submit])
        task = KINDS.get(kind, "text-to-image")
        own_id = body.get("external_task_id")
        if own_id in self.own_ids:
            return _error(400, 1201, "external_task_id is not unique.")
        if not isinstance(body.get("duration", ""), str) or (
            kind in KINDS and body.get("model_name") not in self.tasks
        ):
            return _error(400, 1201, "A parameter is not valid.")
        media = [_address(body[name]) for name in ("image", "image_tail") if name in body]
        try:
            job = await self.world.begin(
                kind, task, {"prompt": body.get("prompt"), "media": media, "asked": body}, mood
            )
        except (errors.FusionFlowError, ValueError):
            return _error(400, 1201, "The picture cannot be read.")
        self.own_ids.add(str(own_id))
        return cut(request) if mood.submit == "lost" else self._said(request, job, "submitted")

    async def look(self, request: web.Request) -> web.Response:
        """How a task stands; under another kind's address nobody knows it."""
        self._check(request)
        job = self.world.jobs.get(request.match_info["id"])
        if job is None or job.model != request.match_info["kind"]:
            return _error(404, 1203, "Task not found.")
        ends = "succeed" if job.mood.end == "done" else "failed"
        stands = {"queued": "submitted", "running": "processing", "ended": ends}[self.world.look(job)]
        return self._said(request, job, stands)

    def _said(self, request: web.Request, job: Job, status: str) -> web.Response:
        data: dict[str, Any] = {
            "task_id": job.id,
            "task_status": status,
            "task_info": {"external_task_id": job.body["asked"].get("external_task_id")},
            "created_at": 1774805076166,
            "updated_at": 1774805076166,
        }
        if status == "failed":
            data["task_status_msg"] = "Content policy violation" if job.mood.end == "refused" else "Failed to generate"
        if status == "succeed":
            made = [self.world.keep(request, each.content, each.media_type) for each in job.made]
            if job.task.endswith("video"):
                data["task_result"] = {"videos": [{"id": job.id, "url": each, "duration": "5"} for each in made]}
            else:
                data["task_result"] = {"images": [{"index": at, "url": each} for at, each in enumerate(made)]}
        said = {"code": 0, "message": "SUCCEED", "request_id": self.world.name(), "data": data}
        return web.json_response(said)

    def _check(self, request: web.Request) -> None:
        """Whether the token is signed with the secret, and holds now."""
        word, _, token = request.headers.get("Authorization", "").partition(" ")
        text, _, seal = token.rpartition(".")
        try:
            claims = json.loads(_decoded(text.partition(".")[2]))
            secret = claims["iss"]  # here every key is its own secret, but for the one that no service takes
            wanted = hmac.new(secret.encode(), text.encode(), hashlib.sha256).digest()
            is_good = word == "Bearer" and secret != BAD_KEY and hmac.compare_digest(_decoded(seal), wanted)
            is_now = claims["nbf"] <= self.world.now() < claims["exp"]
        except (ValueError, KeyError, TypeError, AttributeError):
            is_good = is_now = False
        if not is_good or not is_now:
            said = {"code": 1000 if not is_good else 1004, "message": "Auth failed", "request_id": self.world.name()}
            raise web.HTTPUnauthorized(text=json.dumps(said), content_type="application/json")


def _decoded(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def _address(medium: str) -> str:
    return medium if medium.startswith(("https:", "http:")) else f"data:image/png;base64,{medium}"


def _error(status: int, code: int, message: str) -> web.Response:
    headers = {"Retry-After": "1"} if status == 429 else {}  # noqa: PLR2004 - too many
    return web.json_response({"code": code, "message": message, "request_id": "r"}, status=status, headers=headers)
