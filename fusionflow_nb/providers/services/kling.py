"""Kling: tasks, asked for with a key that is signed for each request. The kind of a task is part of its address."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from typing import TYPE_CHECKING, Any

from fusionflow_nb import errors
from fusionflow_nb.providers.http import Endpoint
from fusionflow_nb.providers.http_provider import (
    UNAUTHORISED,
    HttpProvider,
    as_base64,
    rejection,
    request_body,
    unknown_state,
)
from fusionflow_nb.providers.protocol import Failed, NoFunds, Pending, Refused, SubmitAmbiguousError
from fusionflow_nb.settings.credentials import Key

if TYPE_CHECKING:
    from collections.abc import Mapping

    from fusionflow_nb.providers.http import Answer
    from fusionflow_nb.providers.protocol import Operation, Reference, Request, Status

ROOTS = {"api": "https://api.klingai.com"}
PATHS = {
    "text-to-video": "/v1/videos/text2video",
    "image-to-video": "/v1/videos/image2video",
    "text-to-image": "/v1/images/generations",
}
SIGNED_FOR_S, SIGNED_BEFORE_S = 1800, 5
REFUSED, TOO_FAST, TOO_MANY_TASKS = 1301, 1302, 1303
"""Codes of the body. All others are opaque: the status beside them says what they mean."""
_FORBIDDEN = 403


def sign_token(access_key: str, secret_key: str, now_s: float) -> str:
    """The token of one request: who asks, and for how long it holds (a JWT, HS256)."""
    head = {"alg": "HS256", "typ": "JWT"}
    claims = {"iss": access_key, "exp": int(now_s) + SIGNED_FOR_S, "nbf": int(now_s) - SIGNED_BEFORE_S}
    text = b".".join(_base64url(json.dumps(each, separators=(",", ":")).encode()) for each in (head, claims))
    seal = hmac.new(secret_key.encode(), text, hashlib.sha256).digest()
    return b".".join((text, _base64url(seal))).decode()


def _base64url(content: bytes) -> bytes:
    return base64.urlsafe_b64encode(content).rstrip(b"=")


class Kling(HttpProvider):
    """See the module."""

    name = "kling"
    poll_interval_s = 5.0

    def __init__(self, base: str | None = None) -> None:
        super().__init__(Endpoint("kling", ROOTS, self._authorise, base))

    async def submit(self, request: Request, *, idempotency_key: str) -> Operation | Status:
        """Create the task, under our own id: a second one with the same id is not taken."""
        path = PATHS[request.task]
        media = {port: [await _medium(each) for each in found] for port, found in request.references.items()}
        if media.get("last_image") and not media.get("image"):
            raise errors.SettingError(
                f"{request.model.id} needs a first picture beside the last one.", hint="Connect it."
            )
        named = {"model_name": request.model.provider_model_id}
        body = {**named, **request_body(request, media), "external_task_id": idempotency_key}
        answer = await self.http.post_once(f"{self.http.endpoint.root()}{path}", body)
        if (
            answer.status == UNAUTHORISED and self.http.clock.is_skewed
        ):  # nothing was begun; signed by the right time now
            answer = await self.http.post_once(f"{self.http.endpoint.root()}{path}", body)
        said = answer.json_or_none()
        if not answer.is_success or (isinstance(said, dict) and said.get("code") not in {0, None}):
            return _error(answer, said)
        data = said.get("data") if isinstance(said, dict) else None
        if not isinstance(data, dict) or not isinstance(data.get("task_id"), str):
            raise SubmitAmbiguousError("The service took it, and its answer does not say under which name.")
        return self.operation(request, path=path, id=data["task_id"])

    async def poll(self, operation: Operation) -> Status:
        """How the task stands; nothing tells how far it is."""
        address = f"{self.http.endpoint.root()}{operation.data['path']}/{operation.data['id']}"
        try:
            answer = await self.http.request("GET", address)
        except errors.SecretError:
            if not self.http.clock.is_skewed:
                raise
            answer = await self.http.request("GET", address)
        if not answer.is_success:
            return Failed("not_found", f"The service does not know the task any more: {answer.text()}")
        said = answer.json_object()
        data = said.get("data")
        task: dict[str, Any] = data if isinstance(data, dict) else {}
        match task.get("task_status"):
            case "submitted" | "processing":
                return Pending()
            case "succeed":
                return await self._succeeded(operation, task)
            case "failed":  # a refusal, too, is told by this text alone: texts decide nothing here
                return Failed("failed", str(task.get("task_status_msg") or "It failed without saying why."))
        raise unknown_state(task.get("task_status"), provider="kling")

    async def _succeeded(self, operation: Operation, task: dict[str, Any]) -> Status:
        result = task.get("task_result")
        made = [*result.get("videos", ()), *result.get("images", ())] if isinstance(result, dict) else []
        addresses = [each["url"] for each in made if isinstance(each, dict) and isinstance(each.get("url"), str)]
        if not addresses:
            return Failed("no_output", "The task succeeded, and there is no result in it.")
        return await self.fetch_outputs(operation, addresses)

    def _authorise(self, keys: Mapping[str, Key]) -> Mapping[str, Key]:
        token = sign_token(keys["KLING_ACCESS_KEY"], keys["KLING_SECRET_KEY"], self.http.clock.now())
        return {"authorization": Key(f"Bearer {token}")}


async def _medium(reference: Reference) -> str:
    """An address, or the bytes as text, without the `data:` in front."""
    if reference.url is not None:
        return reference.url
    return await as_base64(reference)


def _error(answer: Answer, said: Any) -> Failed | NoFunds | Refused:  # noqa: ANN401 - JSON
    """A code in the body, beside a status or in place of one. Raises SecretError."""
    fields: dict[str, Any] = said if isinstance(said, dict) else {}
    code, message = fields.get("code"), fields.get("message")
    says = message if isinstance(message, str) else answer.text()
    if code == REFUSED:
        return Refused(says)
    if code in {TOO_FAST, TOO_MANY_TASKS}:
        return Failed(str(code), says, is_retryable=True, retry_after_s=answer.retry_after_s())
    if answer.status == _FORBIDDEN:
        return Failed("forbidden", f"Kling does not allow it (content policy, or this API is not enabled): {says}")
    return rejection(answer, code=str(code) if code is not None else None, message=says)


def provider() -> Kling:
    """For the entry point."""
    return Kling()
