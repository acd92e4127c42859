"""Google: the official client against the simulator, recordings against the adapter, and token costs."""

from __future__ import annotations

import asyncio
import hashlib
import json
from typing import TYPE_CHECKING, Any

import aiohttp
import pytest
from google import genai
from google.genai import errors as google_errors
from google.genai import types
from PIL import Image
from providers.test_recordings import _all_same, driven, keys, request, same, service_at  # noqa: F401 - keys is a fixture
from support.replay import PNG, Replay, replayed

from fusionflow_nb import errors
from fusionflow_nb.assets.sniff import sniff
from fusionflow_nb.media.values import Asset
from fusionflow_nb.providers.http import Answer
from fusionflow_nb.providers.protocol import (
    CancelAnswer,
    Cancelled,
    Cost,
    Done,
    Failed,
    Operation,
    Pending,
    Reference,
    Refused,
)
from fusionflow_nb.providers.services import google_responses
from fusionflow_nb.providers.services.google import Google
from fusionflow_nb.simulator import Scenario, Simulator
from fusionflow_nb.testing.contract.requests import poll_until_done, read_output

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

FLASH, PRO, OMNI = "gemini-3.1-flash-image", "gemini-3-pro-image", "gemini-omni-1.2-flash"
VEO = "veo-3.1-generate-preview"


@pytest.fixture
async def client(simulator: Simulator) -> AsyncIterator[Any]:
    async with aiohttp.ClientSession() as session:  # closed here: the client does not close its own
        options = types.HttpOptions(base_url=f"{simulator.base}/google/api", aiohttp_client=session)
        client = genai.Client(api_key="simulated", http_options=options)
        yield client.aio
        await client.aio.aclose()
        client.close()


@pytest.fixture
async def service(simulator: Simulator) -> AsyncIterator[Google]:
    adapter = Google()
    yield adapter
    await adapter.aclose()


@pytest.fixture
def png(tmp_path: Path) -> Reference:
    """The 70-byte image of the recordings."""
    file = tmp_path / "ref.png"
    file.write_bytes(PNG)
    return Reference(Asset(hashlib.sha256(PNG).hexdigest(), "image/png", len(PNG), 1, 1), file)


@pytest.fixture
def teal(tmp_path: Path) -> Reference:
    """An image that can be edited."""
    file = tmp_path / "teal.png"
    Image.new("RGB", (48, 48), "teal").save(file)
    content = file.read_bytes()
    return Reference(Asset(hashlib.sha256(content).hexdigest(), "image/png", len(content), 48, 48), file)


# --- its client ------------------------------------------------------------------------------------------------------


async def test_the_client_gets_images_in_the_answer(client: Any, teal: Reference) -> None:
    """From a prompt, and from an image, which the client sends in URL-safe base64."""
    part = types.Part.from_bytes(data=await asyncio.to_thread(teal.file.read_bytes), mime_type="image/png")
    for contents in (["hills"], ["at night", part]):
        answer = await client.models.generate_content(model=FLASH, contents=contents)
        [image] = answer.candidates[0].content.parts
        assert sniff(image.inline_data.data) == "image/png"
        assert answer.usage_metadata.candidates_token_count == 1120


async def test_the_client_starts_polls_cancels_and_deletes(client: Any, simulator: Simulator) -> None:
    """A background interaction: finished, cancelled and deleted; and a synchronous one."""
    interaction = await client.interactions.create(model=OMNI, input="hills", background=True)
    states = [interaction.status]
    while states[-1] not in {"completed", "failed"}:
        interaction = await client.interactions.get(interaction.id)
        states.append(interaction.status)
    assert (states[0], states[-1]) == ("in_progress", "completed")
    assert interaction.output_video.uri.startswith(simulator.base)
    await client.interactions.delete(interaction.id)
    simulator.world.scenarios.append(Scenario(end="never"))
    interaction = await client.interactions.create(model=OMNI, input="hills", background=True)
    assert (await client.interactions.cancel(interaction.id)).status == "cancelled"
    synchronous = await client.interactions.create(model=FLASH, input="hills")
    assert synchronous.output_image is not None
    assert synchronous.usage.total_output_tokens == 1120


async def test_the_client_uploads_and_refers_to_the_file(client: Any, teal: Reference) -> None:
    """Announce, upload, reference."""
    file = await client.files.upload(file=str(teal.file))
    assert file.state == types.FileState.ACTIVE
    answer = await client.models.generate_content(model=FLASH, contents=["at night", file])
    assert answer.candidates[0].content.parts


