"""Replicate: predictions. One object is created, polled and cancelled; its progress stands in its logs."""

from __future__ import annotations

import datetime as dt
import re
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from fusionflow_nb import errors
from fusionflow_nb.media.media_types import extension
from fusionflow_nb.providers.http import Endpoint, Part, check_size
from fusionflow_nb.providers.http_provider import HttpProvider, data_uri, rejection, request_body, unknown_state
from fusionflow_nb.providers.protocol import (
    CancelAnswer,
    Cancelled,
    Cost,
    Failed,
    Limits,
    Operation,
    Pending,
    SubmitAmbiguousError,
    SubmitCandidate,
)
from fusionflow_nb.settings.credentials import Key

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator, Mapping

    from fusionflow_nb.providers.http import Answer
    from fusionflow_nb.providers.protocol import LostSubmit, Reference, Request, Status

ROOTS = {"api": "https://api.replicate.com"}
IN_BODY_BYTES = 700_000
"""A data URI is advised under 1 MB only, and is a third longer than its bytes."""
UPLOAD_BYTES = 100_000_000
LOOK_BACK_S, LOOK_AHEAD_S = 600.0, 3600.0
"""Around the time of a lost submit: clocks differ, and it may have waited before it left."""
_BAR = re.compile(r"(\d+)%\|[^|\n]*\|\s*(\d+)/(\d+)")
_VERSION = re.compile(r"(?:.*:)?([0-9a-f]{64})")


def _authorise(keys: Mapping[str, Key]) -> Mapping[str, Key]:
    return {"authorization": Key(f"Bearer {keys['REPLICATE_API_TOKEN']}")}


