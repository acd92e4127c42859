"""Adapters send what the official clients sent, byte for byte, except for differences listed here with a reason."""

from __future__ import annotations

import dataclasses
import hashlib
from typing import TYPE_CHECKING, Any

import pytest
from support.replay import PNG, Replay, Sent, replayed

from fusionflow_nb import errors
from fusionflow_nb.media.values import Asset
from fusionflow_nb.providers.protocol import (
    Cost,
    Done,
    Failed,
    NoFunds,
    Operation,
    Pending,
    Reference,
    Refused,
    Request,
)
from fusionflow_nb.providers.services.bfl import BlackForestLabs
from fusionflow_nb.providers.services.fal import Fal
from fusionflow_nb.providers.services.openai import OpenAI
from fusionflow_nb.providers.services.replicate import Replicate

if TYPE_CHECKING:
    from pathlib import Path

    from fusionflow_nb.providers.http_provider import HttpProvider
    from fusionflow_nb.providers.protocol import Status

DIFFERENCES = {
    "user-agent": "identifies this package instead of the client",
    "x-stainless-": "telemetry of the openai client",
    "x-goog-api-client": "telemetry of Google's client",
    "x-fal-queue-priority": "an option of fal's client that the recording used; not used here",
    "x-fal-request-timeout": "an option of fal's client that the recording used; the engine handles timeouts",
    "x-fal-object-lifecycle": "an option of fal's client that the recording used; accounts have a setting for it",
    "x-fal-file-name": "references have no file name here",
    "connection": "a hop-by-hop header, which the recordings omit",
    "content-length": "determined by the body, which is compared",
}
"""Headers (or prefixes) that may differ."""

FLUX, KONTEXT, REPLICATE_FLUX = "fal-ai/flux-pro/v1.1", "fal-ai/flux-pro/kontext", "black-forest-labs/flux-1.1-pro"


@pytest.fixture(autouse=True)
def keys(monkeypatch: pytest.MonkeyPatch) -> None:
    """The recordings contain variable names instead of keys."""
    names = ("BFL_API_KEY", "FAL_KEY", "REPLICATE_API_TOKEN", "OPENAI_API_KEY", "ELEVENLABS_API_KEY", "GEMINI_API_KEY")
    for name in names:
        monkeypatch.setenv(name, f"<{name}>")


def request(service: HttpProvider, model: str, prompt: str, task: str = "text-to-image", **facts: Any) -> Request:
    entry = next((item for item in service.models if item.provider_model_id == model), None)
    if entry is None:  # a version of a community model, as in a user's own entry
        entry = service.models[0].model_copy(update={"provider_model_id": model})
    return Request(entry, task, prompt, entry.check_settings(facts.pop("settings", {})), **facts)


def service_at(kind: type[HttpProvider], base: str, roots: dict[str, str] | None = None) -> HttpProvider:
    """The adapter with the recording's server as its endpoint."""
    adapter = kind()
    roots_by_provider = {"openai": {"api": f"{base}/v1"}, "replicate": {"api": base}, "bfl": {"api": base}}
    roots = roots or roots_by_provider.get(adapter.name)
    roots = roots or {name: f"{base}/{name}" for name in ("queue", "rest", "cdn", "api")}
    adapter.http.endpoint = dataclasses.replace(adapter.http.endpoint, roots={**roots, "output": base})
    return adapter


async def driven(service: HttpProvider, job: Request) -> Operation | Status:
    """Run one job to its end, as the engine does."""
    try:
        started = await service.submit(job, idempotency_key="k")
        while isinstance(started, Operation):
            status = await service.poll(started)
            if not isinstance(status, Pending):
                return status
        return started
    finally:
        await service.aclose()


@pytest.fixture
def pngs(tmp_path: Path) -> list[Reference]:
    """Images of 70 bytes."""
    file = tmp_path / "ref.png"
    file.write_bytes(PNG)
    return [Reference(Asset(hashlib.sha256(PNG).hexdigest(), "image/png", len(PNG), 1, 1), file)] * 2


def same(ours: Sent, theirs: Sent) -> None:
    assert (ours.method, ours.path, ours.json, ours.body_bytes) == (
        theirs.method,
        theirs.path,
        theirs.json,
        theirs.body_bytes,
    )
    assert _headers(ours) == _headers(theirs)
    if ours.json is not None and list(ours.json) == list(theirs.json):
        assert ours.headers["content-length"] == theirs.headers["content-length"]


