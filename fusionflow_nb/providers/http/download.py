"""Outputs: streamed into a file while they are hashed, from a host that may be asked, and sure to be media."""

from __future__ import annotations

import hashlib
import os
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import IO, TYPE_CHECKING

import httpx

from fusionflow_nb import errors
from fusionflow_nb.assets.sniff import HEAD_BYTES, sniff
from fusionflow_nb.failpoints import Failpoint, failpoint
from fusionflow_nb.providers.http import errors as errors_module
from fusionflow_nb.providers.http import pool
from fusionflow_nb.providers.http.answer import CLIENT_ERROR, OK, REDIRECT, SERVER_ERROR
from fusionflow_nb.providers.http.retry_after import retry_after_s

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping

    from fusionflow_nb.providers.http.client import Http

OUTPUT_BYTES = 4_000_000_000
HOPS = 3
_TOO_MANY = 429
LOST = "Services keep results for minutes to hours only; run again to make another."


@dataclass(frozen=True, slots=True)
class Fetched:
    """An output as it lies in a temporary file, which its taker removes."""

    path: Path
    sha256: str
    media_type: str
    size_bytes: int


async def fetch(
    http: Http, url: str, *, most_bytes: int | None = None, headers: Mapping[str, str] | None = None
) -> Fetched:
    """Bring an output home.

    A key goes along only to the service's own addresses; all others are asked without one, over TLS, and only where
    they lie on the open network.

    Raises:
        ProviderError: not there (any more), too long, broken off, no media, or an address that may not be asked.
    """
    limit = most_bytes or OUTPUT_BYTES
    for _ in range(HOPS + 1):
        address = _address(url, http.site.provider)
        is_own = http.site.is_own(address)
        if not is_own:
            check_outside(address, http.site.provider, "The output lies at")
        try:
            async with http.sent(
                "GET",
                address,
                headers={**(headers or {}), "accept-encoding": "identity"},
                outside=not is_own,
                with_key=is_own,
            ) as response:
                if not OK <= response.status_code < CLIENT_ERROR:
                    raise _not_there(response, url, http.site.provider)
                if response.status_code < REDIRECT:
                    return await _poured(response, limit, http.site.provider)
                url = str(response.url.join(response.headers.get("location", "")))
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise errors_module.clear(error, http.site.provider, url) from error
    raise errors.ProviderError(
        "The address of the output leads from one to the next.", provider=http.site.provider, hint=LOST
    )


def chunks_of(response: httpx.Response) -> AsyncIterator[bytes]:
    """The body as it comes. httpx's own way through it takes as long as all of aiohttp; it is needed to unpack only."""
    if response.headers.get("content-encoding", "identity") != "identity":
        return response.aiter_bytes()
    assert isinstance(response.stream, httpx.AsyncByteStream)  # noqa: S101 - of an asynchronous transport
    return response.stream.__aiter__()


def no_longer_than(size_bytes: int, most_bytes: int, what: str, *, provider: str) -> None:
    """Check a limit of the service before anything is sent.

    Raises:
        MediaError: it is passed; says both sizes.
    """
    if size_bytes > most_bytes:
        raise errors.MediaError(
            f"{what} has {size_bytes / 1e6:.1f} MB; {provider} takes {most_bytes / 1e6:.0f} MB.",
            hint="Make it smaller first (the resize node does).",
        )


async def _poured(response: httpx.Response, limit: int, provider: str) -> Fetched:
    """The body into a file. Raises httpx.HTTPError, ProviderError; then nothing is left behind."""
    descriptor, name = tempfile.mkstemp(prefix="fusionflow-output-")
    is_whole = False
    try:
        os.close(descriptor)
        with open(name, "wb") as file:  # noqa: ASYNC230, PTH123 - small writes to a local file
            made = await _written(response, file, limit, provider)
        is_whole = True
    finally:
        if not is_whole:
            os.unlink(name)  # noqa: PTH108 - one system call
    return made


async def _written(response: httpx.Response, file: IO[bytes], limit: int, provider: str) -> Fetched:
    digest, head, size = hashlib.sha256(), b"", 0
    promised = response.headers.get("content-length", "")
    if promised.isdigit() and int(promised) > limit:
        raise _too_long(limit, provider)
    async for chunk in chunks_of(response):
        size += len(chunk)
        if size > limit:
            raise _too_long(limit, provider)
        if len(head) < HEAD_BYTES:
            head += chunk[: HEAD_BYTES - len(head)]
        digest.update(chunk)
        file.write(chunk)
        failpoint(Failpoint.DURING_DOWNLOAD)
    if promised.isdigit() and int(promised) != size:
        raise errors.ProviderError(
            "The output broke off in the middle.", provider=provider, hint=errors_module.AGAIN, is_retryable=True
        )
    media_type = sniff(head)
    if media_type is None:
        declared = response.headers.get("content-type", "nothing")[:60]
        raise errors.ProviderError(
            f"The output is no media that is known here (it calls itself {declared}).",
            provider=provider,
            hint="Ask the service for another format, in its own settings.",
        )
    return Fetched(Path(file.name), digest.hexdigest(), media_type, size)


def _address(url: str, provider: str) -> httpx.URL:
    try:
        return httpx.URL(url)
    except httpx.InvalidURL as error:
        raise errors.ProviderError("The address of the output is none.", provider=provider, hint=LOST) from error


def check_outside(address: httpx.URL, provider: str, what: str) -> None:
    """Refuse an address out of an answer that is not on the open network. Raises ProviderError, begun by `what`."""
    if address.scheme != "https" or not address.host or not pool.is_public(address.host):
        raise errors.ProviderError(
            f"{what} {address.scheme}://{address.host}, which is not asked.",
            provider=provider,
            hint="Only https on the open network is.",
        )


def _too_long(limit: int, provider: str) -> errors.ProviderError:
    return errors.ProviderError(
        f"The output is longer than {limit / 1e6:,.0f} MB.", provider=provider, hint="Ask for a smaller or shorter one."
    )


def _not_there(response: httpx.Response, url: str, provider: str) -> errors.ProviderError:
    status = response.status_code
    if status == _TOO_MANY or status >= SERVER_ERROR:
        return errors.ProviderError(
            f"{errors_module.host_of(url)} cannot give the output just now.",
            provider=provider,
            status=status,
            hint=errors_module.AGAIN,
            is_retryable=True,
            retry_after_s=retry_after_s(response.headers),
        )
    return errors.ProviderError(
        f"The output is not there any more at {errors_module.host_of(url)}.",
        provider=provider,
        status=status,
        hint=LOST,
    )
