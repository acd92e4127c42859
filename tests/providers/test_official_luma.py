"""Luma's official clients (Agents API and the older API) work against the simulator."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING, Any

import httpx
import luma_agents
import lumaai
import pytest
from providers.test_official_clients import _in_thread, fetched, png  # noqa: F401 - a fixture
from support.replay import PNG

from fusionflow_nb.simulator import Scenario
from fusionflow_nb.simulator.scenario import File

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from fusionflow_nb.simulator import Simulator


@pytest.fixture
async def agents(simulator: Simulator) -> AsyncIterator[luma_agents.AsyncLuma]:
    base = f"{simulator.base}/luma/api"
    async with luma_agents.AsyncLuma(auth_token="simulated", base_url=base, max_retries=0) as client:  # noqa: S106
        yield client


@pytest.fixture
async def dream(simulator: Simulator) -> AsyncIterator[lumaai.AsyncLumaAI]:
    base = f"{simulator.base}/luma-dream-machine/api"
    async with lumaai.AsyncLumaAI(auth_token="simulated", base_url=base, max_retries=0) as client:  # noqa: S106
        yield client


async def states_of(client: Any, generation: Any) -> tuple[list[str], Any]:
    """Every state until the end, and the final generation."""
    states = [generation.state]
    while generation.state not in {"completed", "failed"}:
        generation = await client.generations.get(generation.id)
        states.append(generation.state)
    return list(dict.fromkeys(states)), generation


async def test_the_client_makes_images_and_videos(agents: luma_agents.AsyncLuma, png: Path) -> None:  # noqa: F811 - the fixture
    """From a prompt, from an inline image, and to a video: queued, processing, completed."""
    inline = {"data": base64.b64encode(await _in_thread(png.read_bytes)).decode(), "media_type": "image/png"}
    for about, kind in (
        ({"model": "uni-1", "type": "image", "aspect_ratio": "16:9"}, "image/png"),
        ({"model": "uni-1", "type": "image_edit", "source": inline}, "image/png"),
        ({"model": "ray-3.2", "type": "video", "video": {"start_frame": inline, "duration": "5s"}}, "video/webm"),
    ):
        asking: dict[str, Any] = {"prompt": "hills", **about}
        states, generation = await states_of(agents, await agents.generations.create(**asking))
        assert states == ["queued", "processing", "completed"]
        assert await _in_thread(fetched, generation.output[0].url) == kind


async def test_the_client_uploads_and_refers_to_the_file(agents: luma_agents.AsyncLuma, png: Path) -> None:  # noqa: F811 - the fixture
    """Announced, uploaded, completed, ready; then referenced in an edit."""
    content = await _in_thread(png.read_bytes)
    file = await agents.files.create(mime_type="image/png", size_bytes=len(content))
    where = file.upload
    async with httpx.AsyncClient(trust_env=False) as plain:
        put = await plain.put(where.url, content=content, headers=dict(where.headers or {}))
    assert put.status_code == 200
    assert (await agents.files.complete(file.id)).state == "pending"
    states = [(await agents.files.get(file.id)).state for _ in range(2)]
    assert states == ["pending", "ready"]
    generation = await agents.generations.create(
        prompt="at night", model="uni-1", type="image_edit", source={"file_id": file.id}
    )
    assert (await states_of(agents, generation))[0][-1] == "completed"


async def test_the_client_reads_the_errors(agents: luma_agents.AsyncLuma, simulator: Simulator) -> None:
    """Failure codes, and the client's own error classes."""
    for scenario, code in (
        (Scenario(end="refused"), "content_moderated"),
        (Scenario(end="failed"), "generation_failed"),
    ):
        simulator.world.scenarios.append(scenario)
        _, generation = await states_of(
            agents, await agents.generations.create(prompt="x", model="uni-1", type="image")
        )
        assert (generation.state, generation.failure_code) == ("failed", code)
    for scenario, kind in (
        (Scenario(submit="busy"), luma_agents.RateLimitError),
        (Scenario(submit="invalid"), luma_agents.BadRequestError),
        (Scenario(submit="broken"), luma_agents.InternalServerError),
    ):
        simulator.world.scenarios.append(scenario)
        with pytest.raises(kind):
            await agents.generations.create(prompt="x", model="uni-1", type="image")


async def test_the_older_client_makes_deletes_and_fails(dream: lumaai.AsyncLumaAI, simulator: Simulator) -> None:
    """Images, videos from a URL, balance, delete; a failure with its reason."""
    simulator.world.files["a.png"] = File(PNG, "image/png", float("inf"))
    generation: Any = await dream.generations.image.create(model="photon-1", prompt="hills")
    states, generation = await states_of(dream, generation)
    assert states == ["queued", "dreaming", "completed"]
    assert await _in_thread(fetched, generation.assets.image) == "image/png"
    frame: Any = {"frame0": {"type": "image", "url": "https://bucket.example.com/a.png"}}
    _, generation = await states_of(
        dream, await dream.generations.video.create(model="ray-2", prompt="x", keyframes=frame)
    )
    assert await _in_thread(fetched, generation.assets.video) == "video/webm"
    assert (await dream.credits.get()).credit_balance == 1250
    await dream.generations.delete(generation.id)
    with pytest.raises(lumaai.NotFoundError):
        await dream.generations.get(generation.id)
    simulator.world.scenarios.append(Scenario(end="failed"))
    _, generation = await states_of(dream, await dream.generations.image.create(model="photon-1", prompt="x"))
    assert generation.failure_reason == "The generation failed."
