"""HTTP server of the simulated services."""

from __future__ import annotations

import email.utils
from typing import TYPE_CHECKING, Protocol, Self

from aiohttp import web

from fusionflow_nb.providers import catalogue
from fusionflow_nb.simulator.bfl import SimulatedBfl
from fusionflow_nb.simulator.elevenlabs import SimulatedElevenLabs
from fusionflow_nb.simulator.fal import SimulatedFal
from fusionflow_nb.simulator.google import SimulatedGoogle
from fusionflow_nb.simulator.kling import SimulatedKling
from fusionflow_nb.simulator.luma import SimulatedLuma
from fusionflow_nb.simulator.luma_dream_machine import SimulatedLumaDreamMachine
from fusionflow_nb.simulator.minimax import SimulatedMiniMax
from fusionflow_nb.simulator.openai import SimulatedOpenAI
from fusionflow_nb.simulator.replicate import SimulatedReplicate
from fusionflow_nb.simulator.runway import SimulatedRunway
from fusionflow_nb.simulator.scenario import RecordedRequest, World, apply_fault
from fusionflow_nb.simulator.stability import SimulatedStability

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    class SimulatedService(Protocol):
        """One simulated service."""

        def routes(self) -> list[web.RouteDef]:
            """Return the routes it serves."""
            ...


SERVICES: dict[str, Callable[[World, dict[str, str]], SimulatedService]] = {
    "bfl": SimulatedBfl,
    "elevenlabs": SimulatedElevenLabs,
    "fal": SimulatedFal,
    "google": SimulatedGoogle,
    "kling": SimulatedKling,
    "luma": SimulatedLuma,
    "luma-dream-machine": SimulatedLumaDreamMachine,
    "minimax": SimulatedMiniMax,
    "openai": SimulatedOpenAI,
    "replicate": SimulatedReplicate,
    "runway": SimulatedRunway,
    "stability": SimulatedStability,
}
"""Simulated services by name; each is created with the world and the tasks of its models."""
BODY_BYTES = 200_000_000
_NOT_FOUND = 404


class Simulator:
    """Server of all simulated services, used as an async context manager; `base` is its URL.

    Args:
        port: 0 selects a free port.
        world: the services' state.
        extra_services: simulated services that this package does not contain, by name.
    """

    def __init__(
        self,
        port: int = 0,
        world: World | None = None,
        *,
        extra_services: Mapping[str, Callable[[World, dict[str, str]], SimulatedService]] | None = None,
    ) -> None:
        self.world = world or World()
        self._services = {**SERVICES, **(extra_services or {})}
        self.base = ""
        self._port = port
        self._runner: web.AppRunner | None = None

    async def __aenter__(self) -> Self:
        app = web.Application(client_max_size=BODY_BYTES, middlewares=[self._record_request])
        for name, service in self._services.items():
            tasks: dict[str, str] = {entry.provider_model_id: entry.tasks[0] for entry in catalogue.entries_of(name)}
            app.add_routes(service(self.world, tasks).routes())
        app.add_routes([web.get("/{service}/cdn/files/{name}", self._file)])
        self._runner = web.AppRunner(app, access_log=None)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", self._port)
        await site.start()
        self.base = f"http://127.0.0.1:{self._runner.addresses[0][1]}"
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._runner is not None:
            await self._runner.cleanup()
        await self.world.generator.aclose()

    async def _file(self, request: web.Request) -> web.Response:
        """Serve a stored file until it expires."""
        file = self.world.files.get(request.match_info["name"])
        if file is None or self.world.clock() >= file.expires_at_s:
            return web.Response(status=_NOT_FOUND, text="<Error>NoSuchKey</Error>", content_type="application/xml")
        return web.Response(body=file.content, content_type=file.media_type)

    @web.middleware
    async def _record_request(
        self, request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
    ) -> web.StreamResponse:
        body = await request.read()
        headers = {name.lower(): value for name, value in request.headers.items()}
        self.world.requests.append(RecordedRequest(request.method, request.path, dict(request.query), headers, body))
        fault = self.world.fault
        if fault is not None and fault.on(request.path):
            return apply_fault(request, fault)
        # Clients measure their clock skew by this header.
        date = {"Date": email.utils.formatdate(self.world.now(), usegmt=True)}
        try:
            response = await handler(request)
        except web.HTTPException as error:
            error.headers.update(date)
            raise
        if not response.prepared:
            response.headers.update(date)
        return response
