"""Black Forest Labs: FLUX. Submit, then poll the address in the answer; what it costs is known at once."""

from __future__ import annotations

import re
import time
from typing import TYPE_CHECKING, Any

from fusionflow_nb import errors
from fusionflow_nb.providers.http import Endpoint
from fusionflow_nb.providers.http_provider import HttpProvider, as_base64, rejection, request_body, unknown_state
from fusionflow_nb.providers.protocol import Cost, Failed, Limits, Operation, Pending, Refused, SubmitAmbiguousError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from fusionflow_nb.providers.http import Answer
    from fusionflow_nb.providers.protocol import Reference, Request, Status
    from fusionflow_nb.settings.credentials import Key

ROOTS = {"api": "https://api.bfl.ai"}
REGIONS = re.compile(r"api\.[a-z0-9-]+\.bfl\.ai")
"""Where polling addresses lead: the region that took the job."""
REFERENCES = 8
MICRO_PER_CREDIT = 10_000
REGION_LAG_S = 30.0
"""So long after a submit another region may not know the job yet."""
JSON = {"accept": "application/json"}
FORBIDDEN = 403


def _authorise(keys: Mapping[str, Key]) -> Mapping[str, Key]:
    return {"x-key": keys["BFL_API_KEY"]}


class BlackForestLabs(HttpProvider):
    """See the module."""

    name = "bfl"
    limits = Limits(concurrent=24)
    max_concurrency = 24

    def __init__(self, base: str | None = None) -> None:
        super().__init__(Endpoint("bfl", ROOTS, _authorise, base, regions=REGIONS))

    async def submit(self, request: Request, *, idempotency_key: str) -> Operation | Status:  # noqa: ARG002 - it takes none
        """Start the job."""
        given = sum(len(found) for found in request.references.values())
        if given > REFERENCES:
            raise errors.MediaError(f"FLUX takes {REFERENCES} pictures, not {given}.", hint="Connect fewer.")
        pictures = {port: [await _picture(each) for each in found] for port, found in request.references.items()}
        answer = await self.http.post_once(
            f"{self.http.endpoint.root()}/v1/{request.model.provider_model_id}",
            request_body(request, pictures),
            headers=JSON,
        )
        if not answer.is_success:
            return _error(answer)
        said = answer.json_or_none()
        if not isinstance(said, dict) or not isinstance(said.get("polling_url"), str):
            raise SubmitAmbiguousError("The service took it, and its answer does not say where to look.")
        cost = said.get("cost")
        billed = round(cost * MICRO_PER_CREDIT) if isinstance(cost, int | float) else None
        return self.operation(
            request, id=said.get("id"), polling_url=said["polling_url"], cost_micro_usd=billed, begun_at_s=time.time()
        )

    async def poll(self, operation: Operation) -> Status:  # noqa: PLR0911 - a state, an answer
        """How the job stands."""
        answer = await self.http.request("GET", operation.data["polling_url"], headers=JSON)
        said = answer.json_or_none()
        if not isinstance(said, dict) or "status" not in said:
            if answer.is_success:
                raise unknown_state(said, provider="bfl")
            return Failed("not_found", f"The service does not know the job any more: {answer.text()}")
        match said["status"]:
            case "Pending":
                progress = said.get("progress")
                return Pending(progress=min(1.0, progress) if isinstance(progress, int | float) else None)
            case "Ready":
                return await self._ready(operation, said)
            case "Request Moderated" | "Content Moderated" as state:
                return Refused(f"{state}{_reasons(said)}.")
            case "Error":
                return Failed("failed", f"It failed{_reasons(said) or ' without saying why'}.")
            case "Task not found":
                if abs(time.time() - operation.data.get("begun_at_s", 0)) < REGION_LAG_S:
                    return Pending()
                return Failed("not_found", "The service does not know the job, or not any more.")
        raise unknown_state(said["status"], provider="bfl")

    async def _ready(self, operation: Operation, said: dict[str, Any]) -> Status:
        result = said.get("result")
        billed = operation.data.get("cost_micro_usd")
        cost = Cost(billed, is_exact=True) if billed is not None else None
        if not isinstance(result, dict) or not isinstance(result.get("sample"), str):
            return Failed("no_output", "The job is done, and its result holds no picture.", cost=cost)
        return await self.fetch_outputs(operation, [result["sample"]], cost, result.get("seed"))


async def _picture(reference: Reference) -> str:
    """An address, or the bytes as bare base64: a `data:` in front is not documented."""
    if reference.url is not None:
        return reference.url
    return await as_base64(reference)


def _reasons(said: dict[str, Any]) -> str:
    """What the service says beside the state, in whatever form: for the reader only."""
    details = said.get("details")
    if isinstance(details, dict):
        details = ", ".join(str(each) for each in details.get("Moderation Reasons") or details.values())
    return f": {str(details)[:300]}" if details else ""


def _error(answer: Answer) -> Status:
    said = answer.json_or_none()
    said = said if isinstance(said, dict) else {}
    details = said.get("detail")
    if isinstance(details, list):
        details = "; ".join(f"{'.'.join(map(str, each.get('loc', ())))}: {each.get('msg')}" for each in details)
    message = details or said.get("message") or said.get("error")
    if answer.status == FORBIDDEN:
        raise errors.SecretError(
            f"The service does not take the key: {message or answer.text()}",
            provider="bfl",
            status=answer.status,
            hint="ff.connect('bfl') stores another one.",
        )
    return rejection(answer, message=str(message) if message else None)


def provider() -> BlackForestLabs:
    """For the entry point."""
    return BlackForestLabs()
