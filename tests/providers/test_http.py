"""The way to a service: what was sent once is not sent twice, keys stay at home, and every failure has its sentence."""

from __future__ import annotations

import asyncio
import datetime as dt
import hashlib
import logging
import os
import socket
from typing import TYPE_CHECKING

import aiohttp
import httpx
import pytest
from support.wire import KEY, PNG, Slept, answer, http, site, wire

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
    """A key is there, and no proxy of this machine."""
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
def test_retry_after_in_every_spelling(headers: dict[str, str], body: object, seconds: float | None) -> None:
    """Seconds, milliseconds, a date (with a clock that is wrong) and Google's detail are read; nonsense is nothing."""
    assert retry_after_s(headers, body, now=NOW) == seconds


async def test_a_submit_is_sent_once_whatever_comes_back() -> None:
    """A broken connection, half an answer, an error of the server: unknown, and not one more request."""
    half = answer(200, b'{"request_id": "7', length=400, connection="close")
    for told in (None, half, answer(500), answer(502, b"<html>"), answer(503), answer(504)):
        async with wire(told) as server, http(server.base) as made:
            with pytest.raises(SubmitAmbiguousError):
                await made.post_once(f"{server.base}/queue/a", {"prompt": "x"})
            assert len(server.asked) == 1


async def test_only_a_server_that_says_when_has_surely_begun_nothing() -> None:
    """503 with Retry-After, and every 4xx, are answers; the adapter reads them."""
    told = (answer(503, retry_after="2"), answer(429, retry_after="1"), answer(422))
    async with wire(*told) as server, http(server.base) as made:
        found = [await made.post_once(f"{server.base}/queue/a", {}) for _ in range(3)]
    assert [(each.status, each.retry_after_s()) for each in found] == [(503, 2.0), (429, 1.0), (422, None)]


async def test_a_submit_that_never_left_is_a_plain_failure() -> None:
    """Refused, or no such name: nothing was sent, so nothing is unknown, and it may be tried again."""
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        base = f"http://127.0.0.1:{unused.getsockname()[1]}"
    for place, says in ((base, "No connection to 127.0.0.1"), ("http://name.invalid", "name.invalid has no address")):
        async with http(place) as made:
            with pytest.raises(errors.ProviderError, match=says) as caught:
                await made.post_once(f"{place}/queue/a", {})
            assert caught.value.is_retryable


async def test_an_untrusted_certificate_is_said_and_not_tried_again(tmp_path: Path) -> None:
    """A proxy in the middle gets no request, and no second chance."""
    server = await asyncio.start_server(lambda _r, w: w.close(), "127.0.0.1", 0, ssl=untrusted(tmp_path))
    base = f"https://localhost:{server.sockets[0].getsockname()[1]}"
    async with http(base) as made:
        with pytest.raises(errors.ProviderError, match="certificate of localhost is not valid") as caught:
            await made.post_once(f"{base}/queue/a", {})
    server.close()
    assert not caught.value.is_retryable


async def test_a_connection_is_not_used_again_after_two_idle_seconds(monkeypatch: pytest.MonkeyPatch) -> None:
    """A fresh one is: a server may just be closing the old one, and then nobody knows what arrived."""
    async with wire(answer()) as server, http(server.base) as made:
        for _ in range(2):
            await made.post_once(f"{server.base}/queue/a", {})
        real = aiohttp.connector.monotonic
        monkeypatch.setattr(aiohttp.connector, "monotonic", lambda: real() + pool.IDLE_S + 0.1)
        await made.post_once(f"{server.base}/queue/a", {})
    assert [each.connection for each in server.asked] == [1, 1, 2]


async def test_questions_are_asked_again_as_the_service_wishes() -> None:
    """Busy answers are waited out for as long as they say, then with doubled pauses; aiohttp mends one break itself."""
    slept = Slept()
    told = (answer(429, retry_after="7"), answer(503), None, None, answer(200, b'{"ok": 1}'))
    async with wire(*told) as server, http(server.base, sleep=slept) as made:
        found = await made.request("GET", f"{server.base}/queue/a", tries=4)
    assert found.json_object() == {"ok": 1}
    assert slept.seconds[0] == 7.0
    assert 0.5 <= slept.seconds[1] <= 1.0
    assert 1.0 <= slept.seconds[2] <= 2.0


async def test_a_question_gives_up_in_time() -> None:
    """The last error is raised once the tries are used up, or at once where the service asks for an hour."""
    async with wire(answer(429, retry_after="3600")) as server, http(server.base) as made:
        with pytest.raises(errors.ProviderError, match="busy") as caught:
            await made.request("GET", f"{server.base}/queue/a", tries=4)
        assert (len(server.asked), caught.value.retry_after_s) == (1, 3600.0)


async def test_a_key_goes_to_its_own_service_only() -> None:
    """Neither another origin in an operation's URL, nor a redirect, ever sees it."""
    async with (
        wire(answer()) as other,
        wire(answer(307, location=f"{other.base}/x")) as server,
        http(server.base) as made,
    ):
        with pytest.raises(errors.ProviderError, match="no key is sent there"):
            await made.request("GET", f"{other.base}/queue/a")
        with pytest.raises(errors.ProviderError, match="elsewhere"):
            await made.request("GET", f"{server.base}/queue/a")
        with pytest.raises(errors.ProviderError, match="elsewhere"):
            await made.post_once(f"{server.base}/queue/a", {})
    assert server.asked[0].headers["authorization"] == f"Key {KEY}"
    assert other.asked == []


