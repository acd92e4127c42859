"""Luma, both APIs: recordings against the adapters, files, prices and limits."""

from __future__ import annotations

import asyncio
import base64
import json
from typing import TYPE_CHECKING, Any

import pytest
from providers.test_recordings import _all_same, driven, pngs, request, same, service_at  # noqa: F401 - a fixture
from support.replay import PNG, replayed

from fusionflow_nb import errors
from fusionflow_nb.assets.sniff import sniff
from fusionflow_nb.media.values import Asset
from fusionflow_nb.providers.protocol import (
    CancelAnswer,
    Cost,
    Done,
    Failed,
    NoFunds,
    Operation,
    Pending,
    Reference,
    Refused,
)
from fusionflow_nb.providers.services.luma import IN_BODY_BYTES, Luma
from fusionflow_nb.providers.services.luma_dream_machine import LumaDreamMachine
from fusionflow_nb.simulator import Scenario
from fusionflow_nb.simulator.luma import FAILURES
from fusionflow_nb.simulator.scenario import File
from fusionflow_nb.testing.contract.requests import make_picture, make_request, poll_until_done, read_output

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from fusionflow_nb.simulator import Simulator

ADDRESS = "https://example.com/a.jpg"


@pytest.fixture(autouse=True)
def keys(monkeypatch: pytest.MonkeyPatch) -> None:
    """The recordings of both APIs use one variable for the key."""
    for name in ("LUMA_AGENTS_API_KEY", "LUMAAI_API_KEY"):
        monkeypatch.setenv(name, "<LUMAAI_API_KEY>")


@pytest.fixture
async def service(simulator: Simulator) -> AsyncIterator[Luma]:
    adapter = Luma()
    yield adapter
    await adapter.aclose()


@pytest.fixture
async def older(simulator: Simulator) -> AsyncIterator[LumaDreamMachine]:
    adapter = LumaDreamMachine()
    yield adapter
    await adapter.aclose()


def at(kind: type[Luma | LumaDreamMachine], base: str) -> Any:
    """The adapter connected to a recording."""
    return service_at(kind, base, {"api": f"{base}/{'v1' if kind is Luma else 'dream-machine/v1'}"})


def by_address(tmp_path: Path) -> dict[str, list[Reference]]:
    """An image with a URL."""
    return {"image": [Reference(Asset("0" * 64, "image/jpeg", 70), tmp_path / "nowhere", url=ADDRESS)]}


async def test_a_video_as_recorded(tmp_path: Path) -> None:
    """Create and two polls, byte for byte; the image is sent as its URL."""
    async with replayed("luma-agents-video-create-poll") as tape:
        settings = {"aspect_ratio": "16:9", "resolution": "720p", "duration_s": 5}
        film = at(Luma, tape.base)
        about = request(
            film, "ray-3.2", "a red cube", "image-to-video", settings=settings, references=by_address(tmp_path)
        )
        done = await driven(film, about)
        assert isinstance(done, Done)
        read_output(done.outputs[0])
        _all_same(tape)


async def test_an_edit_as_recorded(pngs: list[Reference]) -> None:  # noqa: F811 - the fixture
    """The image is inline; the recording shortens its base64, so only the length is compared."""
    async with replayed("luma-agents-image-edit") as tape:
        service = at(Luma, tape.base)
        about = request(
            service,
            "uni-1",
            "make it blue",
            "edit-image",
            settings={"output_format": "png"},
            references={"image": pngs[:1]},
        )
        operation = await service.submit(about, idempotency_key="k")
        await service.aclose()
        assert isinstance(operation, Operation)
        assert operation.data["id"] == "gen_01"
        [ours] = tape.sent
        data = ours.json["source"].pop("data")
        assert base64.b64decode(data) == PNG
        assert tape.recorded[0].json["source"].pop("data") == f"<base64 {len(data)} chars>"
        _all_same(tape)
        assert ours.headers["content-length"] == tape.recorded[0].headers["content-length"]


