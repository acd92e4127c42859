"""ElevenLabs: the official client against the simulator, recordings against the adapter, and costs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from elevenlabs import AsyncElevenLabs
from elevenlabs.core import ApiError
from providers.test_recordings import _all_same, driven, keys, request, same, service_at  # noqa: F401 - keys is a fixture
from support.replay import Replay, replayed

from fusionflow_nb import errors
from fusionflow_nb.assets.sniff import sniff
from fusionflow_nb.providers.protocol import Cost, Done, Failed, NoFunds, Refused
from fusionflow_nb.providers.services.elevenlabs import ElevenLabs
from fusionflow_nb.simulator import Scenario, Simulator

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

VOICE, TASK = "JBFqnCBsd6RMkjVDRZzb", "text-to-audio"


@pytest.fixture
async def client(simulator: Simulator) -> AsyncIterator[AsyncElevenLabs]:
    client = AsyncElevenLabs(base_url=f"{simulator.base}/elevenlabs/api", api_key="simulated")
    yield client
    await client._client_wrapper.httpx_client.httpx_client.aclose()


@pytest.fixture
async def service(simulator: Simulator) -> AsyncIterator[ElevenLabs]:
    adapter = ElevenLabs()
    yield adapter
    await adapter.aclose()


async def whole(stream: Any) -> str | None:
    return sniff(b"".join([chunk async for chunk in stream]))


async def test_the_client_works(client: AsyncElevenLabs) -> None:
    """Speech (whole and streamed), sounds, music, voices and quota."""
    spoken = {"text": "hello", "model_id": "eleven_multilingual_v2"}
    assert await whole(client.text_to_speech.convert(VOICE, **spoken)) == "audio/wav"
    assert await whole(client.text_to_speech.stream(VOICE, **spoken)) == "audio/wav"
    assert await whole(client.text_to_sound_effects.convert(text="glass", duration_seconds=2)) == "audio/wav"
    assert await whole(client.music.compose(prompt="lofi", music_length_ms=10_000)) == "audio/wav"
    assert VOICE in [voice.voice_id for voice in (await client.voices.get_all()).voices]
    assert await quota(client) == len("hellohelloglasslofi")


async def quota(client: AsyncElevenLabs) -> int:
    raw = await client._client_wrapper.httpx_client.request("v1/user/subscription", method="GET")
    count: int = raw.json()["character_count"]
    return count


@pytest.mark.parametrize(
    ("scenario", "status", "code"),
    [
        (Scenario(submit="busy"), 429, "too_many_concurrent_requests"),
        (Scenario(submit="no_funds"), 401, "quota_exceeded"),
        (Scenario(end="refused"), 400, "bad_prompt"),
        (Scenario(submit="broken"), 500, "internal_error"),
    ],
    ids=["busy", "quota", "refused", "broken"],
)
async def test_the_client_reads_the_errors(
    client: AsyncElevenLabs, simulator: Simulator, scenario: Scenario, status: int, code: str
) -> None:
    """The client's own error class, with status and code."""
    simulator.world.scenarios.append(scenario)
    with pytest.raises(ApiError) as caught:
        await whole(client.text_to_speech.convert(VOICE, text="x"))
    assert (caught.value.status_code, caught.value.body["detail"]["status"]) == (status, code)


async def test_its_client_is_told_which_field_is_wrong(client: AsyncElevenLabs) -> None:
    """A list of fields; an unknown voice; a length out of range."""
    with pytest.raises(ApiError) as caught:
        await whole(client.text_to_speech.convert("nobody", text="x"))
    assert caught.value.body["detail"]["status"] == "voice_not_found"
    with pytest.raises(ApiError) as caught:
        await whole(client.music.compose(prompt="x", music_length_ms=1))
    assert caught.value.status_code == 422


async def test_what_was_recorded_is_what_we_send() -> None:
    """Speech and sound effects byte for byte; music sends its model, which the recording omits."""
    async with replayed("elevenlabs-tts-sfx-music-sts") as tape:
        for number, (model, prompt, settings) in enumerate(
            [
                ("eleven_multilingual_v2", "hello", {"voice": VOICE, "output_format": "mp3_44100_128"}),
                ("sound-generation", "glass breaking", {"duration_s": 2, "prompt_influence": 0.3}),
                ("music_v2_5", "lofi beat", {"duration_s": 10}),
            ]
        ):
            done = await driven(at(tape), request(at(tape), model, prompt, TASK, settings=settings))
            assert isinstance(done, Done)
            ours, theirs = tape.sent[number], tape.recorded[number]
            if model == "music_v2_5":
                assert ours.json.pop("model_id") == "music_v2_5"
                theirs.headers["content-length"] = ours.headers["content-length"]
            same(ours, theirs)
            assert ours.query == theirs.query
        # The fourth request converts a voice (audio to audio), which no node does.
        assert (len(tape.sent), len(tape.recorded)) == (3, 4)


async def test_the_cost_is_from_the_charged_characters() -> None:
    """Five characters at the catalogue's price, which is from a secondary source, so the cost is not exact."""
    async with replayed("elevenlabs-tts-sfx-music-sts") as tape:
        settings = {"voice": VOICE}
        done = await driven(at(tape), request(at(tape), "eleven_multilingual_v2", "hello", TASK, settings=settings))
        assert isinstance(done, Done)
        assert done.cost == Cost(400, is_exact=False)


@pytest.mark.parametrize(("case", "kind"), [("elevenlabs-429", Failed), ("elevenlabs-quota-exceeded", NoFunds)])
async def test_errors_as_recorded(case: str, kind: type) -> None:
    """Too many concurrent requests are retryable after the stated delay; a used-up quota is not a rejected key."""
    async with replayed(case) as tape:
        service = at(tape)
        status = await driven(service, request(service, "eleven_multilingual_v2", "x", TASK, settings={"voice": "v"}))
        assert isinstance(status, kind)
        if isinstance(status, Failed):
            assert (status.code, status.is_retryable, status.retry_after_s) == (
                "too_many_concurrent_requests",
                True,
                1.0,
            )
        _all_same(tape)


async def test_an_invalid_field_is_named(service: ElevenLabs, simulator: Simulator) -> None:
    """The list of fields becomes a sentence; a protected name is a refusal."""
    simulator.world.scenarios.extend([Scenario(submit="invalid"), Scenario(end="refused")])
    speech = request(service, "eleven_multilingual_v2", "x", TASK)
    status = await service.submit(speech, idempotency_key="k")
    assert status == Failed("invalid", "body.text: Field required")
    assert isinstance(await service.submit(speech, idempotency_key="k"), Refused)


@pytest.mark.parametrize(
    ("prompt", "settings", "says"),
    [("x" * 10_001, {}, "takes 10,000"), ("x", {"output_format": "pcm_44100"}, "no header")],
    ids=["text", "format"],
)
async def test_limits_are_checked_before_anything_is_sent(
    service: ElevenLabs, simulator: Simulator, prompt: str, settings: dict[str, Any], says: str
) -> None:
    """A text that is too long, and a format that cannot be played."""
    with pytest.raises(errors.SettingError, match=says):
        await service.submit(
            request(service, "eleven_multilingual_v2", prompt, TASK, settings=settings), idempotency_key="k"
        )
    assert not simulator.world.requests


def at(tape: Replay) -> ElevenLabs:
    """The adapter connected to a recording."""
    adapter = service_at(ElevenLabs, tape.base, {"api": tape.base})
    assert isinstance(adapter, ElevenLabs)
    return adapter
