"""Simulated Acme API, as documented, and the contract tests of the adapter."""

from typing import Any

import pytest
from acme_pictures import Acme
from aiohttp import web

from fusionflow_nb.simulator.scenario import BAD_KEY, World, drop_connection
from fusionflow_nb.testing.contract import Adapter, AdapterContract, FailureContract

REJECTIONS = {"busy": 429, "broken": 500, "no_funds": 402, "invalid": 422}


class SimulatedAcme:
    """Serves `/acme/api`: the simulator's path for the root `api` of the service `acme`."""

    def __init__(self, world: World, tasks: dict[str, str]) -> None:
        self.world, self.tasks = world, tasks

    def routes(self) -> list[web.RouteDef]:
        """Return the routes."""
        return [web.post("/acme/api/{model}", self.submit), web.get("/acme/api/jobs/{id}", self.job)]

    async def submit(self, request: web.Request) -> web.StreamResponse:
        """Accept or reject a job, depending on the next scenario."""
        if request.headers.get("Authorization") in {None, f"Bearer {BAD_KEY}"}:
            return web.json_response({"error": "no such key"}, status=401)
        body = await request.json()
        scenario = self.world.scenario_for(body.get("prompt"))
        if scenario.submit in REJECTIONS:
            headers = {"retry-after": "1"} if scenario.submit == "busy" else {}
            return web.json_response({"error": scenario.submit}, status=REJECTIONS[scenario.submit], headers=headers)
        job = await self.world.start_job(request.match_info["model"], "text-to-image", body, scenario)
        return drop_connection(request) if scenario.submit == "lost" else web.json_response({"job": job.id})

    async def job(self, request: web.Request) -> web.Response:
        """Return a job's status."""
        job = self.world.jobs[request.match_info["id"]]
        payload: dict[str, Any] = {"state": "working", "fraction": job.progress}
        if self.world.poll(job) == "ended":
            payload = {"state": job.scenario.end, "reason": "Rejected."}
            if job.results:
                payload["picture"] = self.world.store_file(request, job.results[0].content, job.results[0].media_type)
        return web.json_response(payload)


class TestAcme(AdapterContract, FailureContract):
    """Run the contract tests against the simulated Acme API."""

    @pytest.fixture
    def adapter(self) -> Adapter:
        """Describe the adapter; Acme cannot cancel running jobs."""
        return Adapter(Acme, image="dawn-1", can_cancel=False, simulated_service=SimulatedAcme)
