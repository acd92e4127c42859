"""Google: its own client against the simulator, its clients' recordings against us, what tokens cost."""

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
from fusionflow_nb.testing.contract.requests import ended, taken

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

FLASH, PRO, OMNI = "gemini-3.1-flash-image", "gemini-3-pro-image", "gemini-omni-1.2-flash"
VEO = "veo-3.1-generate-preview"


@pytest.fixture
async def client(simulator: Simulator) -> AsyncIterator[Any]:
    async with aiohttp.ClientSession() as session:  # one that is closed: its own stay open
        options = types.HttpOptions(base_url=f"{simulator.base}/google/api", aiohttp_client=session)
        made = genai.Client(api_key="simulated", http_options=options)
        yield made.aio
        await made.aio.aclose()
        made.close()


@pytest.fixture
async def service(simulator: Simulator) -> AsyncIterator[Google]:
    made = Google()
    yield made
    await made.aclose()


@pytest.fixture
def png(tmp_path: Path) -> Reference:
    """The 70 bytes of the recordings."""
    file = tmp_path / "ref.png"
    file.write_bytes(PNG)
    return Reference(Asset(hashlib.sha256(PNG).hexdigest(), "image/png", len(PNG), 1, 1), file)


@pytest.fixture
def teal(tmp_path: Path) -> Reference:
    """A picture that can be worked on."""
    file = tmp_path / "teal.png"
    Image.new("RGB", (48, 48), "teal").save(file)
    content = file.read_bytes()
    return Reference(Asset(hashlib.sha256(content).hexdigest(), "image/png", len(content), 48, 48), file)


# --- its client ------------------------------------------------------------------------------------------------------


async def test_its_client_gets_pictures_in_the_answer(client: Any, teal: Reference) -> None:
    """From words, and from a picture, which it sends in the alphabet of addresses."""
    part = types.Part.from_bytes(data=await asyncio.to_thread(teal.file.read_bytes), mime_type="image/png")
    for contents in (["hills"], ["at night", part]):
        said = await client.models.generate_content(model=FLASH, contents=contents)
        [made] = said.candidates[0].content.parts
        assert sniff(made.inline_data.data) == "image/png"
        assert said.usage_metadata.candidates_token_count == 1120


async def test_its_client_begins_looks_stops_and_forgets(client: Any, simulator: Simulator) -> None:
    """An interaction in the background, to its end, to a stop; and one that is held."""
    begun = await client.interactions.create(model=OMNI, input="hills", background=True)
    seen = [begun.status]
    while seen[-1] not in {"completed", "failed"}:
        begun = await client.interactions.get(begun.id)
        seen.append(begun.status)
    assert (seen[0], seen[-1]) == ("in_progress", "completed")
    assert begun.output_video.uri.startswith(simulator.base)
    await client.interactions.delete(begun.id)
    simulator.world.moods.append(Scenario(end="never"))
    begun = await client.interactions.create(model=OMNI, input="hills", background=True)
    assert (await client.interactions.cancel(begun.id)).status == "cancelled"
    held = await client.interactions.create(model=FLASH, input="hills")
    assert held.output_image is not None
    assert held.usage.total_output_tokens == 1120


async def test_its_client_uploads_and_goes_by_it(client: Any, teal: Reference) -> None:
    """Announced, sent, named."""
    file = await client.files.upload(file=str(teal.file))
    assert file.state == types.FileState.ACTIVE
    said = await client.models.generate_content(model=FLASH, contents=["at night", file])
    assert said.candidates[0].content.parts


@pytest.mark.parametrize(
    ("mood", "code", "status"),
    [
        (Scenario(submit="busy"), 429, "RESOURCE_EXHAUSTED"),
        (Scenario(submit="invalid"), 400, "INVALID_ARGUMENT"),
        (Scenario(submit="no_funds"), 400, "FAILED_PRECONDITION"),
        (Scenario(submit="broken"), 500, "INTERNAL"),
    ],
    ids=["busy", "invalid", "billing", "broken"],
)
async def test_its_client_reads_the_errors(
    client: Any, simulator: Simulator, mood: Scenario, code: int, status: str
) -> None:
    """Its own class, with code and status; a refusal is an answer without a picture."""
    simulator.world.moods.extend([mood, Scenario(end="refused")])
    with pytest.raises(google_errors.APIError) as caught:
        await client.models.generate_content(model=FLASH, contents="x")
    assert (caught.value.code, caught.value.status) == (code, status)
    refused = await client.models.generate_content(model=FLASH, contents="x")
    assert (refused.candidates, refused.prompt_feedback.block_reason.value) == (None, "PROHIBITED_CONTENT")


