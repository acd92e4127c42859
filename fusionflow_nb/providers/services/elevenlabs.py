"""ElevenLabs: speech, sounds and music, in the answer itself. Nothing can be polled or resumed; closing stops it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlencode

from fusionflow_nb import errors
from fusionflow_nb.assets.sniff import sniff
from fusionflow_nb.providers.catalogue.elevenlabs import VOICE
from fusionflow_nb.providers.http import Endpoint
from fusionflow_nb.providers.http_provider import HttpProvider, rejection, request_body
from fusionflow_nb.providers.model import PerCharacter
from fusionflow_nb.providers.protocol import Cost, Done, Failed, Limits, NoFunds, Output, Refused, SubmitAmbiguousError
from fusionflow_nb.settings.credentials import Key

if TYPE_CHECKING:
    from collections.abc import Mapping

    from fusionflow_nb.providers.http import Answer
    from fusionflow_nb.providers.protocol import Operation, Request, Status

ROOTS = {"api": "https://api.elevenlabs.io"}
READ_S = 240.0
ANSWER_BYTES = 400_000_000
CHARACTERS = {"eleven_multilingual_v2": 10_000, "eleven_flash_v2_5": 40_000}
"""The longest text, where it is documented."""
MODEL_IN_PATH = "sound-generation"
"""The model that is an endpoint: it goes under no name."""
CODECS = frozenset({"mp3", "wav", "opus", "auto"})
"""Formats whose bytes say what they are. `pcm` and the codecs of telephones are bare samples: nothing can play them."""
CHARGED_HEADERS = ("character-cost", "x-character-count")
"""Headers with the characters charged: which of them is sent is not documented for sure, so either is read."""


def _authorise(keys: Mapping[str, Key]) -> Mapping[str, Key]:
    return {"xi-api-key": Key(keys["ELEVENLABS_API_KEY"])}


class ElevenLabs(HttpProvider):
    """See the module."""

    name = "elevenlabs"
    takes_references = "bytes"
    limits = Limits(concurrent=2)
    """What the smallest plan allows; larger ones allow 3 to 15, and which one it is, no answer says beforehand."""

    def __init__(self, base: str | None = None) -> None:
        super().__init__(Endpoint("elevenlabs", ROOTS, _authorise, base))

    async def submit(self, request: Request, *, idempotency_key: str) -> Operation | Status:  # noqa: ARG002 - it takes none
        """Ask, and wait for the sound."""
        model = request.model.provider_model_id
        named = {} if model == MODEL_IN_PATH else {"model_id": model}
        answer = await self.http.post_once(
            self._address(request), {**request_body(request, {}), **named}, read_s=READ_S, max_bytes=ANSWER_BYTES
        )
        if not answer.is_success:
            return _error(answer)
        media_type = sniff(answer.body)
        if media_type is None:
            raise SubmitAmbiguousError("The service took it, and its answer is no sound that is known here.")
        return Done((Output("audio", answer.body, media_type),), _cost(answer, request))

    async def poll(self, operation: Operation) -> Status:  # noqa: ARG002 - there are no operations
        """Nothing can be polled."""
        raise errors.ProviderError("This service has no operations to poll.", provider="elevenlabs")

    def _address(self, request: Request) -> str:
        """Where it is asked: speech names its voice there, and all name their format.

        Raises:
            SettingError: the text is too long, or the format is none that can be played.
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
                f"{file_format!r} has no header that says what it is, so nothing here could play it.",
                hint="Take mp3_..., wav_... or opus_...",
            )
        path = f"{route}/{quote(str(settings.get('voice') or VOICE), safe='')}" if route == "text-to-speech" else route
        query = f"?{urlencode({'output_format': file_format})}" if file_format is not None else ""
        return f"{self.http.endpoint.root()}/v1/{path}{query}"


def _cost(answer: Answer, request: Request) -> Cost | None:
    """The characters that the answer says were charged, at the table's price; None where one of them is not known."""
    price = request.model.price
    charged = next((answer.headers[name] for name in CHARGED_HEADERS if name in answer.headers), "")
    if not isinstance(price, PerCharacter) or not charged.isdigit():
        return None
    return Cost(round(int(charged) * price.usd * 1e6), is_exact=not request.model.is_price_uncertain)


def _error(answer: Answer) -> Status:
    """The service's own word in `detail.status`; a list there says which fields are wrong."""
    said = answer.json_or_none()
    detail: Any = said.get("detail") if isinstance(said, dict) else None
    if isinstance(detail, list):
        wrong = [f"{_place(each)}: {each.get('msg')}" for each in detail if isinstance(each, dict)]
        return Failed("invalid", "; ".join(wrong) or answer.text())
    fields: dict[str, Any] = detail if isinstance(detail, dict) else {}
    code = fields.get("status") or fields.get("code") or fields.get("type")
    message = fields.get("message")
    says = message if isinstance(message, str) else answer.text()
    match code:
        case "quota_exceeded":  # which comes as 401, and is no fault of the key
            return NoFunds(says)
        case "bad_prompt":
            return Refused(says)
    return rejection(answer, code=code if isinstance(code, str) else None, message=says)


def _place(detail: dict[str, Any]) -> str:
    place = detail.get("loc")
    return ".".join(str(each) for each in place) if isinstance(place, list) else "the request"


def provider() -> ElevenLabs:
    """For the entry point."""
    return ElevenLabs()