async def test_an_older_video_as_recorded(tmp_path: Path) -> None:
    """Create, poll, delete. Without the callback URL of the recording."""
    async with replayed("luma-video-create-poll-delete") as tape:
        settings = {"aspect_ratio": "16:9", "resolution": "720p", "duration_s": 5}
        film = at(LumaDreamMachine, tape.base)
        about = request(
            film, "ray-2", "a red cube", "image-to-video", settings=settings, references=by_address(tmp_path)
        )
        operation = await film.submit(about, idempotency_key="k")
        assert isinstance(operation, Operation)
        assert isinstance(await film.poll(operation), Pending)
        done = await film.poll(operation)
        assert isinstance(done, Done)
        read_output(done.outputs[0])
        assert await film.cancel(operation) is CancelAnswer.REQUESTED
        await film.aclose()
        create, delete = tape.recorded[0], tape.recorded[-1]
        assert create.json.pop("callback_url")
        create.headers["content-length"] = tape.sent[0].headers["content-length"]
        assert delete.headers.pop("content-type") == "application/json"  # of a body that it has not
        _all_same(tape)


async def test_an_older_image_as_recorded(tmp_path: Path) -> None:
    """The weight of a reference is a field of the service, so it is set with `fields`."""
    async with replayed("luma-image-upscale-credits") as tape:
        service = at(LumaDreamMachine, tape.base)
        own = {"fields": {"image_ref": [{"url": ADDRESS, "weight": 0.85}]}}
        about = request(service, "photon-1", "a red cube", settings={"aspect_ratio": "16:9", **own})
        assert isinstance(await service.submit(about, idempotency_key="k"), Operation)
        await service.aclose()
        same(tape.sent[0], tape.recorded[0])
        # The other requests upscale the service's own result, and ask for the balance.
        assert (len(tape.sent), len(tape.recorded)) == (1, 3)


async def test_a_large_file_is_uploaded_first(service: Luma, simulator: Simulator, tmp_path: Path) -> None:
    """Announced, uploaded without the key, polled until ready, and referenced by id instead of inline."""
    waits: list[float] = []

    async def sleep(seconds: float) -> None:
        waits.append(seconds)

    service.http.sleep = sleep
    large = make_picture(tmp_path, 640, noise=True)
    assert large.asset.size_bytes > IN_BODY_BYTES
    about = make_request(service, "uni-1", "edit-image", references={"image": [large]})
    done = await poll_until_done(service, await service.submit(about, idempotency_key="k"))
    assert isinstance(done, Done)
    assert sniff(read_output(done.outputs[0])) == "image/png"
    [put] = [request for request in simulator.world.requests if request.method == "PUT"]
    assert "authorization" not in put.headers
    assert len(put.body) == large.asset.size_bytes
    [submit] = [request for request in simulator.world.requests if request.path.endswith("/generations")]
    assert b"file_id" in submit.body
    assert len(submit.body) < 1000
    assert waits == [1.0]


