"""The official clients work against the simulator, so it implements their protocols."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any

import fal_client
import httpx
import openai
import pytest
import replicate
from PIL import Image

from fusionflow_nb.assets.sniff import sniff
from fusionflow_nb.simulator import Scenario

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from fusionflow_nb.simulator import Simulator

FLUX, KONTEXT = "fal-ai/flux-pro/v1.1", "fal-ai/flux-pro/kontext"
SCHNELL, KONTEXT_REP = "black-forest-labs/flux-schnell", "black-forest-labs/flux-kontext-pro"


@pytest.fixture
def png(tmp_path: Path) -> Path:
    file = tmp_path / "ref.png"
    Image.new("RGB", (32, 32), "teal").save(file)
    return file


def fetched(address: str) -> str | None:
    return sniff(httpx.get(address, trust_env=False).content)


# --- fal -------------------------------------------------------------------------------------------------------------


@pytest.fixture
async def fal(simulator: Simulator, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[fal_client.AsyncClient]:
    """The client has no setting for its hosts: they are module attributes."""
    base = f"{simulator.base}/fal"
    for name, url in {
        "QUEUE_URL_FORMAT": f"{base}/queue/",
        "RUN_URL_FORMAT": f"{base}/run/",
        "REST_URL": f"{base}/rest",
        "CDN_URL": f"{base}/cdn",
    }.items():
        monkeypatch.setattr(fal_client.client, name, url)
    client = fal_client.AsyncClient(key="simulated")
    yield client
    await (await client._client).aclose()


async def test_fal_generates(fal: fal_client.AsyncClient) -> None:
    """Queue, progress, result; the URL serves an image."""
    updates: list[str] = []
    result = await fal.subscribe(
        FLUX, {"prompt": "hills", "seed": 3}, with_logs=True, on_queue_update=lambda u: updates.append(type(u).__name__)
    )
    assert {"Queued", "InProgress"} <= set(updates)
    assert result["seed"] == 3
    assert await _in_thread(fetched, result["images"][0]["url"]) == "image/png"


async def test_fal_refuses_fails_and_cancels(fal: fal_client.AsyncClient, simulator: Simulator) -> None:
    """The client raises its own errors."""
    for scenario, status in ((Scenario(end="refused"), 422), (Scenario(end="failed"), 500)):
        simulator.world.scenarios.append(scenario)
        with pytest.raises(fal_client.FalClientHTTPError) as caught:
            await fal.subscribe(FLUX, {"prompt": "x"})
        assert caught.value.status_code == status
    simulator.world.scenarios.append(Scenario(end="never"))
    handle = await fal.submit(FLUX, {"prompt": "x"})
    assert isinstance(await handle.status(), fal_client.Queued)
    await handle.cancel()
    assert isinstance(await handle.status(), fal_client.Completed)


async def test_fal_uploads_and_refers_to_the_file(fal: fal_client.AsyncClient, png: Path) -> None:
    """Token, upload, and the URL in the request."""
    address = await fal.upload_file(png)
    result = await fal.subscribe(KONTEXT, {"prompt": "at night", "image_url": address})
    assert await _in_thread(fetched, result["images"][0]["url"]) == "image/png"


async def test_fal_calls_directly_and_streams(fal: fal_client.AsyncClient) -> None:
    """The result in the answer, or as events."""
    result = await fal.run(FLUX, {"prompt": "hills"})
    assert await _in_thread(fetched, result["images"][0]["url"]) == "image/png"
    events = [event async for event in fal.stream(FLUX, {"prompt": "hills"})]
    assert [event.get("progress") for event in events] == [0.5, None]
    assert events[-1]["images"]


@pytest.mark.parametrize("way", ["fal_v3", "fal", "parts"])
async def test_fal_uploads_by_every_method(
    fal: fal_client.AsyncClient, png: Path, way: str, simulator: Simulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By the CDN, by a storage URL, and in parts: the uploaded bytes are equal."""
    content = await _in_thread(png.read_bytes)
    if way == "parts":
        monkeypatch.setattr(fal_client.client, "MULTIPART_THRESHOLD", 10)
        monkeypatch.setattr(fal_client.client, "MULTIPART_CHUNK_SIZE", 40)
    repository: Any = "fal_v3" if way == "parts" else way
    address = await fal.upload(content, "image/png", "ref.png", repository=repository)
    assert simulator.world.files[address.rsplit("/", 1)[-1]].content == content


async def test_fal_retries_a_busy_service(fal: fal_client.AsyncClient, simulator: Simulator) -> None:
    """The client retries a 429."""
    simulator.world.scenarios.extend([Scenario(submit="busy"), Scenario()])
    handle = await fal.submit(FLUX, {"prompt": "hills"})
    assert handle.request_id in simulator.world.jobs


# --- Replicate -------------------------------------------------------------------------------------------------------


