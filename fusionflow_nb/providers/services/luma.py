"""Luma's Agents API: images and video. Submit, then poll; media are sent inline, as URLs or as uploaded files.

Luma's older API, with separate keys and models, is the service `luma-dream-machine`.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from fusionflow_nb import errors
from fusionflow_nb.providers import (
    Cost,
    Endpoint,
    Failed,
    HttpProvider,
    Key,
    NoFunds,
    Operation,
    Pending,
    Refused,
    SubmitAmbiguousError,
    as_base64,
    check_size,
    rejection,
    request_body,
    unknown_state,
    upload_to_url,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

    from fusionflow_nb.providers import Answer, Reference, Request, Status

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
"""Fields that are nested in the object `video`."""
REFERENCES = {"image": 9, "image_edit": 8}
IN_BODY_BYTES = 700_000
"""The service documents no limit: larger files are uploaded first."""
FILE_BYTES = 500_000_000
"""Our own limit, because the file is in memory while it is sent."""
MAX_POLLS, POLL_S = 60, 1.0
"""Polls until an uploaded file is ready."""
FURTHER_MICRO_USD = 3_000
"""Price of each reference after the first. The catalogue's price includes one (Luma's documentation, 2026)."""
JSON = {"accept": "application/json"}


def _authorise(keys: Mapping[str, Key]) -> Mapping[str, Key]:
    return {"authorization": Key(f"Bearer {keys['LUMA_AGENTS_API_KEY']}")}


class Luma(HttpProvider):
    """Adapter of Luma's Agents API."""

    name = "luma"

    def __init__(self, base: str | None = None) -> None:
        super().__init__(Endpoint("luma", ROOTS, _authorise, base))

    async def submit(self, request: Request, *, idempotency_key: str) -> Operation | Status:  # noqa: ARG002 - unsupported
        """Create the generation."""
        kind = TYPES[request.task]
        _check_references(request, kind)
        media = {
            port: [await self._media(reference) for reference in references]
            for port, references in request.references.items()
        }
        body = {**_shape_body(request_body(request, media)), "model": request.model.provider_model_id, "type": kind}
        answer = await self.http.post_once(f"{self.http.endpoint.root()}/generations", body, headers=JSON)
        if not answer.is_success:
            return rejection(answer, message=error_message(answer))
        payload = answer.json_or_none()
        if not isinstance(payload, dict) or not isinstance(payload.get("id"), str):
            raise SubmitAmbiguousError("The service accepted the request, but its answer has no generation id.")
        return self.operation(request, id=payload["id"], cost_micro_usd=_price(request))

    async def poll(self, operation: Operation) -> Status:
        """Return the status of the generation; the service reports no progress."""
        answer = await self.http.request(
            "GET", f"{self.http.endpoint.root()}/generations/{operation.data['id']}", headers=JSON
        )
        if not answer.is_success:
            return Failed("not_found", f"The service no longer knows the generation: {answer.text()}")
        payload = answer.json_object()
        match payload.get("state"):
            case "queued" | "processing":
                return Pending()
            case "completed":
                return await self._completed(operation, payload)
            case "failed":
                return _failed(payload)
        raise unknown_state(payload.get("state"), provider=self.name)

    async def _completed(self, operation: Operation, payload: dict[str, Any]) -> Status:
        outputs = payload.get("output")
        urls = [
            output["url"]
            for output in (outputs if isinstance(outputs, list) else ())
            if isinstance(output, dict)
            and isinstance(output.get("url"), str)
            and output.get("type") == operation.data["port"]
        ]
        micro_usd = operation.data.get("cost_micro_usd")
        cost = Cost(micro_usd, is_exact=False) if micro_usd is not None else None
        if not urls:
            return Failed("no_output", f"It is completed, but has no {operation.data['port']}.", cost=cost)
        return await self.fetch_outputs(operation, urls, cost)

    async def _media(self, reference: Reference) -> dict[str, str]:
        """A reference in the service's format: a URL, inline bytes or an uploaded file."""
        kind = reference.asset.media_type
        if reference.url is not None:  # a video URL needs its media type
            return {"url": reference.url, **({"media_type": kind} if kind.startswith("video/") else {})}
        if reference.asset.size_bytes > IN_BODY_BYTES:
            return {"file_id": await self._upload(reference)}
        return {"data": await as_base64(reference), "media_type": kind}

    async def _upload(self, reference: Reference) -> str:
        """Upload a file and wait until it is ready; returns its id."""
        asset = reference.asset
        check_size(asset.size_bytes, FILE_BYTES, "The file", provider=self.name)
        file_info = {"mime_type": asset.media_type, "size_bytes": asset.size_bytes}
        files = f"{self.http.endpoint.root()}/files"
        payload = (await self.http.request("POST", files, file_info, headers=JSON, tries=3)).json_object()
        file_id, upload = payload.get("id"), payload.get("upload")
        if not isinstance(file_id, str) or not isinstance(upload, dict) or not isinstance(upload.get("url"), str):
            raise _upload_error("the answer has no upload URL")
        content = await asyncio.to_thread(reference.file.read_bytes)
        signed_headers = upload.get("headers")
        headers = (
            {str(name): str(value) for name, value in signed_headers.items()}
            if isinstance(signed_headers, dict)
            else {}
        )
        await upload_to_url(self.http, upload["url"], content, headers=headers)
        await self.http.request("POST", f"{files}/{file_id}/complete", headers=JSON, content=b"", tries=3)
        for _ in range(MAX_POLLS):
            file = (await self.http.request("GET", f"{files}/{file_id}", headers=JSON, tries=3)).json_object()
            match file.get("state"):
                case "ready":
                    return file_id
                case "pending":
                    await self.http.sleep(POLL_S)
                case state:
                    raise _upload_error(str(file.get("failure_reason") or state))
        raise _upload_error(f"it is not ready after {MAX_POLLS * POLL_S:.0f} s")


