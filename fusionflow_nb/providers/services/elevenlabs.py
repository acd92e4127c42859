"""ElevenLabs: speech, sounds and music. Synchronous: no polling or resuming; closing the connection cancels."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlencode

from fusionflow_nb import errors
from fusionflow_nb.providers import (
    Cost,
    Done,
    Endpoint,
    Failed,
    HttpProvider,
    Key,
    Limits,
    NoFunds,
    Output,
    PerCharacter,
    Refused,
    SubmitAmbiguousError,
    rejection,
    request_body,
    sniff,
)
from fusionflow_nb.providers.catalogue.elevenlabs import VOICE

if TYPE_CHECKING:
    from collections.abc import Mapping

    from fusionflow_nb.providers import Answer, Operation, Request, Status

ROOTS = {"api": "https://api.elevenlabs.io"}
READ_S = 240.0
ANSWER_BYTES = 400_000_000
CHARACTERS = {"eleven_multilingual_v2": 10_000, "eleven_flash_v2_5": 40_000}
"""Maximum length of the text, where documented."""
MODEL_IN_PATH = "sound-generation"
"""The model whose name is the endpoint, so that no `model_id` is sent."""
CODECS = frozenset({"mp3", "wav", "opus", "auto"})
"""Formats with a header. `pcm` and the telephone codecs are bare samples, which cannot be played."""
CHARGED_HEADERS = ("character-cost", "x-character-count")
"""Headers with the number of charged characters. The documentation is unclear about which of them is sent."""


def _authorise(keys: Mapping[str, Key]) -> Mapping[str, Key]:
    return {"xi-api-key": Key(keys["ELEVENLABS_API_KEY"])}


class ElevenLabs(HttpProvider):
    """Adapter of ElevenLabs."""

    name = "elevenlabs"
    takes_references = "bytes"
    limits = Limits(concurrent=2)
    """The limit of the smallest plan. Larger plans allow 3 to 15, but no answer states the plan."""

    def __init__(self, base: str | None = None) -> None:
        super().__init__(Endpoint("elevenlabs", ROOTS, _authorise, base))

    async def submit(self, request: Request, *, idempotency_key: str) -> Operation | Status:  # noqa: ARG002 - unsupported
        """Send the request and wait for the audio."""
        model = request.model.provider_model_id
        model_field = {} if model == MODEL_IN_PATH else {"model_id": model}
        answer = await self.http.post_once(
            self._url(request), {**request_body(request, {}), **model_field}, read_s=READ_S, max_bytes=ANSWER_BYTES
        )
        if not answer.is_success:
            return _error(answer)
        media_type = sniff(answer.body)
        if media_type is None:
            raise SubmitAmbiguousError("The service accepted the request, but its answer is not a known audio format.")
        return Done((Output("audio", answer.body, media_type),), _cost(answer, request))

    async def poll(self, operation: Operation) -> Status:  # noqa: ARG002 - there are no operations
        """Raise ProviderError: the service has no operations."""
        raise errors.ProviderError("This service has no operations to poll.", provider="elevenlabs")

    def _url(self, request: Request) -> str:
        """The URL of the request: it contains the voice, for speech, and the format.

        Raises:
            SettingError: the text is too long, or the format cannot be played.
        """
        wire, settings = request.model.wire, request.settings
        route = (wire.route if wire is not None else None) or "text-to-speech"
        longest, length = CHARACTERS.get(request.model.provider_model_id), len(request.prompt or "")
        if longest is not None and length > longest:
            raise errors.SettingError(
                f"The text has {length:,} characters; {request.model.id} takes {longest:,}.", hint="Split it."
            )
        file_format = settings.get("output_format")
        if file_format is not None and file_format.partition("_")[0] not in CODECS:
            raise errors.SettingError(
                f"{file_format!r} has no header, so it cannot be played.",
                hint="Use mp3_..., wav_... or opus_...",
            )
        path = f"{route}/{quote(str(settings.get('voice') or VOICE), safe='')}" if route == "text-to-speech" else route
        query = f"?{urlencode({'output_format': file_format})}" if file_format is not None else ""
        return f"{self.http.endpoint.root()}/v1/{path}{query}"


def _cost(answer: Answer, request: Request) -> Cost | None:
    """Charged characters from the headers at the catalogue's price; None if either is unknown."""
    price = request.model.price
    charged = next((answer.headers[name] for name in CHARGED_HEADERS if name in answer.headers), "")
    if not isinstance(price, PerCharacter) or not charged.isdigit():
        return None
    return Cost(round(int(charged) * price.usd * 1e6), is_exact=not request.model.is_price_uncertain)


def _error(answer: Answer) -> Status:
    """Map the code in `detail.status`; a list there names the invalid fields."""
    payload = answer.json_or_none()
    detail: Any = payload.get("detail") if isinstance(payload, dict) else None
    if isinstance(detail, list):
        problems = [f"{_field_path(item)}: {item.get('msg')}" for item in detail if isinstance(item, dict)]
        return Failed("invalid", "; ".join(problems) or answer.text())
    fields: dict[str, Any] = detail if isinstance(detail, dict) else {}
    code = fields.get("status") or fields.get("code") or fields.get("type")
    message = fields.get("message")
    message = message if isinstance(message, str) else answer.text()
    match code:
        case "quota_exceeded":  # sent as 401, although the key is valid
            return NoFunds(message)
        case "bad_prompt":
            return Refused(message)
    return rejection(answer, code=code if isinstance(code, str) else None, message=message)


def _field_path(detail: dict[str, Any]) -> str:
    location = detail.get("loc")
    return ".".join(str(part) for part in location) if isinstance(location, list) else "the request"


def provider() -> ElevenLabs:
    """Create the provider, for the entry point."""
    return ElevenLabs()