def _headers(sent: Sent) -> dict[str, str]:
    return {name: value for name, value in sent.headers.items() if not name.startswith(tuple(DIFFERENCES))}


async def test_fal_submit_status_and_result() -> None:
    """Five requests per job; the client polls the status once more after the end."""
    async with replayed("fal-subscribe") as tape:
        fal = service_at(Fal, tape.base)
        settings = {"aspect_ratio": "4:3", "count": 1, "seed": 42, "output_format": "jpeg"}
        done = await driven(fal, request(fal, FLUX, "a red cube", settings=settings))
    assert isinstance(done, Done)
    assert (done.seed, done.outputs[0].media_type) == (42, "image/png")
    done.outputs[0].content.unlink()  # type: ignore[union-attr]
    ours = [sent for sent in tape.sent if not sent.path.startswith("/api/")]
    assert len(ours) == 5
    for mine, theirs in zip(ours, [*tape.recorded[:4], tape.recorded[5]], strict=True):
        same(mine, theirs)
        assert mine.query in ({}, {"logs": "false"})  # we show no logs, so we ask for none


async def test_fal_refusal_bad_key_and_cancel() -> None:
    """A content policy is a refusal, a bad key an error, a cancel the recorded PUT."""
    from fusionflow_nb.providers.protocol import CancelAnswer

    async with replayed("fal-content-policy") as tape:
        fal = service_at(Fal, tape.base)
        assert isinstance(await driven(fal, request(fal, FLUX, "bad")), Refused)
        _all_same(tape)
    async with replayed("fal-unauthorized") as tape:
        fal = service_at(Fal, tape.base)
        with pytest.raises(errors.SecretError, match="No user found"):
            await driven(fal, request(fal, "fal-ai/flux/dev", "x"))
        _all_same(tape)
    async with replayed("fal-submit-cancel") as tape:
        fal = service_at(Fal, tape.base)
        operation = await fal.submit(request(fal, FLUX, "a red cube"), idempotency_key="k")
        assert isinstance(operation, Operation)
        assert isinstance(await fal.poll(operation), Pending)
        assert await fal.cancel(operation) is CancelAnswer.REQUESTED
        await fal.aclose()
        _all_same(tape)


async def test_fal_rate_limit_is_left_to_the_engine() -> None:
    """The client retries within the call; here one submit is one request, and the engine retries."""
    async with replayed("fal-submit-429-retry") as tape:
        fal = service_at(Fal, tape.base)
        status = await driven(fal, request(fal, FLUX, "x"))
        assert status == Failed("rate_limit", "Rate limit exceeded", is_retryable=True, retry_after_s=1.0)
        same(tape.sent[0], tape.recorded[0])
        assert len(tape.sent) == 1


async def test_fal_upload(pngs: list[Reference]) -> None:
    """Token, then the bytes. The token request differs in `accept`, which the client sends only there."""
    async with replayed("fal-upload") as tape:
        fal = service_at(Fal, tape.base)
        await driven(fal, request(fal, KONTEXT, "x", "edit-image", references={"image": pngs[:1]}))
        token, upload = tape.sent[:2]
        assert token.headers.pop("accept") == "*/*"
        assert tape.recorded[0].headers.pop("accept") == "application/json"
        same(token, tape.recorded[0])
        same(upload, tape.recorded[1])
        assert (token.query, upload.query) == (tape.recorded[0].query, {})
        assert tape.sent[2].json["image_url"] == "https://v3.fal.media/files/b/zebra/xyz_ref.png"


