"""What adapters of services on the network have in common: connections, models of the catalogue, media in and out."""

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
    """Base of an adapter. A subclass says where its service lives, and maps `submit` and `poll`."""

    name: str
    is_remote = True
    max_concurrency = 16
    poll_interval_s = 1.0
    limits = NO_LIMITS
    reconciles_by: Literal["", "id", "listing"] = ""
    takes_references: Literal["bytes", "bytes_or_url", "url"] = "bytes_or_url"

    def __init__(self, site: Endpoint) -> None:
        self.http = Http(site)

    @cached_property
    def models(self) -> Sequence[ModelEntry]:
        """The catalogue's entries of this service."""
        return catalogue.entries_of(self.name)

    async def cancel(self, operation: Operation) -> CancelAnswer:  # noqa: ARG002 - what most services offer
        """There is no way to stop it."""
        return CancelAnswer.UNSUPPORTED

    async def find_candidates(self, lost: LostSubmit) -> Sequence[SubmitCandidate]:  # noqa: ARG002 - what most services offer
        """There is no way to ask. Raises ProviderError."""
        raise errors.ProviderError(
            "The service has no way to find work whose submit was not answered.", provider=self.name
        )

    async def aclose(self) -> None:
        """Let go of connections."""
        await self.http.aclose()

    def operation(self, request: Request, **data: Any) -> Operation:  # noqa: ANN401 - JSON
        """The handle of accepted work, with what a fresh process needs to bring it home and to say what it cost."""
        image_pixels = [
            each.asset.width * each.asset.height if each.asset.width and each.asset.height else None
            for found in request.references.values()
            for each in found
            if each.asset.media_type.startswith("image/")
        ]
        estimate = request.model.estimate(dict(request.settings), prompt=request.prompt, image_pixels=image_pixels)
        return Operation({**data, "port": output_port(request.task), "estimate_micro_usd": estimate.high_micro_usd})

    async def fetch_outputs(
        self, operation: Operation, addresses: Sequence[str], cost: Cost | None = None, seed: object = None
    ) -> Done | Failed:
        """The end of work that succeeded. An output that cannot be had any more was paid for all the same.

        Raises:
            ProviderError: it may be had later (`is_retryable`).
        """
        try:
            outputs = await self.download_outputs(operation.data["port"], addresses)
        except errors.ProviderError as error:
            if error.is_retryable:
                raise
            estimate = Cost(operation.data.get("estimate_micro_usd", 0), is_exact=False)
            return Failed("output_lost", error.what, cost=cost or estimate)
        return Done(outputs, cost, seed if isinstance(seed, int) else None)

    async def download_outputs(self, port: str, addresses: Sequence[str]) -> tuple[Output, ...]:
        """Outputs, brought home at once: some live ten minutes only.

        Raises:
            ProviderError: one of them cannot be had; the others are removed again.
        """
        found = await asyncio.gather(*(self._download_output(port, each) for each in addresses), return_exceptions=True)
        broken = [each for each in found if isinstance(each, BaseException)]
        if broken:
            for each in found:
                if isinstance(each, Output):
                    _remove(each)
            raise broken[0]
        return tuple(each for each in found if isinstance(each, Output))

    async def _download_output(self, port: str, address: str) -> Output:
        if address.startswith("data:"):
            return decode_output(port, address.partition(",")[2], provider=self.name)
        found = await self.http.download(address)
        return Output(port, found.path, found.media_type)


def output_port(task: str) -> str:
    """The port that a task's result leaves by."""
    return "video" if task.endswith("video") else "audio" if task == "text-to-audio" else "image"


def request_body(request: Request, addresses: Mapping[str, Sequence[Any]]) -> dict[str, Any]:
    """What is sent, by the model's mapping table. Raises SettingError."""
    wire = request.model.wire
    assert wire is not None  # noqa: S101 - an entry of a service has its table, which the catalogue's test holds
    return wire.body(request.prompt, request.settings, addresses)


async def as_base64(reference: Reference) -> str:
    """A medium as text, for services that take it so."""
    return base64.b64encode(await asyncio.to_thread(reference.file.read_bytes)).decode()


async def data_uri(reference: Reference) -> str:
    """The same with its type in front."""
    return f"data:{reference.asset.media_type};base64,{await as_base64(reference)}"


def decode_output(port: str, text: str, *, provider: str) -> Output:
    """An output that came as base64 in the answer.

    Raises:
        ProviderError: it is none, or no media.
    """
    try:
        content = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        content = b""
    media_type = sniff(content)
    if media_type is None:
        raise errors.ProviderError(
            "The answer holds no media where a result belongs.",
            provider=provider,
            hint="Ask the service for another format, in its own settings.",
        )
    return Output(port, content, media_type)


def rejection(answer: Answer, *, code: str | None = None, message: str | None = None) -> Failed | NoFunds:
    """What an answer to a submit that is no success means wherever the service has no words of its own.

    Raises:
        SecretError: the key is not taken.
    """
    says = message or answer.text() or "The service did not take it."
    if answer.status == UNAUTHORISED:
        raise errors.SecretError(
            f"The service does not take the key: {says}",
            provider=answer.provider,
            status=answer.status,
            hint=f"ff.connect({answer.provider!r}) stores another one.",
        )
    if answer.status == NO_FUNDS:
        return NoFunds(says)
    if answer.status in {TOO_MANY, BUSY}:
        return Failed(code or "rate_limit", says, is_retryable=True, retry_after_s=answer.retry_after_s())
    return Failed(code or f"http_{answer.status}", says)


def unknown_state(state: object, *, provider: str) -> errors.ProviderError:
    """A state that no documentation has: the work is kept, and asked for again by the next who wants it."""
    return errors.ProviderError(
        f"The service answers with the unknown state {str(state)[:40]!r}.",
        provider=provider,
        hint="A newer version of this package may know it; the work is kept.",
        is_retryable=True,
    )


def _remove(output: Output) -> None:
    if not isinstance(output.content, bytes):
        path: Path = output.content
        path.unlink(missing_ok=True)