# --- its recordings --------------------------------------------------------------------------------------------------


async def test_a_held_picture_as_recorded() -> None:
    """Every field; its tokens have their price. This part of the client puts a blank after each comma, we do not."""
    async with replayed("google-gemini-image-v1") as tape:
        settings = {"aspect_ratio": "16:9", "resolution": "2K", "background": False}
        done = await driven(at(tape), request(at(tape), FLASH, "a red cube", settings=settings))
        assert isinstance(done, Done)
        assert done.cost == Cost(1120 * 60, is_exact=False)
        tape.recorded[0].headers["content-length"] = tape.sent[0].headers["content-length"]
        _all_same(tape)


async def test_a_held_edit_as_recorded(png: Reference) -> None:
    """The older client's version of the address. Its base64 is of another picture, in the alphabet of addresses."""
    async with replayed("google-gemini-image-edit") as tape:
        settings = {"aspect_ratio": "16:9", "background": False}
        asked = request(
            at(tape),
            "gemini-2.5-flash-image",
            "make it blue",
            "edit-image",
            settings=settings,
            references={"image": [png]},
        )
        assert isinstance(await driven(at(tape, "v1beta"), asked), Done)
        for each in (tape.sent[0], tape.recorded[0]):
            data = each.json["contents"][0]["parts"][1]["inlineData"].pop("data")
            assert data.startswith("iVBORw0KGgo")
            each.headers["content-length"] = "the same"
        _all_same(tape)


@pytest.mark.parametrize(
    ("case", "prompt", "kind"), [("google-429", "x", Failed), ("google-blocked-prompt", "bad", Refused)]
)
async def test_a_rate_limit_and_a_refusal_as_recorded(case: str, prompt: str, kind: type) -> None:
    """Ours also say that a picture is wanted, which the recordings leave to the model."""
    async with replayed(case) as tape:
        asked = request(at(tape), "gemini-2.5-flash-image", prompt, settings={"background": False})
        status = await driven(at(tape, "v1beta"), asked)
        assert isinstance(status, kind)
        if isinstance(status, Failed):
            assert (status.code, status.is_retryable, status.retry_after_s) == ("RESOURCE_EXHAUSTED", True, 1.0)
        else:
            assert "PROHIBITED_CONTENT" in str(status)
        assert tape.sent[0].json.pop("generationConfig") == {"responseModalities": ["IMAGE"]}
        tape.recorded[0].headers["content-length"] = tape.sent[0].headers["content-length"]
        _all_same(tape)


async def test_an_interaction_with_a_picture_as_recorded(png: Reference) -> None:
    """Ours goes on in the background and is kept, so that a dead kernel's work comes home."""
    async with replayed("google-interactions-image") as tape:
        settings = {"aspect_ratio": "16:9", "resolution": "1K", "mime_type": "image/png"}
        asked = request(at(tape), FLASH, "make it blue", "edit-image", settings=settings, references={"image": [png]})
        service = at(tape)
        begun = await service.submit(asked, idempotency_key="k")
        await service.aclose()
        assert isinstance(begun, Operation)
        ours, theirs = tape.sent[0], tape.recorded[0]
        assert (ours.json.pop("background"), ours.json.pop("store")) == (True, True)
        for each in (ours, theirs):
            each.json["input"][0]["content"][1]["data"] = "the same"
            each.headers.pop("content-length")
            each.json = dict(sorted(each.json.items()))
        assert (ours.method, ours.path, ours.json) == (theirs.method, theirs.path, theirs.json)


