"""fal: a queue. Submit, poll the status URL, fetch the result from the response URL; files go to its CDN first."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from fusionflow_nb import errors
from fusionflow_nb.providers import (
    CancelAnswer,
    Cost,
    Endpoint,
    Failed,
    HttpProvider,
    Key,
    Operation,
    Pending,
    Refused,
    SubmitAmbiguousError,
    extension,
    rejection,
    request_body,
    unknown_state,
)

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from fusionflow_nb.providers import Answer, Reference, Request, Status

ROOTS = {
    "queue": "https://queue.fal.run",
    "rest": "https://rest.fal.ai",
    "cdn": "https://v3.fal.media",
    "api": "https://api.fal.ai",
}
MULTIPART_BYTES, PART_BYTES, CONCURRENT_PARTS = 100 * 2**20, 10 * 2**20, 4
"""Larger files are uploaded in parts; at most `CONCURRENT_PARTS` of them are in memory."""
OUTPUTS = ("images", "image", "video", "audio", "audio_file")
"""Fields of a result that contain files."""
_SERVER_ERROR, _FORBIDDEN = 500, 403


def _authorise(keys: Mapping[str, Key]) -> Mapping[str, Key]:
    return {"authorization": Key(f"Key {keys['FAL_KEY']}")}


class Fal(HttpProvider):
    """Adapter of fal."""

    name = "fal"

    def __init__(self, base: str | None = None) -> None:
        super().__init__(Endpoint("fal", ROOTS, _authorise, base))
        self._unit_usd: dict[str, float] = {}

    async def submit(self, request: Request, *, idempotency_key: str) -> Operation | Status:  # noqa: ARG002 - unsupported
        """Put the request in the queue."""
        urls = {
            port: [await self._media_url(reference) for reference in references]
            for port, references in request.references.items()
        }
        endpoint = request.model.provider_model_id
        answer = await self.http.post_once(
            f"{self.http.endpoint.root('queue')}/{endpoint}", request_body(request, urls)
        )
        if not answer.is_success:
            return _error(answer) if answer.status != _FORBIDDEN else _forbidden(answer)
        payload = answer.json_or_none()
        names = ("request_id", "status_url", "response_url", "cancel_url")
        if not isinstance(payload, dict) or not all(isinstance(payload.get(name), str) for name in names):
            raise SubmitAmbiguousError("The service accepted the request, but its answer has no request id.")
        return self.operation(request, endpoint=endpoint, **{name: payload[name] for name in names})

    async def poll(self, operation: Operation) -> Status:
        """Return the position in the queue, or the result once the request has ended."""
        data = operation.data
        answer = await self.http.request("GET", f"{data['status_url']}?logs=false")
        if not answer.is_success:
            return Failed("not_found", f"The service no longer knows the request: {answer.text()}")
        payload = answer.json_object()
        match payload.get("status"):
            case "IN_QUEUE":
                position = payload.get("queue_position")
                return Pending(queue_position=position if isinstance(position, int) else None)
            case "IN_PROGRESS":
                return Pending()
            case "COMPLETED":  # ended, with success or with an error
                return await self._result(operation)
        raise unknown_state(payload.get("status"), provider="fal")

    async def cancel(self, operation: Operation) -> CancelAnswer:
        """Request cancellation; a running request may be billed."""
        answer = await self.http.request("PUT", operation.data["cancel_url"], content=b"", is_checked=False)
        payload = answer.json_or_none()
        status = payload.get("status") if isinstance(payload, dict) else None
        if status == "OK":
            return CancelAnswer.CONFIRMED
        return CancelAnswer.REQUESTED if status == "CANCELLATION_REQUESTED" else CancelAnswer.UNSUPPORTED

    async def _result(self, operation: Operation) -> Status:
        data = operation.data
        answer = await self.http.request("GET", data["response_url"], is_checked=False)
        if not answer.is_success:
            payload = answer.json_or_none()
            if answer.status >= _SERVER_ERROR and not (isinstance(payload, dict) and "detail" in payload):
                raise errors.ProviderError(
                    "The result is temporarily unavailable.",
                    provider="fal",
                    status=answer.status,
                    hint="The request is retried during the run; otherwise run again later.",
                    is_retryable=True,
                )
            return _error(answer, is_end=True)
        payload = answer.json_object()
        urls = [
            file["url"]
            for name in OUTPUTS
            for file in (payload[name] if isinstance(payload.get(name), list) else [payload.get(name)])
            if isinstance(file, dict) and isinstance(file.get("url"), str)
        ]
        if not urls:
            return Failed("no_output", f"The result has no file; its fields: {', '.join(payload) or 'none'}.")
        cost = await self._cost(data["endpoint"], answer)
        return await self.fetch_outputs(operation, urls, cost, payload.get("seed"))

    async def _cost(self, endpoint: str, answer: Answer) -> Cost | None:
        """Billed units times the account's unit price; None if either is unknown."""
        try:
            units = float(answer.headers["x-fal-billable-units"])
            if endpoint not in self._unit_usd:
                self._unit_usd[endpoint] = await self._unit_price(endpoint)
            return Cost(round(units * self._unit_usd[endpoint] * 1e6), is_exact=True)
        except (KeyError, TypeError, ValueError, errors.FusionFlowError):
            return None  # the result is paid for: the catalogue's price applies, marked as inexact

    async def _unit_price(self, endpoint: str) -> float:
        """The account's price per unit of an endpoint (cached by the caller)."""
        url = f"{self.http.endpoint.root('api')}/v1/models/pricing?endpoint_id={endpoint}"
        prices = (await self.http.request("GET", url, tries=2)).json_object()["prices"]
        [price] = [price for price in prices if price["endpoint_id"] == endpoint and price["currency"] == "USD"]
        return float(price["unit_price"])

    async def _media_url(self, reference: Reference) -> str:
        """A URL for the reference: its own, or that of an upload to the CDN."""
        if reference.url is not None:
            return reference.url
        root = self.http.endpoint.root("rest")
        answer = await self.http.request("POST", f"{root}/storage/auth/token?storage_type=fal-cdn-v3", {}, tries=3)
        token = answer.json_object()
        asset = reference.asset
        headers = {
            "authorization": Key(f"{token.get('token_type')} {token.get('token')}"),
            "content-type": asset.media_type,
        }
        named_headers = {**headers, "x-fal-file-name": f"reference.{extension(asset.media_type)}"}
        if asset.size_bytes > MULTIPART_BYTES:
            return await self._upload_parts(
                reference, f"{token.get('base_url')}/files/upload/multipart", headers, named_headers
            )
        content = await asyncio.to_thread(reference.file.read_bytes)
        url = f"{self.http.endpoint.root('cdn')}/files/upload"
        answer = await self.http.request("POST", url, headers=named_headers, content=content, tries=3)
        return _required_text(answer, "access_url")

    async def _upload_parts(
        self, reference: Reference, url: str, headers: Mapping[str, str], named_headers: Mapping[str, str]
    ) -> str:
        """Upload a large file to the CDN in parts: start, send, complete."""
        upload = await self.http.request(
            "POST", url, headers={**named_headers, "accept": "application/json"}, content=b""
        )
        access_url = _required_text(upload, "access_url")
        upload_url = f"{access_url}/multipart/{_required_text(upload, 'uploadId')}"
        semaphore = asyncio.Semaphore(CONCURRENT_PARTS)

        async def part(number: int) -> dict[str, Any]:
            async with semaphore:
                content = await asyncio.to_thread(_read_part, reference.file, (number - 1) * PART_BYTES)
                part_headers = {**headers, "accept-encoding": "identity"}
                answer = await self.http.request(
                    "PUT", f"{upload_url}/{number}", headers=part_headers, content=content, tries=3
                )
            return {"partNumber": number, "etag": answer.headers.get("etag", "")}

        part_count = -(-reference.asset.size_bytes // PART_BYTES)
        try:
            async with asyncio.TaskGroup() as group:
                parts = [group.create_task(part(number)) for number in range(1, part_count + 1)]
        except BaseExceptionGroup as failures:
            raise failures.exceptions[0] from None  # one error is enough
        completion = {"parts": [task.result() for task in parts]}
        auth_header = {"authorization": headers["authorization"]}
        await self.http.request("POST", f"{upload_url}/complete", completion, headers=auth_header, tries=3)
        return access_url


def _read_part(file: Path, at: int) -> bytes:
    with file.open("rb") as stream:
        stream.seek(at)
        return stream.read(PART_BYTES)


def _required_text(answer: Answer, name: str) -> str:
    """A required field of an upload's answer. Raises ProviderError."""
    value = answer.json_object().get(name)
    if not isinstance(value, str):
        raise errors.ProviderError(
            f"The file could not be uploaded: {answer.text()}", provider="fal", hint="Nothing was submitted: run again."
        )
    return value


def _error(answer: Answer, *, is_end: bool = False) -> Status:
    """Map a model's error (a list of details with types) or the platform's (`error_type`)."""
    payload = answer.json_or_none()
    detail = payload.get("detail") if isinstance(payload, dict) else None
    if isinstance(detail, list):
        types = [item.get("type") for item in detail if isinstance(item, dict)]
        message = "; ".join(str(item.get("msg")) for item in detail if isinstance(item, dict))
        if "content_policy_violation" in types:
            return Refused(message)
        if is_end or answer.status not in {429, 503}:
            return Failed(str(types[0]) if types else "invalid", message or answer.text())
    code = payload.get("error_type") if isinstance(payload, dict) else None
    reason = detail if isinstance(detail, str) else None
    if is_end:
        return Failed(str(code or f"http_{answer.status}"), reason or answer.text())
    return rejection(answer, code=code if isinstance(code, str) else None, message=reason)


def _forbidden(answer: Answer) -> Failed:
    """A 403: the account is locked or empty, or the key lacks permission; only the message differs."""
    return Failed("forbidden", f"fal denied access (key lacks permission, or account locked or empty): {answer.text()}")


def provider() -> Fal:
    """Create the provider, for the entry point."""
    return Fal()
