"""The simulator against the services' own clients: if they are content with it, it speaks their protocols."""

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
    """Fal's client has no setting for its hosts: they are attributes of its module."""
    base = f"{simulator.base}/fal"
    for name, url in {
        "QUEUE_URL_FORMAT": f"{base}/queue/",
        "RUN_URL_FORMAT": f"{base}/run/",
        "REST_URL": f"{base}/rest",
        "CDN_URL": f"{base}/cdn",
    }.items():
        monkeypatch.setattr(fal_client.client, name, url)
    made = fal_client.AsyncClient(key="simulated")
    yield made
    await (await made._client).aclose()


async def test_fal_generates(fal: fal_client.AsyncClient) -> None:
    """Queue, work, result; the address gives a picture."""
    updates: list[str] = []
    said = await fal.subscribe(
        FLUX, {"prompt": "hills", "seed": 3}, with_logs=True, on_queue_update=lambda u: updates.append(type(u).__name__)
    )
    assert {"Queued", "InProgress"} <= set(updates)
    assert said["seed"] == 3
    assert await _in_thread(fetched, said["images"][0]["url"]) == "image/png"


async def test_fal_refuses_fails_and_cancels(fal: fal_client.AsyncClient, simulator: Simulator) -> None:
    """The client's own errors and answers come out."""
    for mood, status in ((Scenario(end="refused"), 422), (Scenario(end="failed"), 500)):
        simulator.world.moods.append(mood)
        with pytest.raises(fal_client.FalClientHTTPError) as caught:
            await fal.subscribe(FLUX, {"prompt": "x"})
        assert caught.value.status_code == status
    simulator.world.moods.append(Scenario(end="never"))
    handle = await fal.submit(FLUX, {"prompt": "x"})
    assert isinstance(await handle.status(), fal_client.Queued)
    await handle.cancel()
    assert isinstance(await handle.status(), fal_client.Completed)


async def test_fal_uploads_and_goes_by_it(fal: fal_client.AsyncClient, png: Path) -> None:
    """Token, CDN, address in the request."""
    address = await fal.upload_file(png)
    said = await fal.subscribe(KONTEXT, {"prompt": "at night", "image_url": address})
    assert await _in_thread(fetched, said["images"][0]["url"]) == "image/png"


async def test_fal_calls_directly_and_streams(fal: fal_client.AsyncClient) -> None:
    """The result in the answer, or as events that lead to it."""
    said = await fal.run(FLUX, {"prompt": "hills"})
    assert await _in_thread(fetched, said["images"][0]["url"]) == "image/png"
    events = [event async for event in fal.stream(FLUX, {"prompt": "hills"})]
    assert [event.get("progress") for event in events] == [0.5, None]
    assert events[-1]["images"]


