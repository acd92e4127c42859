"""MiniMax: video with Hailuo 03, as tasks. Errors have HTTP status 200 and a code in the body."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from fusionflow_nb import errors
from fusionflow_nb.providers import (
    Cancelled,
    Cost,
    Endpoint,
    Failed,
    HttpProvider,
    Key,
    NoFunds,
    Pending,
    PerSecond,
    Refused,
    SubmitAmbiguousError,
    data_uri,
    rejection,
    request_body,
    unknown_state,
)
from fusionflow_nb.providers.catalogue.minimax import IMAGE_USD

if TYPE_CHECKING:
    from collections.abc import Mapping

    from fusionflow_nb.providers import Answer, Operation, Reference, Request, Status

ROOTS = {"api": "https://api.minimax.io"}
TEXT_ONLY_RATIO = "16:9"
"""The service requires a ratio for text-to-video."""
KEYFRAMES = frozenset({"image", "last_image"})
BAD_KEY, NO_BALANCE = 1004, 1008
SENSITIVE = frozenset({1026, 1027})
BUSY = frozenset({1002, 1039, 1041})
TROUBLE = frozenset({1000, 1001, 1024, 1033})
"""Unknown error, timeout, internal error: it is unknown whether a task was created."""


def _authorise(keys: Mapping[str, Key]) -> Mapping[str, Key]:
    return {"authorization": Key(f"Bearer {keys['MINIMAX_API_KEY']}")}


class MiniMax(HttpProvider):
    """Adapter of MiniMax."""

    name = "minimax"
    poll_interval_s = 5.0

    def __init__(self, base: str | None = None) -> None:
        super().__init__(Endpoint("minimax", ROOTS, _authorise, base))

    async def submit(self, request: Request, *, idempotency_key: str) -> Operation | Status:  # noqa: ARG002 - unsupported
        """Create the task."""
        body = {"model": request.model.provider_model_id, **request_body(request, {})}
        if not any(request.references.values()):
            body.setdefault("ratio", TEXT_ONLY_RATIO)
        body["content"] = await _content(request)
        answer = await self.http.post_once(f"{self.http.endpoint.root()}/v2/video_generation", body)
        code, message = _code(answer)
        if code in TROUBLE:
            raise SubmitAmbiguousError(f"The service answered with a server error ({code}): {message}")
        if not answer.is_success or code:
            return _error(answer, code, message)
        payload = answer.json_or_none()
        task = payload.get("task") if isinstance(payload, dict) else None
        task_id = (
            task.get("id") if isinstance(task, dict) else payload.get("task_id") if isinstance(payload, dict) else None
        )
        if not isinstance(task_id, str) or not task_id:
            raise SubmitAmbiguousError("The service accepted the task, but its answer has no task id.")
        return self.operation(request, id=task_id, cost_micro_usd=_price(request))

    async def poll(self, operation: Operation) -> Status:
        """Return the status of the task; each poll returns a new URL of the video."""
        url = f"{self.http.endpoint.root()}/v2/query/video_generation/{operation.data['id']}"
        answer = await self.http.request("GET", url)
        code, message = _code(answer)
        if code in TROUBLE | BUSY:
            raise errors.ProviderError(
                f"The service reported an internal error ({code}).",
                provider="minimax",
                hint="The request is retried during the run; otherwise run again later.",
                is_retryable=True,
                retry_after_s=answer.retry_after_s(),
            )
        if code == BAD_KEY:
            raise _bad_key(message)
        if not answer.is_success or code:
            return Failed(str(code or "not_found"), f"The service no longer knows the task: {message}")
        task = answer.json_object().get("task")
        payload: dict[str, Any] = task if isinstance(task, dict) else {}
        match payload.get("status"):
            case "queued" | "running":
                return Pending()
            case "succeeded":
                return await self._succeeded(operation, payload)
            case "failed" | "expired":
                return _failed(payload)
            case "cancelled":
                return Cancelled()
        raise unknown_state(payload.get("status"), provider="minimax")

    async def _succeeded(self, operation: Operation, payload: dict[str, Any]) -> Status:
        content = payload.get("content")
        url = content.get("video_url") if isinstance(content, dict) else None
        micro_usd = operation.data.get("cost_micro_usd")
        cost = Cost(micro_usd, is_exact=False) if isinstance(micro_usd, int) else None
        if not isinstance(url, str):
            return Failed("no_output", "The task succeeded, but has no video.", cost=cost)
        return await self.fetch_outputs(operation, [url], cost)


async def _content(request: Request) -> list[dict[str, Any]]:
    """The prompt, and images with roles. Raises SettingError for unsupported ports and combinations."""
    model = request.model
    media = {port: references for port, references in request.references.items() if references}
    roles = model.wire.references if model.wire is not None else {}
    for port in media.keys() - roles.keys():
        raise errors.SettingError(f"{model.id} does not read {port!r}.", hint=f"It reads: {', '.join(roles)}.")
    if "references" in media and KEYFRAMES & media.keys():
        raise errors.SettingError(
            f"{model.id} takes first and last image, or references, not both.", hint="Disconnect one of them."
        )
    content: list[dict[str, Any]] = [{"type": "text", "text": request.prompt or ""}]
    for port, role in roles.items():
        content += [
            {"type": "image_url", "image_url": {"url": await _image_url(reference)}, "role": role.removesuffix("[]")}
            for reference in media.get(port, ())
        ]
    return content


async def _image_url(reference: Reference) -> str:
    return reference.url if reference.url is not None else await data_uri(reference)


def _price(request: Request) -> int | None:
    """The catalogue's price in micro-dollars: seconds by size class, plus each input image."""
    price, settings = request.model.price, request.settings
    if not isinstance(price, PerSecond) or "duration_s" not in settings or "resolution" not in settings:
        return None
    image_count = sum(len(references) for references in request.references.values())
    rate = price.tiers.get(settings["resolution"], price.usd)
    usd: float = rate * settings["duration_s"] + IMAGE_USD * image_count
    return round(usd * 1e6)


