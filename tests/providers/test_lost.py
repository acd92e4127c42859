"""Find work whose submit got no answer in the service's listing."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest

from fusionflow_nb import errors
from fusionflow_nb.providers.protocol import Done, LostSubmit, Pending, Request, SubmitAmbiguousError
from fusionflow_nb.providers.services.replicate import Replicate
from fusionflow_nb.simulator.scenario import Scenario

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from fusionflow_nb.simulator import Simulator

MODEL = "replicate/black-forest-labs/flux-schnell"


@pytest.fixture
async def replicate(simulator: Simulator) -> AsyncIterator[Replicate]:
    adapter = Replicate()
    yield adapter
    await adapter.aclose()


def asked(replicate: Replicate, prompt: str, seed: int = 1) -> Request:
    [model] = [entry for entry in replicate.models if entry.id == MODEL]
    return Request(model, "text-to-image", prompt, {"seed": seed})


def now_us() -> int:
    return time.time_ns() // 1000


@pytest.mark.slow
async def test_the_listing_finds_a_lost_submit(replicate: Replicate, simulator: Simulator) -> None:
    """Found by model, input and time among several pages, and polled to its end."""
    lost = asked(replicate, "lost")
    for index in range(12):
        await replicate.submit(asked(replicate, f"before {index}"), idempotency_key=str(index))
    simulator.world.scenarios.append(Scenario(submit="lost"))
    with pytest.raises(SubmitAmbiguousError):
        await replicate.submit(lost, idempotency_key="lost")
    for index in range(25):
        await replicate.submit(asked(replicate, f"after {index}"), idempotency_key=f"after {index}")
    [candidate] = await replicate.find_candidates(LostSubmit(lost, "lost", now_us()))
    assert candidate.name in str(candidate.operation.data)
    status = await replicate.poll(candidate.operation)
    while isinstance(status, Pending):
        status = await replicate.poll(candidate.operation)
    assert isinstance(status, Done)


async def test_other_work_is_not_a_candidate(replicate: Replicate) -> None:
    """Another seed, prompt or time does not match."""
    await replicate.submit(asked(replicate, "dawn", seed=2), idempotency_key="a")
    await replicate.submit(asked(replicate, "dusk"), idempotency_key="b")
    assert await replicate.find_candidates(LostSubmit(asked(replicate, "dawn"), "c", now_us())) == []
    assert (
        await replicate.find_candidates(LostSubmit(asked(replicate, "dusk"), "c", now_us() - 2 * 3_600_000_000)) == []
    )


async def test_equal_calls_are_all_candidates(replicate: Replicate) -> None:
    """The adapter does not choose between equal calls."""
    for key in "ab":
        await replicate.submit(asked(replicate, "dawn"), idempotency_key=key)
    assert len(await replicate.find_candidates(LostSubmit(asked(replicate, "dawn"), "c", now_us()))) == 2


async def test_a_listing_without_inputs_is_not_conclusive(replicate: Replicate, simulator: Simulator) -> None:
    """An entry of the same model and time without input may match, so the search is not conclusive."""
    await replicate.submit(asked(replicate, "dawn"), idempotency_key="a")
    [job] = simulator.world.jobs.values()
    job.body = None  # type: ignore[assignment] # as a listing that leaves inputs out
    with pytest.raises(errors.ProviderError, match="does not show the input"):
        await replicate.find_candidates(LostSubmit(asked(replicate, "dawn"), "c", now_us()))
