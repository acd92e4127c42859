"""Simulated Replicate API: predictions and files."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from aiohttp import web

from fusionflow_nb import errors
from fusionflow_nb.simulator.form import parts_of
from fusionflow_nb.simulator.scenario import BAD_KEY, base_url, drop_connection

if TYPE_CHECKING:
    from fusionflow_nb.simulator.scenario import Job, World

STEPS = 28
PAGE_SIZE = 20
UPLOAD_BYTES = 100_000_000


class SimulatedReplicate:
    """Serves `/replicate/api/v1`."""

    def __init__(self, world: World, tasks: dict[str, str]) -> None:
        self.world = world
        self.tasks = tasks

    def routes(self) -> list[web.RouteDef]:
        """Return the routes: create, list, get, cancel, upload."""
        root = "/replicate/api/v1"
        return [
            web.post(f"{root}/models/{{owner}}/{{name}}/predictions", self.create),
            web.get(f"{root}/predictions", self.list),
            web.get(f"{root}/predictions/{{id}}", self.get),
            web.post(f"{root}/predictions/{{id}}/cancel", self.cancel),
            web.post(f"{root}/files", self.upload),
        ]

    async def create(self, request: web.Request) -> web.StreamResponse:
        """Create a prediction."""
        _check(request)
        body = (await request.json()).get("input", {})
        model = f"{request.match_info['owner']}/{request.match_info['name']}"
        task = self.tasks.get(model)
        if task is None:
            return _problem(404, "Not found", "The requested resource could not be found.")
        scenario = self.world.scenario_for(body.get("prompt"))
        rejection = _rejection(scenario.submit)
        if rejection is not None:
            return rejection
        try:
            job = await self.world.start_job(model, task, body, scenario)
        except errors.FusionFlowError as error:
            return _problem(422, "Input validation failed", str(error))
        if scenario.submit == "lost":
            return drop_connection(request)
        return web.json_response(self._payload(request, job, "starting"), status=201)

    async def get(self, request: web.Request) -> web.Response:
        """Return a prediction."""
        job = self._job(request)
        if job.is_cancelled:
            return web.json_response(self._payload(request, job, "canceled"))
        phase = self.world.poll(job)
        ends = "succeeded" if job.scenario.end == "done" else "failed"
        status = {"queued": "starting", "running": "processing", "ended": ends}[phase]
        return web.json_response(self._payload(request, job, status))

    async def list(self, request: web.Request) -> web.Response:
        """Return a page of predictions, newest first."""
        _check(request)
        jobs = [job for job in reversed(self.world.jobs.values()) if job.model in self.tasks]
        start = int(request.query.get("cursor", 0))
        has_more = start + PAGE_SIZE < len(jobs)
        root = f"{base_url(request)}/replicate/api/v1/predictions"
        page = [self._payload(request, job, "processing") for job in jobs[start : start + PAGE_SIZE]]
        payload = {
            "next": f"{root}?cursor={start + PAGE_SIZE}" if has_more else None,
            "previous": None,
            "results": page,
        }
        return web.json_response(payload)

    async def cancel(self, request: web.Request) -> web.Response:
        """Cancel a prediction."""
        job = self._job(request)
        job.is_cancelled = True
        return web.json_response(self._payload(request, job, "canceled"))

    async def upload(self, request: web.Request) -> web.Response:
        """Store a file sent as a form part named `content`."""
        _check(request)
        parts = [part for part in await parts_of(request) if part.name == "content"]
        if not parts:
            return _problem(422, "Input validation failed", "- content is required")
        part, content = parts[0], parts[0].content
        if len(content) > UPLOAD_BYTES:
            return _problem(413, "Too large", "Files are at most 100 MB.")
        url = self.world.store_file(request, content, part.media_type)
        payload = {
            "id": url.rsplit("/", 1)[-1],
            "name": part.file_name,
            "content_type": part.media_type,
            "size": len(content),
            "etag": "e",
            "checksums": {},
            "metadata": {},
            "created_at": "2026-01-01T00:00:00Z",
            "expires_at": "2026-01-02T00:00:00Z",
            "urls": {"get": url},
        }
        return web.json_response(payload, status=201)

    def _payload(self, request: web.Request, job: Job, status: str) -> dict[str, Any]:
        base = f"{base_url(request)}/replicate/api/v1/predictions/{job.id}"
        output: Any = None
        error = None
        if status == "succeeded":
            output = [self.world.store_file(request, result.content, result.media_type) for result in job.results]
            output = output if len(output) > 1 else output[0]  # a list or one URL, depending on the model
        if status == "failed":
            error = "NSFW content detected." if job.scenario.end == "refused" else "CUDA out of memory"
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
            "created_at": job.created_at.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
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
    scheme, _, key = request.headers.get("Authorization", "").partition(" ")
    if scheme != "Bearer" or key in {"", BAD_KEY}:
        text = json.dumps({"title": "Unauthenticated", "detail": "You did not pass a valid token.", "status": 401})
        raise web.HTTPUnauthorized(text=text, content_type="application/json")


def _rejection(submit: str) -> web.Response | None:
    """Return the error response of a service that rejects the request; None if it accepts."""
    match submit:
        case "busy":
            detail = "Request was throttled. Your rate limit resets in ~1s."
            return web.json_response({"detail": detail}, status=429, headers={"Retry-After": "1"})
        case "broken":
            return _problem(500, "Internal server error", "Something went wrong.")
        case "no_funds":
            return _problem(402, "Billing required", "You need to set up billing.")
        case "invalid":
            return _problem(422, "Input validation failed", "- input: prompt is required\n")
    return None
