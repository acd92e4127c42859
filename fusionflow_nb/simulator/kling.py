"""Simulated Kling API: tasks by kind, signed tokens, error codes in the body."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from typing import TYPE_CHECKING, Any

from aiohttp import web

from fusionflow_nb import errors
from fusionflow_nb.simulator.scenario import BAD_KEY, drop_connection

if TYPE_CHECKING:
    from fusionflow_nb.simulator.scenario import Job, World

KINDS = {"text2video": "text-to-video", "image2video": "image-to-video"}
ERRORS = {
    "busy": (429, 1303, "Too many tasks at once."),
    "broken": (500, 5000, "Internal error."),
    "no_funds": (402, 1102, "Account balance not enough."),
    "invalid": (400, 1201, "Duration must be a string."),
}


class SimulatedKling:
    """Serves `/kling/api/v1`."""

    def __init__(self, world: World, tasks: dict[str, str]) -> None:
        self.world = world
        self.tasks = tasks
        self.external_ids: set[str] = set()

    def routes(self) -> list[web.RouteDef]:
        """Return the routes: create and query, for each kind."""
        root = "/kling/api/v1/{family:videos|images}/{kind}"
        return [web.post(root, self.create), web.get(f"{root}/{{id}}", self.get)]

    async def create(self, request: web.Request) -> web.StreamResponse:
        """Create a task."""
        self._check(request)
        body = await request.json()
        kind = request.match_info["kind"]
        scenario = self.world.scenario_for(body.get("prompt"))
        if scenario.submit in ERRORS:
            return _error(*ERRORS[scenario.submit])
        task = KINDS.get(kind, "text-to-image")
        external_id = body.get("external_task_id")
        if external_id in self.external_ids:
            return _error(400, 1201, "external_task_id is not unique.")
        if not isinstance(body.get("duration", ""), str) or (
            kind in KINDS and body.get("model_name") not in self.tasks
        ):
            return _error(400, 1201, "A parameter is not valid.")
        media = [_image_url(body[name]) for name in ("image", "image_tail") if name in body]
        try:
            job = await self.world.start_job(
                kind, task, {"prompt": body.get("prompt"), "media": media, "request": body}, scenario
            )
        except (errors.FusionFlowError, ValueError):
            return _error(400, 1201, "The picture cannot be read.")
        self.external_ids.add(str(external_id))
        return drop_connection(request) if scenario.submit == "lost" else self._payload(request, job, "submitted")

    async def get(self, request: web.Request) -> web.Response:
        """Return a task; it is found only under the path of its kind."""
        self._check(request)
        job = self.world.jobs.get(request.match_info["id"])
        if job is None or job.model != request.match_info["kind"]:
            return _error(404, 1203, "Task not found.")
        ends = "succeed" if job.scenario.end == "done" else "failed"
        status = {"queued": "submitted", "running": "processing", "ended": ends}[self.world.poll(job)]
        return self._payload(request, job, status)

    def _payload(self, request: web.Request, job: Job, status: str) -> web.Response:
        data: dict[str, Any] = {
            "task_id": job.id,
            "task_status": status,
            "task_info": {"external_task_id": job.body["request"].get("external_task_id")},
            "created_at": 1774805076166,
            "updated_at": 1774805076166,
        }
        if status == "failed":
            data["task_status_msg"] = (
                "Content policy violation" if job.scenario.end == "refused" else "Failed to generate"
            )
        if status == "succeed":
            urls = [self.world.store_file(request, result.content, result.media_type) for result in job.results]
            if job.task.endswith("video"):
                data["task_result"] = {"videos": [{"id": job.id, "url": url, "duration": "5"} for url in urls]}
            else:
                data["task_result"] = {"images": [{"index": index, "url": url} for index, url in enumerate(urls)]}
        payload = {"code": 0, "message": "SUCCEED", "request_id": self.world.new_id(), "data": data}
        return web.json_response(payload)

    def _check(self, request: web.Request) -> None:
        """Check that the token is signed with the secret and currently valid. Raises HTTPUnauthorized."""
        scheme, _, token = request.headers.get("Authorization", "").partition(" ")
        text, _, signature = token.rpartition(".")
        try:
            claims = json.loads(_decoded(text.partition(".")[2]))
            secret = claims["iss"]  # the simulator uses the access key as the secret
            expected = hmac.new(secret.encode(), text.encode(), hashlib.sha256).digest()
            is_signed = scheme == "Bearer" and secret != BAD_KEY and hmac.compare_digest(_decoded(signature), expected)
            is_valid_now = claims["nbf"] <= self.world.now() < claims["exp"]
        except (ValueError, KeyError, TypeError, AttributeError):
            is_signed = is_valid_now = False
        if not is_signed or not is_valid_now:
            payload = {
                "code": 1000 if not is_signed else 1004,
                "message": "Auth failed",
                "request_id": self.world.new_id(),
            }
            raise web.HTTPUnauthorized(text=json.dumps(payload), content_type="application/json")


def _decoded(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def _image_url(image: str) -> str:
    return image if image.startswith(("https:", "http:")) else f"data:image/png;base64,{image}"


def _error(status: int, code: int, message: str) -> web.Response:
    headers = {"Retry-After": "1"} if status == 429 else {}  # noqa: PLR2004 - HTTP status
    return web.json_response({"code": code, "message": message, "request_id": "r"}, status=status, headers=headers)
