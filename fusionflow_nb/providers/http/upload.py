"""A file to the address that a service named for it: the address itself is the permission, so no key goes along."""

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
    """PUT the bytes, or POST the form; done twice they are merely there twice.

    Args:
        http: the service that named the address.
        url: the address; over TLS on the open network, where it is not the service's own.
        content: the bytes, or the parts of a form.
        headers: as the service says, for they may be part of the signature.

    Raises:
        ProviderError: they were not taken (`is_retryable` where they may be later), or the address is not asked.
    """
    provider = http.endpoint.provider
    try:
        address = httpx.URL(url)
        is_own = http.endpoint.is_own(address)
        if not is_own:
            check_public(address, provider, "A file is to go to")
        sending = (
            http.stream("PUT", address, headers=headers, content=content, public_only=not is_own, with_key=False)
            if isinstance(content, bytes)
            else http.stream("POST", address, parts=content, headers=headers, public_only=not is_own, with_key=False)
        )
        async with sending as response:
            answer = await http.read(response)
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        raise transport_errors.translate(error, provider, url) from error
    if not answer.is_success:
        raise errors.ProviderError(
            f"{transport_errors.host_of(url)} does not take the file.",
            provider=provider,
            status=answer.status,
            hint="Nothing was submitted: run again.",
            is_retryable=answer.status >= 500,  # noqa: PLR2004 - its own trouble
        )