@pytest.mark.parametrize(
    ("scenario", "code", "status"),
    [
        (Scenario(submit="busy"), 429, "RESOURCE_EXHAUSTED"),
        (Scenario(submit="invalid"), 400, "INVALID_ARGUMENT"),
        (Scenario(submit="no_funds"), 400, "FAILED_PRECONDITION"),
        (Scenario(submit="broken"), 500, "INTERNAL"),
    ],
    ids=["busy", "invalid", "billing", "broken"],
)
async def test_the_client_reads_the_errors(
    client: Any, simulator: Simulator, scenario: Scenario, code: int, status: str
) -> None:
    """The client's own error class with code and status; a refusal is an answer without an image."""
    simulator.world.scenarios.extend([scenario, Scenario(end="refused")])
    with pytest.raises(google_errors.APIError) as caught:
        await client.models.generate_content(model=FLASH, contents="x")
    assert (caught.value.code, caught.value.status) == (code, status)
    refused = await client.models.generate_content(model=FLASH, contents="x")
    assert (refused.candidates, refused.prompt_feedback.block_reason.value) == (None, "PROHIBITED_CONTENT")


# --- its recordings --------------------------------------------------------------------------------------------------


async def test_a_synchronous_image_as_recorded() -> None:
    """All fields and the token cost are equal. The client's JSON has a space after each comma, ours has none."""
    async with replayed("google-gemini-image-v1") as tape:
        settings = {"aspect_ratio": "16:9", "resolution": "2K", "background": False}
        done = await driven(at(tape), request(at(tape), FLASH, "a red cube", settings=settings))
        assert isinstance(done, Done)
        assert done.cost == Cost(1120 * 60, is_exact=False)
        tape.recorded[0].headers["content-length"] = tape.sent[0].headers["content-length"]
        _all_same(tape)


async def test_a_synchronous_edit_as_recorded(png: Reference) -> None:
    """The older client's URL version. Its base64 is of another image, in the URL-safe alphabet."""
    async with replayed("google-gemini-image-edit") as tape:
        settings = {"aspect_ratio": "16:9", "background": False}
        edit = request(
            at(tape),
            "gemini-2.5-flash-image",
            "make it blue",
            "edit-image",
            settings=settings,
            references={"image": [png]},
        )
        assert isinstance(await driven(at(tape, "v1beta"), edit), Done)
        for message in (tape.sent[0], tape.recorded[0]):
            data = message.json["contents"][0]["parts"][1]["inlineData"].pop("data")
            assert data.startswith("iVBORw0KGgo")
            message.headers["content-length"] = "the same"
        _all_same(tape)


@pytest.mark.parametrize(
    ("case", "prompt", "kind"), [("google-429", "x", Failed), ("google-blocked-prompt", "bad", Refused)]
)
async def test_a_rate_limit_and_a_refusal_as_recorded(case: str, prompt: str, kind: type) -> None:
    """The adapter also requests the modality image, which the recordings omit."""
    async with replayed(case) as tape:
        image = request(at(tape), "gemini-2.5-flash-image", prompt, settings={"background": False})
        status = await driven(at(tape, "v1beta"), image)
        assert isinstance(status, kind)
        if isinstance(status, Failed):
            assert (status.code, status.is_retryable, status.retry_after_s) == ("RESOURCE_EXHAUSTED", True, 1.0)
        else:
            assert "PROHIBITED_CONTENT" in str(status)
        assert tape.sent[0].json.pop("generationConfig") == {"responseModalities": ["IMAGE"]}
        tape.recorded[0].headers["content-length"] = tape.sent[0].headers["content-length"]
        _all_same(tape)


async def test_an_interaction_with_an_image_as_recorded(png: Reference) -> None:
    """The adapter's interaction runs in the background and is stored, so that another process can resume it."""
    async with replayed("google-interactions-image") as tape:
        settings = {"aspect_ratio": "16:9", "resolution": "1K", "mime_type": "image/png"}
        edit = request(at(tape), FLASH, "make it blue", "edit-image", settings=settings, references={"image": [png]})
        service = at(tape)
        operation = await service.submit(edit, idempotency_key="k")
        await service.aclose()
        assert isinstance(operation, Operation)
        ours, theirs = tape.sent[0], tape.recorded[0]
        assert (ours.json.pop("background"), ours.json.pop("store")) == (True, True)
        for message in (ours, theirs):
            message.json["input"][0]["content"][1]["data"] = "the same"
            message.headers.pop("content-length")
            message.json = dict(sorted(message.json.items()))
        assert (ours.method, ours.path, ours.json) == (theirs.method, theirs.path, theirs.json)


