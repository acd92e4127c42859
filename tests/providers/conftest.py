"""Run every adapter against the simulator. To add an adapter, add an entry to ADAPTERS."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from support.adapters import ADAPTERS

from fusionflow_nb.settings.environment import SIMULATOR_VARIABLE
from fusionflow_nb.simulator import Simulator

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from fusionflow_nb.testing.contract import Adapter


@pytest.fixture(params=ADAPTERS)
def adapter(request: Any) -> Adapter:
    """Each adapter in turn."""
    return ADAPTERS[request.param]


@pytest.fixture(autouse=True)
def no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    """Remove the proxy variables of this machine."""
    for name in ("http_proxy", "https_proxy", "all_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
async def simulator(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Simulator]:
    """All simulated services on this machine."""
    async with Simulator() as running:
        monkeypatch.setenv(SIMULATOR_VARIABLE, running.base)
        yield running
