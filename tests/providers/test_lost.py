"""Work whose submit was never answered, found again in a service's listing."""

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
    made = Replicate()
    yield made
    await made.aclose()


def asked(replicate: Replicate, prompt: str, seed: int = 1) -> Request:
    [model] = [entry for entry in replicate.models if entry.id == MODEL]
    return Request(model, "text-to-image", prompt, {"seed": seed})


def now_us() -> int:
    return time.time_ns() // 1000


@pytest.mark.slow
async def test_a_listing_finds_the_one_that_was_taken(replicate: Replicate, simulator: Simulator) -> None:
    """Same model, same input, about that time: found among others over several pages, and followed to its end."""
    lost = asked(replicate, "the lost one")
    for index in range(12):
        await replicate.submit(asked(replicate, f"before {index}"), idempotency_key=str(index))
    simulator.world.moods.append(Scenario(submit="lost"))
    with pytest.raises(SubmitAmbiguousError):
        await replicate.submit(lost, idempotency_key="lost")
    for index in range(25):
        await replicate.submit(asked(replicate, f"after {index}"), idempotency_key=f"after {index}")
    [found] = await replicate.find_candidates(LostSubmit(lost, "lost", now_us()))
    assert found.name in str(found.operation.data)
    status = await replicate.poll(found.operation)
    while isinstance(status, Pending):
        status = await replicate.poll(found.operation)
    assert isinstance(status, Done)


async def test_what_is_not_listed_is_not_found(replicate: Replicate) -> None:
    """Another seed, another prompt or another time is other work."""
    await replicate.submit(asked(replicate, "dawn", seed=2), idempotency_key="a")
    await replicate.submit(asked(replicate, "dusk"), idempotency_key="b")
    assert await replicate.find_candidates(LostSubmit(asked(replicate, "dawn"), "c", now_us())) == []
    assert (
        await replicate.find_candidates(LostSubmit(asked(replicate, "dusk"), "c", now_us() - 2 * 3_600_000_000)) == []
    )


async def test_two_alike_are_both_told(replicate: Replicate) -> None:
    """Which of two equal calls is the lost one is not for the adapter to guess."""
    for key in "ab":
        await replicate.submit(asked(replicate, "dawn"), idempotency_key=key)
    assert len(await replicate.find_candidates(LostSubmit(asked(replicate, "dawn"), "c", now_us()))) == 2


async def test_a_listing_without_inputs_says_nothing(replicate: Replicate, simulator: Simulator) -> None:
    """An entry of the same model and time whose input is not shown may be the one: no verdict."""
    await replicate.submit(asked(replicate, "dawn"), idempotency_key="a")
    [job] = simulator.world.jobs.values()
    job.body = None  # type: ignore[assignment] # as a listing that leaves inputs out
    with pytest.raises(errors.ProviderError, match="does not show the input"):
        await replicate.find_candidates(LostSubmit(asked(replicate, "dawn"), "c", now_us()))