async def test_a_background_video_as_recorded() -> None:
    """Start, poll, fetch; start and cancel: byte for byte. The adapter does not delete, because interactions expire."""
    async with replayed("google-interactions-video-background") as tape:
        service = at(tape)
        operation = await service.submit(
            request(service, OMNI, "a red cube rotating", "text-to-video"), idempotency_key="k"
        )
        assert isinstance(operation, Operation)
        assert isinstance(await service.poll(operation), Pending)
        done = await service.poll(operation)
        assert isinstance(done, Done)
        assert read_output(done.outputs[0]) == PNG
        operation = await service.submit(request(service, OMNI, "x", "text-to-video"), idempotency_key="k")
        assert isinstance(operation, Operation)
        assert await service.cancel(operation) is CancelAnswer.CONFIRMED
        await service.aclose()
        assert tape.recorded.pop().method == "DELETE"
        for ours, theirs in zip(tape.sent, tape.recorded, strict=True):
            same(ours, theirs)
            assert ours.query == theirs.query


async def test_an_upload_as_recorded(png: Reference, monkeypatch: pytest.MonkeyPatch) -> None:
    """Announced and sent. References have no name; the upload URL is Google's own, so the key is sent."""
    monkeypatch.setattr("fusionflow_nb.providers.services.google.INLINE_BYTES", 10)
    async with replayed("google-files-upload") as tape:
        edit = request(at(tape), FLASH, "x", "edit-image", references={"image": [png]})
        service = at(tape, "v1beta")
        await service.submit(edit, idempotency_key="k")
        await service.aclose()
        for ours, theirs in zip(tape.sent[:2], tape.recorded, strict=True):
            theirs.headers.pop("x-goog-upload-file-name")
            theirs.headers.setdefault("x-goog-api-key", ours.headers["x-goog-api-key"])
            theirs.headers["content-length"] = ours.headers["content-length"]
            same(ours, theirs)
            assert ours.query == theirs.query
        [content] = [item for item in tape.sent[2].json["input"][0]["content"] if item["type"] == "image"]
        assert content == {"uri": f"{tape.base}/v1beta/files/abc", "mime_type": "image/png", "type": "image"}


async def test_a_long_running_operation_as_recorded(png: Reference) -> None:
    """For keys that still have this API (the model has retired). The client's path of the video is broken."""
    async with replayed("google-veo-long-running") as tape:
        settings = {"duration_s": 8, "aspect_ratio": "16:9", "resolution": "720p", "negative_prompt": "blurry"}
        references = {"image": [png]}
        video = request(at(tape), VEO, "a red cube", "image-to-video", settings=settings, references=references)
        service = at(tape)
        done = await driven(service, video)
        assert isinstance(done, Done)
        read_output(done.outputs[0])
        for message in (tape.sent[0], tape.recorded[0]):
            message.json["instances"][0]["image"]["bytesBase64Encoded"] = "the same"
            message.headers["content-length"] = "the same"
        for ours, theirs in zip(tape.sent, tape.recorded[:3], strict=True):
            same(ours, theirs)


# --- beyond the contract tests ---------------------------------------------------------------------------------------


async def test_a_long_running_operation_has_three_ends(service: Google, simulator: Simulator) -> None:
    """Filtered is a refusal; an error is a failure; cancel is unsupported."""
    for scenario, kind in ((Scenario(), Done), (Scenario(end="refused"), Refused), (Scenario(end="failed"), Failed)):
        simulator.world.scenarios.append(scenario)
        operation = await service.submit(request(service, VEO, "hills", "text-to-video"), idempotency_key="k")
        assert isinstance(operation, Operation)
        assert await service.cancel(operation) is CancelAnswer.UNSUPPORTED
        status = await poll_until_done(service, operation)
        assert isinstance(status, kind)
        if isinstance(status, Done):
            assert (sniff(read_output(status.outputs[0])) or "").startswith("video/")


async def test_a_synchronous_image_and_a_refusal(service: Google, simulator: Simulator, teal: Reference) -> None:
    """`background=False` is one request, with or without a reference."""
    for references in ({}, {"image": [teal]}):
        task = "edit-image" if references else "text-to-image"
        image = request(service, PRO, "hills", task, settings={"background": False}, references=references)
        done = await service.submit(image, idempotency_key="k")
        assert isinstance(done, Done)
        assert done.cost == Cost(134_400, is_exact=False)
        assert sniff(read_output(done.outputs[0])) == "image/png"
    simulator.world.scenarios.append(Scenario(end="refused"))
    assert isinstance(await service.submit(image, idempotency_key="k"), Refused)


