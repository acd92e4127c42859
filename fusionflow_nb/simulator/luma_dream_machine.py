"""The side of Luma's older API, Dream Machine: pictures, films, credits."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from aiohttp import web

from fusionflow_nb import errors
from fusionflow_nb.simulator.luma import CREATED_AT, check, problem, unwilling
from fusionflow_nb.simulator.scenario import cut

if TYPE_CHECKING:
    from fusionflow_nb.simulator.scenario import Job, World

ROOT = "/luma-dream-machine/api"
CREDIT_USD_CENTS = 1250.0
REASONS = {"refused": "400: prompt moderated", "failed": "The generation failed."}


class LumaDreamMachineSide:
    """Routes under `/luma-dream-machine/api`."""

    def __init__(self, world: World, tasks: dict[str, str]) -> None:
        self.world = world
        self.tasks = tasks

    def routes(self) -> list[web.RouteDef]:
        """Generations by what they make, and the balance."""
        return [
            web.post(f"{ROOT}/generations/{{kind:image|video}}", self.create),
            web.get(f"{ROOT}/generations/{{id}}", self.look),
            web.delete(f"{ROOT}/generations/{{id}}", self.delete),
            web.get(f"{ROOT}/credits", self.credits),
        ]

    async def create(self, request: web.Request) -> web.StreamResponse:
        """Take a generation; pictures are addresses on the network, and nothing else."""
        check(request)
        body, kind = await request.json(), request.match_info["kind"]
        task = self.tasks.get(str(body.get("model")))
        if task is None or task != f"text-to-{kind}":
            return problem(422, "Unknown model.")
        mood = self.world.mood(body.get("prompt"))
        answer = unwilling(mood.submit)
        if answer is not None:
            return answer
        frames = [each for each in (body.get("keyframes") or {}).values() if each.get("type") == "image"]
        media = [each.get("url") for each in [*frames, *body.get("image_ref", ())]]
        if not all(isinstance(each, str) and each.startswith(("http:", "https:")) for each in media):
            return problem(400, "A picture is no address.")
        try:
            task = "image-to-video" if frames else task
            said = {"prompt": body.get("prompt"), "media": media, "kind": kind, "asked": body}
            job = await self.world.begin(body["model"], task, said, mood)
        except errors.FusionFlowError as error:
            return problem(400, str(error))
        if mood.submit == "lost":
            return cut(request)
        return web.json_response(_stands(job, "queued"), status=201)

    async def look(self, request: web.Request) -> web.Response:
        """How a generation stands."""
        check(request)
        job = self.world.jobs.get(request.match_info["id"])
        if job is None:
            return problem(404, "Generation not found.")
        stands = self.world.look(job)
        if stands != "ended":
            return web.json_response(_stands(job, "queued" if stands == "queued" else "dreaming"))
        if job.mood.end in REASONS:
            return web.json_response({**_stands(job, "failed"), "failure_reason": REASONS[job.mood.end]})
        [made] = job.made
        assets: dict[str, str | None] = {"video": None, "image": None, "progress_video": None}
        assets[job.body["kind"]] = self.world.keep(request, made.content, made.media_type)
        return web.json_response({**_stands(job, "completed"), "assets": assets})

    async def delete(self, request: web.Request) -> web.Response:
        """Forget a generation."""
        check(request)
        job = self.world.jobs.pop(request.match_info["id"], None)
        return problem(404, "Generation not found.") if job is None else web.Response(status=204)

    async def credits(self, request: web.Request) -> web.Response:
        """The balance, in cents."""
        check(request)
        return web.json_response({"credit_balance": CREDIT_USD_CENTS})


def _stands(job: Job, state: str) -> dict[str, Any]:
    kind = job.body["kind"]
    return {
        "id": job.id,
        "generation_type": kind,
        "state": state,
        "failure_reason": None,
        "created_at": CREATED_AT,
        "assets": None,
        "model": job.model,
        "request": {**job.body["asked"], "generation_type": kind},
    }