async def test_fal_upload_in_parts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Above a limit (small here, as in the recording) a file is sent in parts and completed."""
    monkeypatch.setattr("fusionflow_nb.providers.services.fal.PART_BYTES", 40)
    async with replayed("fal-upload-multipart") as tape:
        fal = service_at(Fal, tape.base)
        fal.http.endpoint = dataclasses.replace(fal.http.endpoint, roots={"cdn": f"{tape.base}/cdnbase"})
        file = tmp_path / "big.png"
        file.write_bytes(PNG)
        headers = {"authorization": "Bearer <CDN_TOKEN>", "content-type": "image/png"}
        named = {**headers, "x-fal-file-name": "big.bin"}
        reference = Reference(Asset("0" * 64, "image/png", len(PNG)), file)
        address = await fal._upload_parts(reference, f"{tape.base}/cdnbase/files/upload/multipart", headers, named)
        await fal.aclose()
        assert address == f"{tape.base}/cdnbase/files/zebra/big.bin"
        order = [sent.path for sent in tape.recorded]
        tape.sent.sort(key=lambda sent: order.index(sent.path))  # parts are sent concurrently
        _all_same(tape)


async def test_fal_resumes_from_the_operation() -> None:
    """Status and result from the Operation's URLs, by an adapter that never submitted."""
    async with replayed("fal-resume-by-id") as tape:
        fal = service_at(Fal, tape.base)
        place = f"{tape.base}{tape.recorded[1].path}"
        stored = {"status_url": f"{place}/status", "response_url": place, "endpoint": FLUX, "port": "image"}
        done = await fal.poll(Operation(stored))
        await fal.aclose()
        assert isinstance(done, Done)
        done.outputs[0].content.unlink()  # type: ignore[union-attr]
        tape.sent[:] = [sent for sent in tape.sent if not sent.path.startswith("/api/")]
        _all_same(tape)


async def test_fal_on_another_host() -> None:
    """With another host the requests are equal; a result without images is a failure."""
    async with replayed("fal-tls-host-override") as tape:
        fal = service_at(Fal, tape.base)
        fal.http.endpoint = dataclasses.replace(fal.http.endpoint, roots={"queue": tape.base})
        status = await driven(fal, request(fal, "fal-ai/flux/dev", "x"))
        assert isinstance(status, Failed)
        assert status.code == "no_output"
        _all_same(tape)


async def test_bfl_generate_and_poll() -> None:
    """The client sends defaults, and a content type on polls."""
    async with replayed("bfl-generate-poll") as tape:
        service = service_at(BlackForestLabs, tape.base)
        settings = {"width": 1024, "height": 768, "seed": 42, "output_format": "png", "safety_tolerance": 2}
        settings["prompt_upsampling"] = False
        done = await driven(service, request(service, "flux-pro-1.1", "a red cube", settings=settings))
        assert isinstance(done, Done)
        assert (done.seed, done.cost) == (42, Cost(40_000, is_exact=True))
        done.outputs[0].content.unlink()  # type: ignore[union-attr]
        for poll in tape.recorded[1:]:
            assert poll.headers.pop("content-type") == "application/json"
        assert [sent.query for sent in tape.sent] == [sent.query for sent in tape.recorded]
        _all_same(tape)


async def test_replicate_create_and_poll() -> None:
    """Without the webhook of the recording."""
    async with replayed("replicate-create-poll") as tape:
        service = service_at(Replicate, tape.base)
        settings = {"aspect_ratio": "16:9", "output_format": "png", "safety_tolerance": 2}
        done = await driven(service, request(service, REPLICATE_FLUX, "a red cube", settings=settings))
        assert isinstance(done, Done)
        done.outputs[0].content.unlink()  # type: ignore[union-attr]
        for name in ("webhook", "webhook_events_filter"):
            tape.recorded[0].json.pop(name)
        tape.recorded[0].headers["content-length"] = tape.sent[0].headers["content-length"]
        _all_same(tape)


async def test_replicate_version_and_cancel() -> None:
    """A version has another URL and is sent in the body."""
    version = "5c7d5dc6dd8bf75c1acaa8565735e7986bc5b66206b55cca93cb72c9bf15ccaa"
    async with replayed("replicate-create-cancel") as tape:
        service = service_at(Replicate, tape.base)
        operation = await service.submit(request(service, version, "x"), idempotency_key="k")
        assert isinstance(operation, Operation)
        await service.cancel(operation)
        await service.aclose()
        _all_same(tape)


@pytest.mark.parametrize("case", ["replicate-failed", "replicate-validation-422"])
async def test_replicate_failures(case: str) -> None:
    """Failed predictions and rejected input are failures with the service's message, and not retryable."""
    async with replayed(case) as tape:
        service = service_at(Replicate, tape.base)
        job = request(service, REPLICATE_FLUX, "bad")
        job = job if case == "replicate-failed" else dataclasses.replace(job, prompt=None)
        status = await driven(service, job)
        assert isinstance(status, Failed)
        assert "NSFW" in status.message or "prompt is required" in status.message
        assert not status.is_retryable
        _all_same(tape)


