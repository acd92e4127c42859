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
from fusionflow_nb.providers.http import errors as transport_errors
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
class DownloadedFile:
    """An output as it lies in a temporary file, which its taker removes."""

    path: Path
    sha256: str
    media_type: str
    size_bytes: int


async def download(
    http: Http, url: str, *, max_bytes: int | None = None, headers: Mapping[str, str] | None = None
) -> DownloadedFile:
    """Bring an output home.

    A key goes along only to the service's own addresses; all others are asked without one, over TLS, and only where
    they lie on the open network.

    Raises:
        ProviderError: not there (any more), too long, broken off, no media, or an address that may not be asked.
    """
    limit = max_bytes or OUTPUT_BYTES
    for _ in range(HOPS + 1):
        address = _address(url, http.endpoint.provider)
        is_own = http.endpoint.is_own(address)
        if not is_own:
            check_public(address, http.endpoint.provider, "The output lies at")
        try:
            async with http.stream(
                "GET",
                address,
                headers={**(headers or {}), "accept-encoding": "identity"},
                public_only=not is_own,
                with_key=is_own,
            ) as response:
                if not OK <= response.status_code < CLIENT_ERROR:
                    raise _missing_error(response, url, http.endpoint.provider)
                if response.status_code < REDIRECT:
                    return await _save(response, limit, http.endpoint.provider)
                url = str(response.url.join(response.headers.get("location", "")))
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise transport_errors.translate(error, http.endpoint.provider, url) from error
    raise errors.ProviderError(
        "The address of the output leads from one to the next.", provider=http.endpoint.provider, hint=LOST
    )


def iter_chunks(response: httpx.Response) -> AsyncIterator[bytes]:
    """The body as it comes. httpx's own way through it takes as long as all of aiohttp; it is needed to unpack only."""
    if response.headers.get("content-encoding", "identity") != "identity":
        return response.aiter_bytes()
    assert isinstance(response.stream, httpx.AsyncByteStream)  # noqa: S101 - of an asynchronous transport
    return response.stream.__aiter__()


def check_size(size_bytes: int, max_bytes: int, what: str, *, provider: str) -> None:
    """Check a limit of the service before anything is sent.

    Raises:
        MediaError: it is passed; says both sizes.
    """
    if size_bytes > max_bytes:
        raise errors.MediaError(
            f"{what} has {size_bytes / 1e6:.1f} MB; {provider} takes {max_bytes / 1e6:.0f} MB.",
            hint="Make it smaller first (the resize node does).",
        )


async def _save(response: httpx.Response, limit: int, provider: str) -> DownloadedFile:
    """The body into a file. Raises httpx.HTTPError, ProviderError; then nothing is left behind."""
    descriptor, name = tempfile.mkstemp(prefix="fusionflow-output-")
    is_whole = False
    try:
        os.close(descriptor)
        with open(name, "wb") as file:  # noqa: ASYNC230, PTH123 - small writes to a local file
            made = await _write(response, file, limit, provider)
        is_whole = True
    finally:
        if not is_whole:
            os.unlink(name)  # noqa: PTH108 - one system call
    return made


async def _write(response: httpx.Response, file: IO[bytes], limit: int, provider: str) -> DownloadedFile:
    digest, head, size = hashlib.sha256(), b"", 0
    promised = response.headers.get("content-length", "")
    if promised.isdigit() and int(promised) > limit:
        raise _too_long_error(limit, provider)
    async for chunk in iter_chunks(response):
        size += len(chunk)
        if size > limit:
            raise _too_long_error(limit, provider)
        if len(head) < HEAD_BYTES:
            head += chunk[: HEAD_BYTES - len(head)]
        digest.update(chunk)
        file.write(chunk)
        failpoint(Failpoint.DURING_DOWNLOAD)
    if promised.isdigit() and int(promised) != size:
        raise errors.ProviderError(
            "The output broke off in the middle.",
            provider=provider,
            hint=transport_errors.RETRY_HINT,
            is_retryable=True,
        )
    media_type = sniff(head)
    if media_type is None:
        declared = response.headers.get("content-type", "nothing")[:60]
        raise errors.ProviderError(
            f"The output is no media that is known here (it calls itself {declared}).",
            provider=provider,
            hint="Ask the service for another format, in its own settings.",
        )
    return DownloadedFile(Path(file.name), digest.hexdigest(), media_type, size)


def _address(url: str, provider: str) -> httpx.URL:
    try:
        return httpx.URL(url)
    except httpx.InvalidURL as error:
        raise errors.ProviderError("The address of the output is none.", provider=provider, hint=LOST) from error


def check_public(address: httpx.URL, provider: str, what: str) -> None:
    """Refuse an address out of an answer that is not on the open network. Raises ProviderError, begun by `what`."""
    if address.scheme != "https" or not address.host or not pool.is_public(address.host):
        raise errors.ProviderError(
            f"{what} {address.scheme}://{address.host}, which is not asked.",
            provider=provider,
            hint="Only https on the open network is.",
        )


def _too_long_error(limit: int, provider: str) -> errors.ProviderError:
    return errors.ProviderError(
        f"The output is longer than {limit / 1e6:,.0f} MB.", provider=provider, hint="Ask for a smaller or shorter one."
    )


def _missing_error(response: httpx.Response, url: str, provider: str) -> errors.ProviderError:
    status = response.status_code
    if status == _TOO_MANY or status >= SERVER_ERROR:
        return errors.ProviderError(
            f"{transport_errors.host_of(url)} cannot give the output just now.",
            provider=provider,
            status=status,
            hint=transport_errors.RETRY_HINT,
            is_retryable=True,
            retry_after_s=retry_after_s(response.headers),
        )
    return errors.ProviderError(
        f"The output is not there any more at {transport_errors.host_of(url)}.",
        provider=provider,
        status=status,
        hint=LOST,
    )
