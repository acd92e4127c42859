"""The simulator as a server on a real socket."""

from __future__ import annotations

import email.utils
from typing import TYPE_CHECKING, Protocol, Self

from aiohttp import web

from fusionflow_nb.providers import catalogue
from fusionflow_nb.simulator.bfl import BflSide
from fusionflow_nb.simulator.elevenlabs import ElevenLabsSide
from fusionflow_nb.simulator.fal import FalSide
from fusionflow_nb.simulator.google import GoogleSide
from fusionflow_nb.simulator.kling import KlingSide
from fusionflow_nb.simulator.luma import LumaSide
from fusionflow_nb.simulator.luma_dream_machine import LumaDreamMachineSide
from fusionflow_nb.simulator.minimax import MiniMaxSide
from fusionflow_nb.simulator.openai import OpenAISide
from fusionflow_nb.simulator.replicate import ReplicateSide
from fusionflow_nb.simulator.runway import RunwaySide
from fusionflow_nb.simulator.scenario import Asked, World, met
from fusionflow_nb.simulator.stability import StabilitySide

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    class Side(Protocol):
        """One service's side of the wire."""

        def routes(self) -> list[web.RouteDef]:
            """What it answers."""
            ...


SIDES: dict[str, Callable[[World, dict[str, str]], Side]] = {
    "bfl": BflSide,
    "elevenlabs": ElevenLabsSide,
    "fal": FalSide,
    "google": GoogleSide,
    "kling": KlingSide,
    "luma": LumaSide,
    "luma-dream-machine": LumaDreamMachineSide,
    "minimax": MiniMaxSide,
    "openai": OpenAISide,
    "replicate": ReplicateSide,
    "runway": RunwaySide,
    "stability": StabilitySide,
}
"""One class for each service: made with the world and the tasks of its models, it gives its routes."""
BODY_BYTES = 200_000_000
_GONE = 404


class Simulator:
    """Serves from `async with` on, at `base`.

    Args:
        port: 0 takes a free one.
        world: what the services know.
        also: sides of services that this package does not know, by their name.
    """

    def __init__(
        self,
        port: int = 0,
        world: World | None = None,
        *,
        also: Mapping[str, Callable[[World, dict[str, str]], Side]] | None = None,
    ) -> None:
        self.world = world or World()
        self._sides = {**SIDES, **(also or {})}
        self.base = ""
        self._port = port
        self._runner: web.AppRunner | None = None

    async def __aenter__(self) -> Self:
        app = web.Application(client_max_size=BODY_BYTES, middlewares=[self._written_down])
        for service, side in self._sides.items():
            tasks: dict[str, str] = {entry.provider_model_id: entry.tasks[0] for entry in catalogue.entries_of(service)}
            app.add_routes(side(self.world, tasks).routes())
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
        await self.world.maker.aclose()

    async def _file(self, request: web.Request) -> web.Response:
        """A file, while it is there."""
        file = self.world.files.get(request.match_info["name"])
        if file is None or self.world.clock() >= file.until_s:
            return web.Response(status=_GONE, text="<Error>NoSuchKey</Error>", content_type="application/xml")
        return web.Response(body=file.content, content_type=file.media_type)

    @web.middleware
    async def _written_down(
        self, request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
    ) -> web.StreamResponse:
        body = await request.read()
        headers = {name.lower(): value for name, value in request.headers.items()}
        self.world.asked.append(Asked(request.method, request.path, dict(request.query), headers, body))
        fault = self.world.fault
        if fault is not None and fault.on(request.path):
            return met(request, fault)
        # Its own clock dates the answers, by which clients tell how far theirs is off.
        dated = {"Date": email.utils.formatdate(self.world.now(), usegmt=True)}
        try:
            answer = await handler(request)
        except web.HTTPException as error:
            error.headers.update(dated)
            raise
        if not answer.prepared:
            answer.headers.update(dated)
        return answer