def error_message(answer: Answer) -> str | None:
    """The message of an error: `detail` as text or as a list."""
    payload = answer.json_or_none()
    detail = payload.get("detail") if isinstance(payload, dict) else None
    if isinstance(detail, list):
        return "; ".join(str(item.get("msg", item)) if isinstance(item, dict) else str(item) for item in detail)
    return detail if isinstance(detail, str) else None


def _shape_body(body: dict[str, Any]) -> dict[str, Any]:
    """Nest video fields in the object `video`; a length is sent as text with its unit."""
    video = {name: body.pop(name) for name in VIDEO_FIELDS if name in body}
    if isinstance(video.get("duration"), int | float):
        video["duration"] = f"{video['duration']:g}s"
    return {**body, "video": {**video, **body.get("video", {})}} if video else body


def _check_references(request: Request, kind: str) -> None:
    count = len(request.references.get("references", ()))
    if kind in REFERENCES and count > REFERENCES[kind]:
        raise errors.MediaError(f"Luma takes {REFERENCES[kind]} references here, got {count}.", hint="Connect fewer.")


def _price(request: Request) -> int | None:
    """Price of an image by its number of references; None if the catalogue has no price."""
    estimate = request.model.estimate(dict(request.settings), prompt=request.prompt)
    if estimate.is_unpriced or not TYPES[request.task].startswith("image"):
        return None
    count = sum(len(references) for references in request.references.values())
    return estimate.high_micro_usd + (count - 1) * FURTHER_MICRO_USD


def _failed(payload: dict[str, Any]) -> Status:
    """Map a failure. The work was accepted, so it is not retried."""
    code, reason = payload.get("failure_code"), payload.get("failure_reason")
    message = str(reason or code or "It failed without a reason.")
    match code:
        case "content_moderated":
            return Refused(message)
        case "budget_exhausted":
            return NoFunds(message)
    return Failed(str(code or "failed"), message)


def _upload_error(why: str) -> errors.ProviderError:
    return errors.ProviderError(
        f"The file could not be uploaded: {why}.", provider="luma", hint="Nothing was submitted: run again."
    )


def provider() -> Luma:
    """Create the provider, for the entry point."""
    return Luma()
