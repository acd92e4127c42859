"""Luma's Agents API: pictures and films. Submit, then poll; media go inline, by address, or as files put there first.

Luma's older API, with keys and models of its own, is the service `luma-dream-machine`.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from fusionflow_nb import errors
from fusionflow_nb.providers.http import Endpoint, check_size, upload_to_url
from fusionflow_nb.providers.http_provider import HttpProvider, as_base64, rejection, request_body, unknown_state
from fusionflow_nb.providers.protocol import Cost, Failed, NoFunds, Operation, Pending, Refused, SubmitAmbiguousError
from fusionflow_nb.settings.credentials import Key

if TYPE_CHECKING:
    from collections.abc import Mapping

    from fusionflow_nb.providers.http import Answer
    from fusionflow_nb.providers.protocol import Reference, Request, Status

ROOTS = {"api": "https://agents.lumalabs.ai/v1"}
TYPES = {
    "text-to-image": "image",
    "edit-image": "image_edit",
    "text-to-video": "video",
    "image-to-video": "video",
    "video-to-video": "video_edit",
}
VIDEO_FIELDS = (
    "resolution", "duration", "start_frame", "end_frame", "keyframes", "keyframe_indexes", "loop", "hdr", "edit",
    "source_position",
)  # fmt: skip
"""Fields that travel together in the object `video`, whose members they are."""
REFERENCES = {"image": 9, "image_edit": 8}
IN_BODY_BYTES = 700_000
"""No page states a limit: what is longer is put there as a file first."""
FILE_BYTES = 500_000_000
"""Ours: it is in memory while it is sent."""
MAX_POLLS, POLL_S = 60, 1.0
"""How often, and how far apart, a file is asked for until it is ready."""
FURTHER_MICRO_USD = 3_000
"""What each reference after the first adds to a picture's price, and the first to that of none (Luma's docs, 2026)."""
JSON = {"accept": "application/json"}


def _authorise(keys: Mapping[str, Key]) -> Mapping[str, Key]:
    return {"authorization": Key(f"Bearer {keys['LUMA_AGENTS_API_KEY']}")}


class Luma(HttpProvider):
    """See the module."""

    name = "luma"

    def __init__(self, base: str | None = None) -> None:
        super().__init__(Endpoint("luma", ROOTS, _authorise, base))

    async def submit(self, request: Request, *, idempotency_key: str) -> Operation | Status:  # noqa: ARG002 - it takes none
        """Create the generation."""
        kind = TYPES[request.task]
        _check_references(request, kind)
        media = {port: [await self._media(each) for each in found] for port, found in request.references.items()}
        body = {**_shape_body(request_body(request, media)), "model": request.model.provider_model_id, "type": kind}
        answer = await self.http.post_once(f"{self.http.endpoint.root()}/generations", body, headers=JSON)
        if not answer.is_success:
            return rejection(answer, message=error_message(answer))
        said = answer.json_or_none()
        if not isinstance(said, dict) or not isinstance(said.get("id"), str):
            raise SubmitAmbiguousError("The service took it, and its answer does not say under which name.")
        return self.operation(request, id=said["id"], cost_micro_usd=_price(request))

    async def poll(self, operation: Operation) -> Status:
        """How the generation stands; nothing tells how far it is."""
        answer = await self.http.request(
            "GET", f"{self.http.endpoint.root()}/generations/{operation.data['id']}", headers=JSON
        )
        if not answer.is_success:
            return Failed("not_found", f"The service does not know the generation any more: {answer.text()}")
        said = answer.json_object()
        match said.get("state"):
            case "queued" | "processing":
                return Pending()
            case "completed":
                return await self._completed(operation, said)
            case "failed":
                return _failed(said)
        raise unknown_state(said.get("state"), provider=self.name)

    async def _completed(self, operation: Operation, said: dict[str, Any]) -> Status:
        made = said.get("output")
        addresses = [
            each["url"]
            for each in (made if isinstance(made, list) else ())
            if isinstance(each, dict)
            and isinstance(each.get("url"), str)
            and each.get("type") == operation.data["port"]
        ]
        billed = operation.data.get("cost_micro_usd")
        cost = Cost(billed, is_exact=False) if billed is not None else None
        if not addresses:
            return Failed("no_output", f"It is completed, and there is no {operation.data['port']} in it.", cost=cost)
        return await self.fetch_outputs(operation, addresses, cost)

    async def _media(self, reference: Reference) -> dict[str, str]:
        """A medium as the service takes it: exactly one of an address, bytes and a file put there first."""
        kind = reference.asset.media_type
        if reference.url is not None:  # a film's address is taken only with its type beside it
            return {"url": reference.url, **({"media_type": kind} if kind.startswith("video/") else {})}
        if reference.asset.size_bytes > IN_BODY_BYTES:
            return {"file_id": await self._upload(reference)}
        return {"data": await as_base64(reference), "media_type": kind}

    async def _upload(self, reference: Reference) -> str:
        """Put a file there and wait until it can be used; its name."""
        asset = reference.asset
        check_size(asset.size_bytes, FILE_BYTES, "The file", provider=self.name)
        about = {"mime_type": asset.media_type, "size_bytes": asset.size_bytes}
        files = f"{self.http.endpoint.root()}/files"
        said = (await self.http.request("POST", files, about, headers=JSON, tries=3)).json_object()
        name, where = said.get("id"), said.get("upload")
        if not isinstance(name, str) or not isinstance(where, dict) or not isinstance(where.get("url"), str):
            raise _upload_error("the answer does not say where to")
        content = await asyncio.to_thread(reference.file.read_bytes)
        signed = where.get("headers")
        headers = {str(name): str(value) for name, value in signed.items()} if isinstance(signed, dict) else {}
        await upload_to_url(self.http, where["url"], content, headers=headers)
        await self.http.request("POST", f"{files}/{name}/complete", headers=JSON, content=b"", tries=3)
        for _ in range(MAX_POLLS):
            found = (await self.http.request("GET", f"{files}/{name}", headers=JSON, tries=3)).json_object()
            match found.get("state"):
                case "ready":
                    return name
                case "pending":
                    await self.http.sleep(POLL_S)
                case state:
                    raise _upload_error(str(found.get("failure_reason") or state))
        raise _upload_error(f"after {MAX_POLLS * POLL_S:.0f} s it is not ready yet")


def error_message(answer: Answer) -> str | None:
    """What an error says: `detail` as text, or a list of what is wrong where."""
    said = answer.json_or_none()
    detail = said.get("detail") if isinstance(said, dict) else None
    if isinstance(detail, list):
        return "; ".join(str(each.get("msg", each)) if isinstance(each, dict) else str(each) for each in detail)
    return detail if isinstance(detail, str) else None


def _shape_body(body: dict[str, Any]) -> dict[str, Any]:
    """A film's fields put together in the object `video`; a length in seconds as the service writes it."""
    film = {name: body.pop(name) for name in VIDEO_FIELDS if name in body}
    if isinstance(film.get("duration"), int | float):
        film["duration"] = f"{film['duration']:g}s"
    return {**body, "video": {**film, **body.get("video", {})}} if film else body


