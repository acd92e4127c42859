"""Map transport errors: whether the request was sent, and what the user can do."""

from __future__ import annotations

import ssl

import aiohttp
import httpx

from fusionflow_nb import errors

RETRY_HINT = "Check the network. The request is retried where that is safe."
NOT_SENT = (
    aiohttp.ClientConnectorError,  # name resolution, connection or TLS failed: the request was not written
    aiohttp.ConnectionTimeoutError,
    aiohttp.ClientHttpProxyError,
    aiohttp.InvalidURL,
)
"""aiohttp's own classes, because httpx-aiohttp reports a broken connection as a connect timeout."""


def was_not_sent(error: BaseException) -> bool:
    """Whether certainly no byte of the request was sent."""
    return isinstance(error.__cause__ or error, NOT_SENT)


def host_of(url: str) -> str:
    """The host of a URL, for messages.

    >>> host_of("https://queue.fal.run/a"), host_of("https://a:port/")
    ('queue.fal.run', 'an invalid URL')
    """
    try:
        return httpx.URL(url).host
    except httpx.InvalidURL:
        return "an invalid URL"


def translate(error: BaseException, provider: str, url: str) -> errors.ProviderError:
    """Map a transport error to a ProviderError with a hint. The transport's own message is not included."""
    cause, host = error.__cause__ or error, host_of(url)
    is_retryable = True
    hint = RETRY_HINT
    if isinstance(cause, aiohttp.ClientConnectorCertificateError | ssl.SSLCertVerificationError):
        what = f"The certificate of {host} is not valid, so nothing was sent."
        hint = "A proxy may intercept the connection, or this machine's clock or certificates are out of date."
        is_retryable = False
    elif isinstance(cause, aiohttp.ClientSSLError | ssl.SSLError):
        what, is_retryable = f"No secure connection to {host} could be established.", False
    elif isinstance(cause, aiohttp.ClientConnectorDNSError):
        what = f"The host name {host} could not be resolved."
    elif isinstance(cause, aiohttp.ClientProxyConnectionError | aiohttp.ClientHttpProxyError):
        what, hint = "The proxy of this machine rejected the request.", "Check HTTPS_PROXY and NO_PROXY."
    elif isinstance(cause, aiohttp.ConnectionTimeoutError):
        what = f"Timeout while connecting to {host}."
    elif isinstance(cause, aiohttp.ClientConnectorError):
        what = f"Could not connect to {host}."
    elif isinstance(cause, aiohttp.ClientPayloadError | httpx.DecodingError):
        what = f"The answer of {host} is incomplete."
    elif isinstance(cause, TimeoutError | httpx.TimeoutException):
        what = f"Timeout while waiting for {host}."
    else:
        what = f"The connection to {host} was lost ({type(cause).__name__})."
    return errors.ProviderError(what, provider=provider, hint=hint, is_retryable=is_retryable)


def redirect_error(provider: str, status: int) -> errors.ProviderError:
    """Error for a redirect. It is not followed, because the target would receive the key or the paid request."""
    return errors.ProviderError(
        "The service redirected the request. Requests with a key are not redirected.",
        provider=provider,
        status=status,
        hint="A proxy or a login page may have answered: open a page in a browser.",
        is_retryable=True,
    )
