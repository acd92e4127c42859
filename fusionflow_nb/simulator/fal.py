"""Simulated fal API: queue, result, cancel, direct calls, prices."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from aiohttp import web

from fusionflow_nb import errors
from fusionflow_nb.providers import catalogue
from fusionflow_nb.simulator.fal_files import FalFiles, check
from fusionflow_nb.simulator.scenario import base_url, drop_connection

if TYPE_CHECKING:
    from fusionflow_nb.simulator.scenario import Job, World

NAMESPACES = ("workflows", "comfy")
UNIT_USD, DISCOUNT_FACTOR = 0.05, 0.9


class SimulatedFal:
    """Serves `/fal`."""

    def __init__(self, world: World, tasks: dict[str, str]) -> None:
        self.world = world
        self.tasks = tasks

    def routes(self) -> list[web.RouteDef]:
        """Return the routes; the service's hosts are path prefixes: `queue`, `run`, `rest`, `cdn`, `api`."""
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
        """Queue a request."""
        job = await self._start_job(request)
        if isinstance(job, web.StreamResponse):
            return job
        return web.json_response({"status": "IN_QUEUE", "queue_position": 1, **_urls(request, job)})

    async def run(self, request: web.Request) -> web.StreamResponse:
        """Return the result in the response; it cannot be fetched later."""
        job = await self._start_job(request)
        return job if isinstance(job, web.StreamResponse) else web.json_response(self._payload(request, job))

    async def stream(self, request: web.Request) -> web.StreamResponse:
        """Return the result as server-sent events; the first reports progress 0.5."""
        job = await self._start_job(request)
        if isinstance(job, web.StreamResponse):
            return job
        payload = self._payload(request, job)
        response = web.StreamResponse(headers={"content-type": "text/event-stream"})
        await response.prepare(request)
        for event in ({**payload, "progress": 0.5}, payload):
            await response.write(f"data: {json.dumps(event)}\n\n".encode())
        await response.write_eof()
        return response

    async def _start_job(self, request: web.Request) -> Job | web.StreamResponse:
        check(request)
        body = await request.json()
        endpoint = request.match_info["endpoint"]
        task = self.tasks.get(endpoint)
        if task is None:
            return web.json_response({"detail": f"Application '{endpoint}' not found"}, status=404)
        scenario = self.world.scenario_for(body.get("prompt"))
        rejection = _rejection(scenario.submit)
        if rejection is not None:
            return rejection
        try:
            job = await self.world.start_job(endpoint, task, body, scenario)
        except errors.FusionFlowError as error:
            return web.json_response(
                {"detail": [{"loc": ["body"], "msg": str(error), "type": "file_error"}]}, status=422
            )
        return drop_connection(request) if scenario.submit == "lost" else job

    async def status(self, request: web.Request) -> web.Response:
        """Return a request's status."""
        job = self._job(request)
        phase = "ended" if job.is_cancelled else self.world.poll(job)
        logs = [{"message": "Drawing", "level": "INFO", "source": "USER", "timestamp": "2026-01-01T00:00:00.000Z"}]
        payloads: dict[str, dict[str, Any]] = {
            "queued": {"status": "IN_QUEUE", "queue_position": 0},
            "running": {"status": "IN_PROGRESS", "logs": logs if request.query.get("logs") == "true" else None},
            "ended": {"status": "COMPLETED", "logs": None, "metrics": {"inference_time": 0.1}},
        }
        return web.json_response({**payloads[phase], **_urls(request, job)}, status=200 if phase == "ended" else 202)

    async def result(self, request: web.Request) -> web.Response:
        """Return a request's output or its error."""
        job = self._job(request)
        if job.is_cancelled or job.scenario.end == "failed":
            kind = "request_cancelled" if job.is_cancelled else "internal_server_error"
            detail = [{"loc": ["body"], "msg": "The request did not finish.", "type": kind}]
            return web.json_response({"detail": detail}, status=499 if job.is_cancelled else 500)
        if job.scenario.end == "refused":
            detail = [
                {"loc": ["body", "prompt"], "msg": "Flagged by a content checker.", "type": "content_policy_violation"}
            ]
            return web.json_response({"detail": detail}, status=422, headers={"x-fal-retryable": "false"})
        units = {"x-fal-billable-units": str(len(job.results))}
        return web.json_response(self._payload(request, job), headers=units)

    def _payload(self, request: web.Request, job: Job) -> dict[str, Any]:
        files = [
            {
                "url": self.world.store_file(request, result.content, result.media_type),
                "content_type": result.media_type,
            }
            for result in job.results
        ]
        port = "video" if job.task.endswith("video") else "audio" if job.task == "text-to-audio" else "images"
        return {port: files if port == "images" else files[0], "seed": job.body.get("seed", 7)}

    async def cancel(self, request: web.Request) -> web.Response:
        """Cancel a request that has not ended."""
        job = self._job(request)
        if job.polls > job.scenario.polls and job.scenario.end != "never":
            return web.json_response({"status": "ALREADY_COMPLETED"}, status=400)
        job.is_cancelled = True
        return web.json_response({"status": "CANCELLATION_REQUESTED"}, status=202)

    async def pricing(self, request: web.Request) -> web.Response:
        """Return the account's prices: 10 % below the catalogue, or 5 cents where the catalogue has none."""
        check(request)
        prices = [
            {"endpoint_id": endpoint, "unit_price": self._unit_price(endpoint), "unit": "image", "currency": "USD"}
            for endpoint in request.query.get("endpoint_id", "").split(",")
        ]
        return web.json_response({"prices": prices, "next_cursor": None, "has_more": False})

    def _unit_price(self, endpoint: str) -> float:
        price = next(
            (entry.price for entry in catalogue.entries_of("fal") if entry.provider_model_id == endpoint), None
        )
        return UNIT_USD if price is None else round(price.usd * DISCOUNT_FACTOR, 6)

    def _job(self, request: web.Request) -> Job:
        check(request)
        job = self.world.jobs.get(request.match_info["id"])
        # These paths contain only the owner and the application of the endpoint.
        if job is None or _application(job.model) != request.match_info["app"]:
            raise web.HTTPNotFound(text=json.dumps({"detail": "Request not found"}), content_type="application/json")
        return job


def _application(endpoint: str) -> str:
    parts = endpoint.split("/")
    return "/".join(parts[: 3 if parts[0] in NAMESPACES else 2])


def _urls(request: web.Request, job: Job) -> dict[str, str]:
    base = f"{base_url(request)}/fal/queue/{_application(job.model)}/requests/{job.id}"
    return {"request_id": job.id, "response_url": base, "status_url": f"{base}/status", "cancel_url": f"{base}/cancel"}


def _rejection(submit: str) -> web.Response | None:
    """Return the error response of a service that rejects the request; None if it accepts."""
    match submit:
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
