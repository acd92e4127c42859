"""Luma's older API, Dream Machine: pictures and films. Submit, then poll; pictures go in by address alone."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from fusionflow_nb import errors
from fusionflow_nb.providers.http import Endpoint
from fusionflow_nb.providers.http_provider import HttpProvider, output_port, rejection, request_body, unknown_state
from fusionflow_nb.providers.protocol import CancelAnswer, Failed, Operation, Pending, SubmitAmbiguousError
from fusionflow_nb.providers.services.luma import error_message
from fusionflow_nb.settings.credentials import Key

if TYPE_CHECKING:
    from collections.abc import Mapping

    from fusionflow_nb.providers.protocol import Reference, Request, Status

NAME = "luma-dream-machine"
ROOTS = {"api": "https://api.lumalabs.ai/dream-machine/v1"}
FRAMES = ("frame0", "frame1")
"""The first picture of a film and the last: members of the object `keyframes`."""
JSON = {"accept": "application/json"}
DELETED = 204


def _authorise(keys: Mapping[str, Key]) -> Mapping[str, Key]:
    return {"authorization": Key(f"Bearer {keys['LUMAAI_API_KEY']}")}


class LumaDreamMachine(HttpProvider):
    """See the module."""

    name = NAME
    takes_references = "url"

    def __init__(self, base: str | None = None) -> None:
        super().__init__(Endpoint(NAME, ROOTS, _authorise, base))

    async def submit(self, request: Request, *, idempotency_key: str) -> Operation | Status:  # noqa: ARG002 - it takes none
        """Create the generation."""
        addresses = {port: [_address(each) for each in found] for port, found in request.references.items()}
        body = {"model": request.model.provider_model_id, **_shape_body(request_body(request, addresses))}
        where = f"{self.http.endpoint.root()}/generations/{output_port(request.task)}"
        answer = await self.http.post_once(where, body, headers=JSON)
        if not answer.is_success:
            return rejection(answer, message=error_message(answer))
        said = answer.json_or_none()
        if not isinstance(said, dict) or not isinstance(said.get("id"), str):
            raise SubmitAmbiguousError("The service took it, and its answer does not say under which name.")
        return self.operation(request, id=said["id"])

    async def poll(self, operation: Operation) -> Status:
        """How the generation stands; nothing tells how far it is."""
        answer = await self.http.request("GET", self._place(operation), headers=JSON)
        if not answer.is_success:
            return Failed("not_found", f"The service does not know the generation any more: {answer.text()}")
        said = answer.json_object()
        match said.get("state"):
            case "queued" | "dreaming":
                return Pending()
            case "completed":
                assets = said.get("assets")
                address = assets.get(operation.data["port"]) if isinstance(assets, dict) else None
                if not isinstance(address, str):
                    return Failed("no_output", f"It is completed, and there is no {operation.data['port']} in it.")
                return await self.fetch_outputs(operation, [address])
            case "failed":  # refusals, too: the reason's text alone would tell them
                return Failed("failed", str(said.get("failure_reason") or "It failed without saying why."))
        raise unknown_state(said.get("state"), provider=NAME)

    async def cancel(self, operation: Operation) -> CancelAnswer:
        """Delete it. Whether that stops the billing is not documented, so it is no more than asked for."""
        answer = await self.http.request("DELETE", self._place(operation), headers={"accept": "*/*"}, is_checked=False)
        return CancelAnswer.REQUESTED if answer.status == DELETED else CancelAnswer.UNSUPPORTED

    def _place(self, operation: Operation) -> str:
        return f"{self.http.endpoint.root()}/generations/{operation.data['id']}"


def _address(reference: Reference) -> dict[str, str]:
    """A picture as the lists of references have it.

    Raises:
        ProviderError: it lies at no address.
    """
    if reference.url is None:
        raise errors.ProviderError(
            "Luma's older API takes pictures only as addresses on the internet.",
            provider=NAME,
            hint='ff.connect("r2") keeps results in a bucket that it can read; luma/ray-3.2 takes bytes.',
        )
    return {"url": reference.url}


def _shape_body(body: dict[str, Any]) -> dict[str, Any]:
    """The frames of a film in the object `keyframes`, where each says what it is; a length as the service writes it."""
    frames = {name: {"type": "image", **body.pop(name)} for name in FRAMES if name in body}
    if isinstance(body.get("duration"), int | float):
        body["duration"] = f"{body['duration']:g}s"
    return {**body, "keyframes": {**frames, **body.get("keyframes", {})}} if frames else body


def provider() -> LumaDreamMachine:
    """For the entry point."""
    return LumaDreamMachine()
