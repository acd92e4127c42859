"""What went wrong on the way, in one place: did the request leave, and what does a person do about it."""

from __future__ import annotations

import ssl

import aiohttp
import httpx

from fusionflow_nb import errors

RETRY_HINT = "Check the network; it is tried again where that is safe."
NOT_SENT = (
    aiohttp.ClientConnectorError,  # no address, refused, no TLS: the request was never written
    aiohttp.ConnectionTimeoutError,
    aiohttp.ClientHttpProxyError,
    aiohttp.InvalidURL,
)
"""aiohttp's own classes are asked: httpx-aiohttp calls a broken connection a connect time-out, which it is not."""


def was_not_sent(error: BaseException) -> bool:
    """Whether it is sure that no byte of the request left this machine."""
    return isinstance(error.__cause__ or error, NOT_SENT)


def host_of(url: str) -> str:
    """The host of an address, for a sentence.

    >>> host_of("https://queue.fal.run/a"), host_of("https://a:port/")
    ('queue.fal.run', 'an address that is none')
    """
    try:
        return httpx.URL(url).host
    except httpx.InvalidURL:
        return "an address that is none"


def translate(error: BaseException, provider: str, url: str) -> errors.ProviderError:
    """A transport's error as ours: a sentence, and the next step. Its own text is not repeated."""
    cause, host = error.__cause__ or error, host_of(url)
    is_retryable = True
    hint = RETRY_HINT
    if isinstance(cause, aiohttp.ClientConnectorCertificateError | ssl.SSLCertVerificationError):
        what = f"The certificate of {host} is not valid, so nothing was sent."
        hint = "A proxy may stand in between, or this machine's clock or certificates are old."
        is_retryable = False
    elif isinstance(cause, aiohttp.ClientSSLError | ssl.SSLError):
        what, is_retryable = f"No secure connection to {host} could be made.", False
    elif isinstance(cause, aiohttp.ClientConnectorDNSError):
        what = f"The name {host} has no address here."
    elif isinstance(cause, aiohttp.ClientProxyConnectionError | aiohttp.ClientHttpProxyError):
        what, hint = "The proxy of this machine did not let the request through.", "Check HTTPS_PROXY and NO_PROXY."
    elif isinstance(cause, aiohttp.ConnectionTimeoutError):
        what = f"{host} did not answer the connection in time."
    elif isinstance(cause, aiohttp.ClientConnectorError):
        what = f"No connection to {host} could be made."
    elif isinstance(cause, aiohttp.ClientPayloadError | httpx.DecodingError):
        what = f"The answer of {host} broke off in the middle."
    elif isinstance(cause, TimeoutError | httpx.TimeoutException):
        what = f"{host} did not answer in time."
    else:
        what = f"The connection to {host} broke ({type(cause).__name__})."
    return errors.ProviderError(what, provider=provider, hint=hint, is_retryable=is_retryable)


def redirect_error(provider: str, status: int) -> errors.ProviderError:
    """A redirect: to follow it would hand the key, or what is paid for, to whoever stands there."""
    return errors.ProviderError(
        "The service sent us elsewhere, which is not followed with a key.",
        provider=provider,
        status=status,
        hint="A proxy or a login page may stand in between: open a page in a browser.",
        is_retryable=True,
    )
