"""Runway: films and pictures as tasks. Submit, then poll; what a task costs is in its answers.

A reference goes by its address where Runway can ask for it with HEAD, as its page wants; an address that is signed for
GET answers that with 403, so such a reference goes as bytes: in the request while it is small, else uploaded first.
"""

from __future__ import annotations

import contextlib
import ipaddress
from typing import TYPE_CHECKING, Any

import httpx

from fusionflow_nb import errors
from fusionflow_nb.media.media_types import extension
from fusionflow_nb.providers.http import Endpoint, Part, check_size, form_fields, upload_to_url
from fusionflow_nb.providers.http_provider import HttpProvider, data_uri, rejection, request_body, unknown_state
from fusionflow_nb.providers.protocol import (
    CancelAnswer,
    Cancelled,
    Cost,
    Failed,
    Operation,
    Pending,
    Refused,
    SubmitAmbiguousError,
)
from fusionflow_nb.settings.credentials import Key

if TYPE_CHECKING:
    from collections.abc import Mapping

    from fusionflow_nb.providers.http import Answer
    from fusionflow_nb.providers.protocol import Reference, Request, Status

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
"""Sizes of films from words alone, where there are fewer than from a picture."""
IN_BODY_BYTES = 3_700_000
"""The page takes 5 MB as text, which is a third longer than the bytes."""
ADDRESS_CHARACTERS = 2048
AT_ADDRESS_BYTES = {"image": 16_000_000, "video": 32_000_000, "audio": 32_000_000}
UPLOAD_BYTES = 200_000_000
MICRO_PER_CREDIT = 10_000
NOT_FOUND = 404
JSON = {"accept": "application/json"}


def _authorise(keys: Mapping[str, Key]) -> Mapping[str, Key]:
    return {"authorization": Key(f"Bearer {keys['RUNWAYML_API_SECRET']}"), "x-runway-version": Key(VERSION)}


class Runway(HttpProvider):
    """See the module."""

    name = "runway"
    poll_interval_s = 5.0

    def __init__(self, base: str | None = None) -> None:
        super().__init__(Endpoint("runway", ROOTS, _authorise, base))

    async def submit(self, request: Request, *, idempotency_key: str) -> Operation | Status:  # noqa: ARG002 - it takes none
        """Create the task."""
        _check_size(request, request_body(request, {}))  # before anything is uploaded
        tags = _tags(request)
        media = {port: [await self._media(each) for each in found] for port, found in request.references.items()}
        body = {"model": request.model.provider_model_id, **_shape_body(request_body(request, media), tags)}
        wire = request.model.wire
        route = wire.route if wire is not None and wire.route else ROUTES[request.task]
        answer = await self.http.post_once(f"{self.http.endpoint.root()}/v1/{route}", body, headers=JSON)
        if not answer.is_success:
            return rejection(answer, message=_error_message(answer))
        said = answer.json_or_none()
        if not isinstance(said, dict) or not isinstance(said.get("id"), str):
            raise SubmitAmbiguousError("The service took it, and its answer does not say under which name.")
        return self.operation(request, id=said["id"])

    async def poll(self, operation: Operation) -> Status:
        """How the task stands."""
        answer = await self.http.request("GET", self._task(operation), headers=JSON)
        if not answer.is_success:
            return Failed("not_found", f"The service does not know the task, or not any more: {_error_message(answer)}")
        said = answer.json_object()
        match said.get("status"):
            case "PENDING" | "THROTTLED":  # the second waits for a place; it is accepted all the same
                return Pending()
            case "RUNNING":
                progress = said.get("progress")
                return Pending(progress=min(1.0, max(0.0, progress)) if isinstance(progress, int | float) else None)
            case "SUCCEEDED":
                return await self._succeeded(operation, said)
            case "FAILED":
                return _failed(said)
            case "CANCELLED":
                return Cancelled(_cost(said))
        raise unknown_state(said.get("status"), provider=self.name)

    async def cancel(self, operation: Operation) -> CancelAnswer:
        """Delete the task, and look whether it costs nothing: only then it is confirmed."""
        answer = await self.http.request("DELETE", self._task(operation), headers={"accept": "*/*"}, tries=3)
        if not answer.is_success:
            return CancelAnswer.UNSUPPORTED
        said: Any = None
        with contextlib.suppress(errors.FusionFlowError):
            said = (await self.http.request("GET", self._task(operation), headers=JSON)).json_or_none()
        is_free = isinstance(said, dict) and said.get("status") == "CANCELLED" and _cost(said) == Cost(0, is_exact=True)
        return CancelAnswer.CONFIRMED if is_free else CancelAnswer.REQUESTED

    async def _succeeded(self, operation: Operation, said: dict[str, Any]) -> Status:
        made = said.get("output")
        addresses = [each for each in (made if isinstance(made, list) else ()) if isinstance(each, str)]
        if not addresses:
            return Failed("no_output", "The task is done, and there is no result in it.", cost=_cost(said))
        return await self.fetch_outputs(operation, addresses, _cost(said))

    def _task(self, operation: Operation) -> str:
        return f"{self.http.endpoint.root()}/v1/tasks/{operation.data['id']}"

    async def _media(self, reference: Reference) -> str:
        """A medium as the service takes it: an address, text, or the name of an upload."""
        if reference.url is not None and _is_fetchable(reference.url, reference):
            return reference.url
        if reference.asset.size_bytes <= IN_BODY_BYTES:
            return await data_uri(reference)
        return await self._upload(reference)

    async def _upload(self, reference: Reference) -> str:
        """Put a file there for a day; its name. Raises MediaError, ProviderError."""
        asset = reference.asset
        check_size(asset.size_bytes, UPLOAD_BYTES, "The file", provider=self.name)
        name = f"ref.{extension(asset.media_type)}"
        about = {"filename": name, "type": "ephemeral"}
        answer = await self.http.request(
            "POST", f"{self.http.endpoint.root()}/v1/uploads", about, headers=JSON, tries=3
        )
        said = answer.json_object()
        fields, where, known_as = said.get("fields"), said.get("uploadUrl"), said.get("runwayUri")
        if not isinstance(fields, dict) or not isinstance(where, str) or not isinstance(known_as, str):
            raise errors.ProviderError(
                "The file could not be uploaded: the answer does not say where to.",
                provider=self.name,
                hint="Nothing was submitted: run again.",
            )
        file = Part("file", reference.file, name, asset.media_type)
        await upload_to_url(self.http, where, [*form_fields(fields), file])
        return known_as


