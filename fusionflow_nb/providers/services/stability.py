"""Stability AI: pictures, in the answer itself. Nothing can be polled, resumed or stopped.

No official client speaks this API, so what is known of it is second hand. The creative upscaler, which alone is
asynchronous, is in no price list and not offered.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from fusionflow_nb import errors
from fusionflow_nb.assets.sniff import sniff
from fusionflow_nb.media.media_types import extension
from fusionflow_nb.providers.http import Endpoint, Part, check_size, form_fields
from fusionflow_nb.providers.http_provider import HttpProvider, rejection, request_body
from fusionflow_nb.providers.protocol import Done, Limits, Output, Refused, SubmitAmbiguousError
from fusionflow_nb.settings.credentials import Key

if TYPE_CHECKING:
    from collections.abc import Mapping

    from fusionflow_nb.providers.http import Answer
    from fusionflow_nb.providers.protocol import Operation, Request, Status

ROOTS = {"api": "https://api.stability.ai"}
READ_S = 300.0
ANSWER_BYTES = 100_000_000
IMAGE_BYTES = 10_000_000
"""An assumption: no page states a limit, and the service answers 413 to what is too large for it."""
PICTURES = {"accept": "image/*"}
FILTERED = "CONTENT_FILTERED"
FORBIDDEN = 403


def _authorise(keys: Mapping[str, Key]) -> Mapping[str, Key]:
    return {"authorization": Key(f"Bearer {keys['STABILITY_API_KEY']}")}


class Stability(HttpProvider):
    """See the module."""

    name = "stability"
    limits = Limits(per_minute=900)
    takes_references = "bytes"

    def __init__(self, base: str | None = None) -> None:
        super().__init__(Endpoint("stability", ROOTS, _authorise, base))

    async def submit(self, request: Request, *, idempotency_key: str) -> Operation | Status:  # noqa: ARG002 - it takes none
        """Ask, and wait for the picture."""
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
        """Nothing can be polled."""
        raise errors.ProviderError("This service has no operations to poll.", provider="stability")


def _files(request: Request) -> list[Part]:
    """The pictures as parts of the form. Raises SettingError, MediaError."""
    fields = request.model.wire.references if request.model.wire is not None else {}
    parts = []
    for port, found in request.references.items():
        if found and port not in fields:
            raise errors.SettingError(f"{request.model.id} reads no {port!r}.", hint="Disconnect it.")
        for reference in found[:1]:
            asset = reference.asset
            check_size(asset.size_bytes, IMAGE_BYTES, "The picture", provider="stability")
            name = f"{fields[port]}.{extension(asset.media_type)}"
            parts.append(Part(fields[port], reference.file, name, asset.media_type))
    return parts


def _done(answer: Answer) -> Status:
    """The picture; blurred, it is a refusal that calls itself a success."""
    if answer.headers.get("finish-reason") == FILTERED:
        return Refused("The service has blurred the picture: its filter does not let it out.")
    media_type = sniff(answer.body)
    if media_type is None:
        raise SubmitAmbiguousError("The service took it, and its answer is no picture that is known here.")
    seed = answer.headers.get("seed", "")
    return Done((Output("image", answer.body, media_type),), None, int(seed) if seed.isdigit() else None)


def _error(answer: Answer) -> Status:
    said = answer.json_or_none()
    said = said if isinstance(said, dict) else {}
    says = said.get("errors") or said.get("message")
    message = "; ".join(map(str, says)) if isinstance(says, list) else says
    if answer.status == FORBIDDEN:  # the key is refused with 401
        return Refused(message or "The service refuses this content.")
    return rejection(answer, code=said.get("name"), message=message)


def provider() -> Stability:
    """For the entry point."""
    return Stability()
