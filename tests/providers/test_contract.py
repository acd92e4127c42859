"""What every adapter keeps: outputs that are there, errors that say what they are, nothing sent twice."""

from __future__ import annotations

import asyncio
import hashlib
import io
import json
from typing import TYPE_CHECKING, Any

import pytest
from PIL import Image

from fusionflow_nb import errors
from fusionflow_nb.assets.sniff import sniff
from fusionflow_nb.media.values import Asset
from fusionflow_nb.providers.protocol import (
    CancelAnswer,
    Cancelled,
    Done,
    Failed,
    NoFunds,
    Operation,
    Pending,
    Reference,
    Refused,
    Request,
    SubmitAmbiguousError,
)
from fusionflow_nb.providers.simulator import Mood
from fusionflow_nb.providers.simulator.world import File

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from conftest import Adapter

    from fusionflow_nb.providers.protocol import Output, Status
    from fusionflow_nb.providers.service import Service
    from fusionflow_nb.providers.simulator import Simulator


def asked(service: Service, model: str, task: str = "text-to-image", prompt: str = "hills", **facts: Any) -> Request:
    [entry] = [each for each in service.models if each.provider_model_id == model]
    settings = entry.check_settings(facts.pop("settings", {}))
    return Request(entry, task, prompt, settings, **facts)


async def ended(service: Service, begun: Operation | Status, told: Callable[[Pending], Any] = lambda _: None) -> Status:
    """Poll to the end. A new adapter does it: an Operation alone is enough, in a fresh process, too."""
    if not isinstance(begun, Operation):
        return begun
    fresh = type(service)()
    operation = Operation(json.loads(json.dumps(begun.data)))
    try:
        while isinstance(status := await fresh.poll(operation), Pending):
            told(status)
        return status
    finally:
        await fresh.aclose()


def taken(output: Output) -> bytes:
    if isinstance(output.content, bytes):
        return output.content
    content = output.content.read_bytes()
    output.content.unlink()
    return content


def picture(folder: Path, side: int = 48, *, noise: bool = False) -> Reference:
    image = Image.effect_noise((side, side), 90).convert("RGB") if noise else Image.new("RGB", (side, side), "teal")
    buffer = io.BytesIO()
    image.save(buffer, "PNG")
    file = folder / f"{side}.png"
    file.write_bytes(buffer.getvalue())
    size = len(buffer.getvalue())
    return Reference(Asset(hashlib.sha256(buffer.getvalue()).hexdigest(), "image/png", size, side, side), file)


async def test_a_picture_comes_home(service: Service, adapter: Adapter) -> None:
    """Submit, polls by another process, the bytes here, and what they are."""
    done = await ended(service, await service.submit(asked(service, adapter.image), idempotency_key="k"))
    assert isinstance(done, Done)
    [output] = done.outputs
    content = taken(output)
    assert (output.port, output.media_type) == ("image", sniff(content))
    assert Image.open(io.BytesIO(content)).width > 0


async def test_several_pictures_are_several_outputs(service: Service, adapter: Adapter) -> None:
    """One call, its outputs in order."""
    request = asked(service, adapter.image, settings={"count": 3})
    done = await ended(service, await service.submit(request, idempotency_key="k"))
    assert isinstance(done, Done)
    assert len({taken(output) for output in done.outputs}) == 3


async def test_a_picture_is_edited(service: Service, adapter: Adapter, tmp_path: Path) -> None:
    """A reference travels as the service takes it: in the body, in a form, or uploaded first."""
    for reference in (picture(tmp_path), picture(tmp_path, 640, noise=True)):
        request = asked(service, adapter.edit, "edit-image", "at night", references={"image": [reference]})
        done = await ended(service, await service.submit(request, idempotency_key="k"))
        assert isinstance(done, Done)
        taken(done.outputs[0])


async def test_a_reference_that_has_an_address_goes_by_it(
    service: Service, adapter: Adapter, simulator: Simulator, tmp_path: Path
) -> None:
    """Where the service takes addresses, no byte is uploaded."""
    if not adapter.is_queue:
        pytest.skip("this service takes bytes only")
    given = picture(tmp_path)
    simulator.world.files["there.png"] = File(given.file.read_bytes(), "image/png", float("inf"))
    address = "https://bucket.example.com/there.png"
    references = {"image": [Reference(given.asset, given.file, url=address)]}
    await service.submit(asked(service, adapter.edit, "edit-image", references=references), idempotency_key="k")
    [request] = simulator.world.asked
    assert address in request.body.decode()


async def test_what_the_service_tells_is_passed_on(service: Service, adapter: Adapter, simulator: Simulator) -> None:
    """A place in the queue, a fraction, a partial picture: whatever is real."""
    heard: list[Pending] = []
    simulator.world.moods.append(Mood(looks=4))
    request = asked(service, adapter.image, tell=heard.append)
    done = await ended(service, await service.submit(request, idempotency_key="k"), heard.append)
    assert isinstance(done, Done)
    for output in done.outputs:
        taken(output)
    assert any(each.queue_position is not None or each.progress or each.preview for each in heard)
    assert all(sniff(each.preview) for each in heard if each.preview)


