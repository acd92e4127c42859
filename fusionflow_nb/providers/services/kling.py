"""Kling: tasks, with a key that is signed per request. The kind of a task is part of its URL."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from typing import TYPE_CHECKING, Any

from fusionflow_nb import errors
from fusionflow_nb.providers import (
    Endpoint,
    Failed,
    HttpProvider,
    Key,
    NoFunds,
    Pending,
    Refused,
    SubmitAmbiguousError,
    as_base64,
    rejection,
    request_body,
    unknown_state,
)
from fusionflow_nb.providers.http_provider import UNAUTHORISED

if TYPE_CHECKING:
    from collections.abc import Mapping

    from fusionflow_nb.providers import Answer, Operation, Reference, Request, Status

ROOTS = {"api": "https://api.klingai.com"}
PATHS = {
    "text-to-video": "/v1/videos/text2video",
    "image-to-video": "/v1/videos/image2video",
    "text-to-image": "/v1/images/generations",
}
SIGNED_FOR_S, SIGNED_BEFORE_S = 1800, 5
REFUSED, TOO_FAST, TOO_MANY_TASKS = 1301, 1302, 1303
"""Codes in the body. For all other codes, the HTTP status decides."""
_FORBIDDEN = 403


def sign_token(access_key: str, secret_key: str, now_s: float) -> str:
    """The bearer token of one request (a JWT, HS256), with issuer and validity."""
    header = {"alg": "HS256", "typ": "JWT"}
    claims = {"iss": access_key, "exp": int(now_s) + SIGNED_FOR_S, "nbf": int(now_s) - SIGNED_BEFORE_S}
    text = b".".join(_base64url(json.dumps(part, separators=(",", ":")).encode()) for part in (header, claims))
    signature = hmac.new(secret_key.encode(), text, hashlib.sha256).digest()
    return b".".join((text, _base64url(signature))).decode()


def _base64url(content: bytes) -> bytes:
    return base64.urlsafe_b64encode(content).rstrip(b"=")


class Kling(HttpProvider):
    """Adapter of Kling."""

    name = "kling"
    poll_interval_s = 5.0

    def __init__(self, base: str | None = None) -> None:
        super().__init__(Endpoint("kling", ROOTS, self._authorise, base))

    async def submit(self, request: Request, *, idempotency_key: str) -> Operation | Status:
        """Create the task with our own id: the service rejects a second task with the same id."""
        path = PATHS[request.task]
        media = {
            port: [await _image_source(reference) for reference in references]
            for port, references in request.references.items()
        }
        if media.get("last_image") and not media.get("image"):
            raise errors.SettingError(f"{request.model.id} needs a first image for a last image.", hint="Connect it.")
        model_field = {"model_name": request.model.provider_model_id}
        body = {**model_field, **request_body(request, media), "external_task_id": idempotency_key}
        answer = await self.http.post_once(f"{self.http.endpoint.root()}{path}", body)
        if (
            answer.status == UNAUTHORISED and self.http.clock.is_skewed
        ):  # no work was begun; now signed with the service's time
            answer = await self.http.post_once(f"{self.http.endpoint.root()}{path}", body)
        payload = answer.json_or_none()
        if not answer.is_success or (isinstance(payload, dict) and payload.get("code") not in {0, None}):
            return _error(answer, payload)
        data = payload.get("data") if isinstance(payload, dict) else None
        if not isinstance(data, dict) or not isinstance(data.get("task_id"), str):
            raise SubmitAmbiguousError("The service accepted the task, but its answer has no task id.")
        return self.operation(request, path=path, id=data["task_id"])

    async def poll(self, operation: Operation) -> Status:
        """Return the status of the task; the service reports no progress."""
        url = f"{self.http.endpoint.root()}{operation.data['path']}/{operation.data['id']}"
        try:
            answer = await self.http.request("GET", url)
        except errors.SecretError:
            if not self.http.clock.is_skewed:
                raise
            answer = await self.http.request("GET", url)
        if not answer.is_success:
            return Failed("not_found", f"The service no longer knows the task: {answer.text()}")
        payload = answer.json_object()
        data = payload.get("data")
        task: dict[str, Any] = data if isinstance(data, dict) else {}
        match task.get("task_status"):
            case "submitted" | "processing":
                return Pending()
            case "succeed":
                return await self._succeeded(operation, task)
            case "failed":  # includes refusals, which only the message identifies
                return Failed("failed", str(task.get("task_status_msg") or "It failed without a reason."))
        raise unknown_state(task.get("task_status"), provider="kling")

    async def _succeeded(self, operation: Operation, task: dict[str, Any]) -> Status:
        result = task.get("task_result")
        files = [*result.get("videos", ()), *result.get("images", ())] if isinstance(result, dict) else []
        urls = [file["url"] for file in files if isinstance(file, dict) and isinstance(file.get("url"), str)]
        if not urls:
            return Failed("no_output", "The task succeeded, but has no result.")
        return await self.fetch_outputs(operation, urls)

    def _authorise(self, keys: Mapping[str, Key]) -> Mapping[str, Key]:
        token = sign_token(keys["KLING_ACCESS_KEY"], keys["KLING_SECRET_KEY"], self.http.clock.now())
        return {"authorization": Key(f"Bearer {token}")}


async def _image_source(reference: Reference) -> str:
    """The URL, or the bytes as base64 without a `data:` prefix."""
    if reference.url is not None:
        return reference.url
    return await as_base64(reference)


def _error(answer: Answer, payload: Any) -> Failed | NoFunds | Refused:  # noqa: ANN401 - JSON
    """Map a code in the body, sent with or without an HTTP error. Raises SecretError."""
    fields: dict[str, Any] = payload if isinstance(payload, dict) else {}
    code, message = fields.get("code"), fields.get("message")
    reason = message if isinstance(message, str) else answer.text()
    if code == REFUSED:
        return Refused(reason)
    if code in {TOO_FAST, TOO_MANY_TASKS}:
        return Failed(str(code), reason, is_retryable=True, retry_after_s=answer.retry_after_s())
    if answer.status == _FORBIDDEN:
        return Failed("forbidden", f"Kling denied access (content policy, or this API is not enabled): {reason}")
    return rejection(answer, code=str(code) if code is not None else None, message=reason)


def provider() -> Kling:
    """Create the provider, for the entry point."""
    return Kling()