@pytest.mark.parametrize("case", ["replicate-file-input-upload", "replicate-file-input-data-uri"])
async def test_replicate_references(case: str, pngs: list[Reference], monkeypatch: pytest.MonkeyPatch) -> None:
    """A small image is inline, a large image is uploaded; its part has our file name."""
    if case.endswith("upload"):
        monkeypatch.setattr("fusionflow_nb.providers.services.replicate.IN_BODY_BYTES", 10)
    async with replayed(case) as tape:
        service = service_at(Replicate, tape.base)
        model = "black-forest-labs/flux-kontext-pro"
        edit = request(service, model, "make it blue", "edit-image", references={"image": pngs[:1]})
        await service.submit(edit, idempotency_key="k")
        await service.aclose()
        for ours, theirs in zip(tape.sent, tape.recorded, strict=True):
            _named_alike(ours)
            if theirs.json is not None:
                theirs.json["input"]["prompt"] = "make it blue"
                address = theirs.json["input"]["input_image"]
                if address.startswith("data:"):
                    assert ours.json["input"]["input_image"].startswith("data:image/png;base64,iVBOR")
                    theirs.json["input"]["input_image"] = ours.json["input"]["input_image"]
                else:
                    theirs.json["input"]["input_image"] = address.replace("{BASE}", tape.base)
                theirs.headers["content-length"] = ours.headers["content-length"]
            same(ours, theirs)


async def test_replicate_waits_by_polling() -> None:
    """Without `Prefer: wait`: create and poll."""
    async with replayed("replicate-run-no-wait") as tape:
        service = service_at(Replicate, tape.base)
        done = await driven(service, request(service, REPLICATE_FLUX, "x"))
        assert isinstance(done, Done)
        done.outputs[0].content.unlink()  # type: ignore[union-attr]
        _all_same(tape)


async def test_replicate_rate_limits() -> None:
    """A create is retried by the engine, as the client leaves it to its caller; a poll after the stated delay."""
    async with replayed("replicate-429-post-vs-get") as tape:
        service = service_at(Replicate, tape.base)
        status = await service.submit(request(service, REPLICATE_FLUX, "x"), idempotency_key="k")
        assert isinstance(status, Failed)
        assert (status.is_retryable, status.retry_after_s) == (True, 1.0)
        operation = Operation({"urls": {"get": f"{tape.base}{tape.recorded[1].path}"}, "port": "image"})
        for _ in range(2):
            with pytest.raises(errors.ProviderError, match="busy") as caught:
                await service.poll(operation)
            assert (caught.value.is_retryable, caught.value.retry_after_s) == (True, 1.0)
        assert isinstance(await service.poll(operation), Pending)
        await service.aclose()
        _all_same(tape)


async def test_replicate_as_its_next_client() -> None:
    """The pre-release client sends more headers (`accept`, a type without a body), a deadline and a wait."""
    async with replayed("replicate-v2beta-create-get-cancel") as tape:
        service = service_at(Replicate, tape.base)
        job = request(service, REPLICATE_FLUX, "x")
        assert isinstance(await service.submit(job, idempotency_key="k"), Failed)
        operation = await service.submit(job, idempotency_key="k")
        assert isinstance(operation, Operation)
        done = await service.poll(operation)
        assert isinstance(done, Done)
        done.outputs[0].content.unlink()  # type: ignore[union-attr]
        await service.cancel(operation)
        await service.aclose()
        for sent in [*tape.sent, *tape.recorded]:
            for name in ("accept", "content-type", "prefer", "cancel-after"):
                sent.headers.pop(name, None)
        _all_same(tape)


async def test_openai_rate_limit_is_left_to_the_engine() -> None:
    """The client counts its tries in a header; here the test submits three times."""
    async with replayed("openai-429-retry") as tape:
        service = service_at(OpenAI, tape.base)
        job, waits = request(service, "gpt-image-2", "x"), []
        while isinstance(status := await service.submit(job, idempotency_key="k"), Failed):
            assert status.is_retryable
            waits.append(status.retry_after_s)
        await service.aclose()
        assert isinstance(status, Done)
        assert waits == [0.3, 1.0]
        _all_same(tape)