def _code(answer: Answer) -> tuple[int, str]:
    """The code in the body (0 for none) and its message."""
    payload = answer.json_or_none()
    base = payload.get("base_resp") if isinstance(payload, dict) else None
    fields: dict[str, Any] = base if isinstance(base, dict) else {}
    code, message = fields.get("status_code"), fields.get("status_msg")
    return code if isinstance(code, int) else 0, message if isinstance(message, str) else answer.text()


def _error(answer: Answer, code: int, message: str) -> Failed | NoFunds | Refused:
    """Map a rejected submit. Raises SecretError."""
    if code in SENSITIVE:
        return Refused(message)
    if code in BUSY:
        return Failed(str(code), message, is_retryable=True, retry_after_s=answer.retry_after_s())
    if code == NO_BALANCE:
        return NoFunds(message)
    if code == BAD_KEY:
        raise _bad_key(message)
    return rejection(answer, code=str(code) if code else None, message=message)


def _bad_key(message: str) -> errors.SecretError:
    return errors.SecretError(
        f"The service rejects the key: {message}",
        provider="minimax",
        hint="ff.connect('minimax') stores another key; each of its two regions has separate keys.",
    )


def _failed(payload: dict[str, Any]) -> Failed | Refused:
    error = payload.get("error")
    fields: dict[str, Any] = error if isinstance(error, dict) else {}
    message = str(fields.get("message") or f"It {payload.get('status')} without a reason.")
    code = str(fields.get("code") or payload.get("status"))
    return Refused(message) if code in {str(sensitive_code) for sensitive_code in SENSITIVE} else Failed(code, message)


def provider() -> MiniMax:
    """Create the provider, for the entry point."""
    return MiniMax()
