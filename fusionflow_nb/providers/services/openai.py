"""OpenAI: pictures and speech, in the answer itself. Nothing can be polled, resumed or stopped; partial pictures come.

The API of films ended on 2026-09-24: its models are in the catalogue, and asking for one says so.
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import io
from typing import TYPE_CHECKING, Any

from fusionflow_nb import errors
from fusionflow_nb.assets.sniff import sniff
from fusionflow_nb.media.media_types import extension
from fusionflow_nb.providers.http import Endpoint, Part, check_size, form_fields
from fusionflow_nb.providers.http_provider import HttpProvider, decode_output, rejection, request_body
from fusionflow_nb.providers.model import PerToken
from fusionflow_nb.providers.protocol import Cost, Done, Failed, NoFunds, Output, Pending, Refused, SubmitAmbiguousError
from fusionflow_nb.settings.credentials import Key

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from fusionflow_nb.providers.http import Answer
    from fusionflow_nb.providers.protocol import Operation, Request, Status

ROOTS = {"api": "https://api.openai.com/v1"}
READ_S = 600.0
"""High quality takes minutes."""
ANSWER_BYTES = 400_000_000
IMAGES, IMAGE_BYTES, MASK_BYTES = 16, 50_000_000, 4_000_000
PARTIAL_IMAGES = 2
ACCEPT_JSON = {"accept": "application/json"}
_REFUSALS = frozenset({"moderation_blocked", "content_policy_violation"})


def _authorise(keys: Mapping[str, Key]) -> Mapping[str, Key]:
    return {"authorization": Key(f"Bearer {keys['OPENAI_API_KEY']}")}


class OpenAI(HttpProvider):
    """See the module."""

    name = "openai"
    takes_references = "bytes"

    def __init__(self, base: str | None = None) -> None:
        super().__init__(Endpoint("openai", ROOTS, _authorise, base))

    async def submit(self, request: Request, *, idempotency_key: str) -> Operation | Status:  # noqa: ARG002 - it takes none
        """Ask, and wait for the result."""
        if request.task == "text-to-audio":
            return await self._speech(request)
        root, model = self.http.endpoint.root(), request.model.provider_model_id
        on_event = _watch(request)
        extra: dict[str, Any] = {"stream": True, "partial_images": PARTIAL_IMAGES} if on_event is not None else {}
        media = {port: found for port, found in request.references.items() if found}
        for port in media.keys() - request.model.reference_ports():
            raise errors.SettingError(f"{request.model.id} reads no {port!r}.", hint="Disconnect it.")
        body = {"model": model, **request_body(request, {}), **extra}
        sent: dict[str, Any] = {"json": body}
        if media:
            sent = {"parts": await _parts(body, media)}
        address = f"{root}/images/{'edits' if media else 'generations'}"
        answer = await self.http.post_once(
            address, **sent, headers=ACCEPT_JSON, read_s=READ_S, max_bytes=ANSWER_BYTES, on_event=on_event
        )
        return _error(answer) if not answer.is_success else _done(answer, request)

    async def poll(self, operation: Operation) -> Status:  # noqa: ARG002 - there are no operations
        """Nothing can be polled."""
        raise errors.ProviderError("This service has no operations to poll.", provider="openai")

    async def _speech(self, request: Request) -> Status:
        body = {"model": request.model.provider_model_id, **request_body(request, {})}
        answer = await self.http.post_once(
            f"{self.http.endpoint.root()}/audio/speech",
            body,
            headers={"accept": "application/octet-stream"},
            read_s=READ_S,
            max_bytes=ANSWER_BYTES,
        )
        if not answer.is_success:
            return _error(answer)
        media_type = sniff(answer.body)
        if media_type is None:
            raise SubmitAmbiguousError("The service took it, and its answer is no sound that is known here.")
        return Done((Output("audio", answer.body, media_type),))


def _watch(request: Request) -> Any:  # noqa: ANN401 - a function, or None where nobody looks
    """Shows partial pictures as they come. Several pictures at once are not streamed."""
    on_progress = request.on_progress
    if on_progress is None or int(request.settings.get("count") or 1) > 1:
        return None

    def on_event(event: dict[str, Any]) -> None:
        if str(event.get("type", "")).endswith(".partial_image") and isinstance(event.get("b64_json"), str):
            with contextlib.suppress(ValueError):  # a preview that is none is not worth a paid picture
                on_progress(Pending(preview=base64.b64decode(event["b64_json"])))

    return on_event


def _done(answer: Answer, request: Request) -> Status:
    said = answer.json_or_none()
    if isinstance(said, dict) and isinstance(said.get("error"), dict):  # an error after the stream had begun
        return _error(answer)
    found = said.get("data", [said]) if isinstance(said, dict) else []
    pictures = [each["b64_json"] for each in found if isinstance(each, dict) and isinstance(each.get("b64_json"), str)]
    if not pictures or (isinstance(said, dict) and str(said.get("type", "")).endswith(".partial_image")):
        raise SubmitAmbiguousError("The service took it, and its answer ends before the picture.")
    cost = _cost(said.get("usage"), request)
    try:
        return Done(tuple(decode_output("image", picture, provider="openai") for picture in pictures), cost)
    except errors.ProviderError as error:  # here, and billed
        return Failed("no_output", error.what, cost=cost)


def _cost(usage: Any, request: Request) -> Cost | None:  # noqa: ANN401 - JSON
    """Tokens, as the service counts them, at the table's price for each kind."""
    price = request.model.price
    if not isinstance(usage, dict) or not isinstance(price, PerToken):
        return None
    try:
        parts: dict[str, Any] = usage["input_tokens_details"]
        usd = (
            price.usd * int(usage["output_tokens"])
            + price.text_in_usd * int(parts["text_tokens"])
            + price.image_in_usd * int(parts["image_tokens"])
        )
    except (KeyError, TypeError, ValueError):
        return None
    return Cost(round(usd * 1e6), is_exact=not request.model.is_price_uncertain)


