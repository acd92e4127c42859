"""HTTP client: submits are sent once, keys stay with their service, and each failure has a message."""

from __future__ import annotations

import asyncio
import datetime as dt
import hashlib
import logging
import os
import re
import socket
from typing import TYPE_CHECKING

import aiohttp
import httpx
import pytest
from support.wire import KEY, PNG, RecordedSleep, answer, endpoint, http, wire

from fusionflow_nb import errors
from fusionflow_nb.providers.http import pool
from fusionflow_nb.providers.http.retry_after import retry_after_s
from fusionflow_nb.providers.protocol import SubmitAmbiguousError
from fusionflow_nb.testing.contract.bad_endpoints import untrusted

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

NOW = dt.datetime(2026, 11, 22, 12, 0, 0, tzinfo=dt.UTC)


@pytest.fixture(autouse=True)
def key(monkeypatch: pytest.MonkeyPatch) -> None:
    """A key is set, and no proxy."""
    monkeypatch.setenv("FAL_KEY", KEY)
    for name in ("http_proxy", "https_proxy", "all_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)


@pytest.mark.parametrize(
    ("headers", "body", "seconds"),
    [
        ({"retry-after": "3"}, None, 3.0),
        ({"retry-after": "0.5"}, None, 0.5),
        ({"retry-after": "9", "retry-after-ms": "250"}, None, 0.25),
        ({"retry-after": "Sun, 22 Nov 2026 12:00:30 GMT"}, None, 30.0),
        ({"retry-after": "Sun, 22 Nov 2026 11:59:00 GMT"}, None, 0.0),
        ({"retry-after": "-1"}, None, 0.0),
        ({}, {"error": {"details": [{"@type": "x"}, {"retryDelay": "17s"}]}}, 17.0),
        ({"retry-after": "soon"}, {"error": "no object"}, None),
        ({"retry-after": "nan"}, None, None),
        ({"retry-after": "inf"}, [], None),
        ({}, None, None),
    ],
    ids=["seconds", "fraction", "ms", "date", "past", "negative", "google", "words", "nan", "inf", "none"],
)
def test_retry_after_in_every_format(headers: dict[str, str], body: object, seconds: float | None) -> None:
    """Seconds, milliseconds, a date (relative to `Date`) and Google's detail are parsed; else None."""
    assert retry_after_s(headers, body, now=NOW) == seconds


async def test_a_submit_is_sent_once_whatever_the_answer() -> None:
    """A lost connection, an incomplete answer or a server error is ambiguous, and the request is not repeated."""
    half = answer(200, b'{"request_id": "7', length=400, connection="close")
    for raw in (None, half, answer(500), answer(502, b"<html>"), answer(503), answer(504)):
        async with wire(raw) as server, http(server.base) as client:
            with pytest.raises(SubmitAmbiguousError):
                await client.post_once(f"{server.base}/queue/a", {"prompt": "x"})
            assert len(server.requests) == 1


async def test_a_503_with_retry_after_means_no_work_was_begun() -> None:
    """503 with Retry-After, and every 4xx, are answers that the adapter maps."""
    raw_answers = (answer(503, retry_after="2"), answer(429, retry_after="1"), answer(422))
    async with wire(*raw_answers) as server, http(server.base) as client:
        answers = [await client.post_once(f"{server.base}/queue/a", {}) for _ in range(3)]
    assert [(received.status, received.retry_after_s()) for received in answers] == [
        (503, 2.0),
        (429, 1.0),
        (422, None),
    ]


async def test_an_unsent_submit_is_a_retryable_error() -> None:
    """If nothing was sent, the error is retryable."""
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        closed = f"http://127.0.0.1:{unused.getsockname()[1]}"
    for base, says in (
        (closed, "Could not connect to 127.0.0.1"),
        ("http://name.invalid", "name.invalid could not be resolved"),
    ):
        async with http(base) as client:
            with pytest.raises(errors.ProviderError, match=says) as caught:
                await client.post_once(f"{base}/queue/a", {})
            assert caught.value.is_retryable


async def test_an_untrusted_certificate_is_not_retried(tmp_path: Path) -> None:
    """An intercepting proxy gets no request, and the error is not retryable."""
    server = await asyncio.start_server(lambda _r, w: w.close(), "127.0.0.1", 0, ssl=untrusted(tmp_path))
    base = f"https://localhost:{server.sockets[0].getsockname()[1]}"
    async with http(base) as client:
        with pytest.raises(errors.ProviderError, match="certificate of localhost is not valid") as caught:
            await client.post_once(f"{base}/queue/a", {})
    server.close()
    assert not caught.value.is_retryable


async def test_a_connection_is_not_reused_after_two_idle_seconds(monkeypatch: pytest.MonkeyPatch) -> None:
    """A server may close an idle connection at any time, which makes a submit on it ambiguous."""
    async with wire(answer()) as server, http(server.base) as client:
        for _ in range(2):
            await client.post_once(f"{server.base}/queue/a", {})
        real = aiohttp.connector.monotonic
        monkeypatch.setattr(aiohttp.connector, "monotonic", lambda: real() + pool.IDLE_S + 0.1)
        await client.post_once(f"{server.base}/queue/a", {})
    assert [request.connection for request in server.requests] == [1, 1, 2]


async def test_idempotent_requests_are_retried() -> None:
    """Delays follow Retry-After, then the exponential back-off; aiohttp itself repeats one lost GET."""
    slept = RecordedSleep()
    raw_answers = (answer(429, retry_after="7"), answer(503), None, None, answer(200, b'{"ok": 1}'))
    async with wire(*raw_answers) as server, http(server.base, sleep=slept) as client:
        received = await client.request("GET", f"{server.base}/queue/a", tries=4)
    assert received.json_object() == {"ok": 1}
    assert 7.0 <= slept.seconds[0] <= 7.7
    assert 0.5 <= slept.seconds[1] <= 1.0
    assert 1.0 <= slept.seconds[2] <= 2.0


async def test_retries_end_after_the_last_try() -> None:
    """The last error is raised after the last try, or immediately if the delay is too long."""
    async with wire(answer(429, retry_after="3600")) as server, http(server.base) as client:
        with pytest.raises(errors.ProviderError, match="busy") as caught:
            await client.request("GET", f"{server.base}/queue/a", tries=4)
        assert (len(server.requests), caught.value.retry_after_s) == (1, 3600.0)


async def test_a_key_is_sent_to_its_own_service_only() -> None:
    """Neither another origin in an Operation's URL nor a redirect target receives it."""
    async with (
        wire(answer()) as other,
        wire(answer(307, location=f"{other.base}/x")) as server,
        http(server.base) as client,
    ):
        with pytest.raises(errors.ProviderError, match="the key is not sent there"):
            await client.request("GET", f"{other.base}/queue/a")
        with pytest.raises(errors.ProviderError, match="redirected"):
            await client.request("GET", f"{server.base}/queue/a")
        with pytest.raises(errors.ProviderError, match="redirected"):
            await client.post_once(f"{server.base}/queue/a", {})
    assert server.requests[0].headers["authorization"] == f"Key {KEY}"
    assert other.requests == []


async def test_a_key_is_in_no_error_log_or_repr(caplog: pytest.LogCaptureFixture) -> None:
    """Not even if the service repeats it in an error."""
    caplog.set_level(logging.DEBUG)
    raw_answers = (answer(400, f'{{"error": "bad key {KEY}"}}'.encode()), answer(401), None)
    async with wire(*raw_answers) as server, http(server.base) as client:
        bad = await client.post_once(f"{server.base}/queue/a", {})
        with pytest.raises(errors.SecretError) as locked:
            await client.request("GET", f"{server.base}/queue/a")
        with pytest.raises(SubmitAmbiguousError) as lost:
            await client.post_once(f"{server.base}/queue/a", {})
        shown = [repr(bad), bad.text(), repr(locked.value), str(lost.value), repr(client.endpoint), repr(vars(client))]
    assert all(KEY not in text for text in [*shown, caplog.text])
    assert "<key>" in bad.text()


async def test_without_a_key_nothing_is_sent() -> None:
    """The error is raised before anything is sent; the hint explains how to store a key."""
    async with wire(answer()) as server, http(server.base) as client:
        with pytest.MonkeyPatch.context() as patch:
            patch.delenv("FAL_KEY")
            with pytest.raises(errors.SecretError, match="stores one"):
                await client.post_once(f"{server.base}/queue/a", {})
        assert server.requests == []


async def test_only_the_start_of_an_error_page_is_read() -> None:
    """10 MB of HTML become one short line."""
    page = answer(403, b"<html>" + b"x" * 10_000_000, kind="text/html")
    async with wire(page) as server, http(server.base) as client:
        received = await client.post_once(f"{server.base}/queue/a", {})
    assert len(received.body) <= 64_000
    assert len(received.text()) <= 300


async def test_an_answer_that_is_not_json_reports_its_type() -> None:
    """A captive portal's page is not a result."""
    async with wire(answer(200, b"<html>Sign in</html>", kind="text/html")) as server, http(server.base) as client:
        received = await client.request("GET", f"{server.base}/queue/a")
        with pytest.raises(errors.ProviderError, match="text/html instead of JSON"):
            received.json_object()


async def test_an_answer_beyond_the_limit_is_not_read() -> None:
    """A long answer to a poll is an error; to a submit it is ambiguous."""
    async with wire(answer(200, b" " * 17_000_000)) as server, http(server.base) as client:
        with pytest.raises(errors.ProviderError, match="longer than the limit of 16 MB"):
            await client.request("GET", f"{server.base}/queue/a")
        with pytest.raises(SubmitAmbiguousError):
            await client.post_once(f"{server.base}/queue/a", {})


async def test_concurrent_requests_are_limited() -> None:
    """Further requests wait for a slot."""
    async with wire(answer()) as server, http(server.base, max_concurrent=2) as client:
        async with client.stream("GET", f"{server.base}/queue/1"), client.stream("GET", f"{server.base}/queue/2"):
            third = asyncio.create_task(client.request("GET", f"{server.base}/queue/3"))
            await asyncio.sleep(0)
            assert [request.path for request in server.requests] == ["/queue/1", "/queue/2"]
        await third
    assert server.requests[-1].path == "/queue/3"


# --- outputs ---------------------------------------------------------------------------------------------------------


@pytest.fixture
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The folder of temporary files."""
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    return tmp_path


async def test_an_output_is_hashed_and_typed_by_its_bytes(temporary: Path) -> None:
    """The content-type header is ignored."""
    async with wire(answer(200, PNG, kind="video/mp4")) as server, http(server.base) as client:
        output = await client.download(f"{server.base}/queue/out.mp4")
    assert (output.media_type, output.sha256) == ("image/png", hashlib.sha256(PNG).hexdigest())
    assert await asyncio.to_thread(output.path.read_bytes) == PNG
    assert server.requests[0].headers["accept-encoding"] == "identity"


@pytest.mark.parametrize(
    ("raw", "says"),
    [
        (answer(200, PNG[:50], length=90, connection="close"), "interrupted|incomplete"),
        (answer(200, b"<html>gone</html>", kind="image/png"), "not a known media type"),
        (answer(404), "has expired"),
        (answer(200, PNG * 40), "longer than"),
        (answer(302, location="http://127.0.0.1:1/x"), "which is not allowed"),
        (answer(302, location="https://169.254.169.254/latest"), "which is not allowed"),
        (answer(302, location="file:///etc/passwd"), "which is not allowed"),
        (answer(302, location="/queue/again"), "Too many redirects"),
    ],
    ids=["half", "page", "expired", "long", "own-network", "metadata", "file", "circle"],
)
async def test_a_failed_download_leaves_no_file(temporary: Path, raw: bytes, says: str) -> None:
    """Each raises its own message, and no file is left."""
    async with wire(raw) as server, http(server.base) as client:
        with pytest.raises(errors.ProviderError, match=says):
            await client.download(f"{server.base}/queue/out", max_bytes=1000)
    assert os.listdir(temporary) == []  # noqa: PTH208 - a look, in a test


async def test_a_name_of_a_private_address_is_rejected() -> None:
    """A public name with a private address could be an attack."""
    resolver = pool.PublicResolver()
    with pytest.raises(OSError, match="private network"):
        await resolver.resolve("localhost", 443)
    await resolver.close()


def test_origins_are_scheme_host_and_port() -> None:
    """Another port or scheme is another origin."""
    own = endpoint("https://api.example.com/v1")
    assert own.is_own(httpx.URL("https://api.example.com:443/other"))
    others = ("http://api.example.com/v1", "https://api.example.com:444", "https://api.example.com.evil.org", "x")
    assert not any(own.is_own(httpx.URL(url)) for url in others)


async def test_each_request_writes_one_log_line(caplog: pytest.LogCaptureFixture) -> None:
    """Service, method, path without query, status and time; no key, header, prompt or body."""
    caplog.set_level(logging.DEBUG, logger="fusionflow_nb.http")
    async with wire(answer(200, b'{"secret": 1}'), None) as server, http(server.base) as client:
        await client.post_once(f"{server.base}/queue/a?token=hidden", {"prompt": "hills"})
        with pytest.raises(errors.ProviderError):
            await client.request("GET", f"{server.base}/queue/b")
    lines = [record.getMessage() for record in caplog.records if record.name == "fusionflow_nb.http"]
    assert [re.sub(r"\d+ ms", "0 ms", line) for line in lines] == [
        "fal POST /queue/a 200 0 ms",
        "fal GET /queue/b no answer 0 ms",
    ]
    assert not any(word in caplog.text for word in (KEY, "hidden", "hills", "secret"))