def _is_fetchable(url: str, reference: Reference) -> bool:
    """Whether Runway can fetch from there: a domain, no long address, none signed for GET alone, nothing too large."""
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
    """What the prompt calls the references: `@cube`. Raises SettingError where there are more names than pictures."""
    tags = [each.strip().lstrip("@") for each in str(request.settings.get("tags") or "").split(",")]
    tags = [each for each in tags if each]
    given = sum(len(found) for found in request.references.values())
    if len(tags) > given:
        raise errors.SettingError(
            f"{request.model.id} is given {given} references and {len(tags)} names for them.",
            hint="Connect as many as the tags name.",
        )
    return tags


def _shape_body(body: dict[str, Any], tags: list[str]) -> dict[str, Any]:
    """Pictures of a film with their positions, references with their names."""
    frames = {name: body.pop(name) for name in POSITIONS if name in body}
    if "last" in frames:
        body["promptImage"] = [{"uri": uri, "position": position} for position, uri in frames.items()]
    elif frames:
        body["promptImage"] = frames["first"]
    if "referenceImages" in body:
        named = [*tags, *([None] * len(body["referenceImages"]))]
        body["referenceImages"] = [
            each if isinstance(each, dict) else {"uri": each, **({"tag": tag} if tag else {})}
            for each, tag in zip(body["referenceImages"], named, strict=False)
        ]
    return body


def _check_size(request: Request, body: dict[str, Any]) -> None:
    sizes = TEXT_RATIOS.get(request.model.provider_model_id)
    if request.task == "text-to-video" and sizes is not None and body.get("ratio") not in sizes:
        raise errors.SettingError(
            f"{request.model.id} makes no film of {body.get('ratio')} from words alone.",
            hint=f"Choose 16:9 or 9:16 ({', '.join(sizes)}), or give it a first picture.",
        )


def _error_message(answer: Answer) -> str | None:
    """What an error says: `error`, and what is wrong where."""
    said = answer.json_or_none()
    if not isinstance(said, dict) or not isinstance(said.get("error"), str):
        return None
    issues = said.get("issues")
    where = [
        f"{'.'.join(map(str, each.get('path', ())))}: {each.get('message')}"
        for each in (issues if isinstance(issues, list) else ())
        if isinstance(each, dict)
    ]
    return "; ".join([said["error"], *where])


def _cost(said: dict[str, Any]) -> Cost | None:
    cost = said.get("cost")
    spent = cost.get("credits") if isinstance(cost, dict) else None
    return Cost(round(spent * MICRO_PER_CREDIT), is_exact=True) if isinstance(spent, int | float) else None


def _failed(said: dict[str, Any]) -> Status:
    """Why it failed. It had been accepted, so none of these is submitted again unasked."""
    code, says = said.get("failureCode"), said.get("failure")
    message = str(says or code or "It failed without saying why.")
    if isinstance(code, str) and code.startswith("SAFETY."):
        return Refused(f"{message} ({code})", _cost(said))
    return Failed(str(code or "failed"), message, cost=_cost(said))


def provider() -> Runway:
    """For the entry point."""
    return Runway()
