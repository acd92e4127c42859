"""Kling: signed keys, kinds of tasks, codes in the body. There is no official client and no recording."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import time
from typing import TYPE_CHECKING, Any

import pytest

from fusionflow_nb import errors
from fusionflow_nb.providers.http import Answer
from fusionflow_nb.providers.protocol import Done, Failed, NoFunds, Operation, Reference, Refused
from fusionflow_nb.providers.services.kling import Kling, _error, sign_token
from fusionflow_nb.simulator.scenario import File
from fusionflow_nb.testing.contract.requests import make_picture, make_request, poll_until_done, read_output

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from fusionflow_nb.simulator import Simulator


MODEL = "kling-v3"


@pytest.fixture
async def service(simulator: Simulator) -> AsyncIterator[Kling]:
    adapter = Kling()
    yield adapter
    await adapter.aclose()


def sent(simulator: Simulator) -> dict[str, Any]:
    body: dict[str, Any] = json.loads(simulator.world.requests[-1].body)
    return body


def test_a_key_is_signed_as_a_jwt() -> None:
    """A JWT of three base64url parts: header, claims and signature."""
    head, claims, signature = sign_token("who", "secret", 1000.7).split(".")
    assert json.loads(base64.urlsafe_b64decode(head + "==")) == {"alg": "HS256", "typ": "JWT"}
    assert json.loads(base64.urlsafe_b64decode(claims + "==")) == {"iss": "who", "exp": 2800, "nbf": 995}
    expected = hmac.new(b"secret", f"{head}.{claims}".encode(), hashlib.sha256).digest()
    assert base64.urlsafe_b64decode(signature + "==") == expected


async def test_a_video_from_a_prompt(service: Kling, simulator: Simulator) -> None:
    """The URL of the kind of task; the length as text; our own id."""
    settings = {"duration_s": 5, "aspect_ratio": "9:16", "guidance": 0.5, "mode": "pro", "negative_prompt": "rain"}
    request = make_request(service, MODEL, "text-to-video", "hills", settings=settings)
    operation = await service.submit(request, idempotency_key="our-id")
    assert simulator.world.requests[-1].path == "/kling/api/v1/videos/text2video"
    assert sent(simulator) == {
        "model_name": MODEL,
        "prompt": "hills",
        "negative_prompt": "rain",
        "aspect_ratio": "9:16",
        "duration": "5",
        "cfg_scale": 0.5,
        "mode": "pro",
        "external_task_id": "our-id",
    }
    done = await poll_until_done(service, operation)
    assert isinstance(done, Done)
    read_output(done.outputs[0])


async def test_a_second_submit_with_the_same_id_fails(service: Kling) -> None:
    """The service rejects a second submit with the same id."""
    request = make_request(service, MODEL, "text-to-video")
    assert isinstance(await service.submit(request, idempotency_key="once"), Operation)
    assert isinstance(await service.submit(request, idempotency_key="once"), Failed)


async def test_images_are_sent_as_url_or_bare_base64(service: Kling, simulator: Simulator, tmp_path: Path) -> None:
    """Without a `data:` prefix; first and last image."""
    local = make_picture(tmp_path)
    simulator.world.files["there.png"] = File(local.file.read_bytes(), "image/png", float("inf"))
    remote = Reference(local.asset, local.file, url="https://bucket.example.com/there.png")
    references = {"image": [local], "last_image": [remote]}
    request = make_request(service, MODEL, "image-to-video", references=references)
    assert isinstance(await service.submit(request, idempotency_key="k"), Operation)
    body = sent(simulator)
    assert base64.b64decode(body["image"]) == local.file.read_bytes()
    assert body["image_tail"] == "https://bucket.example.com/there.png"
    with pytest.raises(errors.SettingError, match="first image"):
        await service.submit(
            make_request(service, MODEL, "image-to-video", references={"last_image": [local]}), idempotency_key="k2"
        )


async def test_a_user_model_makes_images(service: Kling) -> None:
    """models.csv has the URL but no model for it: a user's entry may add one."""
    [entry] = [model for model in service.models if model.provider_model_id == MODEL]
    mine = entry.model_copy(update={"provider_model_id": "mine", "tasks": ("text-to-image",)})
    request = make_request(service, MODEL, "text-to-image")
    from dataclasses import replace

    operation = await service.submit(replace(request, model=mine), idempotency_key="k")
    done = await poll_until_done(service, operation)
    assert isinstance(done, Done)
    assert done.outputs[0].media_type == "image/png"
    read_output(done.outputs[0])


@pytest.mark.slow
@pytest.mark.parametrize("days", [-1, 1])
async def test_a_wrong_clock_is_corrected_by_the_first_answer(
    simulator: Simulator, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, days: int
) -> None:
    """The first submit is rejected, the second is signed with the service's time, as are all later requests."""
    real = time.time
    monkeypatch.setattr(time, "time", lambda: real() + days * 86_400)
    service = Kling()
    operation = await service.submit(make_request(service, MODEL, "text-to-video"), idempotency_key="k")
    assert isinstance(operation, Operation)
    assert len(simulator.world.requests) == 2
    fresh = Kling()
    await fresh.poll(operation)
    assert len(simulator.world.requests) == 4
    await fresh.poll(operation)
    assert len(simulator.world.requests) == 5
    for adapter in (service, fresh):
        await adapter.aclose()


def answer(status: int, payload: dict[str, Any], **headers: str) -> Answer:
    return Answer("kling", status, headers, json.dumps(payload).encode())


@pytest.mark.parametrize(
    ("status", "code", "kind", "retryable"),
    [
        (200, 1301, Refused, None),
        (403, 1301, Refused, None),
        (403, 9, Failed, False),
        (402, 9, NoFunds, None),
        (429, 1302, Failed, True),
        (200, 1303, Failed, True),
        (200, 9, Failed, False),
        (400, 9, Failed, False),
    ],
)
def test_codes_decide_and_messages_do_not(status: int, code: int, kind: type, retryable: bool | None) -> None:  # noqa: FBT001
    """Three codes are mapped; for all others the HTTP status decides."""
    payload = {"code": code, "message": "Content policy violation", "request_id": "r"}
    outcome = _error(answer(status, payload), payload)
    assert isinstance(outcome, kind)
    assert getattr(outcome, "is_retryable", None) is retryable


async def test_a_task_is_not_found_under_another_kind(service: Kling, simulator: Simulator) -> None:
    """So the URL's path is part of the Operation."""
    operation = await service.submit(make_request(service, MODEL, "text-to-video"), idempotency_key="k")
    assert isinstance(operation, Operation)
    wrong = Operation({**operation.data, "path": "/v1/videos/image2video"})
    status = await service.poll(wrong)
    assert isinstance(status, Failed)
    assert status.code == "not_found"