@pytest.mark.parametrize("way", ["fal_v3", "fal", "parts"])
async def test_fal_uploads_in_every_way(
    fal: fal_client.AsyncClient, png: Path, way: str, simulator: Simulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By the CDN, by an address of storage, in parts: the same bytes are there."""
    content = await _in_thread(png.read_bytes)
    if way == "parts":
        monkeypatch.setattr(fal_client.client, "MULTIPART_THRESHOLD", 10)
        monkeypatch.setattr(fal_client.client, "MULTIPART_CHUNK_SIZE", 40)
    repository: Any = "fal_v3" if way == "parts" else way
    address = await fal.upload(content, "image/png", "ref.png", repository=repository)
    assert simulator.world.files[address.rsplit("/", 1)[-1]].content == content


async def test_fal_waits_out_a_busy_service(fal: fal_client.AsyncClient, simulator: Simulator) -> None:
    """Its client knows our 429."""
    simulator.world.moods.extend([Scenario(submit="busy"), Scenario()])
    handle = await fal.submit(FLUX, {"prompt": "hills"})
    assert handle.request_id in simulator.world.jobs


# --- Replicate -------------------------------------------------------------------------------------------------------


@pytest.fixture
async def rep(simulator: Simulator, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[replicate.Client]:
    monkeypatch.setenv("REPLICATE_POLL_INTERVAL", "0.01")
    made = replicate.Client(api_token="simulated", base_url=f"{simulator.base}/replicate/api")  # noqa: S106
    yield made
    await made._async_client.aclose()


async def test_replicate_generates(rep: replicate.Client) -> None:
    """Create, poll until the end, with progress out of the logs."""
    made = await rep.models.predictions.async_create(SCHNELL, input={"prompt": "hills", "num_outputs": 2})
    seen = []
    while made.status not in {"succeeded", "failed", "canceled"}:
        await made.async_reload()
        seen.append(made.progress.percentage if made.progress else None)
    assert made.status == "succeeded"
    assert any(seen)
    assert [await _in_thread(fetched, each) for each in made.output] == ["image/png"] * 2


async def test_replicate_fails_and_cancels(rep: replicate.Client, simulator: Simulator) -> None:
    """States and errors as its client reads them."""
    simulator.world.moods.append(Scenario(end="refused"))
    with pytest.raises(replicate.exceptions.ModelError, match="NSFW"):
        await rep.async_run(SCHNELL, input={"prompt": "x"}, wait=False)
    simulator.world.moods.append(Scenario(end="never"))
    made = await rep.models.predictions.async_create(SCHNELL, input={"prompt": "x"})
    await made.async_cancel()
    await made.async_reload()
    assert made.status == "canceled"
    simulator.world.moods.append(Scenario(submit="invalid"))
    with pytest.raises(replicate.exceptions.ReplicateError) as caught:
        await rep.models.predictions.async_create(SCHNELL, input={})
    assert caught.value.status == 422


async def test_replicate_uploads_and_goes_by_it(rep: replicate.Client, png: Path) -> None:
    """An open file becomes an address."""
    with png.open("rb") as file:
        made = await rep.models.predictions.async_create(KONTEXT_REP, input={"prompt": "x", "input_image": file})
    while made.status not in {"succeeded", "failed"}:
        await made.async_reload()
    assert await _in_thread(fetched, made.output) == "image/png"


# --- OpenAI ----------------------------------------------------------------------------------------------------------


@pytest.fixture
async def oai(simulator: Simulator) -> AsyncIterator[openai.AsyncOpenAI]:
    base = f"{simulator.base}/openai/api"
    async with openai.AsyncOpenAI(api_key="simulated", base_url=base, max_retries=0) as made:
        yield made


def picture_of(said: Any) -> str | None:
    import base64

    return sniff(base64.b64decode(said))


async def test_openai_generates_and_streams(oai: openai.AsyncOpenAI) -> None:
    """Whole, and with partial pictures before the last event."""
    said = await oai.images.generate(model="gpt-image-2", prompt="hills", n=2)
    assert [picture_of(each.b64_json) for each in said.data or []] == ["image/png"] * 2
    assert said.usage is not None
    assert said.usage.output_tokens == 544
    stream = await oai.images.generate(model="gpt-image-2", prompt="hills", stream=True, partial_images=1)
    events = [event async for event in stream]
    assert [event.type for event in events] == ["image_generation.partial_image", "image_generation.completed"]
    assert all(picture_of(event.b64_json) == "image/png" for event in events)


async def test_openai_edits_and_speaks(oai: openai.AsyncOpenAI, png: Path) -> None:
    """One picture or several with a mask; sound as bytes."""
    data = await _in_thread(png.read_bytes)
    files = [("a.png", data, "image/png"), ("b.png", data, "image/png")]
    for image in (files[0], files):
        said = await oai.images.edit(model="gpt-image-2", prompt="x", image=image, mask=("m.png", data, "image/png"))
        assert picture_of((said.data or [])[0].b64_json) == "image/png"
    spoken = await oai.audio.speech.create(model="gpt-4o-mini-tts", voice="alloy", input="hello")
    assert sniff(io.BytesIO(spoken.content).read()) == "audio/wav"


async def test_openai_says_what_is_wrong(oai: openai.AsyncOpenAI, simulator: Simulator) -> None:
    """Refusal, empty account, rate limit, unknown model: its client's own classes and codes."""
    for mood, kind, code in (
        (Scenario(end="refused"), openai.BadRequestError, "moderation_blocked"),
        (Scenario(submit="no_funds"), openai.RateLimitError, "insufficient_quota"),
        (Scenario(submit="busy"), openai.RateLimitError, "rate_limit_exceeded"),
    ):
        simulator.world.moods.append(mood)
        with pytest.raises(kind) as caught:
            await oai.images.generate(model="gpt-image-2", prompt="x")
        assert caught.value.code == code
    with pytest.raises(openai.NotFoundError):
        await oai.images.generate(model="gpt-image-9", prompt="x")


async def _in_thread(function: Any, *args: Any) -> Any:
    import asyncio

    return await asyncio.to_thread(function, *args)