async def test_openai_generate() -> None:
    """All fields as the client sent them, in the same number of bytes."""
    async with replayed("openai-images-generate") as tape:
        service = service_at(OpenAI, tape.base)
        own = {"background": "opaque", "output_format": "png", "quality": "low", "fields": {"moderation": "auto"}}
        settings = {"aspect_ratio": "1:1", "count": 1, **own}
        done = await driven(service, request(service, "gpt-image-2.5-flare", "a red cube", settings=settings))
        assert isinstance(done, Done)
        assert done.cost is not None
        assert done.cost.micro_usd == (272 * 30 + 13 * 5)
        assert tape.sent[0].headers["content-length"] == tape.recorded[0].headers["content-length"]
        _all_same(tape)


async def test_openai_stream() -> None:
    """Partial images become previews, the last event is the result."""
    progress: list[Pending] = []
    async with replayed("openai-images-generate-stream") as tape:
        service = service_at(OpenAI, tape.base)
        done = await driven(service, request(service, "gpt-image-2", "a red cube", on_progress=progress.append))
        assert isinstance(done, Done)
        assert [pending.preview for pending in progress] == [done.outputs[0].content]
        tape.recorded[0].json["partial_images"] = 2  # the number that the adapter requests
        _all_same(tape)


@pytest.mark.parametrize("case", ["openai-images-edit-one", "openai-images-edit-many-mask"])
async def test_openai_edits(case: str, pngs: list[Reference]) -> None:
    """One image is `image`, several are `image[]`; text fields first. File names and the mask's bytes differ."""
    is_one = case.endswith("one")
    async with replayed(case) as tape:
        service = service_at(OpenAI, tape.base)
        references = {"image": pngs[:1]} if is_one else {"image": pngs[:1], "references": pngs[:1], "mask": pngs[:1]}
        settings: dict[str, Any] = {"aspect_ratio": "1:1"} if is_one else {"count": 1}
        prompt = "make it blue" if is_one else "combine"
        edit = request(service, "gpt-image-2", prompt, "edit-image", settings=settings, references=references)
        done = await driven(service, edit)
        assert isinstance(done, Done)
        [ours], [theirs] = tape.sent, tape.recorded
        for message in (ours, theirs):
            _named_alike(message)
            message.multipart = sorted(message.multipart or [], key=lambda part: "filename" in part)
        # Form fields have no order, images have.
        assert _fields(ours) == _fields(theirs)
        assert _files(ours) == _files(theirs)
        same(ours, theirs)


async def test_openai_speech() -> None:
    """Text, voice and format; the answer is the audio."""
    async with replayed("openai-speech") as tape:
        service = service_at(OpenAI, tape.base)
        done = await driven(service, request(service, "gpt-4o-mini-tts", "hello", "text-to-audio"))
        assert isinstance(done, Done)
        assert tape.sent[0].headers["content-length"] == tape.recorded[0].headers["content-length"]
        _all_same(tape)


@pytest.mark.parametrize(
    ("case", "prompt", "kind"),
    [("openai-moderation-blocked", "bad", Refused), ("openai-insufficient-quota", "x", NoFunds)],
)
async def test_openai_final_errors(case: str, prompt: str, kind: type) -> None:
    """A refusal and an empty account (sent as 429) are final: one request, where the client makes three."""
    async with replayed(case) as tape:
        service = service_at(OpenAI, tape.base)
        assert isinstance(await driven(service, request(service, "gpt-image-2", prompt)), kind)
        assert len(tape.sent) == 1
        same(tape.sent[0], tape.recorded[0])


def _all_same(tape: Replay) -> None:
    assert len(tape.sent) == len(tape.recorded)
    for ours, theirs in zip(tape.sent, tape.recorded, strict=True):
        same(ours, theirs)


def _named_alike(sent: Sent) -> None:
    """Ignore file names, and the bytes of a mask."""
    for part in sent.multipart or []:
        if "filename" in part:
            part["filename"] = "file.png"
            part["bytes"] = 0 if part["name"] == "mask" else part["bytes"]


def _fields(sent: Sent) -> dict[str, str]:
    return {part["name"]: part["value"] for part in sent.multipart or [] if "value" in part}


def _files(sent: Sent) -> list[dict[str, Any]]:
    return [part for part in sent.multipart or [] if "value" not in part]
