"""OpenAI: images and speech. Synchronous: no polling, resuming or cancelling; partial images are streamed.

The video API ended on 2026-09-24: its models are in the catalogue, marked as retired.
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import io
from typing import TYPE_CHECKING, Any

from fusionflow_nb import errors
from fusionflow_nb.providers import (
    Cost,
    Done,
    Endpoint,
    Failed,
    HttpProvider,
    Key,
    NoFunds,
    Output,
    Part,
    Pending,
    PerToken,
    Refused,
    SubmitAmbiguousError,
    check_size,
    decode_output,
    extension,
    form_fields,
    rejection,
    request_body,
    sniff,
)

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from fusionflow_nb.providers import Answer, Operation, Request, Status

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
    """Adapter of OpenAI."""

    name = "openai"
    takes_references = "bytes"

    def __init__(self, base: str | None = None) -> None:
        super().__init__(Endpoint("openai", ROOTS, _authorise, base))

    async def submit(self, request: Request, *, idempotency_key: str) -> Operation | Status:  # noqa: ARG002 - unsupported
        """Send the request and wait for the result."""
        if request.task == "text-to-audio":
            return await self._speech(request)
        root, model = self.http.endpoint.root(), request.model.provider_model_id
        on_event = _watch(request)
        extra: dict[str, Any] = {"stream": True, "partial_images": PARTIAL_IMAGES} if on_event is not None else {}
        media = {port: references for port, references in request.references.items() if references}
        for port in media.keys() - request.model.reference_ports():
            raise errors.SettingError(f"{request.model.id} does not read {port!r}.", hint="Disconnect it.")
        body = {"model": model, **request_body(request, {}), **extra}
        content: dict[str, Any] = {"json": body}
        if media:
            content = {"parts": await _parts(body, media)}
        url = f"{root}/images/{'edits' if media else 'generations'}"
        answer = await self.http.post_once(
            url, **content, headers=ACCEPT_JSON, read_s=READ_S, max_bytes=ANSWER_BYTES, on_event=on_event
        )
        return _error(answer) if not answer.is_success else _done(answer, request)

    async def poll(self, operation: Operation) -> Status:  # noqa: ARG002 - there are no operations
        """Raise ProviderError: the service has no operations."""
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
            raise SubmitAmbiguousError("The service accepted the request, but its answer is not a known audio format.")
        return Done((Output("audio", answer.body, media_type),))


def _watch(request: Request) -> Any:  # noqa: ANN401 - a callback or None
    """Callback that reports partial images. Requests for several images are not streamed."""
    on_progress = request.on_progress
    if on_progress is None or int(request.settings.get("count") or 1) > 1:
        return None

    def on_event(event: dict[str, Any]) -> None:
        if str(event.get("type", "")).endswith(".partial_image") and isinstance(event.get("b64_json"), str):
            with contextlib.suppress(ValueError):  # an invalid preview must not fail a paid request
                on_progress(Pending(preview=base64.b64decode(event["b64_json"])))

    return on_event


def _done(answer: Answer, request: Request) -> Status:
    payload = answer.json_or_none()
    if isinstance(payload, dict) and isinstance(payload.get("error"), dict):  # an error within the stream
        return _error(answer)
    items = payload.get("data", [payload]) if isinstance(payload, dict) else []
    images = [item["b64_json"] for item in items if isinstance(item, dict) and isinstance(item.get("b64_json"), str)]
    if not images or (isinstance(payload, dict) and str(payload.get("type", "")).endswith(".partial_image")):
        raise SubmitAmbiguousError("The service accepted the request, but its answer ends before the image.")
    cost = _cost(payload.get("usage"), request)
    try:
        return Done(tuple(decode_output("image", image, provider="openai") for image in images), cost)
    except errors.ProviderError as error:  # delivered and billed
        return Failed("no_output", error.what, cost=cost)


def _cost(usage: Any, request: Request) -> Cost | None:  # noqa: ANN401 - JSON
    """The service's token counts at the catalogue's prices."""
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
    payload = answer.json_or_none()
    error = payload.get("error") if isinstance(payload, dict) else None
    code, message = (
        (error.get("code") or error.get("type"), error.get("message")) if isinstance(error, dict) else (None,) * 2
    )
    reason = message if isinstance(message, str) else None
    if code in _REFUSALS:
        return Refused(reason or "Refused.")
    if code == "insufficient_quota":  # sent as 429, although a retry does not help
        return NoFunds(reason or "The account has no credit.")
    if answer.is_success:
        return Failed(str(code or "failed"), reason or answer.text())
    return rejection(answer, code=code if isinstance(code, str) else None, message=reason)


async def _parts(body: dict[str, Any], media: Mapping[str, Any]) -> list[Part]:
    """The form: text fields, images, then the mask. Raises MediaError if a limit is exceeded."""
    images = [*media.get("image", ()), *media.get("references", ())]
    if len(images) > IMAGES:
        raise errors.MediaError(f"OpenAI takes {IMAGES} images, got {len(images)}.", hint="Connect fewer.")
    parts = form_fields(body)
    name = "image" if len(images) == 1 else "image[]"
    for number, reference in enumerate(images):
        asset = reference.asset
        check_size(asset.size_bytes, IMAGE_BYTES, "The image", provider="openai")
        parts.append(Part(name, reference.file, f"image_{number}.{extension(asset.media_type)}", asset.media_type))
    for reference in media.get("mask", ())[:1]:
        mask = await asyncio.to_thread(_with_alpha, reference.file)
        check_size(len(mask), MASK_BYTES, "The mask", provider="openai")
        parts.append(Part("mask", mask, "mask.png", "image/png"))
    return parts


def _with_alpha(file: Path) -> bytes:
    """Convert our mask (white: edit here) to OpenAI's: a PNG that is transparent where it is edited. Blocking.

    The documentation specifies only "PNG with alpha"; which side is edited is an assumption (see the README).
    """
    from PIL import Image, ImageOps  # noqa: PLC0415 - only where a mask is sent

    with Image.open(file) as opened:
        keep = ImageOps.invert(opened.convert("L"))
    mask = Image.new("RGBA", keep.size, (0, 0, 0, 255))
    mask.putalpha(keep)
    buffer = io.BytesIO()
    mask.save(buffer, "PNG")
    return buffer.getvalue()


def provider() -> OpenAI:
    """Create the provider, for the entry point."""
    return OpenAI()
