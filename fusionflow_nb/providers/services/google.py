"""Google's Gemini API: images, video and music as background interactions, which can be cancelled.

Two older APIs are supported: `generateContent`, a synchronous request for images with `background=False`, and
long-running operations (Veo), which Google has ended for most keys.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from fusionflow_nb import errors
from fusionflow_nb.providers import (
    CancelAnswer,
    Cancelled,
    Cost,
    Done,
    Endpoint,
    Failed,
    HttpProvider,
    Key,
    Operation,
    Pending,
    Refused,
    SubmitAmbiguousError,
    as_base64,
    check_size,
    decode_output,
    output_port,
    request_body,
    unknown_state,
)
from fusionflow_nb.providers.request_mapping import RAW
from fusionflow_nb.providers.services import google_responses as responses
from fusionflow_nb.providers.services.google_files import upload_file

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from fusionflow_nb.providers import ModelEntry, Output, Reference, Request, Status

ROOTS = {"api": "https://generativelanguage.googleapis.com"}
READ_S = 600.0
ANSWER_BYTES = 400_000_000
INLINE_BYTES = 4_000_000
"""Larger inputs are uploaded first, because each poll of an interaction returns its input."""
VIDEO_REFERENCES = 6
ACCEPT_JSON = {"accept": "application/json", "content-type": "application/json"}
_NEEDS_ACTION = "The service waits for an action that is not supported here."
_FAILED_STATES = {
    "failed": "The interaction failed.",
    "incomplete": "The interaction ended before the result was complete.",
    "budget_exceeded": "The interaction used up its budget at the service.",
    # Documented as open states, but they wait for a conversation's tools and would never end here.
    "requires_action": _NEEDS_ACTION,
    "requires_continuation": _NEEDS_ACTION,
}
_NOT_FOUND = 404


def _authorise(keys: Mapping[str, Key]) -> Mapping[str, Key]:
    return {"x-goog-api-key": Key(keys["GEMINI_API_KEY"])}


class Google(HttpProvider):
    """Adapter of Google's Gemini API."""

    name = "google"
    takes_references = "bytes"
    poll_interval_s = 2.0
    version = "v1"

    def __init__(self, base: str | None = None) -> None:
        super().__init__(Endpoint("google", ROOTS, _authorise, base))

    async def submit(self, request: Request, *, idempotency_key: str) -> Operation | Status:  # noqa: ARG002 - unsupported
        """Start a background interaction, or send a synchronous request."""
        media = _media(request)
        wire = request.model.wire
        if wire is not None and wire.route == "predictLongRunning":
            return await self._predict_long_running(request, media)
        if output_port(request.task) == "image" and request.settings.get("background") is False:
            return await self._generate_content(request, media)
        return await self._interaction(request, media)

    async def poll(self, operation: Operation) -> Status:
        """Return the status of the interaction or operation."""
        data = operation.data
        if "operation" in data:
            return await self._poll_operation(operation)
        answer = await self.http.request(
            "GET", f"{self._interactions_url()}/{data['id']}?stream=false", headers=ACCEPT_JSON
        )
        if answer.status == _NOT_FOUND:
            return Failed("not_found", f"The service no longer knows the interaction: {answer.text()}")
        payload = answer.json_object()
        cost = responses.cost(payload.get("usage"), data)
        match payload.get("status"):
            case "queued" | "in_progress":
                return Pending()
            case "completed":
                return await self._completed(operation, payload, cost)
            case "cancelled":
                return Cancelled(cost)
            case str(ended) if ended in _FAILED_STATES:
                return Failed(ended, responses.error_text(payload) or _FAILED_STATES[ended], cost=cost)
        raise unknown_state(payload.get("status"), provider="google")

    async def cancel(self, operation: Operation) -> CancelAnswer:
        """Cancel the interaction."""
        if "operation" in operation.data:
            return CancelAnswer.UNSUPPORTED
        url = f"{self._interactions_url()}/{operation.data['id']}/cancel"
        answer = await self.http.request("POST", url, content=b"", headers=ACCEPT_JSON, tries=2)
        payload = answer.json_or_none()
        is_cancelled = isinstance(payload, dict) and payload.get("status") == "cancelled"
        return CancelAnswer.CONFIRMED if answer.is_success and is_cancelled else CancelAnswer.UNSUPPORTED

    # --- interactions ----------------------------------------------------------------------------------------------

    def _interactions_url(self) -> str:
        return f"{self.http.endpoint.root()}/{self.version}/interactions"

    async def _interaction(self, request: Request, media: Sequence[Reference]) -> Operation | Status:
        form = {name: value for name, value in request_body(_without_raw(request), {}).items() if name != "input"}
        if "duration" in form:
            form["duration"] = f"{form['duration']}s"
        content = [{"text": request.prompt or "", "type": "text"}, *await self._to_content(media)]
        body: dict[str, Any] = {
            "model": request.model.provider_model_id,
            "background": True,
            "input": [{"content": content, "type": "user_input"}] if media else request.prompt,
            "store": True,
        }
        if form:
            body["response_format"] = {"type": output_port(request.task), **form}
        body.update(request.settings.get(RAW, {}))
        answer = await self.http.post_once(self._interactions_url(), body, headers=ACCEPT_JSON)
        if not answer.is_success:
            return responses.error_status(answer)
        payload = answer.json_or_none()
        if not isinstance(payload, dict) or not isinstance(payload.get("id"), str):
            raise SubmitAmbiguousError("The service accepted the request, but its answer has no interaction id.")
        return self.operation(request, id=payload["id"], **responses.prices(request.model))

    async def _completed(self, operation: Operation, payload: dict[str, Any], cost: Cost | None) -> Status:
        port = operation.data["port"]
        items = [item for item in responses.content_of(payload) if item.get("type") == port]
        urls = [item["uri"] for item in items if isinstance(item.get("uri"), str)]
        texts = [item["data"] for item in items if isinstance(item.get("data"), str)]
        if not urls and not texts:  # the service reports a refusal as success without a result
            return Refused(responses.text_of(payload) or "The service answered without a result.", cost)
        if urls:
            return await self.fetch_outputs(operation, urls, cost)
        return _done(port, texts, cost)

    async def _to_content(self, media: Sequence[Reference]) -> list[dict[str, Any]]:
        """Convert references to content of an interaction: inline if small, else uploaded."""
        content = []
        for reference in media:
            source = (
                {"data": await as_base64(reference)}
                if _is_small(media)
                else {"uri": await upload_file(self.http, self.version, reference)}
            )
            kind = reference.asset.media_type.partition("/")[0]
            content.append({**source, "mime_type": reference.asset.media_type, "type": kind})
        return content

    # --- synchronous requests ---------------------------------------------------------------------------------------

    async def _generate_content(self, request: Request, media: Sequence[Reference]) -> Status:
        settings = request.settings
        image_config = {"aspectRatio": settings.get("aspect_ratio"), "imageSize": settings.get("resolution")}
        image_config = {name: value for name, value in image_config.items() if value is not None}
        parts: list[dict[str, Any]] = [{"text": request.prompt or ""}]
        for reference in media:
            media_info = {"mimeType": reference.asset.media_type}
            if _is_small(media):
                parts.append({"inlineData": {"data": await as_base64(reference), **media_info}})
            else:
                parts.append(
                    {"fileData": {"fileUri": await upload_file(self.http, self.version, reference), **media_info}}
                )
        config = {"responseModalities": ["IMAGE"], **({"imageConfig": image_config} if image_config else {})}
        body: dict[str, Any] = {"contents": [{"parts": parts, "role": "user"}], "generationConfig": config}
        body.update(settings.get(RAW, {}))
        url = f"{self.http.endpoint.root()}/{self.version}/models/{request.model.provider_model_id}:generateContent"
        answer = await self.http.post_once(url, body, read_s=READ_S, max_bytes=ANSWER_BYTES)
        if not answer.is_success:
            return responses.error_status(answer)
        payload = answer.json_or_none()
        if not isinstance(payload, dict) or not {"candidates", "promptFeedback"} & payload.keys():
            raise SubmitAmbiguousError(
                "The service accepted the request, but its answer has neither a result nor a reason."
            )
        cost = responses.cost(payload.get("usageMetadata"), responses.prices(request.model))
        images = responses.images_of(payload)
        if not images:
            return Refused(f"The service refused the request: {responses.reason(payload)}.", cost)
        return _done("image", images, cost)

    # --- long-running operations ------------------------------------------------------------------------------------

    async def _predict_long_running(self, request: Request, media: Sequence[Reference]) -> Operation | Status:
        parameters = request_body(_without_raw(request), {})
        instance: dict[str, Any] = {"prompt": parameters.pop("prompt", "")}
        for reference in media[:1]:
            check_size(reference.asset.size_bytes, 4 * INLINE_BYTES, "The image", provider="google")
            instance["image"] = {
                "bytesBase64Encoded": await as_base64(reference),
                "mimeType": reference.asset.media_type,
            }
        body = {
            "instances": [instance],
            "parameters": {"sampleCount": 1, **parameters},
            **request.settings.get(RAW, {}),
        }
        url = f"{self.http.endpoint.root()}/v1beta/models/{request.model.provider_model_id}:predictLongRunning"
        answer = await self.http.post_once(url, body)
        if not answer.is_success:
            return responses.error_status(answer)
        payload = answer.json_or_none()
        if not isinstance(payload, dict) or not isinstance(payload.get("name"), str):
            raise SubmitAmbiguousError("The service accepted the request, but its answer has no operation name.")
        return self.operation(request, operation=payload["name"])

    async def _poll_operation(self, operation: Operation) -> Status:
        url = f"{self.http.endpoint.root()}/v1beta/{operation.data['operation']}"
        answer = await self.http.request("GET", url, headers={"content-type": "application/json"})
        if answer.status == _NOT_FOUND:
            return Failed("not_found", f"The service no longer knows the operation: {answer.text()}")
        payload = answer.json_object()
        if not payload.get("done"):
            return Pending()
        if isinstance(payload.get("error"), dict):
            return Failed(str(payload["error"].get("code")), str(payload["error"].get("message")))
        urls, reasons = responses.videos_of(payload)
        if not urls:
            return Refused("; ".join(reasons) or "The service answered without a result.")
        return await self.fetch_outputs(operation, urls)


