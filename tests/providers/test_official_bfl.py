"""The simulator against Black Forest Labs' own client.

The client requires an older Pillow, so no extra can list it: `make test` installs it without its dependencies.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest
from providers.test_official_clients import fetched

from fusionflow_nb.simulator import Scenario

if TYPE_CHECKING:
    from fusionflow_nb.simulator import Simulator

blackforest: Any = pytest.importorskip("blackforest", reason="pip install --no-deps blackforest==0.1.3")


@pytest.fixture
def client(simulator: Simulator) -> Any:
    """The client replaces the last part of its base URL by the version."""
    return blackforest.BFLClient("simulated", base_url=f"{simulator.base}/bfl/api/x")


async def test_the_client_generates_by_the_polling_url(client: Any, simulator: Simulator) -> None:
    """Submit, poll, download; the seed is the requested one."""
    from blackforest.types.general.client_config import ClientConfig

    polling = ClientConfig(sync=True, polling_interval=0.1)
    answer = await asyncio.to_thread(client.generate, "flux-pro-1.1", {"prompt": "hills", "seed": 3}, polling)
    assert answer.result["seed"] == 3
    assert await asyncio.to_thread(fetched, answer.result["sample"]) == "image/png"
    submit, *polls = simulator.world.requests
    assert (submit.method, submit.path) == ("POST", "/bfl/api/v1/flux-pro-1.1")
    assert [request.path for request in polls][:3] == ["/bfl/api/v1/get_result"] * 3


async def test_the_client_reads_the_errors(client: Any, simulator: Simulator) -> None:
    """An empty account and a busy service at the submit; a refusal, unknown to the client, at the end."""
    for scenario in (Scenario(submit="no_funds"), Scenario(submit="busy")):
        simulator.world.scenarios.append(scenario)
        with pytest.raises(blackforest.BFLError):
            await asyncio.to_thread(client.generate, "flux-pro-1.1", {"prompt": "x"})
    simulator.world.scenarios.append(Scenario(end="refused"))
    job = await asyncio.to_thread(client.generate, "flux-pro-1.1", {"prompt": "x"})
    states = [(await asyncio.to_thread(client.get_task_status, job.id)).status for _ in range(4)]
    assert states == ["Pending", "Pending", "Content Moderated", "Content Moderated"]
