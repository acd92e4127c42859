"""Stability AI: images. Synchronous: no polling, resuming or cancelling.

There is no official client, so this API is known only from secondary sources. The creative upscaler, the only
asynchronous model, has no known price and is not offered.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from fusionflow_nb import errors
from fusionflow_nb.providers import (
    Done,
    Endpoint,
    HttpProvider,
    Key,
    Limits,
    Output,
    Part,
    Refused,
    SubmitAmbiguousError,
    check_size,
    extension,
    form_fields,
    rejection,
    request_body,
    sniff,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

    from fusionflow_nb.providers import Answer, Operation, Request, Status

ROOTS = {"api": "https://api.stability.ai"}
READ_S = 300.0
ANSWER_BYTES = 100_000_000
IMAGE_BYTES = 10_000_000
"""An assumption: no limit is documented, and the service answers 413 to files that are too large."""
PICTURES = {"accept": "image/*"}
FILTERED = "CONTENT_FILTERED"
FORBIDDEN = 403


def _authorise(keys: Mapping[str, Key]) -> Mapping[str, Key]:
    return {"authorization": Key(f"Bearer {keys['STABILITY_API_KEY']}")}


class Stability(HttpProvider):
    """Adapter of Stability AI."""

    name = "stability"
    limits = Limits(per_minute=900)
    takes_references = "bytes"

    def __init__(self, base: str | None = None) -> None:
        super().__init__(Endpoint("stability", ROOTS, _authorise, base))

    async def submit(self, request: Request, *, idempotency_key: str) -> Operation | Status:  # noqa: ARG002 - unsupported
        """Send the request and wait for the image."""
        wire = request.model.wire
        route = wire.route if wire is not None and wire.route else request.model.provider_model_id
        files = _files(request)
        body = request_body(request, {})
        if wire is not None and "mode" in wire.own_fields:
            body.setdefault("mode", "image-to-image" if files else "text-to-image")
        answer = await self.http.post_once(
            f"{self.http.endpoint.root()}/v2beta/{route}",
            parts=[*form_fields(body), *files],
            headers=PICTURES,
            read_s=READ_S,
            max_bytes=ANSWER_BYTES,
        )
        return _done(answer) if answer.is_success else _error(answer)

    async def poll(self, operation: Operation) -> Status:  # noqa: ARG002 - there are no operations
        """Raise ProviderError: the service has no operations."""
        raise errors.ProviderError("This service has no operations to poll.", provider="stability")


def _files(request: Request) -> list[Part]:
    """The input images as parts of the form. Raises SettingError, MediaError."""
    fields = request.model.wire.references if request.model.wire is not None else {}
    parts = []
    for port, references in request.references.items():
        if references and port not in fields:
            raise errors.SettingError(f"{request.model.id} does not read {port!r}.", hint="Disconnect it.")
        for reference in references[:1]:
            asset = reference.asset
            check_size(asset.size_bytes, IMAGE_BYTES, "The image", provider="stability")
            name = f"{fields[port]}.{extension(asset.media_type)}"
            parts.append(Part(fields[port], reference.file, name, asset.media_type))
    return parts


def _done(answer: Answer) -> Status:
    """The image; a blurred image is a refusal, although the status is 200."""
    if answer.headers.get("finish-reason") == FILTERED:
        return Refused("The service's content filter blurred the image.")
    media_type = sniff(answer.body)
    if media_type is None:
        raise SubmitAmbiguousError("The service accepted the request, but its answer is not a known image format.")
    seed = answer.headers.get("seed", "")
    return Done((Output("image", answer.body, media_type),), None, int(seed) if seed.isdigit() else None)


def _error(answer: Answer) -> Status:
    payload = answer.json_or_none()
    payload = payload if isinstance(payload, dict) else {}
    reasons = payload.get("errors") or payload.get("message")
    message = "; ".join(map(str, reasons)) if isinstance(reasons, list) else reasons
    if answer.status == FORBIDDEN:  # a rejected key has status 401
        return Refused(message or "The service refuses this content.")
    return rejection(answer, code=payload.get("name"), message=message)


def provider() -> Stability:
    """Create the provider, for the entry point."""
    return Stability()
