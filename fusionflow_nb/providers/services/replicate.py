"""Replicate: predictions. One object is created, polled and cancelled; progress is parsed from its logs."""

from __future__ import annotations

import datetime as dt
import re
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from fusionflow_nb import errors
from fusionflow_nb.providers import (
    CancelAnswer,
    Cancelled,
    Cost,
    Endpoint,
    Failed,
    HttpProvider,
    Key,
    Limits,
    Operation,
    Part,
    Pending,
    SubmitAmbiguousError,
    SubmitCandidate,
    check_size,
    data_uri,
    extension,
    rejection,
    request_body,
    unknown_state,
)

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator, Mapping

    from fusionflow_nb.providers import Answer, LostSubmit, Reference, Request, Status

ROOTS = {"api": "https://api.replicate.com"}
IN_BODY_BYTES = 700_000
"""Replicate recommends data URIs only below 1 MB; base64 is a third longer than the bytes."""
UPLOAD_BYTES = 100_000_000
LOOK_BACK_S, LOOK_AHEAD_S = 600.0, 3600.0
"""Search window around the time of a lost submit: clocks differ, and the request may have been delayed."""
_BAR = re.compile(r"(\d+)%\|[^|\n]*\|\s*(\d+)/(\d+)")
_VERSION = re.compile(r"(?:.*:)?([0-9a-f]{64})")


def _authorise(keys: Mapping[str, Key]) -> Mapping[str, Key]:
    return {"authorization": Key(f"Bearer {keys['REPLICATE_API_TOKEN']}")}


