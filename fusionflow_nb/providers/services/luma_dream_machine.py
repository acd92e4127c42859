"""Luma's older API, Dream Machine: images and video. Submit, then poll; images are sent only as URLs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from fusionflow_nb import errors
from fusionflow_nb.providers import (
    CancelAnswer,
    Endpoint,
    Failed,
    HttpProvider,
    Key,
    Operation,
    Pending,
    SubmitAmbiguousError,
    output_port,
    rejection,
    request_body,
    unknown_state,
)
from fusionflow_nb.providers.services.luma import error_message

if TYPE_CHECKING:
    from collections.abc import Mapping

    from fusionflow_nb.providers import Reference, Request, Status

NAME = "luma-dream-machine"
ROOTS = {"api": "https://api.lumalabs.ai/dream-machine/v1"}
FRAMES = ("frame0", "frame1")
"""First and last image of a video: members of the object `keyframes`."""
JSON = {"accept": "application/json"}
DELETED = 204


def _authorise(keys: Mapping[str, Key]) -> Mapping[str, Key]:
    return {"authorization": Key(f"Bearer {keys['LUMAAI_API_KEY']}")}


class LumaDreamMachine(HttpProvider):
    """Adapter of Luma's Dream Machine API."""

    name = NAME
    takes_references = "url"

    def __init__(self, base: str | None = None) -> None:
        super().__init__(Endpoint(NAME, ROOTS, _authorise, base))

    async def submit(self, request: Request, *, idempotency_key: str) -> Operation | Status:  # noqa: ARG002 - unsupported
        """Create the generation."""
        frames = {
            port: [_media_url(reference) for reference in references] for port, references in request.references.items()
        }
        body = {"model": request.model.provider_model_id, **_shape_body(request_body(request, frames))}
        url = f"{self.http.endpoint.root()}/generations/{output_port(request.task)}"
        answer = await self.http.post_once(url, body, headers=JSON)
        if not answer.is_success:
            return rejection(answer, message=error_message(answer))
        payload = answer.json_or_none()
        if not isinstance(payload, dict) or not isinstance(payload.get("id"), str):
            raise SubmitAmbiguousError("The service accepted the request, but its answer has no generation id.")
        return self.operation(request, id=payload["id"])

    async def poll(self, operation: Operation) -> Status:
        """Return the status of the generation; the service reports no progress."""
        answer = await self.http.request("GET", self._generation_url(operation), headers=JSON)
        if not answer.is_success:
            return Failed("not_found", f"The service no longer knows the generation: {answer.text()}")
        payload = answer.json_object()
        match payload.get("state"):
            case "queued" | "dreaming":
                return Pending()
            case "completed":
                assets = payload.get("assets")
                url = assets.get(operation.data["port"]) if isinstance(assets, dict) else None
                if not isinstance(url, str):
                    return Failed("no_output", f"It is completed, but has no {operation.data['port']}.")
                return await self.fetch_outputs(operation, [url])
            case "failed":  # includes refusals, which only the message identifies
                return Failed("failed", str(payload.get("failure_reason") or "It failed without a reason."))
        raise unknown_state(payload.get("state"), provider=NAME)

    async def cancel(self, operation: Operation) -> CancelAnswer:
        """Delete the generation. Whether that stops billing is undocumented, so the cancel counts as requested."""
        answer = await self.http.request(
            "DELETE", self._generation_url(operation), headers={"accept": "*/*"}, is_checked=False
        )
        return CancelAnswer.REQUESTED if answer.status == DELETED else CancelAnswer.UNSUPPORTED

    def _generation_url(self, operation: Operation) -> str:
        return f"{self.http.endpoint.root()}/generations/{operation.data['id']}"


def _media_url(reference: Reference) -> dict[str, str]:
    """A reference in the service's format.

    Raises:
        ProviderError: the reference has no URL.
    """
    if reference.url is None:
        raise errors.ProviderError(
            "Luma's older API takes images only as URLs.",
            provider=NAME,
            hint='ff.connect("r2") stores results in a bucket that Luma can read; luma/ray-3.2 takes bytes.',
        )
    return {"url": reference.url}


def _shape_body(body: dict[str, Any]) -> dict[str, Any]:
    """Nest the frames in the object `keyframes`, each with its type; a length is sent as text with its unit."""
    frames = {name: {"type": "image", **body.pop(name)} for name in FRAMES if name in body}
    if isinstance(body.get("duration"), int | float):
        body["duration"] = f"{body['duration']:g}s"
    return {**body, "keyframes": {**frames, **body.get("keyframes", {})}} if frames else body


def provider() -> LumaDreamMachine:
    """Create the provider, for the entry point."""
    return LumaDreamMachine()
