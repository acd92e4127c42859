"""Requests to one service: submits are sent once, idempotent requests may be retried.

Keys are added here, when a request is sent, and only for URLs of the service's own origins.
"""

from __future__ import annotations

import asyncio
import logging
import secrets
import time
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import httpx

from fusionflow_nb import errors
from fusionflow_nb.assets.backoff import backoff_s
from fusionflow_nb.providers.http import errors as transport_errors
from fusionflow_nb.providers.http import pool
from fusionflow_nb.providers.http.answer import CLIENT_ERROR, OK, REDIRECT, SERVER_ERROR, Answer
from fusionflow_nb.providers.http.clock import ServiceClock
from fusionflow_nb.providers.http.download import DownloadedFile, download, iter_chunks
from fusionflow_nb.providers.http.multipart import Part, encode
from fusionflow_nb.providers.http.retry_after import MAX_RETRY_AFTER_S
from fusionflow_nb.providers.http.sse import Events
from fusionflow_nb.providers.protocol import SubmitAmbiguousError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Mapping, Sequence

    from fusionflow_nb.providers.http.endpoint import Endpoint
    from fusionflow_nb.providers.http.sse import EventCallback
    from fusionflow_nb.settings.credentials import Key

_log = logging.getLogger("fusionflow_nb.http")
CONNECT_S, READ_S = 10.0, 60.0
JSON_BYTES = 16_000_000
ERROR_BYTES = 64_000
"""Maximum bytes read of an error's body: a proxy's page may be 10 MB long."""
TRIES = 4
MAX_CONCURRENT = 64
TOO_MANY, BUSY = 429, 503
PIECE_BYTES = 2**18


class _AnswerTooLongError(errors.ProviderError):
    """The answer is longer than the limit."""