async def test_a_video_that_has_expired(service: Google, simulator: Simulator) -> None:
    """An expired URL is a failure with a cost."""
    simulator.world.lifetime_s = 0.0
    operation = await service.submit(request(service, OMNI, "hills", "text-to-video"), idempotency_key="k")
    status = await poll_until_done(service, operation)
    assert isinstance(status, Failed)
    assert (status.code, status.is_retryable, status.cost is not None) == ("output_lost", False, True)


async def test_a_stopped_interaction_is_cancelled(service: Google, simulator: Simulator) -> None:
    """The state is cancelled, not failed."""
    simulator.world.scenarios.append(Scenario(end="never"))
    operation = await service.submit(request(service, FLASH, "hills"), idempotency_key="k")
    assert isinstance(operation, Operation)
    assert await service.cancel(operation) is CancelAnswer.CONFIRMED
    assert isinstance(await service.poll(operation), Cancelled)


async def test_an_uploaded_video_is_polled_until_ready(
    service: Google, simulator: Simulator, teal: Reference, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The adapter polls until the service has processed the file."""
    monkeypatch.setattr("fusionflow_nb.providers.services.google.INLINE_BYTES", 10)
    waited: list[float] = []

    async def sleep(seconds: float) -> None:
        waited.append(seconds)

    service.http.sleep = sleep
    film = Reference(Asset(teal.asset.sha256, "video/mp4", teal.asset.size_bytes), teal.file)
    edit = request(service, OMNI, "at night", "video-to-video", references={"video": [film]})
    assert isinstance(await service.submit(edit, idempotency_key="k"), Operation)
    assert waited == [2.0]


async def test_invalid_combinations_of_references(service: Google, simulator: Simulator, teal: Reference) -> None:
    """The errors are raised before anything is sent: wrong combination, too many, unsupported port."""
    for references, says in (
        ({"image": [teal], "references": [teal]}, "a first image or references, not both"),
        ({"references": [teal] * 7}, "takes 6 references"),
        ({"audio": [teal]}, "does not read 'audio'"),
    ):
        video = request(service, OMNI, "x", "image-to-video", references=references)
        with pytest.raises(errors.SettingError, match=says):
            await service.submit(video, idempotency_key="k")
    assert not simulator.world.requests


async def test_common_settings_in_the_response_format(service: Google, simulator: Simulator) -> None:
    """Length as text with unit, ratio and size class are nested; raw fields are sent at the top level."""
    settings = {"duration_s": 8, "aspect_ratio": "9:16", "resolution": "720p", "fields": {"labels": {"a": "b"}}}
    await service.submit(request(service, OMNI, "x", "text-to-video", settings=settings), idempotency_key="k")
    body = json.loads(simulator.world.requests[-1].body)
    assert body["labels"] == {"a": "b"}
    form = {"type": "video", "aspect_ratio": "9:16", "resolution": "720p", "duration": "8s"}
    assert body["response_format"] == form


@pytest.mark.parametrize(
    ("text_in_usd", "exact"), [(0.0, False), (2e-6, True)], ids=["no price for the prompt", "every token has one"]
)
def test_a_cost_is_exact_if_every_token_has_a_price(text_in_usd: float, exact: bool) -> None:  # noqa: FBT001
    """Token counts are the service's, prices the catalogue's; models.csv has no price for prompt tokens."""
    usage = {"promptTokenCount": 1000, "candidatesTokenCount": 1130, "candidatesTokensDetails": [
        {"modality": "TEXT", "tokenCount": 10}, {"modality": "IMAGE", "tokenCount": 1120}]}  # fmt: skip
    cost = google_responses.cost(usage, {"token_usd": 120e-6, "text_in_usd": text_in_usd, "is_sure": True})
    assert cost == Cost(134_400 + round(text_in_usd * 1e9), is_exact=exact)


async def test_a_429_without_a_delay_is_a_daily_quota(service: Google) -> None:
    """It is not retried within the run."""
    body = b'{"error": {"code": 429, "status": "RESOURCE_EXHAUSTED", "message": "Quota per day."}}'
    assert google_responses.error_status(Answer("google", 429, {}, body)) == Failed(
        "RESOURCE_EXHAUSTED", "Quota per day."
    )


def at(tape: Replay, version: str = "v1") -> Google:
    """The adapter connected to a recording."""
    adapter = service_at(Google, tape.base, {"api": tape.base})
    assert isinstance(adapter, Google)
    adapter.version = version
    return adapter