async def test_a_film_in_the_background_as_recorded() -> None:
    """Begin, look, look, fetch; begin and stop: byte for byte. Nothing is deleted: the service forgets by itself."""
    async with replayed("google-interactions-video-background") as tape:
        service = at(tape)
        begun = await service.submit(
            request(service, OMNI, "a red cube rotating", "text-to-video"), idempotency_key="k"
        )
        assert isinstance(begun, Operation)
        assert isinstance(await service.poll(begun), Pending)
        done = await service.poll(begun)
        assert isinstance(done, Done)
        assert taken(done.outputs[0]) == PNG
        begun = await service.submit(request(service, OMNI, "x", "text-to-video"), idempotency_key="k")
        assert isinstance(begun, Operation)
        assert await service.cancel(begun) is CancelAnswer.CONFIRMED
        await service.aclose()
        assert tape.recorded.pop().method == "DELETE"
        for ours, theirs in zip(tape.sent, tape.recorded, strict=True):
            same(ours, theirs)
            assert ours.query == theirs.query


async def test_an_upload_as_recorded(png: Reference, monkeypatch: pytest.MonkeyPatch) -> None:
    """Announced and sent. A reference has no name; the second address is the service's own, so our key goes along."""
    monkeypatch.setattr("fusionflow_nb.providers.services.google.INLINE_BYTES", 10)
    async with replayed("google-files-upload") as tape:
        asked = request(at(tape), FLASH, "x", "edit-image", references={"image": [png]})
        service = at(tape, "v1beta")
        await service.submit(asked, idempotency_key="k")
        await service.aclose()
        for ours, theirs in zip(tape.sent[:2], tape.recorded, strict=True):
            theirs.headers.pop("x-goog-upload-file-name")
            theirs.headers.setdefault("x-goog-api-key", ours.headers["x-goog-api-key"])
            theirs.headers["content-length"] = ours.headers["content-length"]
            same(ours, theirs)
            assert ours.query == theirs.query
        [content] = [each for each in tape.sent[2].json["input"][0]["content"] if each["type"] == "image"]
        assert content == {"uri": f"{tape.base}/v1beta/files/abc", "mime_type": "image/png", "type": "image"}


async def test_an_operation_that_runs_long_as_recorded(png: Reference) -> None:
    """For keys that still have it: in the catalogue it has ended. The client asked for the film at a broken path."""
    async with replayed("google-veo-long-running") as tape:
        settings = {"duration_s": 8, "aspect_ratio": "16:9", "resolution": "720p", "negative_prompt": "blurry"}
        references = {"image": [png]}
        asked = request(at(tape), VEO, "a red cube", "image-to-video", settings=settings, references=references)
        service = at(tape)
        done = await driven(service, asked)
        assert isinstance(done, Done)
        taken(done.outputs[0])
        for each in (tape.sent[0], tape.recorded[0]):
            each.json["instances"][0]["image"]["bytesBase64Encoded"] = "the same"
            each.headers["content-length"] = "the same"
        for ours, theirs in zip(tape.sent, tape.recorded[:3], strict=True):
            same(ours, theirs)


# --- what the contract does not ask ----------------------------------------------------------------------------------


async def test_a_long_running_operation_refuses_fails_and_ends(service: Google, simulator: Simulator) -> None:
    """Filtered is a refusal; an error is a failure; nothing stops it."""
    for mood, kind in ((Scenario(), Done), (Scenario(end="refused"), Refused), (Scenario(end="failed"), Failed)):
        simulator.world.moods.append(mood)
        begun = await service.submit(request(service, VEO, "hills", "text-to-video"), idempotency_key="k")
        assert isinstance(begun, Operation)
        assert await service.cancel(begun) is CancelAnswer.UNSUPPORTED
        status = await ended(service, begun)
        assert isinstance(status, kind)
        if isinstance(status, Done):
            assert (sniff(taken(status.outputs[0])) or "").startswith("video/")


async def test_a_held_picture_and_a_refused_one(service: Google, simulator: Simulator, teal: Reference) -> None:
    """`background=False` is one request, with a reference or without."""
    for references in ({}, {"image": [teal]}):
        task = "edit-image" if references else "text-to-image"
        asked = request(service, PRO, "hills", task, settings={"background": False}, references=references)
        done = await service.submit(asked, idempotency_key="k")
        assert isinstance(done, Done)
        assert done.cost == Cost(134_400, is_exact=False)
        assert sniff(taken(done.outputs[0])) == "image/png"
    simulator.world.moods.append(Scenario(end="refused"))
    assert isinstance(await service.submit(asked, idempotency_key="k"), Refused)


