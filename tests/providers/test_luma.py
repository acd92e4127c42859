"""Luma, both of its APIs: their clients' recordings against us, files, prices, limits."""

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
from fusionflow_nb.testing.contract.requests import asked, ended, picture, taken

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from fusionflow_nb.simulator import Simulator

ADDRESS = "https://example.com/a.jpg"


@pytest.fixture(autouse=True)
def keys(monkeypatch: pytest.MonkeyPatch) -> None:
    """The recordings of both APIs name one variable where a key stood."""
    for name in ("LUMA_AGENTS_API_KEY", "LUMAAI_API_KEY"):
        monkeypatch.setenv(name, "<LUMAAI_API_KEY>")


@pytest.fixture
async def service(simulator: Simulator) -> AsyncIterator[Luma]:
    made = Luma()
    yield made
    await made.aclose()


@pytest.fixture
async def older(simulator: Simulator) -> AsyncIterator[LumaDreamMachine]:
    made = LumaDreamMachine()
    yield made
    await made.aclose()


def at(kind: type[Luma | LumaDreamMachine], base: str) -> Any:
    """The adapter before a recording."""
    return service_at(kind, base, {"api": f"{base}/{'v1' if kind is Luma else 'dream-machine/v1'}"})


def by_address(tmp_path: Path) -> dict[str, list[Reference]]:
    """A picture that lies somewhere on the network."""
    return {"image": [Reference(Asset("0" * 64, "image/jpeg", 70), tmp_path / "nowhere", url=ADDRESS)]}


async def test_a_film_as_recorded(tmp_path: Path) -> None:
    """Create and two polls, byte for byte; the picture goes by its address."""
    async with replayed("luma-agents-video-create-poll") as tape:
        settings = {"aspect_ratio": "16:9", "resolution": "720p", "duration_s": 5}
        film = at(Luma, tape.base)
        about = request(
            film, "ray-3.2", "a red cube", "image-to-video", settings=settings, references=by_address(tmp_path)
        )
        done = await driven(film, about)
        assert isinstance(done, Done)
        taken(done.outputs[0])
        _all_same(tape)


async def test_an_edit_as_recorded(pngs: list[Reference]) -> None:  # noqa: F811 - the fixture
    """The picture inline; the recording shortens its text, which is compared by its length."""
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
        begun = await service.submit(about, idempotency_key="k")
        await service.aclose()
        assert isinstance(begun, Operation)
        assert begun.data["id"] == "gen_01"
        [ours] = tape.sent
        data = ours.json["source"].pop("data")
        assert base64.b64decode(data) == PNG
        assert tape.recorded[0].json["source"].pop("data") == f"<base64 {len(data)} chars>"
        _all_same(tape)
        assert ours.headers["content-length"] == tape.recorded[0].headers["content-length"]


async def test_an_older_film_as_recorded(tmp_path: Path) -> None:
    """Create, polls, delete. Without the address that was to be called back, which nothing here could hear."""
    async with replayed("luma-video-create-poll-delete") as tape:
        settings = {"aspect_ratio": "16:9", "resolution": "720p", "duration_s": 5}
        film = at(LumaDreamMachine, tape.base)
        about = request(
            film, "ray-2", "a red cube", "image-to-video", settings=settings, references=by_address(tmp_path)
        )
        begun = await film.submit(about, idempotency_key="k")
        assert isinstance(begun, Operation)
        assert isinstance(await film.poll(begun), Pending)
        done = await film.poll(begun)
        assert isinstance(done, Done)
        taken(done.outputs[0])
        assert await film.cancel(begun) is CancelAnswer.REQUESTED
        await film.aclose()
        create, delete = tape.recorded[0], tape.recorded[-1]
        assert create.json.pop("callback_url")
        create.headers["content-length"] = tape.sent[0].headers["content-length"]
        assert delete.headers.pop("content-type") == "application/json"  # of a body that it has not
        _all_same(tape)


async def test_an_older_picture_as_recorded(tmp_path: Path) -> None:
    """Its reference has a weight, which is the service's own: so it is given in the service's own words."""
    async with replayed("luma-image-upscale-credits") as tape:
        service = at(LumaDreamMachine, tape.base)
        own = {"fields": {"image_ref": [{"url": ADDRESS, "weight": 0.85}]}}
        about = request(service, "photon-1", "a red cube", settings={"aspect_ratio": "16:9", **own})
        assert isinstance(await service.submit(about, idempotency_key="k"), Operation)
        await service.aclose()
        same(tape.sent[0], tape.recorded[0])
        # The others enlarge what the service has made itself, where our node takes any film, and ask for the balance.
        assert (len(tape.sent), len(tape.recorded)) == (1, 3)


async def test_a_long_file_is_put_there_first(service: Luma, simulator: Simulator, tmp_path: Path) -> None:
    """Announced, put without the key, waited for until it is ready, named in the request; no byte inline."""
    waits: list[float] = []

    async def sleep(seconds: float) -> None:
        waits.append(seconds)

    service.http.sleep = sleep
    given = picture(tmp_path, 640, noise=True)
    assert given.asset.size_bytes > IN_BODY_BYTES
    about = asked(service, "uni-1", "edit-image", references={"image": [given]})
    done = await ended(service, await service.submit(about, idempotency_key="k"))
    assert isinstance(done, Done)
    assert sniff(taken(done.outputs[0])) == "image/png"
    [put] = [each for each in simulator.world.asked if each.method == "PUT"]
    assert "authorization" not in put.headers
    assert len(put.body) == given.asset.size_bytes
    [submit] = [each for each in simulator.world.asked if each.path.endswith("/generations")]
    assert b"file_id" in submit.body
    assert len(submit.body) < 1000
    assert waits == [1.0]


