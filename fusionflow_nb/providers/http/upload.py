"""Upload a file to a URL that a service returned. The URL itself is the authorisation, so no key is sent."""

from __future__ import annotations

from typing import TYPE_CHECKING

import httpx

from fusionflow_nb import errors
from fusionflow_nb.providers.http import errors as transport_errors
from fusionflow_nb.providers.http.download import check_public

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from fusionflow_nb.providers.http.client import Http
    from fusionflow_nb.providers.http.multipart import Part


async def upload_to_url(
    http: Http, url: str, content: bytes | Sequence[Part], *, headers: Mapping[str, str] | None = None
) -> None:
    """PUT the bytes, or POST the form. Idempotent.

    Args:
        http: client of the service that returned the URL.
        url: target; must use https and a public host unless it belongs to the service.
        content: the bytes, or the parts of a form.
        headers: required by the service; they may be part of the signature.

    Raises:
        ProviderError: the upload was rejected (`is_retryable` for server errors), or the URL is not allowed.
    """
    provider = http.endpoint.provider
    try:
        parsed = httpx.URL(url)
        is_own = http.endpoint.is_own(parsed)
        if not is_own:
            check_public(parsed, provider, "The file would be uploaded to")
        sending = (
            http.stream("PUT", parsed, headers=headers, content=content, public_only=not is_own, with_key=False)
            if isinstance(content, bytes)
            else http.stream("POST", parsed, parts=content, headers=headers, public_only=not is_own, with_key=False)
        )
        async with sending as response:
            answer = await http.read(response)
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        raise transport_errors.translate(error, provider, url) from error
    if not answer.is_success:
        raise errors.ProviderError(
            f"{transport_errors.host_of(url)} rejected the upload.",
            provider=provider,
            status=answer.status,
            hint="Nothing was submitted: run again.",
            is_retryable=answer.status >= 500,  # noqa: PLR2004 - server errors
        )
