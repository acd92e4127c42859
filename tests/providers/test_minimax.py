"""MiniMax: errors with status 200, and roles of images. There is no official client and no recording."""

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
from fusionflow_nb.testing.contract.requests import make_picture, make_request, poll_until_done, read_output

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

H3 = "MiniMax-H3"


@pytest.fixture
async def service(simulator: Simulator) -> AsyncIterator[MiniMax]:
    adapter = MiniMax()
    yield adapter
    await adapter.aclose()


def sent(simulator: Simulator) -> dict[str, Any]:
    body: dict[str, Any] = json.loads(simulator.world.requests[-1].body)
    return body


async def test_text_to_video_sends_a_ratio(service: MiniMax, simulator: Simulator) -> None:
    """The service requires a ratio; length and size class are encoded, and the cost is from the catalogue."""
    settings = {"duration_s": 5, "resolution": "768P"}
    operation = await service.submit(make_request(service, H3, "text-to-video", settings=settings), idempotency_key="k")
    text = {"type": "text", "text": "hills"}
    assert sent(simulator) == {"model": H3, "ratio": "16:9", "duration": 5, "resolution": "768P", "content": [text]}
    done = await poll_until_done(service, operation)
    assert isinstance(done, Done)
    assert done.cost == Cost(400_000, is_exact=False)
    read_output(done.outputs[0])


async def test_images_have_roles(service: MiniMax, simulator: Simulator, tmp_path: Path) -> None:
    """As a URL if there is one, else as a data URI; each has its price."""
    local = make_picture(tmp_path)
    simulator.world.files["there.png"] = File(local.file.read_bytes(), "image/png", float("inf"))
    remote = Reference(local.asset, local.file, url="https://bucket.example.com/there.png")
    settings = {"duration_s": 4, "resolution": "2K"}
    request = make_request(
        service, H3, "image-to-video", settings=settings, references={"image": [local], "last_image": [remote]}
    )
    operation = await service.submit(request, idempotency_key="k")
    body = sent(simulator)
    assert "ratio" not in body
    [_, first, last] = body["content"]
    assert (first["role"], last["role"]) == ("first_frame", "last_frame")
    assert first["image_url"]["url"].startswith("data:image/png;base64,")
    assert last["image_url"]["url"] == "https://bucket.example.com/there.png"
    assert isinstance(operation, Operation)
    spent = round((4 * 0.13 + 2 * 0.04) * 1e6)
    assert operation.data["cost_micro_usd"] == spent
    pixels = [local.asset.width * local.asset.height] * 2
    assert request.model.estimate(dict(request.settings), image_pixels=pixels).high_micro_usd == spent


async def test_keyframes_and_references_exclude_each_other(
    service: MiniMax, simulator: Simulator, tmp_path: Path
) -> None:
    """Unsupported ports and combinations are errors before anything is sent."""
    image = make_picture(tmp_path)
    for references, says in (
        ({"image": [image], "references": [image]}, "not both"),
        ({"mask": [image]}, "does not read 'mask'"),
    ):
        request = make_request(service, H3, "image-to-video", references=references)
        with pytest.raises(errors.SettingError, match=says):
            await service.submit(request, idempotency_key="k")
    assert not simulator.world.requests
    request = make_request(service, H3, "image-to-video", references={"references": [image, image]})
    assert isinstance(await service.submit(request, idempotency_key="k"), Operation)
    assert [item.get("role") for item in sent(simulator)["content"]] == [None, "reference_image", "reference_image"]


def said(code: int, message: str = "said") -> bytes:
    return json.dumps({"base_resp": {"status_code": code, "status_msg": message}}).encode()


def good(content: bytes) -> bytes:
    """A raw answer with status 200."""
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
def test_codes_of_a_submit(code: int, kind: type, retryable: bool | None) -> None:  # noqa: FBT001
    """Whatever the HTTP status. An undocumented code is a failure."""
    status = _error(Answer("minimax", 200, {}, said(code)), code, "said")
    assert isinstance(status, kind)
    assert getattr(status, "is_retryable", None) is retryable


@pytest.mark.slow
@pytest.mark.parametrize("code", [1000, 1001, 1024, 1033])
async def test_an_internal_error_leaves_a_submit_unknown(service: MiniMax, simulator: Simulator, code: int) -> None:
    """The documentation recommends a retry, but these codes do not state whether a task was created."""
    request = make_request(service, H3, "text-to-video")
    operation = await service.submit(request, idempotency_key="k")
    assert isinstance(operation, Operation)
    simulator.world.fault = Fault(good(said(code)))
    with pytest.raises(SubmitAmbiguousError):
        await service.submit(request, idempotency_key="k")
    with pytest.raises(errors.ProviderError) as caught:
        await service.poll(operation)
    assert caught.value.is_retryable


async def test_a_revoked_key_does_not_fail_the_job(service: MiniMax, simulator: Simulator) -> None:
    """It is reported with status 200, too."""
    operation = await service.submit(make_request(service, H3, "text-to-video"), idempotency_key="k")
    assert isinstance(operation, Operation)
    simulator.world.fault = Fault(good(said(1004)))
    with pytest.raises(errors.SecretError, match="stores another key"):
        await service.poll(operation)


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
    """A refusal by its code; everything else is a failure with the service's code."""
    status = _failed(task)
    assert isinstance(status, kind)
    assert getattr(status, "code", None) == code
