"""Runway's official client works against the simulator."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
import runwayml
from providers.test_official_clients import _in_thread, fetched, png  # noqa: F401 - a fixture
from runwayml.lib import polling

from fusionflow_nb.simulator import Scenario

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from fusionflow_nb.simulator import Simulator

IMAGE = "https://bucket.example.com/a.png"
STILL: dict[str, Any] = {"model": "gen4_image", "prompt_text": "hills", "ratio": "1280:720"}


@pytest.fixture
async def client(simulator: Simulator, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[runwayml.AsyncRunwayML]:
    monkeypatch.setattr(polling, "POLL_TIME", 0.01)
    monkeypatch.setattr(polling, "POLL_JITTER", 0.001)
    base = f"{simulator.base}/runway/api"
    async with runwayml.AsyncRunwayML(api_key="simulated", base_url=base, max_retries=0) as client:
        yield client


async def test_the_client_makes_images_videos_and_upscales(client: runwayml.AsyncRunwayML, png: Path) -> None:  # noqa: F811 - the fixture
    """An upload used for a video and an upscale; every task ends with URLs and a cost."""
    upload = await client.uploads.create_ephemeral(file=png)
    assert upload.uri.startswith("runway://")
    film: dict[str, Any] = {"model": "gen4.5", "prompt_text": "x", "prompt_image": upload.uri, "ratio": "1280:720"}
    for task, kind in (
        (client.text_to_image.create(**STILL), "image/png"),
        (client.image_to_video.create(**film, duration=5), "video/webm"),
        (client.image_upscale.create(model="magnific_precision_upscaler_v2", image_uri=upload.uri), "image/png"),
    ):
        finished: Any = await (await task).wait_for_task_output()
        assert (finished.status, finished.cost.credits) == ("SUCCEEDED", 8)
        assert await _in_thread(fetched, finished.output[0]) == kind


async def test_the_client_sees_every_state(client: runwayml.AsyncRunwayML, simulator: Simulator) -> None:
    """Throttled, running with progress, done; deleted; the balance."""
    simulator.world.scenarios.append(Scenario(polls=3))
    task = await client.text_to_image.create(**STILL)
    states: list[Any] = [await client.tasks.retrieve(task.id) for _ in range(4)]
    assert [state.status for state in states] == ["THROTTLED", "RUNNING", "RUNNING", "SUCCEEDED"]
    assert 0 < states[1].progress < states[2].progress < 1
    simulator.world.scenarios.append(Scenario(end="never"))
    task = await client.text_to_image.create(**STILL)
    await client.tasks.delete(task.id)
    assert (await client.tasks.retrieve(task.id)).status == "CANCELLED"
    assert (await client.organization.retrieve()).credit_balance == 1000


async def test_the_client_reads_the_errors(client: runwayml.AsyncRunwayML, simulator: Simulator) -> None:
    """Failures with their code, and the client's own error classes."""
    for scenario, code in (
        (Scenario(end="refused"), "SAFETY.INPUT.TEXT"),
        (Scenario(end="failed"), "INTERNAL.BAD_OUTPUT.CODE01"),
    ):
        simulator.world.scenarios.append(scenario)
        task = await client.text_to_image.create(**STILL)
        with pytest.raises(runwayml.TaskFailedError) as caught:
            await task.wait_for_task_output()
        assert getattr(caught.value.task_details, "failure_code", None) == code
    for scenario, kind in (
        (Scenario(submit="busy"), runwayml.RateLimitError),
        (Scenario(submit="invalid"), runwayml.BadRequestError),
        (Scenario(submit="broken"), runwayml.InternalServerError),
    ):
        simulator.world.scenarios.append(scenario)
        with pytest.raises(kind):
            await client.text_to_image.create(**STILL)
    async with runwayml.AsyncRunwayML(api_key="bad", base_url=str(client.base_url), max_retries=0) as stranger:
        with pytest.raises(runwayml.AuthenticationError):
            await stranger.text_to_image.create(**STILL)
    with pytest.raises(runwayml.NotFoundError):
        await client.tasks.retrieve("nobody")


async def test_the_client_refers_to_urls(client: runwayml.AsyncRunwayML, simulator: Simulator, png: Path) -> None:  # noqa: F811 - the fixture
    """Inline, and as a URL with a position or a tag."""
    from fusionflow_nb.simulator.scenario import File

    simulator.world.files["a.png"] = File(await _in_thread(png.read_bytes), "image/png", float("inf"))
    named: Any = [{"uri": IMAGE, "tag": "cube"}]
    first: Any = [{"uri": IMAGE, "position": "first"}]
    for task in (
        client.text_to_image.create(**{**STILL, "model": "gen4_image_turbo"}, reference_images=named),
        client.image_to_video.create(model="veo3.1", prompt_image=first, ratio="1280:720", duration=4),
    ):
        finished: Any = await (await task).wait_for_task_output()
        assert finished.status == "SUCCEEDED"
