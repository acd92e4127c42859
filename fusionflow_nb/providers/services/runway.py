"""Runway: video and images as tasks. Submit, then poll; the answers contain the cost.

A reference is sent as a URL only if Runway can request it with HEAD, as it requires. A URL that is signed for GET
answers HEAD with 403, so such a reference is sent as bytes: inline if small, else uploaded.
"""

from __future__ import annotations

import contextlib
import ipaddress
from typing import TYPE_CHECKING, Any

import httpx

from fusionflow_nb import errors
from fusionflow_nb.providers import (
    CancelAnswer,
    Cancelled,
    Cost,
    Endpoint,
    Failed,
    HttpProvider,
    Key,
    Operation,
    Part,
    Pending,
    Refused,
    SubmitAmbiguousError,
    check_size,
    data_uri,
    extension,
    form_fields,
    rejection,
    request_body,
    unknown_state,
    upload_to_url,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

    from fusionflow_nb.providers import Answer, Reference, Request, Status

ROOTS = {"api": "https://api.dev.runwayml.com"}
VERSION = "2024-11-06"
ROUTES = {
    "text-to-image": "text_to_image",
    "edit-image": "text_to_image",
    "text-to-video": "text_to_video",
    "image-to-video": "image_to_video",
    "video-to-video": "video_to_video",
}
POSITIONS = ("first", "last")
TEXT_RATIOS = {"gen4.5": ("1280:720", "720:1280")}
"""Sizes for text-to-video, where a model has fewer than for image-to-video."""
IN_BODY_BYTES = 3_700_000
"""Runway takes 5 MB of base64, which is a third longer than the bytes."""
ADDRESS_CHARACTERS = 2048
AT_ADDRESS_BYTES = {"image": 16_000_000, "video": 32_000_000, "audio": 32_000_000}
UPLOAD_BYTES = 200_000_000
MICRO_PER_CREDIT = 10_000
NOT_FOUND = 404
JSON = {"accept": "application/json"}


def _authorise(keys: Mapping[str, Key]) -> Mapping[str, Key]:
    return {"authorization": Key(f"Bearer {keys['RUNWAYML_API_SECRET']}"), "x-runway-version": Key(VERSION)}


class Runway(HttpProvider):
    """Adapter of Runway."""

    name = "runway"
    poll_interval_s = 5.0

    def __init__(self, base: str | None = None) -> None:
        super().__init__(Endpoint("runway", ROOTS, _authorise, base))

    async def submit(self, request: Request, *, idempotency_key: str) -> Operation | Status:  # noqa: ARG002 - unsupported
        """Create the task."""
        _check_size(request, request_body(request, {}))  # before any upload
        tags = _tags(request)
        media = {
            port: [await self._media(reference) for reference in references]
            for port, references in request.references.items()
        }
        body = {"model": request.model.provider_model_id, **_shape_body(request_body(request, media), tags)}
        wire = request.model.wire
        route = wire.route if wire is not None and wire.route else ROUTES[request.task]
        answer = await self.http.post_once(f"{self.http.endpoint.root()}/v1/{route}", body, headers=JSON)
        if not answer.is_success:
            return rejection(answer, message=_error_message(answer))
        payload = answer.json_or_none()
        if not isinstance(payload, dict) or not isinstance(payload.get("id"), str):
            raise SubmitAmbiguousError("The service accepted the task, but its answer has no task id.")
        return self.operation(request, id=payload["id"])

    async def poll(self, operation: Operation) -> Status:
        """Return the status of the task."""
        answer = await self.http.request("GET", self._task(operation), headers=JSON)
        if not answer.is_success:
            return Failed(
                "not_found", f"The service does not know the task, or has deleted it: {_error_message(answer)}"
            )
        payload = answer.json_object()
        match payload.get("status"):
            case "PENDING" | "THROTTLED":  # throttled tasks are accepted and wait for a slot
                return Pending()
            case "RUNNING":
                progress = payload.get("progress")
                return Pending(progress=min(1.0, max(0.0, progress)) if isinstance(progress, int | float) else None)
            case "SUCCEEDED":
                return await self._succeeded(operation, payload)
            case "FAILED":
                return _failed(payload)
            case "CANCELLED":
                return Cancelled(_cost(payload))
        raise unknown_state(payload.get("status"), provider=self.name)

    async def cancel(self, operation: Operation) -> CancelAnswer:
        """Delete the task; confirmed only if it costs nothing."""
        answer = await self.http.request("DELETE", self._task(operation), headers={"accept": "*/*"}, tries=3)
        if not answer.is_success:
            return CancelAnswer.UNSUPPORTED
        payload: Any = None
        with contextlib.suppress(errors.FusionFlowError):
            payload = (await self.http.request("GET", self._task(operation), headers=JSON)).json_or_none()
        is_free = (
            isinstance(payload, dict)
            and payload.get("status") == "CANCELLED"
            and _cost(payload) == Cost(0, is_exact=True)
        )
        return CancelAnswer.CONFIRMED if is_free else CancelAnswer.REQUESTED

    async def _succeeded(self, operation: Operation, payload: dict[str, Any]) -> Status:
        outputs = payload.get("output")
        urls = [output for output in (outputs if isinstance(outputs, list) else ()) if isinstance(output, str)]
        if not urls:
            return Failed("no_output", "The task is done, but has no result.", cost=_cost(payload))
        return await self.fetch_outputs(operation, urls, _cost(payload))

    def _task(self, operation: Operation) -> str:
        return f"{self.http.endpoint.root()}/v1/tasks/{operation.data['id']}"

    async def _media(self, reference: Reference) -> str:
        """A reference in the service's format: a URL, a data URI, or the URI of an upload."""
        if reference.url is not None and _is_fetchable(reference.url, reference):
            return reference.url
        if reference.asset.size_bytes <= IN_BODY_BYTES:
            return await data_uri(reference)
        return await self._upload(reference)

    async def _upload(self, reference: Reference) -> str:
        """Upload a file for a day; returns its URI. Raises MediaError, ProviderError."""
        asset = reference.asset
        check_size(asset.size_bytes, UPLOAD_BYTES, "The file", provider=self.name)
        name = f"ref.{extension(asset.media_type)}"
        file_info = {"filename": name, "type": "ephemeral"}
        answer = await self.http.request(
            "POST", f"{self.http.endpoint.root()}/v1/uploads", file_info, headers=JSON, tries=3
        )
        payload = answer.json_object()
        fields, upload_url, runway_uri = payload.get("fields"), payload.get("uploadUrl"), payload.get("runwayUri")
        if not isinstance(fields, dict) or not isinstance(upload_url, str) or not isinstance(runway_uri, str):
            raise errors.ProviderError(
                "The file could not be uploaded: the answer has no upload URL.",
                provider=self.name,
                hint="Nothing was submitted: run again.",
            )
        file = Part("file", reference.file, name, asset.media_type)
        await upload_to_url(self.http, upload_url, [*form_fields(fields), file])
        return runway_uri


def _is_fetchable(url: str, reference: Reference) -> bool:
    """Whether Runway can fetch the URL: https, a host name, not signed for GET only, within its size limits."""
    if len(url) > ADDRESS_CHARACTERS or "x-amz-signature=" in url.lower() or not url.startswith("https://"):
        return False
    kind = reference.asset.media_type.partition("/")[0]
    return reference.asset.size_bytes <= AT_ADDRESS_BYTES.get(kind, 0) and not _is_ip_address(httpx.URL(url).host)


def _is_ip_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


def _tags(request: Request) -> list[str]:
    """Names of the references in the prompt: `@cube`. Raises SettingError if there are more names than references."""
    tags = [tag.strip().lstrip("@") for tag in str(request.settings.get("tags") or "").split(",")]
    tags = [tag for tag in tags if tag]
    count = sum(len(references) for references in request.references.values())
    if len(tags) > count:
        raise errors.SettingError(
            f"{request.model.id} got {count} references and {len(tags)} names for them.",
            hint="Connect as many references as there are tags.",
        )
    return tags


def _shape_body(body: dict[str, Any], tags: list[str]) -> dict[str, Any]:
    """Add positions to the images of a video, and names to references."""
    frames = {name: body.pop(name) for name in POSITIONS if name in body}
    if "last" in frames:
        body["promptImage"] = [{"uri": uri, "position": position} for position, uri in frames.items()]
    elif frames:
        body["promptImage"] = frames["first"]
    if "referenceImages" in body:
        padded_tags = [*tags, *([None] * len(body["referenceImages"]))]
        body["referenceImages"] = [
            reference if isinstance(reference, dict) else {"uri": reference, **({"tag": tag} if tag else {})}
            for reference, tag in zip(body["referenceImages"], padded_tags, strict=False)
        ]
    return body


def _check_size(request: Request, body: dict[str, Any]) -> None:
    sizes = TEXT_RATIOS.get(request.model.provider_model_id)
    if request.task == "text-to-video" and sizes is not None and body.get("ratio") not in sizes:
        raise errors.SettingError(
            f"{request.model.id} does not make text-to-video in {body.get('ratio')}.",
            hint=f"Choose 16:9 or 9:16 ({', '.join(sizes)}), or connect a first image.",
        )


def _error_message(answer: Answer) -> str | None:
    """The message of an error: `error`, and the invalid fields."""
    payload = answer.json_or_none()
    if not isinstance(payload, dict) or not isinstance(payload.get("error"), str):
        return None
    issues = payload.get("issues")
    problems = [
        f"{'.'.join(map(str, issue.get('path', ())))}: {issue.get('message')}"
        for issue in (issues if isinstance(issues, list) else ())
        if isinstance(issue, dict)
    ]
    return "; ".join([payload["error"], *problems])


def _cost(payload: dict[str, Any]) -> Cost | None:
    cost = payload.get("cost")
    spent = cost.get("credits") if isinstance(cost, dict) else None
    return Cost(round(spent * MICRO_PER_CREDIT), is_exact=True) if isinstance(spent, int | float) else None


def _failed(payload: dict[str, Any]) -> Status:
    """Map a failure. The work was accepted, so it is not retried."""
    code, failure = payload.get("failureCode"), payload.get("failure")
    message = str(failure or code or "It failed without a reason.")
    if isinstance(code, str) and code.startswith("SAFETY."):
        return Refused(f"{message} ({code})", _cost(payload))
    return Failed(str(code or "failed"), message, cost=_cost(payload))


def provider() -> Runway:
    """Create the provider, for the entry point."""
    return Runway()