async def test_no_file_is_uploaded_to_a_private_network(
    service: Luma, simulator: Simulator, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An upload URL on a private network is rejected."""
    monkeypatch.setattr("fusionflow_nb.simulator.luma.base_url", lambda _request: "http://127.0.0.1:9")
    about = make_request(
        service, "uni-1", "edit-image", references={"image": [make_picture(tmp_path, 640, noise=True)]}
    )
    with pytest.raises(errors.ProviderError, match="which is not allowed"):
        await service.submit(about, idempotency_key="k")
    assert not [request for request in simulator.world.requests if request.method == "PUT"]
    assert not simulator.world.jobs


async def test_video_fields_are_nested(service: Luma, simulator: Simulator, tmp_path: Path) -> None:
    """Frames, size, length and own fields are nested in one object; a video to edit is the source."""
    first, film = by_address(tmp_path)["image"][0], tmp_path / "film.mp4"
    address = "https://example.com/a.mp4"
    moving = Reference(Asset("1" * 64, "video/mp4", 70), film, url=address)
    settings = {"duration_s": 10, "resolution": "1080p", "hdr": True, "fields": {"style": "auto"}}
    for task, references, expected in (
        (
            "image-to-video",
            {"image": [first], "last_image": [first]},
            {
                "type": "video",
                "video": {
                    "resolution": "1080p",
                    "duration": "10s",
                    "hdr": True,
                    "start_frame": {"url": ADDRESS},
                    "end_frame": {"url": ADDRESS},
                },
            },
        ),
        (
            "video-to-video",
            {"video": [moving]},
            {
                "type": "video_edit",
                "video": {"resolution": "1080p", "duration": "10s", "hdr": True},
                "source": {"url": address, "media_type": "video/mp4"},
            },
        ),
    ):
        simulator.world.scenarios.append(Scenario(end="never"))
        about = make_request(service, "ray-3.2", task, settings=settings, references=references)
        assert isinstance(await service.submit(about, idempotency_key="k"), Operation)
        body = json.loads(simulator.world.requests[-1].body)
        assert body == {"prompt": "hills", "model": "ray-3.2", "style": "auto", **expected}


@pytest.mark.parametrize(("code", "kind"), [("budget_exhausted", NoFunds), ("content_moderated", Refused)])
async def test_the_code_of_a_failure_decides(
    service: Luma, simulator: Simulator, monkeypatch: pytest.MonkeyPatch, code: str, kind: type
) -> None:
    """An exhausted budget is reported at the end, like a refusal: neither is a failure."""
    monkeypatch.setitem(FAILURES, "failed", (code, "why"))
    simulator.world.scenarios.append(Scenario(end="failed"))
    status = await poll_until_done(service, await service.submit(make_request(service, "uni-1"), idempotency_key="k"))
    assert status == kind("why")


@pytest.mark.parametrize(("count", "micro_usd"), [(0, 40_400), (1, 43_400), (3, 49_400)])
async def test_the_price_of_an_image_depends_on_references(
    service: Luma, tmp_path: Path, count: int, micro_usd: int
) -> None:
    """The catalogue's price includes one reference; the service reports no cost, so it is not exact."""
    about = make_request(service, "uni-1", references={"references": [make_picture(tmp_path)] * count})
    done = await poll_until_done(service, await service.submit(about, idempotency_key="k"))
    assert isinstance(done, Done)
    read_output(done.outputs[0])
    assert done.cost == Cost(micro_usd, is_exact=False)


async def test_too_many_references_are_not_sent(service: Luma, simulator: Simulator, tmp_path: Path) -> None:
    """Nine for an image, eight for an edit."""
    some = [make_picture(tmp_path)]
    for task, references in (
        ("text-to-image", {"references": some * 10}),
        ("edit-image", {"image": some, "references": some * 9}),
    ):
        about = make_request(service, "uni-1", task, references=references)
        with pytest.raises(errors.MediaError, match="Connect fewer"):
            await service.submit(about, idempotency_key="k")
    assert not simulator.world.requests


async def test_the_older_api_takes_only_urls(older: LumaDreamMachine, simulator: Simulator, tmp_path: Path) -> None:
    """Without a URL nothing is sent, and the hint names alternatives."""
    local = make_picture(tmp_path)
    about = make_request(older, "ray-2", "image-to-video", references={"image": [local]})
    with pytest.raises(errors.ProviderError, match=r"luma/ray-3\.2 takes bytes"):
        await older.submit(about, idempotency_key="k")
    assert not simulator.world.requests
    simulator.world.files["a.png"] = File(await asyncio.to_thread(local.file.read_bytes), "image/png", float("inf"))
    placed = Reference(local.asset, local.file, url="https://bucket.example.com/a.png")
    about = make_request(older, "ray-2", "image-to-video", references={"image": [placed]}, settings={"duration_s": 9})
    done = await poll_until_done(older, await older.submit(about, idempotency_key="k"))
    assert isinstance(done, Done)
    assert sniff(read_output(done.outputs[0])) == "video/webm"


async def test_a_deleted_generation_is_not_found(older: LumaDreamMachine, simulator: Simulator) -> None:
    """It is undocumented whether it is billed, so the cancel is only requested; a poll reports it as not found."""
    simulator.world.scenarios.append(Scenario(end="never"))
    operation = await older.submit(make_request(older, "photon-1"), idempotency_key="k")
    assert isinstance(operation, Operation)
    assert await older.cancel(operation) is CancelAnswer.REQUESTED
    status = await older.poll(operation)
    assert isinstance(status, Failed)
    assert status.code == "not_found"
    assert await older.cancel(operation) is CancelAnswer.UNSUPPORTED
