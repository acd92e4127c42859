"""Where adapters are tried: the simulator in the place of their service, nothing of this machine."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import pytest_asyncio

from fusionflow_nb.settings.environment import HOME_VARIABLE, SIMULATOR_VARIABLE
from fusionflow_nb.simulator import Simulator
from fusionflow_nb.testing.contract.requests import asked_for

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from fusionflow_nb.providers.protocol import Provider, Request
    from fusionflow_nb.testing.contract.adapter import Adapter

PROXIES = ("http_proxy", "https_proxy", "all_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY")


class Stage:
    """Fixtures of the suites. The fixture `adapter`, of the subclass or beside it, says which one is tried."""

    pytestmark = pytest.mark.asyncio

    @pytest.fixture(autouse=True)
    def apart(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """No home and no proxy of this machine comes in."""
        monkeypatch.setenv(HOME_VARIABLE, str(tmp_path / "home"))
        for name in PROXIES:
            monkeypatch.delenv(name, raising=False)

    @pytest_asyncio.fixture
    async def simulator(self, adapter: Adapter, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Simulator]:
        """All services, on this machine."""
        also = {adapter.make().name: adapter.side} if adapter.side is not None else {}
        async with Simulator(also=also) as made:
            monkeypatch.setenv(SIMULATOR_VARIABLE, made.base)
            yield made

    @pytest_asyncio.fixture
    async def service(self, adapter: Adapter, simulator: Simulator) -> AsyncIterator[Provider]:  # noqa: ARG002 - is up
        """The adapter, with the simulator in the place of its service."""
        made = adapter.make()
        yield made
        await made.aclose()

    @pytest.fixture
    def request_(self, adapter: Adapter, service: Provider, tmp_path: Path) -> Request:
        """Something that the service makes."""
        model, task = adapter.first()
        return asked_for(service, model, task, tmp_path)
