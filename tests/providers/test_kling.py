"""Kling: signed keys, tasks by kind, codes in the body. There is neither client nor recording to hold it to."""

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
from fusionflow_nb.testing.contract.requests import asked, ended, picture, taken

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from fusionflow_nb.simulator import Simulator


MODEL = "kling-v3"


@pytest.fixture
async def service(simulator: Simulator) -> AsyncIterator[Kling]:
    made = Kling()
    yield made
    await made.aclose()


def sent(simulator: Simulator) -> dict[str, Any]:
    body: dict[str, Any] = json.loads(simulator.world.asked[-1].body)
    return body


def test_a_key_is_signed_as_the_service_reads_it() -> None:
    """Three parts in the alphabet of addresses: how, who and until when, and the seal over both."""
    head, claims, seal = sign_token("who", "secret", 1000.7).split(".")
    assert json.loads(base64.urlsafe_b64decode(head + "==")) == {"alg": "HS256", "typ": "JWT"}
    assert json.loads(base64.urlsafe_b64decode(claims + "==")) == {"iss": "who", "exp": 2800, "nbf": 995}
    wanted = hmac.new(b"secret", f"{head}.{claims}".encode(), hashlib.sha256).digest()
    assert base64.urlsafe_b64decode(seal + "==") == wanted


async def test_a_film_from_words(service: Kling, simulator: Simulator) -> None:
    """Its own address; the length as text, under our own id."""
    settings = {"duration_s": 5, "aspect_ratio": "9:16", "guidance": 0.5, "mode": "pro", "negative_prompt": "rain"}
    request = asked(service, MODEL, "text-to-video", "hills", settings=settings)
    begun = await service.submit(request, idempotency_key="our-id")
    assert simulator.world.asked[-1].path == "/kling/api/v1/videos/text2video"
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
    done = await ended(service, begun)
    assert isinstance(done, Done)
    taken(done.outputs[0])


async def test_the_same_start_twice_is_refused_by_our_own_id(service: Kling) -> None:
    """What nothing else in this trade offers: the service itself takes one start once."""
    request = asked(service, MODEL, "text-to-video")
    assert isinstance(await service.submit(request, idempotency_key="once"), Operation)
    assert isinstance(await service.submit(request, idempotency_key="once"), Failed)


async def test_pictures_go_by_address_or_as_bare_base64(service: Kling, simulator: Simulator, tmp_path: Path) -> None:
    """Without `data:` in front; first and last."""
    given = picture(tmp_path)
    simulator.world.files["there.png"] = File(given.file.read_bytes(), "image/png", float("inf"))
    there = Reference(given.asset, given.file, url="https://bucket.example.com/there.png")
    references = {"image": [given], "last_image": [there]}
    request = asked(service, MODEL, "image-to-video", references=references)
    assert isinstance(await service.submit(request, idempotency_key="k"), Operation)
    body = sent(simulator)
    assert base64.b64decode(body["image"]) == given.file.read_bytes()
    assert body["image_tail"] == "https://bucket.example.com/there.png"
    with pytest.raises(errors.SettingError, match="first picture"):
        await service.submit(
            asked(service, MODEL, "image-to-video", references={"last_image": [given]}), idempotency_key="k2"
        )


async def test_a_model_of_ones_own_makes_pictures(service: Kling) -> None:
    """The sheet has the address and no model for it: a person's own entry names one."""
    [entry] = [each for each in service.models if each.provider_model_id == MODEL]
    mine = entry.model_copy(update={"provider_model_id": "mine", "tasks": ("text-to-image",)})
    request = asked(service, MODEL, "text-to-image")
    from dataclasses import replace

    begun = await service.submit(replace(request, model=mine), idempotency_key="k")
    done = await ended(service, begun)
    assert isinstance(done, Done)
    assert done.outputs[0].media_type == "image/png"
    taken(done.outputs[0])


@pytest.mark.slow
@pytest.mark.parametrize("days", [-1, 1])
async def test_a_wrong_clock_here_is_set_by_the_first_answer(
    simulator: Simulator, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, days: int
) -> None:
    """One start that was not taken, one that is; from then on every request is signed by the service's time."""
    real = time.time
    monkeypatch.setattr(time, "time", lambda: real() + days * 86_400)
    service = Kling()
    begun = await service.submit(asked(service, MODEL, "text-to-video"), idempotency_key="k")
    assert isinstance(begun, Operation)
    assert len(simulator.world.asked) == 2
    fresh = Kling()
    await fresh.poll(begun)
    assert len(simulator.world.asked) == 4
    await fresh.poll(begun)
    assert len(simulator.world.asked) == 5
    for each in (service, fresh):
        await each.aclose()


def answer(status: int, said: dict[str, Any], **headers: str) -> Answer:
    return Answer("kling", status, headers, json.dumps(said).encode())


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
def test_codes_decide_and_texts_do_not(status: int, code: int, kind: type, retryable: bool | None) -> None:  # noqa: FBT001
    """Three codes are known; of all others the status says what they mean."""
    said = {"code": code, "message": "Content policy violation", "request_id": "r"}
    found = _error(answer(status, said), said)
    assert isinstance(found, kind)
    assert getattr(found, "is_retryable", None) is retryable


async def test_a_task_under_another_kinds_address_is_not_found(service: Kling, simulator: Simulator) -> None:
    """So the address is part of what is stored."""
    begun = await service.submit(asked(service, MODEL, "text-to-video"), idempotency_key="k")
    assert isinstance(begun, Operation)
    wrong = Operation({**begun.data, "path": "/v1/videos/image2video"})
    status = await service.poll(wrong)
    assert isinstance(status, Failed)
    assert status.code == "not_found"