def _media(request: Request) -> list[Reference]:
    """The references in order. Raises SettingError for ports that the model does not read or cannot combine."""
    model: ModelEntry = request.model
    media = {port: references for port, references in request.references.items() if references}
    for port in media.keys() - model.reference_ports():
        takes = ", ".join(sorted(model.reference_ports())) or "none"
        raise errors.SettingError(f"{model.id} does not read {port!r}.", hint=f"It reads: {takes}.")
    if output_port(request.task) == "video":
        if {"image", "references"} <= media.keys():
            raise errors.SettingError(
                f"{model.id} takes a first image or references, not both.",
                hint="Disconnect one of them.",
            )
        if len(media.get("references", ())) > VIDEO_REFERENCES:
            raise errors.SettingError(f"{model.id} takes {VIDEO_REFERENCES} references.", hint="Connect fewer.")
    order = ("image", "video", "references")
    return [reference for port in order for reference in media.get(port, ())]


def _is_small(media: Sequence[Reference]) -> bool:
    return sum(reference.asset.size_bytes for reference in media) <= INLINE_BYTES


def _without_raw(request: Request) -> Request:
    """The request without raw fields, which are sent at the top level of the body."""
    return replace(request, settings={name: value for name, value in request.settings.items() if name != RAW})


def _done(port: str, texts: Sequence[str], cost: Cost | None) -> Status:
    try:
        outputs: tuple[Output, ...] = tuple(decode_output(port, text, provider="google") for text in texts)
    except errors.ProviderError as error:  # delivered and billed
        return Failed("no_output", error.what, cost=cost)
    return Done(outputs, cost)


def provider() -> Google:
    """Create the provider, for the entry point."""
    return Google()
