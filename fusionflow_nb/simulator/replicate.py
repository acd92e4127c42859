"""Replicate's side of the wire: predictions and files."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from aiohttp import web

from fusionflow_nb import errors
from fusionflow_nb.simulator.form import parts_of
from fusionflow_nb.simulator.scenario import BAD_KEY, base_of, cut

if TYPE_CHECKING:
    from fusionflow_nb.simulator.scenario import Job, World

STEPS = 28
PAGE = 20
UPLOAD_BYTES = 100_000_000


class ReplicateSide:
    """Routes under `/replicate/api/v1`."""

    def __init__(self, world: World, tasks: dict[str, str]) -> None:
        self.world = world
        self.tasks = tasks

    def routes(self) -> list[web.RouteDef]:
        """Create, get, cancel, upload."""
        root = "/replicate/api/v1"
        return [
            web.post(f"{root}/models/{{owner}}/{{name}}/predictions", self.create),
            web.get(f"{root}/predictions", self.list),
            web.get(f"{root}/predictions/{{id}}", self.get),
            web.post(f"{root}/predictions/{{id}}/cancel", self.cancel),
            web.post(f"{root}/files", self.upload),
        ]

    async def create(self, request: web.Request) -> web.StreamResponse:
        """A prediction."""
        _check(request)
        body = (await request.json()).get("input", {})
        model = f"{request.match_info['owner']}/{request.match_info['name']}"
        task = self.tasks.get(model)
        if task is None:
            return _problem(404, "Not found", "The requested resource could not be found.")
        mood = self.world.mood(body.get("prompt"))
        unwilling = _unwilling(mood.submit)
        if unwilling is not None:
            return unwilling
        try:
            job = await self.world.begin(model, task, body, mood)
        except errors.FusionFlowError as error:
            return _problem(422, "Input validation failed", str(error))
        if mood.submit == "lost":
            return cut(request)
        return web.json_response(self._said(request, job, "starting"), status=201)

    async def get(self, request: web.Request) -> web.Response:
        """How a prediction stands."""
        job = self._job(request)
        if job.is_cancelled:
            return web.json_response(self._said(request, job, "canceled"))
        stands = self.world.look(job)
        ends = "succeeded" if job.mood.end == "done" else "failed"
        status = {"queued": "starting", "running": "processing", "ended": ends}[stands]
        return web.json_response(self._said(request, job, status))

    async def list(self, request: web.Request) -> web.Response:
        """A page of predictions, the newest first."""
        _check(request)
        jobs = [job for job in reversed(self.world.jobs.values()) if job.model in self.tasks]
        first = int(request.query.get("cursor", 0))
        more = first + PAGE < len(jobs)
        root = f"{base_of(request)}/replicate/api/v1/predictions"
        page = [self._said(request, job, "processing") for job in jobs[first : first + PAGE]]
        said = {"next": f"{root}?cursor={first + PAGE}" if more else None, "previous": None, "results": page}
        return web.json_response(said)

    async def cancel(self, request: web.Request) -> web.Response:
        """Stop a prediction."""
        job = self._job(request)
        job.is_cancelled = True
        return web.json_response(self._said(request, job, "canceled"))

    async def upload(self, request: web.Request) -> web.Response:
        """A file, as a form with one part."""
        _check(request)
        found = [part for part in await parts_of(request) if part.name == "content"]
        if not found:
            return _problem(422, "Input validation failed", "- content is required")
        part, content = found[0], found[0].content
        if len(content) > UPLOAD_BYTES:
            return _problem(413, "Too large", "Files are at most 100 MB.")
        address = self.world.keep(request, content, part.media_type)
        said = {
            "id": address.rsplit("/", 1)[-1],
            "name": part.file_name,
            "content_type": part.media_type,
            "size": len(content),
            "etag": "e",
            "checksums": {},
            "metadata": {},
            "created_at": "2026-01-01T00:00:00Z",
            "expires_at": "2026-01-02T00:00:00Z",
            "urls": {"get": address},
        }
        return web.json_response(said, status=201)

    def _said(self, request: web.Request, job: Job, status: str) -> dict[str, Any]:
        base = f"{base_of(request)}/replicate/api/v1/predictions/{job.id}"
        output: Any = None
        error = None
        if status == "succeeded":
            output = [self.world.keep(request, made.content, made.media_type) for made in job.made]
            output = output if len(output) > 1 else output[0]  # a list or one address, as models like
        if status == "failed":
            error = "NSFW content detected." if job.mood.end == "refused" else "CUDA out of memory"
        step = round(job.progress * STEPS)
        logs = f"Using seed: 7\n{job.progress * 100:3.0f}%|#####     | {step}/{STEPS} [00:01<00:01]"
        return {
            "id": job.id,
            "model": job.model,
            "version": "hidden",
            "input": job.body,
            "logs": "" if status == "starting" else logs,
            "output": output,
            "data_removed": False,
            "error": error,
            "source": "api",
            "status": status,
            "created_at": job.began_at.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
            "metrics": {"predict_time": 0.1} if status not in {"starting", "processing"} else {},
            "urls": {"get": base, "cancel": f"{base}/cancel", "web": f"https://replicate.com/p/{job.id}"},
        }

    def _job(self, request: web.Request) -> Job:
        _check(request)
        job = self.world.jobs.get(request.match_info["id"])
        if job is None:
            text = json.dumps({"title": "Not found", "detail": "There is no such prediction.", "status": 404})
            raise web.HTTPNotFound(text=text, content_type="application/json")
        return job


def _problem(status: int, title: str, detail: str) -> web.Response:
    return web.json_response({"title": title, "detail": detail, "status": status}, status=status)


def _check(request: web.Request) -> None:
    word, _, key = request.headers.get("Authorization", "").partition(" ")
    if word != "Bearer" or key in {"", BAD_KEY}:
        text = json.dumps({"title": "Unauthenticated", "detail": "You did not pass a valid token.", "status": 401})
        raise web.HTTPUnauthorized(text=text, content_type="application/json")


def _unwilling(mood: str) -> web.Response | None:
    """The answer of a service that does not take the request."""
    match mood:
        case "busy":
            says = "Request was throttled. Your rate limit resets in ~1s."
            return web.json_response({"detail": says}, status=429, headers={"Retry-After": "1"})
        case "broken":
            return _problem(500, "Internal server error", "Something went wrong.")
        case "no_funds":
            return _problem(402, "Billing required", "You need to set up billing.")
        case "invalid":
            return _problem(422, "Input validation failed", "- input: prompt is required\n")
    return None
