"""Base class of HTTP providers: connections, catalogue models, encoding of references, download of outputs."""

from __future__ import annotations

import asyncio
import base64
import binascii
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal

from fusionflow_nb import errors
from fusionflow_nb.assets.sniff import sniff
from fusionflow_nb.providers import catalogue
from fusionflow_nb.providers.http import Http
from fusionflow_nb.providers.protocol import NO_LIMITS, CancelAnswer, Cost, Done, Failed, NoFunds, Operation, Output

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from fusionflow_nb.providers.http import Answer, Endpoint
    from fusionflow_nb.providers.model import ModelEntry
    from fusionflow_nb.providers.protocol import LostSubmit, Reference, Request, SubmitCandidate

UNAUTHORISED, NO_FUNDS, TOO_MANY, BUSY = 401, 402, 429, 503


class HttpProvider:
    """Base class of a provider over HTTP. A subclass supplies the endpoint and implements `submit` and `poll`."""

    name: str
    is_remote = True
    max_concurrency = 16
    poll_interval_s = 1.0
    limits = NO_LIMITS
    reconciles_by: Literal["", "id", "listing"] = ""
    takes_references: Literal["bytes", "bytes_or_url", "url"] = "bytes_or_url"

    def __init__(self, endpoint: Endpoint) -> None:
        self.http = Http(endpoint)

    @cached_property
    def models(self) -> Sequence[ModelEntry]:
        """The catalogue's models of this service."""
        return catalogue.entries_of(self.name)

    async def cancel(self, operation: Operation) -> CancelAnswer:  # noqa: ARG002 - most services have no cancel
        """Report that the service cannot cancel."""
        return CancelAnswer.UNSUPPORTED

    async def find_candidates(self, lost: LostSubmit) -> Sequence[SubmitCandidate]:  # noqa: ARG002 - default
        """Raise ProviderError: the service has no listing."""
        raise errors.ProviderError("The service cannot look up work whose submit was not answered.", provider=self.name)

    async def aclose(self) -> None:
        """Close connections."""
        await self.http.aclose()

    def operation(self, request: Request, **data: Any) -> Operation:  # noqa: ANN401 - JSON
        """Build the handle of accepted work, with all that another process needs to fetch outputs and cost."""
        image_pixels = [
            reference.asset.width * reference.asset.height if reference.asset.width and reference.asset.height else None
            for references in request.references.values()
            for reference in references
            if reference.asset.media_type.startswith("image/")
        ]
        estimate = request.model.estimate(dict(request.settings), prompt=request.prompt, image_pixels=image_pixels)
        return Operation({**data, "port": output_port(request.task), "estimate_micro_usd": estimate.high_micro_usd})

    async def fetch_outputs(
        self, operation: Operation, urls: Sequence[str], cost: Cost | None = None, seed: object = None
    ) -> Done | Failed:
        """Download the outputs of finished work. An expired output is a `Failed` with its cost, because it was billed.

        Raises:
            ProviderError: a later try may succeed (`is_retryable`).
        """
        try:
            outputs = await self.download_outputs(operation.data["port"], urls)
        except errors.ProviderError as error:
            if error.is_retryable:
                raise
            estimate = Cost(operation.data.get("estimate_micro_usd", 0), is_exact=False)
            return Failed("output_lost", error.what, cost=cost or estimate)
        return Done(outputs, cost, seed if isinstance(seed, int) else None)

    async def download_outputs(self, port: str, urls: Sequence[str]) -> tuple[Output, ...]:
        """Download outputs without delay: some expire after ten minutes.

        Raises:
            ProviderError: one of them cannot be downloaded; the others are removed.
        """
        results = await asyncio.gather(*(self._download_output(port, url) for url in urls), return_exceptions=True)
        failures = [result for result in results if isinstance(result, BaseException)]
        if failures:
            for result in results:
                if isinstance(result, Output):
                    _remove(result)
            raise failures[0]
        return tuple(result for result in results if isinstance(result, Output))

    async def _download_output(self, port: str, url: str) -> Output:
        if url.startswith("data:"):
            return decode_output(port, url.partition(",")[2], provider=self.name)
        downloaded = await self.http.download(url)
        return Output(port, downloaded.path, downloaded.media_type)


def output_port(task: str) -> str:
    """The output port of a task."""
    return "video" if task.endswith("video") else "audio" if task == "text-to-audio" else "image"


def request_body(request: Request, references: Mapping[str, Sequence[Any]]) -> dict[str, Any]:
    """Build the request body by the model's mapping. Raises SettingError."""
    mapping = request.model.wire
    assert mapping is not None  # noqa: S101 - every hosted entry has a mapping, as the catalogue's test checks
    return mapping.body(request.prompt, request.settings, references)


async def as_base64(reference: Reference) -> str:
    """Encode the bytes of a reference as base64."""
    return base64.b64encode(await asyncio.to_thread(reference.file.read_bytes)).decode()


async def data_uri(reference: Reference) -> str:
    """Encode a reference as a data URI."""
    return f"data:{reference.asset.media_type};base64,{await as_base64(reference)}"


def decode_output(port: str, text: str, *, provider: str) -> Output:
    """Decode an output that the answer holds as base64.

    Raises:
        ProviderError: invalid base64, or not a known media type.
    """
    try:
        content = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        content = b""
    media_type = sniff(content)
    if media_type is None:
        raise errors.ProviderError(
            "The answer contains no media where a result is expected.",
            provider=provider,
            hint="Ask the service for another format, in its own settings.",
        )
    return Output(port, content, media_type)


def rejection(answer: Answer, *, code: str | None = None, message: str | None = None) -> Failed | NoFunds:
    """Map an unsuccessful answer to a submit to a status, for services without error codes of their own.

    Raises:
        SecretError: the service rejects the key.
    """
    reason = message or answer.text() or "The service rejected the request."
    if answer.status == UNAUTHORISED:
        raise errors.SecretError(
            f"The service rejects the key: {reason}",
            provider=answer.provider,
            status=answer.status,
            hint=f"ff.connect({answer.provider!r}) stores another key.",
        )
    if answer.status == NO_FUNDS:
        return NoFunds(reason)
    if answer.status in {TOO_MANY, BUSY}:
        return Failed(code or "rate_limit", reason, is_retryable=True, retry_after_s=answer.retry_after_s())
    return Failed(code or f"http_{answer.status}", reason)


def unknown_state(state: object, *, provider: str) -> errors.ProviderError:
    """Error for an undocumented state. The work is kept, and a later poll may succeed."""
    return errors.ProviderError(
        f"The service returned the unknown state {str(state)[:40]!r}.",
        provider=provider,
        hint="A newer version of this package may support it. The work is kept.",
        is_retryable=True,
    )


def _remove(output: Output) -> None:
    if not isinstance(output.content, bytes):
        path: Path = output.content
        path.unlink(missing_ok=True)