def _check_references(request: Request, kind: str) -> None:
    given = len(request.references.get("references", ()))
    if kind in REFERENCES and given > REFERENCES[kind]:
        raise errors.MediaError(f"Luma takes {REFERENCES[kind]} references here, not {given}.", hint="Connect fewer.")


def _price(request: Request) -> int | None:
    """A picture's price by how many others go in; the table has that with one. None where it has none."""
    estimate = request.model.estimate(dict(request.settings), prompt=request.prompt)
    if estimate.is_unpriced or not TYPES[request.task].startswith("image"):
        return None
    given = sum(len(found) for found in request.references.values())
    return estimate.high_micro_usd + (given - 1) * FURTHER_MICRO_USD


def _failed(said: dict[str, Any]) -> Status:
    """Why it failed. It had been accepted, so none of these is submitted again unasked."""
    code, reason = said.get("failure_code"), said.get("failure_reason")
    says = str(reason or code or "It failed without saying why.")
    match code:
        case "content_moderated":
            return Refused(says)
        case "budget_exhausted":
            return NoFunds(says)
    return Failed(str(code or "failed"), says)


def _upload_error(why: str) -> errors.ProviderError:
    return errors.ProviderError(
        f"The file could not be uploaded: {why}.", provider="luma", hint="Nothing was submitted: run again."
    )


def provider() -> Luma:
    """For the entry point."""
    return Luma()
