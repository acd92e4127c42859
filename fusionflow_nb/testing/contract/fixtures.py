"""Fixtures of the contract suites: the simulator replaces the service, and the user's environment is hidden."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import pytest_asyncio

from fusionflow_nb.settings.environment import HOME_VARIABLE, SIMULATOR_VARIABLE
from fusionflow_nb.simulator import Simulator
from fusionflow_nb.testing.contract.requests import make_task_request

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from fusionflow_nb.providers.protocol import Provider, Request
    from fusionflow_nb.testing.contract.adapter import Adapter

PROXIES = ("http_proxy", "https_proxy", "all_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY")


class ContractFixtures:
    """Fixtures of the suites. The subclass or its module supplies the fixture `adapter`."""

    pytestmark = pytest.mark.asyncio

    @pytest.fixture(autouse=True)
    def isolated_environment(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """Use a temporary home and no proxy."""
        monkeypatch.setenv(HOME_VARIABLE, str(tmp_path / "home"))
        for name in PROXIES:
            monkeypatch.delenv(name, raising=False)

    @pytest_asyncio.fixture
    async def simulator(self, adapter: Adapter, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Simulator]:
        """Run the simulator and point the adapters at it."""
        simulated = adapter.simulated_service
        extra_services = {adapter.create().name: simulated} if simulated is not None else {}
        async with Simulator(extra_services=extra_services) as running:
            monkeypatch.setenv(SIMULATOR_VARIABLE, running.base)
            yield running

    @pytest_asyncio.fixture
    async def service(self, adapter: Adapter, simulator: Simulator) -> AsyncIterator[Provider]:  # noqa: ARG002 - must be running
        """Create the adapter; it talks to the simulator."""
        provider = adapter.create()
        yield provider
        await provider.aclose()

    @pytest.fixture
    def job_request(self, adapter: Adapter, service: Provider, tmp_path: Path) -> Request:
        """Return a request that the service accepts."""
        model, task = adapter.first_model()
        return make_task_request(service, model, task, tmp_path)
