"""Acme's side of the wire, as its documentation has it, and the suite that every adapter keeps."""

from typing import Any

import pytest
from acme_pictures import Acme
from aiohttp import web

from fusionflow_nb.simulator.scenario import BAD_KEY, World, cut
from fusionflow_nb.testing.contract import Adapter, AdapterContract, FailureContract

NOT_TAKEN = {"busy": 429, "broken": 500, "no_funds": 402, "invalid": 422}


class AcmeSide:
    """Routes below `/acme/api`: the simulator's place for the root `api` of the service `acme`."""

    def __init__(self, world: World, tasks: dict[str, str]) -> None:
        self.world, self.tasks = world, tasks

    def routes(self) -> list[web.RouteDef]:
        """What it answers."""
        return [web.post("/acme/api/{model}", self.submit), web.get("/acme/api/jobs/{id}", self.job)]

    async def submit(self, request: web.Request) -> web.StreamResponse:
        """Take a job, or do not: as the next mood says."""
        if request.headers.get("Authorization") in {None, f"Bearer {BAD_KEY}"}:
            return web.json_response({"error": "no such key"}, status=401)
        body = await request.json()
        mood = self.world.mood(body.get("prompt"))
        if mood.submit in NOT_TAKEN:
            headers = {"retry-after": "1"} if mood.submit == "busy" else {}
            return web.json_response({"error": mood.submit}, status=NOT_TAKEN[mood.submit], headers=headers)
        job = await self.world.begin(request.match_info["model"], "text-to-image", body, mood)
        return cut(request) if mood.submit == "lost" else web.json_response({"job": job.id})

    async def job(self, request: web.Request) -> web.Response:
        """How a job stands."""
        job = self.world.jobs[request.match_info["id"]]
        stands: dict[str, Any] = {"state": "working", "fraction": job.progress}
        if self.world.look(job) == "ended":
            stands = {"state": job.mood.end, "reason": "Not this one."}
            if job.made:
                stands["picture"] = self.world.keep(request, job.made[0].content, job.made[0].media_type)
        return web.json_response(stands)


class TestAcme(AdapterContract, FailureContract):
    """Submit, poll, fetch, refuse, fail, expire, a thousand at once."""

    @pytest.fixture
    def adapter(self) -> Adapter:
        """What it offers; Acme cannot stop what runs."""
        return Adapter(Acme, image="dawn-1", cancels=False, side=AcmeSide)
