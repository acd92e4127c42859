"""Simulated Luma Dream Machine API: images, videos, credits."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from aiohttp import web

from fusionflow_nb import errors
from fusionflow_nb.simulator.luma import CREATED_AT, check, problem, rejection
from fusionflow_nb.simulator.scenario import drop_connection

if TYPE_CHECKING:
    from fusionflow_nb.simulator.scenario import Job, World

ROOT = "/luma-dream-machine/api"
CREDIT_USD_CENTS = 1250.0
REASONS = {"refused": "400: prompt moderated", "failed": "The generation failed."}


class SimulatedLumaDreamMachine:
    """Serves `/luma-dream-machine/api`."""

    def __init__(self, world: World, tasks: dict[str, str]) -> None:
        self.world = world
        self.tasks = tasks

    def routes(self) -> list[web.RouteDef]:
        """Return the routes: generations by kind, and credits."""
        return [
            web.post(f"{ROOT}/generations/{{kind:image|video}}", self.create),
            web.get(f"{ROOT}/generations/{{id}}", self.get),
            web.delete(f"{ROOT}/generations/{{id}}", self.delete),
            web.get(f"{ROOT}/credits", self.credits),
        ]

    async def create(self, request: web.Request) -> web.StreamResponse:
        """Create a generation; input images must be http(s) URLs."""
        check(request)
        body, kind = await request.json(), request.match_info["kind"]
        task = self.tasks.get(str(body.get("model")))
        if task is None or task != f"text-to-{kind}":
            return problem(422, "Unknown model.")
        scenario = self.world.scenario_for(body.get("prompt"))
        error_response = rejection(scenario.submit)
        if error_response is not None:
            return error_response
        frames = [frame for frame in (body.get("keyframes") or {}).values() if frame.get("type") == "image"]
        media = [item.get("url") for item in [*frames, *body.get("image_ref", ())]]
        if not all(isinstance(url, str) and url.startswith(("http:", "https:")) for url in media):
            return problem(400, "A picture is no address.")
        try:
            task = "image-to-video" if frames else task
            job_body = {"prompt": body.get("prompt"), "media": media, "kind": kind, "request": body}
            job = await self.world.start_job(body["model"], task, job_body, scenario)
        except errors.FusionFlowError as error:
            return problem(400, str(error))
        if scenario.submit == "lost":
            return drop_connection(request)
        return web.json_response(_generation(job, "queued"), status=201)

    async def get(self, request: web.Request) -> web.Response:
        """Return a generation."""
        check(request)
        job = self.world.jobs.get(request.match_info["id"])
        if job is None:
            return problem(404, "Generation not found.")
        phase = self.world.poll(job)
        if phase != "ended":
            return web.json_response(_generation(job, "queued" if phase == "queued" else "dreaming"))
        if job.scenario.end in REASONS:
            return web.json_response({**_generation(job, "failed"), "failure_reason": REASONS[job.scenario.end]})
        [result] = job.results
        assets: dict[str, str | None] = {"video": None, "image": None, "progress_video": None}
        assets[job.body["kind"]] = self.world.store_file(request, result.content, result.media_type)
        return web.json_response({**_generation(job, "completed"), "assets": assets})

    async def delete(self, request: web.Request) -> web.Response:
        """Delete a generation."""
        check(request)
        job = self.world.jobs.pop(request.match_info["id"], None)
        return problem(404, "Generation not found.") if job is None else web.Response(status=204)

    async def credits(self, request: web.Request) -> web.Response:
        """Return the balance in cents."""
        check(request)
        return web.json_response({"credit_balance": CREDIT_USD_CENTS})


def _generation(job: Job, state: str) -> dict[str, Any]:
    kind = job.body["kind"]
    return {
        "id": job.id,
        "generation_type": kind,
        "state": state,
        "failure_reason": None,
        "created_at": CREATED_AT,
        "assets": None,
        "model": job.model,
        "request": {**job.body["request"], "generation_type": kind},
    }