ENDS = {"refused": "refusal", "failed": None}


@pytest.mark.parametrize("end", ENDS)
async def test_ends_that_are_no_success(service: Service, adapter: Adapter, simulator: Simulator, end: Any) -> None:
    """Refusals are told from failures wherever the service tells them; neither is to be submitted again."""
    if end == "failed" and not adapter.is_queue:
        pytest.skip("a synchronous service that fails leaves its outcome unknown")
    simulator.world.moods.append(Mood(end=end))
    status = await ended(service, await service.submit(asked(service, adapter.image), idempotency_key="k"))
    assert type(status).__name__ == (adapter.refusal if end == "refused" else "Failed")
    assert not getattr(status, "is_retryable", False)


@pytest.mark.parametrize("submit", ["busy", "no_funds", "invalid"])
async def test_a_submit_that_is_not_taken_says_why(
    service: Service, adapter: Adapter, simulator: Simulator, submit: Any
) -> None:
    """Only a busy service is asked again, after as long as it says; an empty account and a bad request never."""
    simulator.world.moods.append(Mood(submit=submit))
    status = await service.submit(asked(service, adapter.image), idempotency_key="k")
    assert isinstance(status, Failed | NoFunds | Refused)
    if submit == "busy":
        assert (getattr(status, "is_retryable", None), getattr(status, "retry_after_s", None)) == (True, 1.0)
    else:
        assert type(status).__name__ == (adapter.no_funds if submit == "no_funds" else "Failed")
        assert not getattr(status, "is_retryable", False)


@pytest.mark.parametrize("submit", ["broken", "lost"])
async def test_what_nobody_knows_is_unknown(
    service: Service, adapter: Adapter, simulator: Simulator, submit: Any
) -> None:
    """An error of the server, or a connection that breaks after the request: one request, and no second."""
    simulator.world.moods.append(Mood(submit=submit))
    with pytest.raises(SubmitAmbiguousError):
        await service.submit(asked(service, adapter.image), idempotency_key="k")
    assert len(simulator.world.asked) == 1


async def test_work_is_stopped_where_the_service_can(service: Service, adapter: Adapter, simulator: Simulator) -> None:
    """And where it cannot, the answer says so: the money is spent."""
    simulator.world.moods.append(Mood(end="never"))
    if not adapter.is_queue:
        assert await service.cancel(Operation({})) is CancelAnswer.UNSUPPORTED
        return
    begun = await service.submit(asked(service, adapter.image), idempotency_key="k")
    assert isinstance(begun, Operation)
    assert (await service.cancel(begun) is not CancelAnswer.UNSUPPORTED) == adapter.cancels
    assert isinstance(await ended(service, begun), Cancelled | Failed)


async def test_a_bad_key_is_a_sentence_without_it(
    adapter: Adapter, simulator: Simulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The error names the service and the way to store another key; nothing was taken."""
    from fusionflow_nb.credentials import Key

    monkeypatch.setattr("fusionflow_nb.providers.http.site.SIMULATED_KEY", Key("bad"))
    service = adapter.make()
    with pytest.raises(errors.SecretError, match="stores another one"):
        await service.submit(asked(service, adapter.image), idempotency_key="k")
    await service.aclose()
    assert simulator.world.jobs == {}


async def test_an_output_that_has_expired_is_said_to_be(
    service: Service, adapter: Adapter, simulator: Simulator
) -> None:
    """Addresses live for minutes to hours; a late fetch is no endless poll, and the money is spent all the same."""
    if not adapter.is_queue:
        pytest.skip("its outputs come in the answer")
    simulator.world.lifetime_s = 0.0
    begun = await service.submit(asked(service, adapter.image), idempotency_key="k")
    status = await ended(service, begun)
    assert isinstance(status, Failed)
    assert (status.code, status.is_retryable) == ("output_lost", False)
    assert status.cost is not None
    assert status.cost.micro_usd > 0


async def test_many_jobs_at_once(service: Service, adapter: Adapter, simulator: Simulator) -> None:
    """1,000 jobs, no error, no output lost."""
    simulator.world.moods.extend([Mood(looks=0)] * 1000)

    async def one(number: int) -> None:
        request = asked(service, adapter.image, prompt=f"hills {number % 4}")
        begun = await service.submit(request, idempotency_key=str(number))
        while isinstance(begun, Operation) and isinstance(status := await service.poll(begun), Pending):
            pass
        done = status if isinstance(begun, Operation) else begun
        assert isinstance(done, Done)
        for output in done.outputs:
            taken(output)

    await asyncio.gather(*(one(number) for number in range(1000)))
