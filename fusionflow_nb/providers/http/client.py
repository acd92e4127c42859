"""Requests of one service: submits that are never sent twice, questions that may be asked again.

A key is added here, at the last moment, and only to addresses of the service's own origins.
"""

from __future__ import annotations

import asyncio
import random
import secrets
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import httpx

from fusionflow_nb import errors
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

CONNECT_S, READ_S = 10.0, 60.0
JSON_BYTES = 16_000_000
ERROR_BYTES = 64_000
"""Of an error no more is read: a 10 MB page of a proxy is no message."""
TRIES = 4
BACKOFF_S, BACKOFF_CAP_S = 0.5, 8.0
AT_ONCE = 64
TOO_MANY, BUSY = 429, 503
PIECE_BYTES = 2**18


class _AnswerTooLongError(errors.ProviderError):
    """An answer too long to be one."""


class Http:
    """The way to one service.

    Args:
        site: where it lives.
        at_once: how many requests may be on their way.
        sleep: how to wait; an argument so that tests own time.
    """

    def __init__(
        self, site: Endpoint, *, max_concurrent: int = AT_ONCE, sleep: Callable[[float], Any] = asyncio.sleep
    ) -> None:
        self.endpoint = site
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
        """Start paid work: sent once, and not followed anywhere else.

        An answer that comes as a stream of events is told to `watch`, each as it comes; the last one is the body.

        Raises:
            SubmitAmbiguousError: it may or may not have been accepted.
            ProviderError: it never left (`is_retryable` where the network may be better later), or was sent elsewhere.
        """
        try:
            async with self.stream("POST", url, json, parts, headers=headers, read_s=read_s) as response:
                answer = await self.read(response, max_bytes, on_event)
        except httpx.HTTPError as error:
            found = transport_errors.translate(error, self.endpoint.provider, url)
            if transport_errors.was_not_sent(error):
                raise found from error
            raise SubmitAmbiguousError(found.what) from error
        except _AnswerTooLongError as error:
            raise SubmitAmbiguousError(error.what) from error
        if REDIRECT <= answer.status < CLIENT_ERROR:
            raise transport_errors.redirect_error(self.endpoint.provider, answer.status)
        if answer.status >= SERVER_ERROR and not _is_surely_rejected(answer):
            host = transport_errors.host_of(url)
            raise SubmitAmbiguousError(f"{host} answered with an error of its own (HTTP {answer.status}).")
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
        """Ask what costs nothing to ask again: polls, cancels, uploads. With `tries`, waits and asks again itself.

        Raises:
            ProviderError: no answer, or none of the service's (`is_retryable` for a busy one).
            SecretError: the key is not taken. With `is_checked=False` every status is an answer.
        """
        tried = 0
        while True:
            tried += 1
            try:
                answer = await self._send(method, url, json, headers=headers, content=content)
                return self._check(answer) if is_checked else answer
            except errors.ProviderError as error:
                wait_s = _wait_s(tried, error.retry_after_s)
                if not error.is_retryable or tried >= tries or wait_s > MAX_RETRY_AFTER_S:
                    raise
                await self.sleep(wait_s)

    async def upload(self, url: str, parts: Sequence[Part]) -> Answer:
        """Hand a file over; done twice it is merely there twice. Raises ProviderError."""
        try:
            async with self.stream("POST", url, parts=parts) as response:
                return self._check(await self.read(response))
        except httpx.HTTPError as error:
            raise transport_errors.translate(error, self.endpoint.provider, url) from error

    async def download(
        self, url: str, *, max_bytes: int | None = None, headers: Mapping[str, str] | None = None
    ) -> DownloadedFile:
        """An output, streamed into a file. See `download.download`."""
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
        """One request on its way, its body not read yet. Raises httpx.HTTPError, httpx.InvalidURL, SecretError."""
        made = dict(headers or {})
        address = httpx.URL(url)
        if json is not None:
            content, made["content-type"] = encode_json(json), "application/json"
        if parts is not None:
            boundary = secrets.token_hex(16)
            content = await asyncio.to_thread(encode, parts, boundary)
            made["content-type"] = f"multipart/form-data; boundary={boundary}"
        if with_key:
            if not self.endpoint.is_own(address):
                raise errors.ProviderError(
                    f"{address.host} is not the service's own address, so no key is sent there.",
                    provider=self.endpoint.provider,
                    hint="If the service has moved, a newer version of this package may know it.",
                )
            if self._keys is None:  # a keyring may ask the desktop first
                self._keys = await asyncio.to_thread(self.endpoint.keys)
            made = {**self.endpoint.authorise(self._keys), **made}
        client = pool.acquire(self).client(address, public_only=public_only)
        body: bytes | AsyncIterator[bytes] | None = content
        if content is not None and len(content) > PIECE_BYTES:  # in one piece it would hold up every other job
            body, made["content-length"] = _iter_pieces(content), str(len(content))
        times = {"connect": CONNECT_S, "read": read_s, "write": read_s, "pool": None}
        # Not by the client, which would merge headers, cookies and parameters that it does not have.
        request = httpx.Request(
            method, address, headers={**pool.DEFAULT_HEADERS, **made}, content=body, extensions={"timeout": times}
        )
        async with self._slot():
            response = await client.send(request, stream=True)
            try:
                yield response
            finally:
                await response.aclose()

    async def read(
        self, response: httpx.Response, max_bytes: int = JSON_BYTES, on_event: EventCallback | None = None
    ) -> Answer:
        """The body, cleared of our keys. Raises httpx.HTTPError, ProviderError where it does not end."""
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
                raise  # of an error the status alone decides
        if is_success and len(body) > limit:
            raise _AnswerTooLongError(
                f"The answer is longer than {limit / 1e6:.0f} MB, which no answer to this is.",
                provider=self.endpoint.provider,
                hint="Something between here and the service may have answered in its place.",
                is_retryable=True,
            )
        # Not by `items()`, which guesses at an encoding for each; what is asked of them is ASCII.
        headers = {name.lower().decode("latin-1"): value.decode("latin-1") for name, value in response.headers.raw}
        self.clock.update(headers)
        text = bytes(body[:limit]) if events is None else events.last_event
        return Answer(self.endpoint.provider, response.status_code, headers, text if is_success else self._redact(text))

    async def aclose(self) -> None:
        """Let the connections go."""
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
        """The answer, if it is one that an adapter can read; a busy service, a redirect, a locked door are not."""
        provider, status = self.endpoint.provider, answer.status
        if status == TOO_MANY or status >= SERVER_ERROR:
            raise errors.ProviderError(
                "The service is busy." if status == TOO_MANY else "The service has trouble of its own.",
                provider=provider,
                status=status,
                hint="It is asked again while the run goes on; else run again later.",
                is_retryable=True,
                retry_after_s=answer.retry_after_s(),
            )
        if REDIRECT <= status < CLIENT_ERROR:
            raise transport_errors.redirect_error(provider, status)
        if status in {401, 403}:
            self._keys = None  # looked for again: somebody may store a better one meanwhile
            # Not a ProviderError: work that was accepted is not lost because a key was taken back.
            raise errors.SecretError(
                "The service does not take the key.",
                provider=provider,
                status=status,
                hint=f"ff.connect({provider!r}) stores another one.{self.clock.hint()}",
            )
        return answer

    def _redact(self, body: bytes) -> bytes:
        for key in (self._keys or {}).values():
            body = body.replace(key.encode(), b"<key>")
        return body

    def _slot(self) -> asyncio.Semaphore:
        """The queue in front of the pool, one per loop."""
        loop = id(asyncio.get_running_loop())
        return self._slots.setdefault(loop, asyncio.Semaphore(self._max_concurrent))


def encode_json(value: Any) -> bytes:  # noqa: ANN401 - JSON
    """JSON as the official clients write it: compact, in the given order, text as UTF-8."""
    import json  # noqa: PLC0415 - the name is a parameter above

    return json.dumps(value, ensure_ascii=False, separators=(",", ":"), allow_nan=False).encode()


async def _iter_pieces(content: bytes) -> AsyncIterator[bytes]:
    whole = memoryview(content)
    for at in range(0, len(whole), PIECE_BYTES):
        yield bytes(whole[at : at + PIECE_BYTES])


def _is_surely_rejected(answer: Answer) -> bool:
    """Of the errors of a server only one says that nothing was begun: come back later, and when."""
    return answer.status == BUSY and answer.retry_after_s() is not None


def _wait_s(tried: int, asked_s: float | None) -> float:
    if asked_s is not None:
        return asked_s
    whole: float = min(BACKOFF_CAP_S, BACKOFF_S * 2 ** (tried - 1))
    return whole * random.uniform(0.5, 1.0)  # noqa: S311 - no secret
