"""The simulator against Black Forest Labs' own client.

It asks for an older Pillow than ours, so no extra can name it: `make test` installs it without what it asks for.
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
    """It puts the version in the place of the last part of its address."""
    return blackforest.BFLClient("simulated", base_url=f"{simulator.base}/bfl/api/x")


async def test_it_generates_by_the_address_of_the_answer(client: Any, simulator: Simulator) -> None:
    """Submit, polls, a picture at the address that they end with; the seed is the one that was asked for."""
    from blackforest.types.general.client_config import ClientConfig

    polling = ClientConfig(sync=True, polling_interval=0.1)
    made = await asyncio.to_thread(client.generate, "flux-pro-1.1", {"prompt": "hills", "seed": 3}, polling)
    assert made.result["seed"] == 3
    assert await asyncio.to_thread(fetched, made.result["sample"]) == "image/png"
    submit, *polls = simulator.world.asked
    assert (submit.method, submit.path) == ("POST", "/bfl/api/v1/flux-pro-1.1")
    assert [each.path for each in polls][:3] == ["/bfl/api/v1/get_result"] * 3


async def test_it_is_told_what_is_wrong(client: Any, simulator: Simulator) -> None:
    """An empty account and a busy service at the submit; a refusal, which it does not know, at the end."""
    for mood in (Scenario(submit="no_funds"), Scenario(submit="busy")):
        simulator.world.moods.append(mood)
        with pytest.raises(blackforest.BFLError):
            await asyncio.to_thread(client.generate, "flux-pro-1.1", {"prompt": "x"})
    simulator.world.moods.append(Scenario(end="refused"))
    begun = await asyncio.to_thread(client.generate, "flux-pro-1.1", {"prompt": "x"})
    states = [(await asyncio.to_thread(client.get_task_status, begun.id)).status for _ in range(4)]
    assert states == ["Pending", "Pending", "Content Moderated", "Content Moderated"]