async def test_a_key_is_in_no_error_log_or_repr(caplog: pytest.LogCaptureFixture) -> None:
    """Not even where the service repeats it in its own error."""
    caplog.set_level(logging.DEBUG)
    told = (answer(400, f'{{"error": "bad key {KEY}"}}'.encode()), answer(401), None)
    async with wire(*told) as server, http(server.base) as made:
        bad = await made.post_once(f"{server.base}/queue/a", {})
        with pytest.raises(errors.SecretError) as locked:
            await made.request("GET", f"{server.base}/queue/a")
        with pytest.raises(SubmitAmbiguousError) as lost:
            await made.post_once(f"{server.base}/queue/a", {})
        shown = [repr(bad), bad.text(), repr(locked.value), str(lost.value), repr(made.endpoint), repr(vars(made))]
    assert all(KEY not in text for text in [*shown, caplog.text])
    assert "<key>" in bad.text()


async def test_no_key_no_request() -> None:
    """The error comes before anything is sent, and says how to store one."""
    async with wire(answer()) as server, http(server.base) as made:
        with pytest.MonkeyPatch.context() as patch:
            patch.delenv("FAL_KEY")
            with pytest.raises(errors.SecretError, match="stores one"):
                await made.post_once(f"{server.base}/queue/a", {})
        assert server.asked == []


async def test_a_large_error_page_is_read_to_its_beginning_only() -> None:
    """10 MB of HTML make one short line."""
    page = answer(403, b"<html>" + b"x" * 10_000_000, kind="text/html")
    async with wire(page) as server, http(server.base) as made:
        found = await made.post_once(f"{server.base}/queue/a", {})
    assert len(found.body) <= 64_000
    assert len(found.text()) <= 300


async def test_an_answer_that_is_no_json_says_what_it_is() -> None:
    """A captive portal's page is not taken for a result."""
    async with wire(answer(200, b"<html>Sign in</html>", kind="text/html")) as server, http(server.base) as made:
        found = await made.request("GET", f"{server.base}/queue/a")
        with pytest.raises(errors.ProviderError, match="text/html where JSON belongs"):
            found.json_object()


async def test_an_answer_without_end_is_not_read_to_it() -> None:
    """Too long a poll is an error; too long an answer to a submit leaves its outcome unknown."""
    async with wire(answer(200, b" " * 17_000_000)) as server, http(server.base) as made:
        with pytest.raises(errors.ProviderError, match="longer than 16 MB"):
            await made.request("GET", f"{server.base}/queue/a")
        with pytest.raises(SubmitAmbiguousError):
            await made.post_once(f"{server.base}/queue/a", {})


async def test_no_more_requests_at_once_than_allowed() -> None:
    """The rest waits in front of the pool."""
    async with wire(answer()) as server, http(server.base, max_concurrent=2) as made:
        async with made.stream("GET", f"{server.base}/queue/1"), made.stream("GET", f"{server.base}/queue/2"):
            third = asyncio.create_task(made.request("GET", f"{server.base}/queue/3"))
            await asyncio.sleep(0)
            assert [each.path for each in server.asked] == ["/queue/1", "/queue/2"]
        await third
    assert server.asked[-1].path == "/queue/3"


# --- outputs ---------------------------------------------------------------------------------------------------------


@pytest.fixture
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The folder of temporary files, seen."""
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    return tmp_path


async def test_an_output_is_hashed_and_named_after_its_bytes(temporary: Path) -> None:
    """The header may call a PNG what it likes."""
    async with wire(answer(200, PNG, kind="video/mp4")) as server, http(server.base) as made:
        found = await made.download(f"{server.base}/queue/out.mp4")
    assert (found.media_type, found.sha256) == ("image/png", hashlib.sha256(PNG).hexdigest())
    assert await asyncio.to_thread(found.path.read_bytes) == PNG
    assert server.asked[0].headers["accept-encoding"] == "identity"


@pytest.mark.parametrize(
    ("told", "says"),
    [
        (answer(200, PNG[:50], length=90, connection="close"), "broke off"),
        (answer(200, b"<html>gone</html>", kind="image/png"), "no media"),
        (answer(404), "not there any more"),
        (answer(200, PNG * 40), "longer than"),
        (answer(302, location="http://127.0.0.1:1/x"), "which is not asked"),
        (answer(302, location="https://169.254.169.254/latest"), "which is not asked"),
        (answer(302, location="file:///etc/passwd"), "which is not asked"),
        (answer(302, location="/queue/again"), "from one to the next"),
    ],
    ids=["half", "page", "expired", "long", "own-network", "metadata", "file", "circle"],
)
async def test_an_output_that_cannot_be_had_leaves_nothing(temporary: Path, told: bytes, says: str) -> None:
    """Half a file, a page, an expired or a private address: a sentence each, and no file left behind."""
    async with wire(told) as server, http(server.base) as made:
        with pytest.raises(errors.ProviderError, match=says):
            await made.download(f"{server.base}/queue/out", max_bytes=1000)
    assert os.listdir(temporary) == []  # noqa: PTH208 - a look, in a test


async def test_a_name_that_leads_into_this_machine_is_not_asked() -> None:
    """A public name with a private address is what an attacker would put into an answer."""
    resolver = pool.PublicResolver()
    with pytest.raises(OSError, match="private network"):
        await resolver.resolve("localhost", 443)
    await resolver.close()


def test_origins_are_scheme_host_and_port() -> None:
    """Another port or scheme is another's."""
    own = site("https://api.example.com/v1")
    assert own.is_own(httpx.URL("https://api.example.com:443/other"))
    strangers = ("http://api.example.com/v1", "https://api.example.com:444", "https://api.example.com.evil.org", "x")
    assert not any(own.is_own(httpx.URL(each)) for each in strangers)