@pytest.fixture
async def rep(simulator: Simulator, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[replicate.Client]:
    monkeypatch.setenv("REPLICATE_POLL_INTERVAL", "0.01")
    client = replicate.Client(api_token="simulated", base_url=f"{simulator.base}/replicate/api")  # noqa: S106
    yield client
    await client._async_client.aclose()


async def test_replicate_generates(rep: replicate.Client) -> None:
    """Create and poll, with progress parsed from the logs."""
    prediction = await rep.models.predictions.async_create(SCHNELL, input={"prompt": "hills", "num_outputs": 2})
    progress = []
    while prediction.status not in {"succeeded", "failed", "canceled"}:
        await prediction.async_reload()
        progress.append(prediction.progress.percentage if prediction.progress else None)
    assert prediction.status == "succeeded"
    assert any(progress)
    assert [await _in_thread(fetched, url) for url in prediction.output] == ["image/png"] * 2


async def test_replicate_fails_and_cancels(rep: replicate.Client, simulator: Simulator) -> None:
    """The client reports states and errors."""
    simulator.world.scenarios.append(Scenario(end="refused"))
    with pytest.raises(replicate.exceptions.ModelError, match="NSFW"):
        await rep.async_run(SCHNELL, input={"prompt": "x"}, wait=False)
    simulator.world.scenarios.append(Scenario(end="never"))
    prediction = await rep.models.predictions.async_create(SCHNELL, input={"prompt": "x"})
    await prediction.async_cancel()
    await prediction.async_reload()
    assert prediction.status == "canceled"
    simulator.world.scenarios.append(Scenario(submit="invalid"))
    with pytest.raises(replicate.exceptions.ReplicateError) as caught:
        await rep.models.predictions.async_create(SCHNELL, input={})
    assert caught.value.status == 422


async def test_replicate_uploads_and_refers_to_the_file(rep: replicate.Client, png: Path) -> None:
    """An open file becomes a URL."""
    with png.open("rb") as file:
        prediction = await rep.models.predictions.async_create(KONTEXT_REP, input={"prompt": "x", "input_image": file})
    while prediction.status not in {"succeeded", "failed"}:
        await prediction.async_reload()
    assert await _in_thread(fetched, prediction.output) == "image/png"


# --- OpenAI ----------------------------------------------------------------------------------------------------------


@pytest.fixture
async def oai(simulator: Simulator) -> AsyncIterator[openai.AsyncOpenAI]:
    base = f"{simulator.base}/openai/api"
    async with openai.AsyncOpenAI(api_key="simulated", base_url=base, max_retries=0) as client:
        yield client


def picture_of(text: Any) -> str | None:
    import base64

    return sniff(base64.b64decode(text))


async def test_openai_generates_and_streams(oai: openai.AsyncOpenAI) -> None:
    """Whole, and with partial images before the last event."""
    answer = await oai.images.generate(model="gpt-image-2", prompt="hills", n=2)
    assert [picture_of(image.b64_json) for image in answer.data or []] == ["image/png"] * 2
    assert answer.usage is not None
    assert answer.usage.output_tokens == 544
    stream = await oai.images.generate(model="gpt-image-2", prompt="hills", stream=True, partial_images=1)
    events = [event async for event in stream]
    assert [event.type for event in events] == ["image_generation.partial_image", "image_generation.completed"]
    assert all(picture_of(event.b64_json) == "image/png" for event in events)


async def test_openai_edits_and_speaks(oai: openai.AsyncOpenAI, png: Path) -> None:
    """One image, or several with a mask; audio as bytes."""
    data = await _in_thread(png.read_bytes)
    files = [("a.png", data, "image/png"), ("b.png", data, "image/png")]
    for image in (files[0], files):
        answer = await oai.images.edit(model="gpt-image-2", prompt="x", image=image, mask=("m.png", data, "image/png"))
        assert picture_of((answer.data or [])[0].b64_json) == "image/png"
    spoken = await oai.audio.speech.create(model="gpt-4o-mini-tts", voice="alloy", input="hello")
    assert sniff(io.BytesIO(spoken.content).read()) == "audio/wav"


async def test_openai_reads_the_errors(oai: openai.AsyncOpenAI, simulator: Simulator) -> None:
    """Refusal, empty account, rate limit, unknown model: the client's own classes and codes."""
    for scenario, kind, code in (
        (Scenario(end="refused"), openai.BadRequestError, "moderation_blocked"),
        (Scenario(submit="no_funds"), openai.RateLimitError, "insufficient_quota"),
        (Scenario(submit="busy"), openai.RateLimitError, "rate_limit_exceeded"),
    ):
        simulator.world.scenarios.append(scenario)
        with pytest.raises(kind) as caught:
            await oai.images.generate(model="gpt-image-2", prompt="x")
        assert caught.value.code == code
    with pytest.raises(openai.NotFoundError):
        await oai.images.generate(model="gpt-image-9", prompt="x")


async def _in_thread(function: Any, *args: Any) -> Any:
    import asyncio

    return await asyncio.to_thread(function, *args)