async def test_a_file_is_put_nowhere_inside(
    service: Luma, simulator: Simulator, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An answer that names a machine of this network is not followed with a person's file."""
    monkeypatch.setattr("fusionflow_nb.simulator.luma.base_of", lambda _request: "http://127.0.0.1:9")
    about = asked(service, "uni-1", "edit-image", references={"image": [picture(tmp_path, 640, noise=True)]})
    with pytest.raises(errors.ProviderError, match="which is not asked"):
        await service.submit(about, idempotency_key="k")
    assert not [each for each in simulator.world.asked if each.method == "PUT"]
    assert not simulator.world.jobs


async def test_the_fields_of_a_film_travel_together(service: Luma, simulator: Simulator, tmp_path: Path) -> None:
    """First and last frame, size, length and the service's own in one object; a film to change is the source."""
    first, film = by_address(tmp_path)["image"][0], tmp_path / "film.mp4"
    address = "https://example.com/a.mp4"
    moving = Reference(Asset("1" * 64, "video/mp4", 70), film, url=address)
    settings = {"duration_s": 10, "resolution": "1080p", "hdr": True, "fields": {"style": "auto"}}
    for task, references, wanted in (
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
        simulator.world.moods.append(Scenario(end="never"))
        about = asked(service, "ray-3.2", task, settings=settings, references=references)
        assert isinstance(await service.submit(about, idempotency_key="k"), Operation)
        body = json.loads(simulator.world.asked[-1].body)
        assert body == {"prompt": "hills", "model": "ray-3.2", "style": "auto", **wanted}


@pytest.mark.parametrize(("code", "kind"), [("budget_exhausted", NoFunds), ("content_moderated", Refused)])
async def test_the_code_of_a_failure_decides(
    service: Luma, simulator: Simulator, monkeypatch: pytest.MonkeyPatch, code: str, kind: type
) -> None:
    """An empty budget is told at the end, like a refusal: neither is a failure."""
    monkeypatch.setitem(FAILURES, "failed", (code, "why"))
    simulator.world.moods.append(Scenario(end="failed"))
    status = await ended(service, await service.submit(asked(service, "uni-1"), idempotency_key="k"))
    assert status == kind("why")


@pytest.mark.parametrize(("given", "micro_usd"), [(0, 40_400), (1, 43_400), (3, 49_400)])
async def test_a_picture_costs_by_what_goes_in(service: Luma, tmp_path: Path, given: int, micro_usd: int) -> None:
    """The table has the price with one reference; the service says none, so the figure is not called exact."""
    about = asked(service, "uni-1", references={"references": [picture(tmp_path)] * given})
    done = await ended(service, await service.submit(about, idempotency_key="k"))
    assert isinstance(done, Done)
    taken(done.outputs[0])
    assert done.cost == Cost(micro_usd, is_exact=False)


async def test_too_many_references_are_not_sent(service: Luma, simulator: Simulator, tmp_path: Path) -> None:
    """Nine to a picture, eight to an edit."""
    some = [picture(tmp_path)]
    for task, references in (
        ("text-to-image", {"references": some * 10}),
        ("edit-image", {"image": some, "references": some * 9}),
    ):
        about = asked(service, "uni-1", task, references=references)
        with pytest.raises(errors.MediaError, match="Connect fewer"):
            await service.submit(about, idempotency_key="k")
    assert not simulator.world.asked


async def test_the_older_api_takes_addresses_alone(
    older: LumaDreamMachine, simulator: Simulator, tmp_path: Path
) -> None:
    """By its address a picture becomes a film; without one the error says what helps, and nothing is sent."""
    given = picture(tmp_path)
    about = asked(older, "ray-2", "image-to-video", references={"image": [given]})
    with pytest.raises(errors.ProviderError, match=r"luma/ray-3\.2 takes bytes"):
        await older.submit(about, idempotency_key="k")
    assert not simulator.world.asked
    simulator.world.files["a.png"] = File(await asyncio.to_thread(given.file.read_bytes), "image/png", float("inf"))
    placed = Reference(given.asset, given.file, url="https://bucket.example.com/a.png")
    about = asked(older, "ray-2", "image-to-video", references={"image": [placed]}, settings={"duration_s": 9})
    done = await ended(older, await older.submit(about, idempotency_key="k"))
    assert isinstance(done, Done)
    assert sniff(taken(done.outputs[0])) == "video/webm"


async def test_a_deleted_generation_is_over(older: LumaDreamMachine, simulator: Simulator) -> None:
    """Whether it is billed is not documented: it has been asked for, no more; a poll says that it is gone."""
    simulator.world.moods.append(Scenario(end="never"))
    begun = await older.submit(asked(older, "photon-1"), idempotency_key="k")
    assert isinstance(begun, Operation)
    assert await older.cancel(begun) is CancelAnswer.REQUESTED
    status = await older.poll(begun)
    assert isinstance(status, Failed)
    assert status.code == "not_found"
    assert await older.cancel(begun) is CancelAnswer.UNSUPPORTED