async def test_a_film_that_is_fetched_too_late(service: Google, simulator: Simulator) -> None:
    """Its address has a life; the failure says so, and the money is spent."""
    simulator.world.lifetime_s = 0.0
    begun = await service.submit(request(service, OMNI, "hills", "text-to-video"), idempotency_key="k")
    status = await ended(service, begun)
    assert isinstance(status, Failed)
    assert (status.code, status.is_retryable, status.cost is not None) == ("output_lost", False, True)


async def test_a_stopped_interaction_is_cancelled(service: Google, simulator: Simulator) -> None:
    """Its own state, not a failure."""
    simulator.world.moods.append(Scenario(end="never"))
    begun = await service.submit(request(service, FLASH, "hills"), idempotency_key="k")
    assert isinstance(begun, Operation)
    assert await service.cancel(begun) is CancelAnswer.CONFIRMED
    assert isinstance(await service.poll(begun), Cancelled)


async def test_a_film_that_is_uploaded_is_waited_for(
    service: Google, simulator: Simulator, teal: Reference, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The service reads it first; until then it is looked at again."""
    monkeypatch.setattr("fusionflow_nb.providers.services.google.INLINE_BYTES", 10)
    waited: list[float] = []

    async def sleep(seconds: float) -> None:
        waited.append(seconds)

    service.http.sleep = sleep
    film = Reference(Asset(teal.asset.sha256, "video/mp4", teal.asset.size_bytes), teal.file)
    asked = request(service, OMNI, "at night", "video-to-video", references={"video": [film]})
    assert isinstance(await service.submit(asked, idempotency_key="k"), Operation)
    assert waited == [2.0]


async def test_media_that_do_not_fit_together(service: Google, simulator: Simulator, teal: Reference) -> None:
    """Said before anything is sent: which picture is the first; how many go; what is not read at all."""
    for references, says in (
        ({"image": [teal], "references": [teal]}, "which picture is the first"),
        ({"references": [teal] * 7}, "takes 6 references"),
        ({"audio": [teal]}, "reads no 'audio'"),
    ):
        asked = request(service, OMNI, "x", "image-to-video", references=references)
        with pytest.raises(errors.SettingError, match=says):
            await service.submit(asked, idempotency_key="k")
    assert not simulator.world.asked


async def test_common_words_in_the_form_of_the_answer(service: Google, simulator: Simulator) -> None:
    """Length as text with its unit, ratio and class of size beside it; raw fields stand outside."""
    settings = {"duration_s": 8, "aspect_ratio": "9:16", "resolution": "720p", "fields": {"labels": {"a": "b"}}}
    await service.submit(request(service, OMNI, "x", "text-to-video", settings=settings), idempotency_key="k")
    body = json.loads(simulator.world.asked[-1].body)
    assert body["labels"] == {"a": "b"}
    form = {"type": "video", "aspect_ratio": "9:16", "resolution": "720p", "duration": "8s"}
    assert body["response_format"] == form


@pytest.mark.parametrize(
    ("text_in_usd", "exact"), [(0.0, False), (2e-6, True)], ids=["no price for the prompt", "every token has one"]
)
def test_a_cost_is_exact_where_every_token_has_a_price(text_in_usd: float, exact: bool) -> None:  # noqa: FBT001
    """Tokens are the service's; their price is ours, and of the prompt's the sheet has none."""
    usage = {"promptTokenCount": 1000, "candidatesTokenCount": 1130, "candidatesTokensDetails": [
        {"modality": "TEXT", "tokenCount": 10}, {"modality": "IMAGE", "tokenCount": 1120}]}  # fmt: skip
    found = google_responses.cost(usage, {"token_usd": 120e-6, "text_in_usd": text_in_usd, "is_sure": True})
    assert found == Cost(134_400 + round(text_in_usd * 1e9), is_exact=exact)


async def test_too_many_without_a_time_is_a_days_quota(service: Google) -> None:
    """It is not asked again within the run."""
    said = b'{"error": {"code": 429, "status": "RESOURCE_EXHAUSTED", "message": "Quota per day."}}'
    assert google_responses.error_status(Answer("google", 429, {}, said)) == Failed(
        "RESOURCE_EXHAUSTED", "Quota per day."
    )


def at(tape: Replay, version: str = "v1") -> Google:
    """The adapter before a recording."""
    made = service_at(Google, tape.base, {"api": tape.base})
    assert isinstance(made, Google)
    made.version = version
    return made
