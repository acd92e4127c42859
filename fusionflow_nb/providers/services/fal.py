"""fal: a queue. Submit, look at the status, fetch the result from a third address; files go to its CDN first."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from fusionflow_nb import errors
from fusionflow_nb.media.media_types import extension
from fusionflow_nb.providers.http import Endpoint
from fusionflow_nb.providers.http_provider import HttpProvider, rejection, request_body, unknown_state
from fusionflow_nb.providers.protocol import (
    CancelAnswer,
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
    from pathlib import Path

    from fusionflow_nb.providers.http import Answer
    from fusionflow_nb.providers.protocol import Reference, Request, Status

ROOTS = {
    "queue": "https://queue.fal.run",
    "rest": "https://rest.fal.ai",
    "cdn": "https://v3.fal.media",
    "api": "https://api.fal.ai",
}
MULTIPART_BYTES, PART_BYTES, CONCURRENT_PARTS = 100 * 2**20, 10 * 2**20, 4
"""Longer files go in parts, of which a few are in memory at a time."""
OUTPUTS = ("images", "image", "video", "audio", "audio_file")
"""Fields of a result that hold files."""
_SERVER_ERROR, _FORBIDDEN = 500, 403


def _authorise(keys: Mapping[str, Key]) -> Mapping[str, Key]:
    return {"authorization": Key(f"Key {keys['FAL_KEY']}")}


class Fal(HttpProvider):
    """See the module."""

    name = "fal"

    def __init__(self, base: str | None = None) -> None:
        super().__init__(Endpoint("fal", ROOTS, _authorise, base))
        self._unit_usd: dict[str, float] = {}

    async def submit(self, request: Request, *, idempotency_key: str) -> Operation | Status:  # noqa: ARG002 - it takes none
        """Put it in the queue."""
        addresses = {port: [await self._address(each) for each in found] for port, found in request.references.items()}
        endpoint = request.model.provider_model_id
        answer = await self.http.post_once(
            f"{self.http.endpoint.root('queue')}/{endpoint}", request_body(request, addresses)
        )
        if not answer.is_success:
            return _error(answer) if answer.status != _FORBIDDEN else _forbidden(answer)
        said = answer.json_or_none()
        names = ("request_id", "status_url", "response_url", "cancel_url")
        if not isinstance(said, dict) or not all(isinstance(said.get(name), str) for name in names):
            raise SubmitAmbiguousError("The service took it, and its answer does not say under which name.")
        return self.operation(request, endpoint=endpoint, **{name: said[name] for name in names})

    async def poll(self, operation: Operation) -> Status:
        """Its place in the queue; once it has ended, what it made or why it did not."""
        data = operation.data
        answer = await self.http.request("GET", f"{data['status_url']}?logs=false")
        if not answer.is_success:
            return Failed("not_found", f"The service does not know the request any more: {answer.text()}")
        said = answer.json_object()
        match said.get("status"):
            case "IN_QUEUE":
                position = said.get("queue_position")
                return Pending(queue_position=position if isinstance(position, int) else None)
            case "IN_PROGRESS":
                return Pending()
            case "COMPLETED":  # which says that it has ended, not how
                return await self._ended(operation)
        raise unknown_state(said.get("status"), provider="fal")

    async def cancel(self, operation: Operation) -> CancelAnswer:
        """Ask it to stop; what already runs may be billed."""
        answer = await self.http.request("PUT", operation.data["cancel_url"], content=b"", is_checked=False)
        said = answer.json_or_none()
        status = said.get("status") if isinstance(said, dict) else None
        if status == "OK":
            return CancelAnswer.CONFIRMED
        return CancelAnswer.REQUESTED if status == "CANCELLATION_REQUESTED" else CancelAnswer.UNSUPPORTED

    async def _ended(self, operation: Operation) -> Status:
        data = operation.data
        answer = await self.http.request("GET", data["response_url"], is_checked=False)
        if not answer.is_success:
            said = answer.json_or_none()
            if answer.status >= _SERVER_ERROR and not (isinstance(said, dict) and "detail" in said):
                raise errors.ProviderError(
                    "The result cannot be had just now.",
                    provider="fal",
                    status=answer.status,
                    hint="It is asked for again while the run goes on; else run again later.",
                    is_retryable=True,
                )
            return _error(answer, is_end=True)
        said = answer.json_object()
        addresses = [
            file["url"]
            for name in OUTPUTS
            for file in (said[name] if isinstance(said.get(name), list) else [said.get(name)])
            if isinstance(file, dict) and isinstance(file.get("url"), str)
        ]
        if not addresses:
            return Failed("no_output", f"The result holds no file; its fields: {', '.join(said) or 'none'}.")
        cost = await self._cost(data["endpoint"], answer)
        return await self.fetch_outputs(operation, addresses, cost, said.get("seed"))

    async def _cost(self, endpoint: str, answer: Answer) -> Cost | None:
        """Units of the result times the account's own price of a unit; None where one of them is not said."""
        try:
            units = float(answer.headers["x-fal-billable-units"])
            if endpoint not in self._unit_usd:
                self._unit_usd[endpoint] = await self._unit_price(endpoint)
            return Cost(round(units * self._unit_usd[endpoint] * 1e6), is_exact=True)
        except (KeyError, TypeError, ValueError, errors.FusionFlowError):
            return None  # the result is there and paid for: the table says what it cost, marked as such

    async def _unit_price(self, endpoint: str) -> float:
        """What a unit costs this account, asked once for each endpoint."""
        address = f"{self.http.endpoint.root('api')}/v1/models/pricing?endpoint_id={endpoint}"
        prices = (await self.http.request("GET", address, tries=2)).json_object()["prices"]
        [price] = [each for each in prices if each["endpoint_id"] == endpoint and each["currency"] == "USD"]
        return float(price["unit_price"])

    async def _address(self, reference: Reference) -> str:
        """Where fal finds a medium: its own address, or one on the CDN, where it is put first."""
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
        named = {**headers, "x-fal-file-name": f"reference.{extension(asset.media_type)}"}
        if asset.size_bytes > MULTIPART_BYTES:
            return await self._upload_parts(
                reference, f"{token.get('base_url')}/files/upload/multipart", headers, named
            )
        content = await asyncio.to_thread(reference.file.read_bytes)
        address = f"{self.http.endpoint.root('cdn')}/files/upload"
        answer = await self.http.request("POST", address, headers=named, content=content, tries=3)
        return _required_text(answer, "access_url")

    async def _upload_parts(
        self, reference: Reference, address: str, headers: Mapping[str, str], named: Mapping[str, str]
    ) -> str:
        """A long file on the CDN: begun, sent in parts, a few of them in memory at a time, and put together there."""
        begun = await self.http.request("POST", address, headers={**named, "accept": "application/json"}, content=b"")
        access_url = _required_text(begun, "access_url")
        place = f"{access_url}/multipart/{_required_text(begun, 'uploadId')}"
        free = asyncio.Semaphore(CONCURRENT_PARTS)

        async def part(number: int) -> dict[str, Any]:
            async with free:
                content = await asyncio.to_thread(_read_part, reference.file, (number - 1) * PART_BYTES)
                sent = {**headers, "accept-encoding": "identity"}
                answer = await self.http.request("PUT", f"{place}/{number}", headers=sent, content=content, tries=3)
            return {"partNumber": number, "etag": answer.headers.get("etag", "")}

        count = -(-reference.asset.size_bytes // PART_BYTES)
        try:
            async with asyncio.TaskGroup() as group:
                parts = [group.create_task(part(number)) for number in range(1, count + 1)]
        except BaseExceptionGroup as broken:
            raise broken.exceptions[0] from None  # one of them says it for all
        whole = {"parts": [each.result() for each in parts]}
        allowed = {"authorization": headers["authorization"]}
        await self.http.request("POST", f"{place}/complete", whole, headers=allowed, tries=3)
        return access_url


def _read_part(file: Path, at: int) -> bytes:
    with file.open("rb") as stream:
        stream.seek(at)
        return stream.read(PART_BYTES)


def _required_text(answer: Answer, name: str) -> str:
    """A field that an upload cannot do without. Raises ProviderError."""
    found = answer.json_object().get(name)
    if not isinstance(found, str):
        raise errors.ProviderError(
            f"The file could not be uploaded: {answer.text()}", provider="fal", hint="Nothing was submitted: run again."
        )
    return found


def _error(answer: Answer, *, is_end: bool = False) -> Status:
    """A model's error (a list of details with types) or the platform's (`error_type`)."""
    said = answer.json_or_none()
    detail = said.get("detail") if isinstance(said, dict) else None
    if isinstance(detail, list):
        types = [each.get("type") for each in detail if isinstance(each, dict)]
        message = "; ".join(str(each.get("msg")) for each in detail if isinstance(each, dict))
        if "content_policy_violation" in types:
            return Refused(message)
        if is_end or answer.status not in {429, 503}:
            return Failed(str(types[0]) if types else "invalid", message or answer.text())
    code = said.get("error_type") if isinstance(said, dict) else None
    says = detail if isinstance(detail, str) else None
    if is_end:
        return Failed(str(code or f"http_{answer.status}"), says or answer.text())
    return rejection(answer, code=code if isinstance(code, str) else None, message=says)


def _forbidden(answer: Answer) -> Failed:
    """Said to mean a locked or empty account as well as a key without rights: which one, its text alone tells."""
    return Failed(
        "forbidden", f"fal does not allow it (key without rights, or account locked or empty): {answer.text()}"
    )


def provider() -> Fal:
    """For the entry point."""
    return Fal()