class Replicate(HttpProvider):
    """See the module."""

    name = "replicate"
    reconciles_by = "listing"
    limits = Limits(per_minute=600)

    def __init__(self, base: str | None = None) -> None:
        super().__init__(Endpoint("replicate", ROOTS, _authorise, base))

    async def submit(self, request: Request, *, idempotency_key: str) -> Operation | Status:  # noqa: ARG002 - it takes none
        """Create the prediction."""
        addresses = {port: [await self._address(each) for each in found] for port, found in request.references.items()}
        model, body = request.model.provider_model_id, {"input": request_body(request, addresses)}
        version = _VERSION.fullmatch(model)
        where = "predictions" if version else f"models/{quote(model)}/predictions"
        answer = await self.http.post_once(
            f"{self.http.endpoint.root()}/v1/{where}", {**body, "version": version[1]} if version else body
        )
        if not answer.is_success:
            said = answer.json_or_none()
            detail = said.get("detail") if isinstance(said, dict) else None
            return rejection(answer, message=detail.strip() if isinstance(detail, str) else None)
        said = answer.json_or_none()
        urls = said.get("urls") if isinstance(said, dict) else None
        if not isinstance(urls, dict) or not isinstance(urls.get("get"), str):
            raise SubmitAmbiguousError("The service took it, and its answer does not say under which name.")
        return self.operation(request, id=said.get("id"), urls=urls)

    async def poll(self, operation: Operation) -> Status:  # noqa: PLR0911 - a state, an answer
        """How the prediction stands."""
        answer = await self.http.request("GET", operation.data["urls"]["get"])
        if not answer.is_success:
            return Failed("not_found", f"The service does not know the prediction any more: {answer.text()}")
        said = answer.json_object()
        match said.get("status"):
            case "starting":
                return Pending()
            case "processing":
                return Pending(progress=progress(said.get("logs")))
            case "succeeded":
                return await self._ended(operation, said)
            case "failed":
                # A refusal comes as a failure, too, told by its text alone: texts decide nothing here.
                return Failed("failed", str(said.get("error") or "It failed without saying why."))
            case "canceled":
                return Cancelled()
            case "aborted":  # its time ran out before it began, which is not billed
                return Failed("aborted", "It was given up before it began.", cost=Cost(0, is_exact=True))
        raise unknown_state(said.get("status"), provider="replicate")

    async def cancel(self, operation: Operation) -> CancelAnswer:
        """Stop the prediction; what has run is billed."""
        address = operation.data["urls"].get("cancel")
        if not isinstance(address, str):
            return CancelAnswer.UNSUPPORTED
        answer = await self.http.request("POST", address, content=b"", tries=2)
        said = answer.json_or_none()
        is_cancelled = isinstance(said, dict) and said.get("status") == "canceled"
        return CancelAnswer.REQUESTED if answer.is_success and is_cancelled else CancelAnswer.UNSUPPORTED

    async def find_candidates(self, lost: LostSubmit) -> list[SubmitCandidate]:
        """Predictions of the same model and input, created about then: there is no id of our own to ask for.

        Raises:
            ProviderError: one of them does not show its input, so nobody can say whether it is ours.
        """
        request = lost.request
        wanted = {
            name: value for name, value in request_body(request, {}).items() if not isinstance(value, list | dict)
        }
        earliest, latest = lost.sent_at_us / 1e6 - LOOK_BACK_S, lost.sent_at_us / 1e6 + LOOK_AHEAD_S
        found: list[SubmitCandidate] = []
        async for said in self._list_predictions(earliest):
            if _seconds(said.get("created_at")) > latest or said.get("model") != request.model.provider_model_id:
                continue
            given, urls = said.get("input"), said.get("urls")
            if not isinstance(given, dict) or not isinstance(urls, dict):
                raise errors.ProviderError(
                    f"The listing does not show the input of {said.get('id')}, which may be the one.",
                    provider="replicate",
                )
            if all(given.get(name) == value for name, value in wanted.items()):
                found.append(
                    SubmitCandidate(str(said.get("id")), self.operation(request, id=said.get("id"), urls=urls))
                )
        return found

    async def _list_predictions(self, earliest: float) -> AsyncIterator[dict[str, Any]]:
        """Predictions, the newest first, back to a time (seconds since 1970)."""
        address: Any = f"{self.http.endpoint.root()}/v1/predictions"
        while isinstance(address, str):
            page = (await self.http.request("GET", address, tries=3)).json_object()
            for said in page.get("results") or ():
                if _seconds(said.get("created_at")) < earliest:
                    return
                yield said
            address = page.get("next")

    async def _ended(self, operation: Operation, said: dict[str, Any]) -> Status:
        addresses = list(_addresses(said.get("output")))
        if said.get("data_removed"):
            cost = Cost(operation.data.get("estimate_micro_usd", 0), is_exact=False)
            return Failed("output_lost", "The service has removed the result, as it does after an hour.", cost=cost)
        if not addresses:
            return Failed("no_output", "The prediction succeeded, and its output holds no file.")
        return await self.fetch_outputs(operation, addresses)

    async def _address(self, reference: Reference) -> str:
        """Where Replicate finds a medium: its own address, in the body itself, or uploaded."""
        asset = reference.asset
        if reference.url is not None:
            return reference.url
        if asset.size_bytes <= IN_BODY_BYTES:
            return await data_uri(reference)
        check_size(asset.size_bytes, UPLOAD_BYTES, "The file", provider="replicate")
        name = f"reference.{extension(asset.media_type)}"
        answer: Answer = await self.http.upload(
            f"{self.http.endpoint.root()}/v1/files", [Part("content", reference.file, name, asset.media_type)]
        )
        urls = answer.json_object().get("urls")
        address = urls.get("get") if isinstance(urls, dict) else None
        if not isinstance(address, str):
            raise errors.ProviderError(f"The file could not be uploaded: {answer.text()}", provider="replicate")
        return address


def progress(logs: Any) -> float | None:  # noqa: ANN401 - JSON
    r"""The last progress bar in the logs as a fraction; None where there is none.

    >>> progress("Using seed: 42\n 50%|#####     | 14/28 [00:01<00:01]")
    0.5
    """
    bars = _BAR.findall(logs) if isinstance(logs, str) else []
    if not bars or not int(bars[-1][2]):
        return None
    return min(1.0, int(bars[-1][1]) / int(bars[-1][2]))


def _seconds(text: Any) -> float:  # noqa: ANN401 - JSON
    """A time of the service in seconds since 1970; what is none counts as now, so that it is looked at."""
    try:
        return dt.datetime.fromisoformat(text).timestamp()
    except (TypeError, ValueError):
        return dt.datetime.now(dt.UTC).timestamp()


def _addresses(output: Any) -> Iterator[str]:  # noqa: ANN401 - JSON: text, a list or an object, as the model likes
    if isinstance(output, str) and output.startswith(("https:", "http:", "data:")):
        yield output
    elif isinstance(output, list | dict):
        for each in output.values() if isinstance(output, dict) else output:
            yield from _addresses(each)


def provider() -> Replicate:
    """For the entry point."""
    return Replicate()
