"""Runway: recordings against the adapter; positions, tags, uploads, sizes and costs."""

from __future__ import annotations

import asyncio
import base64
import json
from typing import TYPE_CHECKING, Any

import pytest
from providers.test_recordings import _all_same, driven, pngs, request, same, service_at  # noqa: F401 - a fixture
from support.replay import PNG, replayed

from fusionflow_nb import errors
from fusionflow_nb.media.values import Asset
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
from fusionflow_nb.providers.services import runway
from fusionflow_nb.providers.services.runway import Runway
from fusionflow_nb.simulator import Scenario
from fusionflow_nb.testing.contract.requests import make_picture, make_request, poll_until_done, read_output

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from fusionflow_nb.simulator import Simulator

WIDE = {"aspect_ratio": "16:9"}


@pytest.fixture(autouse=True)
def keys(monkeypatch: pytest.MonkeyPatch) -> None:
    """The recordings contain the variable's name instead of the key."""
    monkeypatch.setenv("RUNWAYML_API_SECRET", "<RUNWAYML_API_SECRET>")


@pytest.fixture
async def service(simulator: Simulator) -> AsyncIterator[Runway]:
    adapter = Runway()
    yield adapter
    await adapter.aclose()


def at(base: str) -> Any:
    """The adapter connected to a recording."""
    return service_at(Runway, base, {"api": base})


def there(tmp_path: Path, url: str, media_type: str = "image/png") -> Reference:
    """A reference with a URL."""
    return Reference(Asset("0" * 64, media_type, 70), tmp_path / "nowhere", url=url)


async def test_an_image_as_recorded(tmp_path: Path) -> None:
    """A tagged reference as a URL; pending, throttled, running, done; the cost."""
    async with replayed("runway-text-to-image") as tape:
        service = at(tape.base)
        references = {"references": [there(tmp_path, "https://example.com/cube.png")]}
        settings = {"seed": 42, "tags": "@cube"}
        about = request(service, "gen4_image", "@cube on a table", settings=settings, references=references)
        operation = await service.submit(about, idempotency_key="k")
        statuses = [await service.poll(operation) for _ in range(4)]
        assert statuses[:3] == [Pending(), Pending(), Pending(progress=0.42)]
        assert isinstance(statuses[3], Done)
        assert statuses[3].cost == Cost(80_000, is_exact=True)
        read_output(statuses[3].outputs[0])
        await service.aclose()
        _all_same(tape)


async def test_text_to_video_as_recorded() -> None:
    """A silent video of four seconds."""
    async with replayed("runway-text-to-video") as tape:
        service = at(tape.base)
        settings = {"duration_s": 4, "with_audio": False}
        about = request(service, "veo3.1", "a red cube", "text-to-video", settings=settings)
        assert isinstance(await service.submit(about, idempotency_key="k"), Operation)
        await service.aclose()
        _all_same(tape)


async def test_an_upload_as_recorded(pngs: list[Reference], monkeypatch: pytest.MonkeyPatch) -> None:  # noqa: F811 - the fixture
    """Announced, sent as a form without the key and with the file last, then referenced in the task."""
    monkeypatch.setattr(runway, "IN_BODY_BYTES", 0)
    async with replayed("runway-upload-image-to-video") as tape:
        service = at(tape.base)
        settings = {"duration_s": 5, **WIDE}
        about = request(
            service, "gen4.5", "slow dolly in", "image-to-video", settings=settings, references={"image": pngs[:1]}
        )
        done = await driven(service, about)
        assert isinstance(done, Done)
        read_output(done.outputs[0])
        upload, theirs = tape.sent[1], tape.recorded[1]
        assert upload.multipart == theirs.multipart
        assert "authorization" not in upload.headers
        assert "x-runway-version" not in upload.headers
        _all_same(tape)


async def test_a_small_image_is_sent_inline_as_recorded(pngs: list[Reference]) -> None:  # noqa: F811 - the fixture
    """The task is then deleted. The client sends a content type with DELETE; the adapter polls for the cost."""
    async with replayed("runway-data-uri-cancel") as tape:
        service = at(tape.base)
        about = request(
            service, "gen4_turbo", "x", "image-to-video", settings={"duration_s": 5}, references={"image": pngs[:1]}
        )
        operation = await service.submit(about, idempotency_key="k")
        assert isinstance(await service.poll(operation), Pending)
        assert await service.cancel(operation) is CancelAnswer.REQUESTED
        await service.aclose()
        data = tape.sent[0].json.pop("promptImage")
        assert base64.b64decode(data.removeprefix("data:image/png;base64,")) == PNG
        assert tape.recorded[0].json.pop("promptImage") == "data:image/png;base64,<...>"
        assert tape.sent[0].headers["content-length"] == tape.recorded[0].headers["content-length"]
        assert tape.recorded[2].headers.pop("content-type") == "application/json"
        look = tape.sent.pop()
        assert (look.method, look.path) == ("GET", tape.recorded[1].path)
        _all_same(tape)