class Replicate(HttpProvider):
    """Adapter of Replicate."""

    name = "replicate"
    reconciles_by = "listing"
    limits = Limits(per_minute=600)

    def __init__(self, base: str | None = None) -> None:
        super().__init__(Endpoint("replicate", ROOTS, _authorise, base))

    async def submit(self, request: Request, *, idempotency_key: str) -> Operation | Status:  # noqa: ARG002 - unsupported
        """Create the prediction."""
        references = {
            port: [await self._media_url(reference) for reference in references]
            for port, references in request.references.items()
        }
        model, body = request.model.provider_model_id, {"input": request_body(request, references)}
        version = _VERSION.fullmatch(model)
        path = "predictions" if version else f"models/{quote(model)}/predictions"
        answer = await self.http.post_once(
            f"{self.http.endpoint.root()}/v1/{path}", {**body, "version": version[1]} if version else body
        )
        if not answer.is_success:
            payload = answer.json_or_none()
            detail = payload.get("detail") if isinstance(payload, dict) else None
            return rejection(answer, message=detail.strip() if isinstance(detail, str) else None)
        payload = answer.json_or_none()
        prediction_urls = payload.get("urls") if isinstance(payload, dict) else None
        if not isinstance(prediction_urls, dict) or not isinstance(prediction_urls.get("get"), str):
            raise SubmitAmbiguousError("The service accepted the request, but its answer has no prediction URL.")
        return self.operation(request, id=payload.get("id"), urls=prediction_urls)

    async def poll(self, operation: Operation) -> Status:  # noqa: PLR0911 - one return per state
        """Return the status of the prediction."""
        answer = await self.http.request("GET", operation.data["urls"]["get"])
        if not answer.is_success:
            return Failed("not_found", f"The service no longer knows the prediction: {answer.text()}")
        payload = answer.json_object()
        match payload.get("status"):
            case "starting":
                return Pending()
            case "processing":
                return Pending(progress=progress(payload.get("logs")))
            case "succeeded":
                return await self._succeeded(operation, payload)
            case "failed":
                # Includes refusals, which only the message identifies.
                return Failed("failed", str(payload.get("error") or "It failed without a reason."))
            case "canceled":
                return Cancelled()
            case "aborted":  # timed out before it began, so it is not billed
                return Failed("aborted", "It was aborted before it began.", cost=Cost(0, is_exact=True))
        raise unknown_state(payload.get("status"), provider="replicate")

    async def cancel(self, operation: Operation) -> CancelAnswer:
        """Cancel the prediction; the elapsed time is billed."""
        url = operation.data["urls"].get("cancel")
        if not isinstance(url, str):
            return CancelAnswer.UNSUPPORTED
        answer = await self.http.request("POST", url, content=b"", tries=2)
        payload = answer.json_or_none()
        is_cancelled = isinstance(payload, dict) and payload.get("status") == "canceled"
        return CancelAnswer.REQUESTED if answer.is_success and is_cancelled else CancelAnswer.UNSUPPORTED

    async def find_candidates(self, lost: LostSubmit) -> list[SubmitCandidate]:
        """Predictions of the same model and input around that time: Replicate does not store our id.

        Raises:
            ProviderError: a prediction does not show its input, so the result is not conclusive.
        """
        request = lost.request
        expected = {
            name: value for name, value in request_body(request, {}).items() if not isinstance(value, list | dict)
        }
        earliest, latest = lost.sent_at_us / 1e6 - LOOK_BACK_S, lost.sent_at_us / 1e6 + LOOK_AHEAD_S
        candidates: list[SubmitCandidate] = []
        async for payload in self._list_predictions(earliest):
            if _seconds(payload.get("created_at")) > latest or payload.get("model") != request.model.provider_model_id:
                continue
            inputs, urls = payload.get("input"), payload.get("urls")
            if not isinstance(inputs, dict) or not isinstance(urls, dict):
                raise errors.ProviderError(
                    f"The listing does not show the input of {payload.get('id')}, which may match.",
                    provider="replicate",
                )
            if all(inputs.get(name) == value for name, value in expected.items()):
                candidates.append(
                    SubmitCandidate(str(payload.get("id")), self.operation(request, id=payload.get("id"), urls=urls))
                )
        return candidates

    async def _list_predictions(self, earliest: float) -> AsyncIterator[dict[str, Any]]:
        """Predictions, newest first, back to `earliest` (seconds since 1970)."""
        url: Any = f"{self.http.endpoint.root()}/v1/predictions"
        while isinstance(url, str):
            page = (await self.http.request("GET", url, tries=3)).json_object()
            for payload in page.get("results") or ():
                if _seconds(payload.get("created_at")) < earliest:
                    return
                yield payload
            url = page.get("next")

    async def _succeeded(self, operation: Operation, payload: dict[str, Any]) -> Status:
        urls = list(_find_urls(payload.get("output")))
        if payload.get("data_removed"):
            cost = Cost(operation.data.get("estimate_micro_usd", 0), is_exact=False)
            return Failed("output_lost", "The service has deleted the result, as it does after an hour.", cost=cost)
        if not urls:
            return Failed("no_output", "The prediction succeeded, but its output has no file.")
        return await self.fetch_outputs(operation, urls)

    async def _media_url(self, reference: Reference) -> str:
        """A URL for the reference: its own, a data URI, or that of an upload."""
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
        file_urls = answer.json_object().get("urls")
        url = file_urls.get("get") if isinstance(file_urls, dict) else None
        if not isinstance(url, str):
            raise errors.ProviderError(f"The file could not be uploaded: {answer.text()}", provider="replicate")
        return url


def progress(logs: Any) -> float | None:  # noqa: ANN401 - JSON
    r"""Parse the last progress bar in the logs as a fraction; None if there is no bar.

    >>> progress("Using seed: 42\n 50%|#####     | 14/28 [00:01<00:01]")
    0.5
    """
    bars = _BAR.findall(logs) if isinstance(logs, str) else []
    if not bars or not int(bars[-1][2]):
        return None
    return min(1.0, int(bars[-1][1]) / int(bars[-1][2]))


def _seconds(text: Any) -> float:  # noqa: ANN401 - JSON
    """Parse a time of the service to seconds since 1970. An invalid time counts as now, so that it is not skipped."""
    try:
        return dt.datetime.fromisoformat(text).timestamp()
    except (TypeError, ValueError):
        return dt.datetime.now(dt.UTC).timestamp()


def _find_urls(output: Any) -> Iterator[str]:  # noqa: ANN401 - JSON: text, a list or an object, depending on the model
    if isinstance(output, str) and output.startswith(("https:", "http:", "data:")):
        yield output
    elif isinstance(output, list | dict):
        for value in output.values() if isinstance(output, dict) else output:
            yield from _find_urls(value)


def provider() -> Replicate:
    """Create the provider, for the entry point."""
    return Replicate()
