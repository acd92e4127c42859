"""Google's Gemini API: pictures, films and music as interactions, which go on in the background and can be stopped.

Two older ways beside it: `generateContent`, one held answer, for pictures with `background=False`; and operations that
run long (Veo), which the service has ended for most keys.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from fusionflow_nb import errors
from fusionflow_nb.providers.http import Endpoint, check_size
from fusionflow_nb.providers.http_provider import (
    HttpProvider,
    as_base64,
    decode_output,
    output_port,
    request_body,
    unknown_state,
)
from fusionflow_nb.providers.protocol import (
    CancelAnswer,
    Cancelled,
    Cost,
    Done,
    Failed,
    Operation,
    Pending,
    Refused,
    SubmitAmbiguousError,
)
from fusionflow_nb.providers.request_mapping import RAW
from fusionflow_nb.providers.services import google_responses as responses
from fusionflow_nb.providers.services.google_files import upload_file
from fusionflow_nb.settings.credentials import Key

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from fusionflow_nb.providers.model import ModelEntry
    from fusionflow_nb.providers.protocol import Output, Reference, Request, Status

ROOTS = {"api": "https://generativelanguage.googleapis.com"}
READ_S = 600.0
ANSWER_BYTES = 400_000_000
INLINE_BYTES = 4_000_000
"""More than this is uploaded first: an interaction repeats its input at each look at it."""
VIDEO_REFERENCES = 6
ACCEPT_JSON = {"accept": "application/json", "content-type": "application/json"}
_WAITS = "The service waits for an action that nothing here can give."
_ENDS = {
    "failed": "The interaction failed.",
    "incomplete": "The interaction ended before the result was whole.",
    "budget_exceeded": "The interaction used up its budget at the service.",
    # Open, says the page; but they wait for a conversation's tools, and would wait for ever.
    "requires_action": _WAITS,
    "requires_continuation": _WAITS,
}
_NOT_FOUND = 404


def _authorise(keys: Mapping[str, Key]) -> Mapping[str, Key]:
    return {"x-goog-api-key": Key(keys["GEMINI_API_KEY"])}


class Google(HttpProvider):
    """See the module."""

    name = "google"
    takes_references = "bytes"
    poll_interval_s = 2.0
    version = "v1"

    def __init__(self, base: str | None = None) -> None:
        super().__init__(Endpoint("google", ROOTS, _authorise, base))

    async def submit(self, request: Request, *, idempotency_key: str) -> Operation | Status:  # noqa: ARG002 - it takes none
        """Begin it in the background, or hold the line."""
        media = _media(request)
        wire = request.model.wire
        if wire is not None and wire.route == "predictLongRunning":
            return await self._predict_long_running(request, media)
        if output_port(request.task) == "image" and request.settings.get("background") is False:
            return await self._generate_content(request, media)
        return await self._interaction(request, media)

    async def poll(self, operation: Operation) -> Status:
        """How the interaction, or the operation, stands."""
        data = operation.data
        if "operation" in data:
            return await self._poll_operation(operation)
        answer = await self.http.request(
            "GET", f"{self._interactions()}/{data['id']}?stream=false", headers=ACCEPT_JSON
        )
        if answer.status == _NOT_FOUND:
            return Failed("not_found", f"The service does not know the interaction any more: {answer.text()}")
        said = answer.json_object()
        cost = responses.cost(said.get("usage"), data)
        match said.get("status"):
            case "queued" | "in_progress":
                return Pending()
            case "completed":
                return await self._completed(operation, said, cost)
            case "cancelled":
                return Cancelled(cost)
            case str(ended) if ended in _ENDS:
                return Failed(ended, responses.error_text(said) or _ENDS[ended], cost=cost)
        raise unknown_state(said.get("status"), provider="google")

    async def cancel(self, operation: Operation) -> CancelAnswer:
        """Stop the interaction."""
        if "operation" in operation.data:
            return CancelAnswer.UNSUPPORTED
        address = f"{self._interactions()}/{operation.data['id']}/cancel"
        answer = await self.http.request("POST", address, content=b"", headers=ACCEPT_JSON, tries=2)
        said = answer.json_or_none()
        is_cancelled = isinstance(said, dict) and said.get("status") == "cancelled"
        return CancelAnswer.CONFIRMED if answer.is_success and is_cancelled else CancelAnswer.UNSUPPORTED

    # --- interactions ----------------------------------------------------------------------------------------------

    def _interactions(self) -> str:
        return f"{self.http.endpoint.root()}/{self.version}/interactions"

    async def _interaction(self, request: Request, media: Sequence[Reference]) -> Operation | Status:
        form = {name: value for name, value in request_body(_without_raw(request), {}).items() if name != "input"}
        if "duration" in form:
            form["duration"] = f"{form['duration']}s"
        content = [{"text": request.prompt or "", "type": "text"}, *await self._content(media)]
        body: dict[str, Any] = {
            "model": request.model.provider_model_id,
            "background": True,
            "input": [{"content": content, "type": "user_input"}] if media else request.prompt,
            "store": True,
        }
        if form:
            body["response_format"] = {"type": output_port(request.task), **form}
        body.update(request.settings.get(RAW, {}))
        answer = await self.http.post_once(self._interactions(), body, headers=ACCEPT_JSON)
        if not answer.is_success:
            return responses.error_status(answer)
        said = answer.json_or_none()
        if not isinstance(said, dict) or not isinstance(said.get("id"), str):
            raise SubmitAmbiguousError("The service took it, and its answer does not say under which name.")
        return self.operation(request, id=said["id"], **responses.prices(request.model))

    async def _completed(self, operation: Operation, said: dict[str, Any], cost: Cost | None) -> Status:
        port = operation.data["port"]
        found = [each for each in responses.content_of(said) if each.get("type") == port]
        addresses = [each["uri"] for each in found if isinstance(each.get("uri"), str)]
        texts = [each["data"] for each in found if isinstance(each.get("data"), str)]
        if not addresses and not texts:  # as the service refuses: with success, and nothing in it
            return Refused(responses.text_of(said) or "The service answered without a result.", cost)
        if addresses:
            return await self.fetch_outputs(operation, addresses, cost)
        return _done(port, texts, cost)

    async def _content(self, media: Sequence[Reference]) -> list[dict[str, Any]]:
        """Media as an interaction has them: in the body where they are small, else uploaded."""
        content = []
        for each in media:
            place = (
                {"data": await as_base64(each)}
                if _is_small(media)
                else {"uri": await upload_file(self.http, self.version, each)}
            )
            kind = each.asset.media_type.partition("/")[0]
            content.append({**place, "mime_type": each.asset.media_type, "type": kind})
        return content

    # --- one held answer -------------------------------------------------------------------------------------------

    async def _generate_content(self, request: Request, media: Sequence[Reference]) -> Status:
        settings = request.settings
        shape = {"aspectRatio": settings.get("aspect_ratio"), "imageSize": settings.get("resolution")}
        shape = {name: value for name, value in shape.items() if value is not None}
        parts: list[dict[str, Any]] = [{"text": request.prompt or ""}]
        for each in media:
            about = {"mimeType": each.asset.media_type}
            if _is_small(media):
                parts.append({"inlineData": {"data": await as_base64(each), **about}})
            else:
                parts.append({"fileData": {"fileUri": await upload_file(self.http, self.version, each), **about}})
        config = {"responseModalities": ["IMAGE"], **({"imageConfig": shape} if shape else {})}
        body: dict[str, Any] = {"contents": [{"parts": parts, "role": "user"}], "generationConfig": config}
        body.update(settings.get(RAW, {}))
        address = f"{self.http.endpoint.root()}/{self.version}/models/{request.model.provider_model_id}:generateContent"
        answer = await self.http.post_once(address, body, read_s=READ_S, max_bytes=ANSWER_BYTES)
        if not answer.is_success:
            return responses.error_status(answer)
        said = answer.json_or_none()
        if not isinstance(said, dict) or not {"candidates", "promptFeedback"} & said.keys():
            raise SubmitAmbiguousError("The service took it, and its answer holds neither a result nor a reason.")
        cost = responses.cost(said.get("usageMetadata"), responses.prices(request.model))
        pictures = responses.images_of(said)
        if not pictures:
            return Refused(f"The service refuses it: {responses.reason(said)}.", cost)
        return _done("image", pictures, cost)

    # --- operations that run long ----------------------------------------------------------------------------------

    async def _predict_long_running(self, request: Request, media: Sequence[Reference]) -> Operation | Status:
        parameters = request_body(_without_raw(request), {})
        instance: dict[str, Any] = {"prompt": parameters.pop("prompt", "")}
        for each in media[:1]:
            check_size(each.asset.size_bytes, 4 * INLINE_BYTES, "The picture", provider="google")
            instance["image"] = {"bytesBase64Encoded": await as_base64(each), "mimeType": each.asset.media_type}
        body = {
            "instances": [instance],
            "parameters": {"sampleCount": 1, **parameters},
            **request.settings.get(RAW, {}),
        }
        address = f"{self.http.endpoint.root()}/v1beta/models/{request.model.provider_model_id}:predictLongRunning"
        answer = await self.http.post_once(address, body)
        if not answer.is_success:
            return responses.error_status(answer)
        said = answer.json_or_none()
        if not isinstance(said, dict) or not isinstance(said.get("name"), str):
            raise SubmitAmbiguousError("The service took it, and its answer does not say under which name.")
        return self.operation(request, operation=said["name"])

    async def _poll_operation(self, operation: Operation) -> Status:
        address = f"{self.http.endpoint.root()}/v1beta/{operation.data['operation']}"
        answer = await self.http.request("GET", address, headers={"content-type": "application/json"})
        if answer.status == _NOT_FOUND:
            return Failed("not_found", f"The service does not know the operation any more: {answer.text()}")
        said = answer.json_object()
        if not said.get("done"):
            return Pending()
        if isinstance(said.get("error"), dict):
            return Failed(str(said["error"].get("code")), str(said["error"].get("message")))
        addresses, reasons = responses.videos_of(said)
        if not addresses:
            return Refused("; ".join(reasons) or "The service answered without a result.")
        return await self.fetch_outputs(operation, addresses)


def _media(request: Request) -> list[Reference]:
    """What goes along, in order. Raises SettingError for what the model does not read, or not together."""
    model: ModelEntry = request.model
    given = {port: found for port, found in request.references.items() if found}
    for port in given.keys() - model.reference_ports():
        takes = ", ".join(sorted(model.reference_ports())) or "none"
        raise errors.SettingError(f"{model.id} reads no {port!r}.", hint=f"It reads: {takes}.")
    if output_port(request.task) == "video":
        if {"image", "references"} <= given.keys():
            raise errors.SettingError(
                f"{model.id} is not told which picture is the first and which are to go by.",
                hint="Connect the first picture or the references.",
            )
        if len(given.get("references", ())) > VIDEO_REFERENCES:
            raise errors.SettingError(f"{model.id} takes {VIDEO_REFERENCES} references.", hint="Leave some out.")
    order = ("image", "video", "references")
    return [each for port in order for each in given.get(port, ())]


def _is_small(media: Sequence[Reference]) -> bool:
    return sum(each.asset.size_bytes for each in media) <= INLINE_BYTES


def _without_raw(request: Request) -> Request:
    """Fields under their own name go beside the others, not in among them."""
    return replace(request, settings={name: value for name, value in request.settings.items() if name != RAW})


def _done(port: str, texts: Sequence[str], cost: Cost | None) -> Status:
    try:
        outputs: tuple[Output, ...] = tuple(decode_output(port, text, provider="google") for text in texts)
    except errors.ProviderError as error:  # here, and billed
        return Failed("no_output", error.what, cost=cost)
    return Done(outputs, cost)


def provider() -> Google:
    """For the entry point."""
    return Google()
