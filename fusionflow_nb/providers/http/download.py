"""Download outputs: stream them into a file, hash them, check the host and the media type."""

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
EXPIRED_HINT = "Services delete results after minutes to hours: run again to make another."


@dataclass(frozen=True, slots=True)
class DownloadedFile:
    """A downloaded output in a temporary file. The caller removes the file."""

    path: Path
    sha256: str
    media_type: str
    size_bytes: int


async def download(
    http: Http, url: str, *, max_bytes: int | None = None, headers: Mapping[str, str] | None = None
) -> DownloadedFile:
    """Download an output.

    The key is sent only to the service's own origins. Other hosts must use https and have a public address.
    they lie on the open network.

    Raises:
        ProviderError: expired, too long, incomplete, not a known media type, or a URL that is not allowed.
    """
    limit = max_bytes or OUTPUT_BYTES
    for _ in range(HOPS + 1):
        parsed = _parse_url(url, http.endpoint.provider)
        is_own = http.endpoint.is_own(parsed)
        if not is_own:
            check_public(parsed, http.endpoint.provider, "The output is at")
        try:
            async with http.stream(
                "GET",
                parsed,
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
    raise errors.ProviderError("Too many redirects to the output.", provider=http.endpoint.provider, hint=EXPIRED_HINT)


def iter_chunks(response: httpx.Response) -> AsyncIterator[bytes]:
    """The body in chunks. httpx's decoding takes as long as all of aiohttp, so it is used only if needed."""
    if response.headers.get("content-encoding", "identity") != "identity":
        return response.aiter_bytes()
    assert isinstance(response.stream, httpx.AsyncByteStream)  # noqa: S101 - of an asynchronous transport
    return response.stream.__aiter__()


def check_size(size_bytes: int, max_bytes: int, what: str, *, provider: str) -> None:
    """Check a size limit of the service before anything is sent.

    Raises:
        MediaError: the file is larger; the message states both sizes.
    """
    if size_bytes > max_bytes:
        raise errors.MediaError(
            f"{what} has {size_bytes / 1e6:.1f} MB; {provider} takes {max_bytes / 1e6:.0f} MB.",
            hint="Make it smaller first, for example with the resize node.",
        )


async def _save(response: httpx.Response, limit: int, provider: str) -> DownloadedFile:
    """Write the body to a temporary file, removed on failure. Raises httpx.HTTPError, ProviderError."""
    descriptor, name = tempfile.mkstemp(prefix="fusionflow-output-")
    is_whole = False
    try:
        os.close(descriptor)
        with open(name, "wb") as file:  # noqa: ASYNC230, PTH123 - small writes to a local file
            downloaded = await _write(response, file, limit, provider)
        is_whole = True
    finally:
        if not is_whole:
            os.unlink(name)  # noqa: PTH108 - one system call
    return downloaded


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
            "The download was interrupted.",
            provider=provider,
            hint=transport_errors.RETRY_HINT,
            is_retryable=True,
        )
    media_type = sniff(head)
    if media_type is None:
        declared = response.headers.get("content-type", "nothing")[:60]
        raise errors.ProviderError(
            f"The output is not a known media type (declared as {declared}).",
            provider=provider,
            hint="Request another format in the settings of the service.",
        )
    return DownloadedFile(Path(file.name), digest.hexdigest(), media_type, size)


def _parse_url(url: str, provider: str) -> httpx.URL:
    try:
        return httpx.URL(url)
    except httpx.InvalidURL as error:
        raise errors.ProviderError(
            "The URL of the output is not valid.", provider=provider, hint=EXPIRED_HINT
        ) from error


def check_public(url: httpx.URL, provider: str, subject: str) -> None:
    """Raise ProviderError unless the URL uses https and a public host. `subject` begins the message."""
    if url.scheme != "https" or not url.host or not pool.is_public(url.host):
        raise errors.ProviderError(
            f"{subject} {url.scheme}://{url.host}, which is not allowed.",
            provider=provider,
            hint="Only https URLs on the public internet are allowed.",
        )


def _too_long_error(limit: int, provider: str) -> errors.ProviderError:
    return errors.ProviderError(
        f"The output is longer than {limit / 1e6:,.0f} MB.",
        provider=provider,
        hint="Request a smaller or shorter output.",
    )


def _missing_error(response: httpx.Response, url: str, provider: str) -> errors.ProviderError:
    status = response.status_code
    if status == _TOO_MANY or status >= SERVER_ERROR:
        return errors.ProviderError(
            f"{transport_errors.host_of(url)} cannot deliver the output at the moment.",
            provider=provider,
            status=status,
            hint=transport_errors.RETRY_HINT,
            is_retryable=True,
            retry_after_s=retry_after_s(response.headers),
        )
    return errors.ProviderError(
        f"The output has expired at {transport_errors.host_of(url)}.",
        provider=provider,
        status=status,
        hint=EXPIRED_HINT,
    )
