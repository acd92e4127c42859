"""MiniMax: errors with HTTP 200, roles of pictures. There is neither client nor recording to hold it to."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from fusionflow_nb import errors
from fusionflow_nb.providers.http import Answer
from fusionflow_nb.providers.protocol import (
    Cost,
    Done,
    Failed,
    NoFunds,
    Operation,
    Reference,
    Refused,
    SubmitAmbiguousError,
)
from fusionflow_nb.providers.services.minimax import MiniMax, _error, _failed
from fusionflow_nb.simulator import Fault, Simulator
from fusionflow_nb.simulator.scenario import File
from fusionflow_nb.testing.contract.requests import asked, ended, picture, taken

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

H3 = "MiniMax-H3"


@pytest.fixture
async def service(simulator: Simulator) -> AsyncIterator[MiniMax]:
    made = MiniMax()
    yield made
    await made.aclose()


def sent(simulator: Simulator) -> dict[str, Any]:
    body: dict[str, Any] = json.loads(simulator.world.asked[-1].body)
    return body


async def test_a_film_from_words_names_a_ratio(service: MiniMax, simulator: Simulator) -> None:
    """The service wants one there; length and class of size as it spells them, and what it cost by the table."""
    settings = {"duration_s": 5, "resolution": "768P"}
    begun = await service.submit(asked(service, H3, "text-to-video", settings=settings), idempotency_key="k")
    text = {"type": "text", "text": "hills"}
    assert sent(simulator) == {"model": H3, "ratio": "16:9", "duration": 5, "resolution": "768P", "content": [text]}
    done = await ended(service, begun)
    assert isinstance(done, Done)
    assert done.cost == Cost(400_000, is_exact=False)
    taken(done.outputs[0])


async def test_pictures_have_roles(service: MiniMax, simulator: Simulator, tmp_path: Path) -> None:
    """By address where there is one, else as a data URI; each has its price."""
    given = picture(tmp_path)
    simulator.world.files["there.png"] = File(given.file.read_bytes(), "image/png", float("inf"))
    there = Reference(given.asset, given.file, url="https://bucket.example.com/there.png")
    settings = {"duration_s": 4, "resolution": "2K"}
    request = asked(
        service, H3, "image-to-video", settings=settings, references={"image": [given], "last_image": [there]}
    )
    begun = await service.submit(request, idempotency_key="k")
    body = sent(simulator)
    assert "ratio" not in body
    [_, first, last] = body["content"]
    assert (first["role"], last["role"]) == ("first_frame", "last_frame")
    assert first["image_url"]["url"].startswith("data:image/png;base64,")
    assert last["image_url"]["url"] == "https://bucket.example.com/there.png"
    assert isinstance(begun, Operation)
    spent = round((4 * 0.13 + 2 * 0.04) * 1e6)
    assert begun.data["cost_micro_usd"] == spent
    pixels = [given.asset.width * given.asset.height] * 2
    assert request.model.estimate(dict(request.settings), image_pixels=pixels).high_micro_usd == spent


async def test_keyframes_and_references_exclude_each_other(
    service: MiniMax, simulator: Simulator, tmp_path: Path
) -> None:
    """And what it does not read is said; before anything is sent."""
    given = picture(tmp_path)
    for references, says in (
        ({"image": [given], "references": [given]}, "not both"),
        ({"mask": [given]}, "reads no 'mask'"),
    ):
        request = asked(service, H3, "image-to-video", references=references)
        with pytest.raises(errors.SettingError, match=says):
            await service.submit(request, idempotency_key="k")
    assert not simulator.world.asked
    request = asked(service, H3, "image-to-video", references={"references": [given, given]})
    assert isinstance(await service.submit(request, idempotency_key="k"), Operation)
    assert [each.get("role") for each in sent(simulator)["content"]] == [None, "reference_image", "reference_image"]


def said(code: int, message: str = "said") -> bytes:
    return json.dumps({"base_resp": {"status_code": code, "status_msg": message}}).encode()


def good(content: bytes) -> bytes:
    """An answer with HTTP 200, as it goes over the socket."""
    head = f"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {len(content)}\r\n\r\n"
    return head.encode() + content


@pytest.mark.parametrize(
    ("code", "kind", "retryable"),
    [
        (1002, Failed, True),
        (1039, Failed, True),
        (1041, Failed, True),
        (1008, NoFunds, None),
        (1026, Refused, None),
        (2013, Failed, False),
        (4242, Failed, False),
    ],
)
def test_codes_of_a_start(code: int, kind: type, retryable: bool | None) -> None:  # noqa: FBT001
    """Whatever HTTP says. A code that no page has is a failure."""
    found = _error(Answer("minimax", 200, {}, said(code)), code, "said")
    assert isinstance(found, kind)
    assert getattr(found, "is_retryable", None) is retryable


@pytest.mark.slow
@pytest.mark.parametrize("code", [1000, 1001, 1024, 1033])
async def test_trouble_of_its_own_leaves_a_start_unknown_and_a_look_for_later(
    service: MiniMax, simulator: Simulator, code: int
) -> None:
    """The sheet says "again"; but whether a task was begun, such a code does not say."""
    request = asked(service, H3, "text-to-video")
    begun = await service.submit(request, idempotency_key="k")
    assert isinstance(begun, Operation)
    simulator.world.fault = Fault(good(said(code)))
    with pytest.raises(SubmitAmbiguousError):
        await service.submit(request, idempotency_key="k")
    with pytest.raises(errors.ProviderError) as caught:
        await service.poll(begun)
    assert caught.value.is_retryable


async def test_a_key_that_is_taken_back_is_no_failure_of_the_job(service: MiniMax, simulator: Simulator) -> None:
    """It comes with HTTP 200, too."""
    begun = await service.submit(asked(service, H3, "text-to-video"), idempotency_key="k")
    assert isinstance(begun, Operation)
    simulator.world.fault = Fault(good(said(1004)))
    with pytest.raises(errors.SecretError, match="stores another one"):
        await service.poll(begun)


@pytest.mark.parametrize(
    ("task", "kind", "code"),
    [
        ({"status": "failed", "error": {"code": 1027, "message": "sensitive"}}, Refused, None),
        ({"status": "failed", "error": {"code": "1026", "message": "sensitive"}}, Refused, None),
        ({"status": "failed", "error": {"code": 1000, "message": "unknown"}}, Failed, "1000"),
        ({"status": "expired"}, Failed, "expired"),
    ],
    ids=["output", "input", "failed", "expired"],
)
def test_ends_of_a_task(task: dict[str, Any], kind: type, code: str | None) -> None:
    """A refusal by its code; all else is a failure with the service's own word."""
    found = _failed(task)
    assert isinstance(found, kind)
    assert getattr(found, "code", None) == code
