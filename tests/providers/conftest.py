"""Every adapter against the simulator. A further adapter is one line in ADAPTERS."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest

from fusionflow_nb.home import SIMULATOR_VARIABLE
from fusionflow_nb.providers.fal import Fal
from fusionflow_nb.providers.openai import OpenAI
from fusionflow_nb.providers.replicate import Replicate
from fusionflow_nb.providers.simulator import Simulator

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from fusionflow_nb.providers.service import Service


@dataclass(frozen=True)
class Adapter:
    """One adapter, and what its service can: the suite asks nothing else of it."""

    make: Callable[[], Service]
    image: str
    edit: str
    is_queue: bool = True
    refusal: str = "Refused"
    no_funds: str = "NoFunds"
    cancels: bool = True


ADAPTERS = {
    "fal": Adapter(Fal, "fal-ai/flux/dev", "fal-ai/flux-pro/kontext", no_funds="Failed"),
    "replicate": Adapter(
        Replicate, "black-forest-labs/flux-schnell", "black-forest-labs/flux-kontext-pro", refusal="Failed"
    ),
    "openai": Adapter(OpenAI, "gpt-image-2", "gpt-image-2", is_queue=False, cancels=False),
}


@pytest.fixture(params=ADAPTERS)
def adapter(request: Any) -> Adapter:
    """One after the other."""
    return ADAPTERS[request.param]


@pytest.fixture(autouse=True)
def no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    """No proxy of this machine stands between."""
    for name in ("http_proxy", "https_proxy", "all_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
async def simulator(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Simulator]:
    """All services, on this machine."""
    async with Simulator() as made:
        monkeypatch.setenv(SIMULATOR_VARIABLE, made.base)
        yield made


@pytest.fixture
async def service(adapter: Adapter, simulator: Simulator) -> AsyncIterator[Service]:
    """The adapter, with the simulator in the place of its service."""
    made = adapter.make()
    yield made
    await made.aclose()