def _error(answer: Answer) -> Status:
    said = answer.json_or_none()
    error = said.get("error") if isinstance(said, dict) else None
    code, message = (
        (error.get("code") or error.get("type"), error.get("message")) if isinstance(error, dict) else (None,) * 2
    )
    says = message if isinstance(message, str) else None
    if code in _REFUSALS:
        return Refused(says or "Refused.")
    if code == "insufficient_quota":  # which comes as 429, as if waiting helped
        return NoFunds(says or "The account is empty.")
    if answer.is_success:
        return Failed(str(code or "failed"), says or answer.text())
    return rejection(answer, code=code if isinstance(code, str) else None, message=says)


async def _parts(body: dict[str, Any], media: Mapping[str, Any]) -> list[Part]:
    """A form: fields as text, then pictures, then the mask. Raises MediaError where a limit is passed."""
    pictures = [*media.get("image", ()), *media.get("references", ())]
    if len(pictures) > IMAGES:
        raise errors.MediaError(f"OpenAI takes {IMAGES} pictures, not {len(pictures)}.", hint="Connect fewer.")
    parts = form_fields(body)
    name = "image" if len(pictures) == 1 else "image[]"
    for number, reference in enumerate(pictures):
        asset = reference.asset
        check_size(asset.size_bytes, IMAGE_BYTES, "The picture", provider="openai")
        parts.append(Part(name, reference.file, f"image_{number}.{extension(asset.media_type)}", asset.media_type))
    for reference in media.get("mask", ())[:1]:
        mask = await asyncio.to_thread(_with_alpha, reference.file)
        check_size(len(mask), MASK_BYTES, "The mask", provider="openai")
        parts.append(Part("mask", mask, "mask.png", "image/png"))
    return parts


def _with_alpha(file: Path) -> bytes:
    """Our mask (white: change here) as theirs: a PNG with alpha, transparent where it is to change. Blocking.

    The sheet says only "PNG with alpha"; which side is changed is an assumption, named in the README.
    """
    from PIL import Image, ImageOps  # noqa: PLC0415 - only where a mask is sent

    with Image.open(file) as opened:
        keep = ImageOps.invert(opened.convert("L"))
    made = Image.new("RGBA", keep.size, (0, 0, 0, 255))
    made.putalpha(keep)
    buffer = io.BytesIO()
    made.save(buffer, "PNG")
    return buffer.getvalue()


def provider() -> OpenAI:
    """For the entry point."""
    return OpenAI()