class Http:
    """HTTP client of one service.

    Args:
        endpoint: the service's URLs and keys.
        max_concurrent: maximum number of requests in flight.
        sleep: waits between retries; replaced in tests.
    """

    def __init__(
        self, endpoint: Endpoint, *, max_concurrent: int = MAX_CONCURRENT, sleep: Callable[[float], Any] = asyncio.sleep
    ) -> None:
        self.endpoint = endpoint
        self.sleep = sleep
        self._max_concurrent = max_concurrent
        self._slots: dict[int, asyncio.Semaphore] = {}
        self._keys: Mapping[str, Key] | None = None
        self.clock = ServiceClock()

    async def post_once(
        self,
        url: str,
        json: Any = None,  # noqa: ANN401 - JSON
        parts: Sequence[Part] | None = None,
        headers: Mapping[str, str] | None = None,
        *,
        read_s: float = READ_S,
        max_bytes: int = JSON_BYTES,
        on_event: EventCallback | None = None,
    ) -> Answer:
        """Submit paid work: sent once, redirects are not followed.

        If the answer is an event stream, calls `on_event` with each event; the last event becomes the body.

        Raises:
            SubmitAmbiguousError: the service may or may not have accepted the work.
            ProviderError: the request was not sent (`is_retryable` if the network may recover), or was redirected.
        """
        try:
            async with self.stream("POST", url, json, parts, headers=headers, read_s=read_s) as response:
                answer = await self.read(response, max_bytes, on_event)
        except httpx.HTTPError as error:
            translated = transport_errors.translate(error, self.endpoint.provider, url)
            if transport_errors.was_not_sent(error):
                raise translated from error
            raise SubmitAmbiguousError(translated.what) from error
        except _AnswerTooLongError as error:
            raise SubmitAmbiguousError(error.what) from error
        if REDIRECT <= answer.status < CLIENT_ERROR:
            raise transport_errors.redirect_error(self.endpoint.provider, answer.status)
        if answer.status >= SERVER_ERROR and not _is_surely_rejected(answer):
            host = transport_errors.host_of(url)
            raise SubmitAmbiguousError(f"{host} answered with a server error (HTTP {answer.status}).")
        return answer

    async def request(
        self,
        method: str,
        url: str,
        json: Any = None,  # noqa: ANN401 - JSON
        *,
        headers: Mapping[str, str] | None = None,
        content: bytes | None = None,
        tries: int = 1,
        is_checked: bool = True,
    ) -> Answer:
        """Send an idempotent request (poll, cancel, upload), retrying up to `tries` times.

        Raises:
            ProviderError: no valid answer (`is_retryable` if the service is busy).
            SecretError: the service rejects the key. With `is_checked=False`, every status is returned.
        """
        tried = 0
        while True:
            tried += 1
            try:
                answer = await self._send(method, url, json, headers=headers, content=content)
                return self._check(answer) if is_checked else answer
            except errors.ProviderError as error:
                if not error.is_retryable or tried >= tries or (error.retry_after_s or 0.0) > MAX_RETRY_AFTER_S:
                    raise
                await self.sleep(backoff_s(tried, retry_after_s=error.retry_after_s))

    async def upload(self, url: str, parts: Sequence[Part]) -> Answer:
        """Upload a file as a multipart form. Idempotent. Raises ProviderError."""
        try:
            async with self.stream("POST", url, parts=parts) as response:
                return self._check(await self.read(response))
        except httpx.HTTPError as error:
            raise transport_errors.translate(error, self.endpoint.provider, url) from error

    async def download(
        self, url: str, *, max_bytes: int | None = None, headers: Mapping[str, str] | None = None
    ) -> DownloadedFile:
        """Download an output into a temporary file. See `download.download`."""
        return await download(self, url, max_bytes=max_bytes, headers=headers)

    @asynccontextmanager
    async def stream(
        self,
        method: str,
        url: str | httpx.URL,
        json: Any = None,  # noqa: ANN401 - JSON
        parts: Sequence[Part] | None = None,
        *,
        headers: Mapping[str, str] | None = None,
        content: bytes | None = None,
        read_s: float = READ_S,
        public_only: bool = False,
        with_key: bool = True,
    ) -> AsyncIterator[httpx.Response]:
        """Send a request; the body is still unread. Raises httpx.HTTPError, httpx.InvalidURL, SecretError."""
        all_headers = dict(headers or {})
        parsed = httpx.URL(url)
        if json is not None:
            content, all_headers["content-type"] = encode_json(json), "application/json"
        if parts is not None:
            boundary = secrets.token_hex(16)
            content = await asyncio.to_thread(encode, parts, boundary)
            all_headers["content-type"] = f"multipart/form-data; boundary={boundary}"
        if with_key:
            if not self.endpoint.is_own(parsed):
                raise errors.ProviderError(
                    f"{parsed.host} does not belong to the service, so the key is not sent there.",
                    provider=self.endpoint.provider,
                    hint="If the service has moved, a newer version of this package may support it.",
                )
            if self._keys is None:  # a keyring may show a dialog first
                self._keys = await asyncio.to_thread(self.endpoint.keys)
            all_headers = {**self.endpoint.authorise(self._keys), **all_headers}
        client = pool.acquire(self).client(parsed, public_only=public_only)
        body: bytes | AsyncIterator[bytes] | None = content
        if content is not None and len(content) > PIECE_BYTES:  # one large write would block the event loop
            body, all_headers["content-length"] = _iter_pieces(content), str(len(content))
        timeouts = {"connect": CONNECT_S, "read": read_s, "write": read_s, "pool": None}
        # Not built by the client, which would merge its default headers, cookies and parameters.
        request = httpx.Request(
            method,
            parsed,
            headers={**pool.DEFAULT_HEADERS, **all_headers},
            content=body,
            extensions={"timeout": timeouts},
        )
        async with self._slot():
            started_s, status = time.monotonic(), "no answer"
            try:
                response = await client.send(request, stream=True)
                status = str(response.status_code)
                try:
                    yield response
                finally:
                    await response.aclose()
            finally:
                elapsed_ms = (time.monotonic() - started_s) * 1000
                # The path alone: a query may hold a signature, and headers and body hold keys and prompts.
                _log.debug("%s %s %s %s %.0f ms", self.endpoint.provider, method, parsed.path, status, elapsed_ms)

    async def read(
        self, response: httpx.Response, max_bytes: int = JSON_BYTES, on_event: EventCallback | None = None
    ) -> Answer:
        """Read the body and redact keys. Raises httpx.HTTPError, and ProviderError if the body exceeds the limit."""
        events = None
        if on_event is not None and response.headers.get("content-type", "").startswith("text/event-stream"):
            events = Events(on_event)
        is_success = OK <= response.status_code < REDIRECT
        limit = max_bytes if is_success else ERROR_BYTES
        body = bytearray()
        try:
            async for chunk in iter_chunks(response):
                if events is not None:
                    events.feed(chunk)
                else:
                    body += chunk
                if (len(body) if events is None else events.size) > limit:
                    break
        except httpx.HTTPError:
            if is_success:
                raise  # for an error status, the status is enough
        if is_success and len(body) > limit:
            raise _AnswerTooLongError(
                f"The answer is longer than the limit of {limit / 1e6:.0f} MB.",
                provider=self.endpoint.provider,
                hint="A proxy may have answered instead of the service.",
                is_retryable=True,
            )
        # Not `items()`, which detects an encoding per header; the headers used here are ASCII.
        headers = {name.lower().decode("latin-1"): value.decode("latin-1") for name, value in response.headers.raw}
        self.clock.update(headers)
        text = bytes(body[:limit]) if events is None else events.last_event
        return Answer(self.endpoint.provider, response.status_code, headers, text if is_success else self._redact(text))

    async def aclose(self) -> None:
        """Close connections."""
        self._slots.clear()
        await pool.release(self)

    async def _send(
        self,
        method: str,
        url: str,
        json: Any,  # noqa: ANN401 - JSON
        *,
        headers: Mapping[str, str] | None,
        content: bytes | None,
    ) -> Answer:
        try:
            async with self.stream(method, url, json, headers=headers, content=content) as response:
                return await self.read(response)
        except httpx.HTTPError as error:
            raise transport_errors.translate(error, self.endpoint.provider, url) from error

    def _check(self, answer: Answer) -> Answer:
        """Return an answer that the adapter maps; raise for rate limits, server errors, redirects and rejected keys."""
        provider, status = self.endpoint.provider, answer.status
        if status == TOO_MANY or status >= SERVER_ERROR:
            raise errors.ProviderError(
                "The service is busy." if status == TOO_MANY else "The service reported an internal error.",
                provider=provider,
                status=status,
                hint="The request is retried during the run; otherwise run again later.",
                is_retryable=True,
                retry_after_s=answer.retry_after_s(),
            )
        if REDIRECT <= status < CLIENT_ERROR:
            raise transport_errors.redirect_error(provider, status)
        if status in {401, 403}:
            self._keys = None  # read again: the user may store another key meanwhile
            # Not a ProviderError: a rejected key must not discard accepted work.
            raise errors.SecretError(
                "The service rejects the key.",
                provider=provider,
                status=status,
                hint=f"ff.connect({provider!r}) stores another key.{self.clock.hint()}",
            )
        return answer

    def _redact(self, body: bytes) -> bytes:
        for key in (self._keys or {}).values():
            body = body.replace(key.encode(), b"<key>")
        return body

    def _slot(self) -> asyncio.Semaphore:
        """Semaphore of the running event loop, acquired before a connection."""
        loop = id(asyncio.get_running_loop())
        return self._slots.setdefault(loop, asyncio.Semaphore(self._max_concurrent))


def encode_json(value: Any) -> bytes:  # noqa: ANN401 - JSON
    """Encode JSON like the official clients: compact, keys in the given order, UTF-8."""
    import json  # noqa: PLC0415 - the name is a parameter above

    return json.dumps(value, ensure_ascii=False, separators=(",", ":"), allow_nan=False).encode()


async def _iter_pieces(content: bytes) -> AsyncIterator[bytes]:
    whole = memoryview(content)
    for at in range(0, len(whole), PIECE_BYTES):
        yield bytes(whole[at : at + PIECE_BYTES])


def _is_surely_rejected(answer: Answer) -> bool:
    """Whether a 503 with `Retry-After`: the only server error that means no work was begun."""
    return answer.status == BUSY and answer.retry_after_s() is not None