async def test_upscales_as_recorded(tmp_path: Path) -> None:
    """An image and a video, as URLs."""
    async with replayed("runway-upscale") as tape:
        service = at(tape.base)
        still = {"image": [there(tmp_path, "https://example.com/a.png")]}
        film = {"video": [there(tmp_path, "https://example.com/a.mp4", "video/mp4")]}
        for model, task, settings, references in (
            ("magnific_precision_upscaler_v2", "upscale", {"factor": 2}, still),
            ("magnific_video_upscaler_creative", "video-to-video", {"resolution": "2k"}, film),
        ):
            about = request(service, model, "", task, settings=settings, references=references)
            assert isinstance(await service.submit(about, idempotency_key="k"), Operation)
        await service.aclose()
        _all_same(tape)


async def test_rejected_submits_as_recorded() -> None:
    """A refusal with its cost; an invalid size; a rate limit with and without a delay."""
    async with replayed("runway-failed-moderation") as tape:
        service = at(tape.base)
        refused = await driven(service, request(service, "gen4_image", "bad"))
        assert refused == Refused(
            "The content was flagged by the moderation system. (SAFETY.INPUT.TEXT)", Cost(0, is_exact=True)
        )
        _all_same(tape)
    async with replayed("runway-validation-400") as tape:
        service = at(tape.base)
        invalid = await driven(service, request(service, "gen4_image", "x", settings={"ratio": "1:1"}))
        assert isinstance(invalid, Failed)
        assert (invalid.code, invalid.is_retryable) == ("http_400", False)
        assert invalid.message == "Validation of body failed; ratio: Invalid option"
        _all_same(tape)
    async with replayed("runway-429-retry") as tape:
        service = at(tape.base)
        about = request(service, "gen4_image", "x")
        waits = []
        for _ in range(2):
            busy = await service.submit(about, idempotency_key="k")
            assert isinstance(busy, Failed)
            waits.append((busy.is_retryable, busy.retry_after_s))
        assert waits == [(True, 1.0), (True, None)]
        assert isinstance(await service.submit(about, idempotency_key="k"), Operation)
        await service.aclose()
        _all_same(tape)


async def test_images_of_a_video_have_positions(service: Runway, simulator: Simulator, tmp_path: Path) -> None:
    """First and last, for models that take both; a video to edit has its own field."""
    first, last = (there(tmp_path, f"https://example.com/{name}.png") for name in ("a", "b"))
    references = {"image": [first], "last_image": [last]}
    settings = {"resolution": "1080p", "aspect_ratio": "9:16", "duration_s": 8}
    about = make_request(service, "veo3.1_fast", "image-to-video", references=references, settings=settings)
    await service.submit(about, idempotency_key="k")
    body = json.loads(simulator.world.requests[-1].body)
    assert body == {
        "model": "veo3.1_fast",
        "promptText": "hills",
        "ratio": "1080:1920",
        "duration": 8,
        "promptImage": [
            {"uri": "https://example.com/a.png", "position": "first"},
            {"uri": "https://example.com/b.png", "position": "last"},
        ],
    }
    film = there(tmp_path, "https://example.com/a.mp4", "video/mp4")
    for model, field in (("aleph2", "videoUri"), ("seedance2", "promptVideo")):
        await service.submit(
            make_request(service, model, "video-to-video", references={"video": [film]}), idempotency_key="k"
        )
        assert json.loads(simulator.world.requests[-1].body)[field] == "https://example.com/a.mp4"


async def test_references_have_tags(service: Runway, simulator: Simulator, tmp_path: Path) -> None:
    """In order; a reference without a tag stays untagged; a tag without a reference is an error before sending."""
    two = [there(tmp_path, f"https://example.com/{name}.png") for name in ("a", "b")]
    settings = {"tags": "cube"}
    about = make_request(
        service,
        "gen4_image_turbo",
        "edit-image",
        references={"image": two[:1], "references": two[1:]},
        settings=settings,
    )
    await service.submit(about, idempotency_key="k")
    assert json.loads(simulator.world.requests[-1].body)["referenceImages"] == [
        {"uri": "https://example.com/a.png", "tag": "cube"},
        {"uri": "https://example.com/b.png"},
    ]
    simulator.world.requests.clear()
    about = make_request(service, "gen4_image", references={"references": two[:1]}, settings={"tags": "cube, table"})
    with pytest.raises(errors.SettingError, match="1 references and 2 names"):
        await service.submit(about, idempotency_key="k")
    assert not simulator.world.requests


