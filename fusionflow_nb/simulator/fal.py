"""fal's side of the wire: queue, result, cancel, direct calls, prices."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from aiohttp import web

from fusionflow_nb import errors
from fusionflow_nb.providers import catalogue
from fusionflow_nb.simulator.fal_files import FalFiles, check
from fusionflow_nb.simulator.scenario import base_of, cut

if TYPE_CHECKING:
    from fusionflow_nb.simulator.scenario import Job, World

NAMESPACES = ("workflows", "comfy")
UNIT_USD, SHARE = 0.05, 0.9


class FalSide:
    """Routes under `/fal`."""

    def __init__(self, world: World, tasks: dict[str, str]) -> None:
        self.world = world
        self.tasks = tasks

    def routes(self) -> list[web.RouteDef]:
        """Hosts are prefixes: `queue`, `run`, `rest`, `cdn`, `api`."""
        job = "/fal/queue/{app:.+}/requests/{id}"
        return [
            web.post("/fal/queue/{endpoint:.+}", self.submit),
            web.get(f"{job}/status", self.status),
            web.put(f"{job}/cancel", self.cancel),
            web.get(job, self.result),
            web.post("/fal/run/{endpoint:.+}/stream", self.stream),
            web.post("/fal/run/{endpoint:.+}", self.run),
            web.get("/fal/api/v1/models/pricing", self.pricing),
            *FalFiles(self.world).routes(),
        ]

    async def submit(self, request: web.Request) -> web.StreamResponse:
        """Take a request into the queue."""
        job = await self._begun(request)
        if isinstance(job, web.StreamResponse):
            return job
        return web.json_response({"status": "IN_QUEUE", "queue_position": 1, **_urls(request, job)})

    async def run(self, request: web.Request) -> web.StreamResponse:
        """The result in the answer; nothing of it can be asked for again."""
        job = await self._begun(request)
        return job if isinstance(job, web.StreamResponse) else web.json_response(self._said(request, job))

    async def stream(self, request: web.Request) -> web.StreamResponse:
        """The same as events; the first says that it is half done."""
        job = await self._begun(request)
        if isinstance(job, web.StreamResponse):
            return job
        said = self._said(request, job)
        response = web.StreamResponse(headers={"content-type": "text/event-stream"})
        await response.prepare(request)
        for event in ({**said, "progress": 0.5}, said):
            await response.write(f"data: {json.dumps(event)}\n\n".encode())
        await response.write_eof()
        return response

    async def _begun(self, request: web.Request) -> Job | web.StreamResponse:
        check(request)
        body = await request.json()
        endpoint = request.match_info["endpoint"]
        task = self.tasks.get(endpoint)
        if task is None:
            return web.json_response({"detail": f"Application '{endpoint}' not found"}, status=404)
        mood = self.world.mood(body.get("prompt"))
        unwilling = _unwilling(mood.submit)
        if unwilling is not None:
            return unwilling
        try:
            job = await self.world.begin(endpoint, task, body, mood)
        except errors.FusionFlowError as error:
            return web.json_response(
                {"detail": [{"loc": ["body"], "msg": str(error), "type": "file_error"}]}, status=422
            )
        return cut(request) if mood.submit == "lost" else job

    async def status(self, request: web.Request) -> web.Response:
        """Where a request stands."""
        job = self._job(request)
        stands = "ended" if job.is_cancelled else self.world.look(job)
        logs = [{"message": "Drawing", "level": "INFO", "source": "USER", "timestamp": "2026-01-01T00:00:00.000Z"}]
        answers: dict[str, dict[str, Any]] = {
            "queued": {"status": "IN_QUEUE", "queue_position": 0},
            "running": {"status": "IN_PROGRESS", "logs": logs if request.query.get("logs") == "true" else None},
            "ended": {"status": "COMPLETED", "logs": None, "metrics": {"inference_time": 0.1}},
        }
        return web.json_response({**answers[stands], **_urls(request, job)}, status=200 if stands == "ended" else 202)

    async def result(self, request: web.Request) -> web.Response:
        """What a request made, or why it did not."""
        job = self._job(request)
        if job.is_cancelled or job.mood.end == "failed":
            kind = "request_cancelled" if job.is_cancelled else "internal_server_error"
            detail = [{"loc": ["body"], "msg": "The request did not finish.", "type": kind}]
            return web.json_response({"detail": detail}, status=499 if job.is_cancelled else 500)
        if job.mood.end == "refused":
            detail = [
                {"loc": ["body", "prompt"], "msg": "Flagged by a content checker.", "type": "content_policy_violation"}
            ]
            return web.json_response({"detail": detail}, status=422, headers={"x-fal-retryable": "false"})
        units = {"x-fal-billable-units": str(len(job.made))}
        return web.json_response(self._said(request, job), headers=units)

    def _said(self, request: web.Request, job: Job) -> dict[str, Any]:
        files = [
            {"url": self.world.keep(request, made.content, made.media_type), "content_type": made.media_type}
            for made in job.made
        ]
        port = "video" if job.task.endswith("video") else "audio" if job.task == "text-to-audio" else "images"
        return {port: files if port == "images" else files[0], "seed": job.body.get("seed", 7)}

    async def cancel(self, request: web.Request) -> web.Response:
        """Stop a request, if it has not ended."""
        job = self._job(request)
        if job.looked > job.mood.looks and job.mood.end != "never":
            return web.json_response({"status": "ALREADY_COMPLETED"}, status=400)
        job.is_cancelled = True
        return web.json_response({"status": "CANCELLATION_REQUESTED"}, status=202)

    async def pricing(self, request: web.Request) -> web.Response:
        """What this account pays: a tenth less than the catalogue says; five cents where it says nothing."""
        check(request)
        prices = [
            {"endpoint_id": each, "unit_price": self._unit_price(each), "unit": "image", "currency": "USD"}
            for each in request.query.get("endpoint_id", "").split(",")
        ]
        return web.json_response({"prices": prices, "next_cursor": None, "has_more": False})

    def _unit_price(self, endpoint: str) -> float:
        found = next((entry.price for entry in catalogue.entries_of("fal") if entry.provider_model_id == endpoint), None)
        return UNIT_USD if found is None else round(found.usd * SHARE, 6)

    def _job(self, request: web.Request) -> Job:
        check(request)
        job = self.world.jobs.get(request.match_info["id"])
        # Of the endpoint only owner and application stand in these addresses.
        if job is None or _application(job.model) != request.match_info["app"]:
            raise web.HTTPNotFound(text=json.dumps({"detail": "Request not found"}), content_type="application/json")
        return job


def _application(endpoint: str) -> str:
    parts = endpoint.split("/")
    return "/".join(parts[: 3 if parts[0] in NAMESPACES else 2])


def _urls(request: web.Request, job: Job) -> dict[str, str]:
    base = f"{base_of(request)}/fal/queue/{_application(job.model)}/requests/{job.id}"
    return {"request_id": job.id, "response_url": base, "status_url": f"{base}/status", "cancel_url": f"{base}/cancel"}


def _unwilling(mood: str) -> web.Response | None:
    """The answer of a service that does not take the request."""
    match mood:
        case "busy":
            return web.json_response({"detail": "Rate limit exceeded"}, status=429, headers={"Retry-After": "1"})
        case "broken":
            return web.json_response({"detail": "Internal server error"}, status=500)
        case "no_funds":
            return web.json_response({"detail": "User is locked. Reason: Exhausted balance."}, status=403)
        case "invalid":
            detail = [{"loc": ["body", "prompt"], "msg": "field required", "type": "missing"}]
            return web.json_response({"detail": detail}, status=422)
    return None
