"""Black Forest Labs: FLUX. Submit, then poll the URL from the answer, which also states the cost."""

from __future__ import annotations

import re
import time
from typing import TYPE_CHECKING, Any

from fusionflow_nb import errors
from fusionflow_nb.providers import (
    Cost,
    Endpoint,
    Failed,
    HttpProvider,
    Limits,
    Operation,
    Pending,
    Refused,
    SubmitAmbiguousError,
    as_base64,
    rejection,
    request_body,
    unknown_state,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

    from fusionflow_nb.providers import Answer, Key, Reference, Request, Status

ROOTS = {"api": "https://api.bfl.ai"}
REGIONS = re.compile(r"api\.[a-z0-9-]+\.bfl\.ai")
"""Hosts of polling URLs: the region that accepted the job."""
REFERENCES = 8
MICRO_PER_CREDIT = 10_000
REGION_LAG_S = 30.0
"""For this long after a submit, another region may not know the job yet."""
JSON = {"accept": "application/json"}
FORBIDDEN = 403


def _authorise(keys: Mapping[str, Key]) -> Mapping[str, Key]:
    return {"x-key": keys["BFL_API_KEY"]}


class BlackForestLabs(HttpProvider):
    """Adapter of Black Forest Labs."""

    name = "bfl"
    limits = Limits(concurrent=24)
    max_concurrency = 24

    def __init__(self, base: str | None = None) -> None:
        super().__init__(Endpoint("bfl", ROOTS, _authorise, base, regions=REGIONS))

    async def submit(self, request: Request, *, idempotency_key: str) -> Operation | Status:  # noqa: ARG002 - unsupported
        """Create the job."""
        count = sum(len(references) for references in request.references.values())
        if count > REFERENCES:
            raise errors.MediaError(f"FLUX takes {REFERENCES} images, got {count}.", hint="Connect fewer.")
        images = {
            port: [await _image_source(reference) for reference in references]
            for port, references in request.references.items()
        }
        answer = await self.http.post_once(
            f"{self.http.endpoint.root()}/v1/{request.model.provider_model_id}",
            request_body(request, images),
            headers=JSON,
        )
        if not answer.is_success:
            return _error(answer)
        payload = answer.json_or_none()
        if not isinstance(payload, dict) or not isinstance(payload.get("polling_url"), str):
            raise SubmitAmbiguousError("The service accepted the job, but its answer has no polling URL.")
        cost = payload.get("cost")
        billed = round(cost * MICRO_PER_CREDIT) if isinstance(cost, int | float) else None
        return self.operation(
            request,
            id=payload.get("id"),
            polling_url=payload["polling_url"],
            cost_micro_usd=billed,
            begun_at_s=time.time(),
        )

    async def poll(self, operation: Operation) -> Status:  # noqa: PLR0911 - one return per state
        """Return the status of the job."""
        answer = await self.http.request("GET", operation.data["polling_url"], headers=JSON)
        payload = answer.json_or_none()
        if not isinstance(payload, dict) or "status" not in payload:
            if answer.is_success:
                raise unknown_state(payload, provider="bfl")
            return Failed("not_found", f"The service no longer knows the job: {answer.text()}")
        match payload["status"]:
            case "Pending":
                progress = payload.get("progress")
                return Pending(progress=min(1.0, progress) if isinstance(progress, int | float) else None)
            case "Ready":
                return await self._succeeded(operation, payload)
            case "Request Moderated" | "Content Moderated" as state:
                return Refused(f"{state}{_reasons(payload)}.")
            case "Error":
                return Failed("failed", f"It failed{_reasons(payload) or ' without a reason'}.")
            case "Task not found":
                if abs(time.time() - operation.data.get("begun_at_s", 0)) < REGION_LAG_S:
                    return Pending()
                return Failed("not_found", "The service does not know the job, or has deleted it.")
        raise unknown_state(payload["status"], provider="bfl")

    async def _succeeded(self, operation: Operation, payload: dict[str, Any]) -> Status:
        result = payload.get("result")
        billed = operation.data.get("cost_micro_usd")
        cost = Cost(billed, is_exact=True) if billed is not None else None
        if not isinstance(result, dict) or not isinstance(result.get("sample"), str):
            return Failed("no_output", "The job is done, but its result has no image.", cost=cost)
        return await self.fetch_outputs(operation, [result["sample"]], cost, result.get("seed"))


async def _image_source(reference: Reference) -> str:
    """The URL, or the bytes as bare base64: a `data:` prefix is not documented."""
    if reference.url is not None:
        return reference.url
    return await as_base64(reference)


def _reasons(payload: dict[str, Any]) -> str:
    """Details beside the state, in any form; only for messages."""
    details = payload.get("details")
    if isinstance(details, dict):
        details = ", ".join(str(detail) for detail in details.get("Moderation Reasons") or details.values())
    return f": {str(details)[:300]}" if details else ""


def _error(answer: Answer) -> Status:
    payload = answer.json_or_none()
    payload = payload if isinstance(payload, dict) else {}
    details = payload.get("detail")
    if isinstance(details, list):
        details = "; ".join(f"{'.'.join(map(str, detail.get('loc', ())))}: {detail.get('msg')}" for detail in details)
    message = details or payload.get("message") or payload.get("error")
    if answer.status == FORBIDDEN:
        raise errors.SecretError(
            f"The service rejects the key: {message or answer.text()}",
            provider="bfl",
            status=answer.status,
            hint="ff.connect('bfl') stores another key.",
        )
    return rejection(answer, message=str(message) if message else None)


def provider() -> BlackForestLabs:
    """Create the provider, for the entry point."""
    return BlackForestLabs()