async def test_text_to_video_has_fewer_sizes(service: Runway, simulator: Simulator) -> None:
    """The hint lists the sizes, and nothing is sent."""
    about = make_request(service, "gen4.5", "text-to-video", settings={"aspect_ratio": "1:1"})
    with pytest.raises(errors.SettingError, match="16:9 or 9:16"):
        await service.submit(about, idempotency_key="k")
    assert not simulator.world.requests


@pytest.mark.parametrize(
    "url",
    [
        "https://bucket.example.com/a.png?X-Amz-Signature=abc",
        "https://192.0.2.7/a.png",
        "http://bucket.example.com/a.png",
        f"https://bucket.example.com/{'a' * 2048}.png",
    ],
    ids=["signed for GET", "a number", "not over TLS", "long"],
)
async def test_a_url_that_runway_cannot_fetch_is_not_sent(
    service: Runway, simulator: Simulator, tmp_path: Path, url: str
) -> None:
    """Runway requests HEAD first and accepts only https host names: other images are sent as bytes."""
    local = make_picture(tmp_path)
    about = make_request(
        service, "gen4_turbo", "image-to-video", references={"image": [Reference(local.asset, local.file, url=url)]}
    )
    done = await poll_until_done(service, await service.submit(about, idempotency_key="k"))
    assert isinstance(done, Done)
    read_output(done.outputs[0])
    assert json.loads(simulator.world.requests[0].body)["promptImage"].startswith("data:image/png;base64,")


async def test_a_large_file_is_uploaded(service: Runway, simulator: Simulator, tmp_path: Path) -> None:
    """Uploaded completely without the key, and referenced in the task."""
    large = await asyncio.to_thread(make_picture, tmp_path, 1400, noise=True)
    assert large.asset.size_bytes > runway.IN_BODY_BYTES
    about = make_request(service, "gen4.5", "image-to-video", references={"image": [large]})
    done = await poll_until_done(service, await service.submit(about, idempotency_key="k"))
    assert isinstance(done, Done)
    assert done.cost == Cost(80_000, is_exact=True)
    read_output(done.outputs[0])
    _, form, task, *_ = simulator.world.requests
    assert "authorization" not in form.headers
    assert json.loads(task.body)["promptImage"].startswith("runway://")
    assert json.loads(task.body)["duration"] == 5


def test_sizes_convert_in_both_directions() -> None:
    """Ratio and class convert to a size and back, so that the price is known either way."""
    entries = {model.provider_model_id: model for model in Runway().models}
    for entry in entries.values():
        assert entry.wire is not None
        size = entry.wire.size
        if size is None:
            continue
        classes = entry.parameters["resolution"].choices if "resolution" in entry.parameters else ("",)
        for ratio in entry.parameters["aspect_ratio"].choices or ():
            for name in classes or ():
                settings = {"aspect_ratio": ratio, **({"resolution": name} if name else {})}
                assert entry.check_settings(size.encode(settings)) == settings
    with pytest.raises(errors.SettingError, match="twice"):
        entries["gen4_image"].check_settings({"ratio": "1920:1080", "resolution": "1080p"})


async def test_a_cancelled_task_reports_its_cost(service: Runway, simulator: Simulator) -> None:
    """It is free here; polling a deleted task ends."""
    simulator.world.scenarios.append(Scenario(end="never"))
    operation = await service.submit(make_request(service, "gen4_image"), idempotency_key="k")
    assert isinstance(operation, Operation)
    assert await service.cancel(operation) is CancelAnswer.CONFIRMED
    assert await service.poll(operation) == Cancelled(Cost(0, is_exact=True))
    done = await service.submit(make_request(service, "gen4_image"), idempotency_key="k")
    assert isinstance(done, Operation)
    ended_before = await poll_until_done(service, done)
    assert isinstance(ended_before, Done)
    read_output(ended_before.outputs[0])
    assert await service.cancel(done) is CancelAnswer.REQUESTED  # 204, as for every task; it has cost what it has
    simulator.world.jobs.clear()
    gone = await service.poll(operation)
    assert isinstance(gone, Failed)
    assert gone.code == "not_found"
    assert await service.cancel(operation) is CancelAnswer.UNSUPPORTED
