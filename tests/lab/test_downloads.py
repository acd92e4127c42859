"""Downloads: whole or in ranges, cached, never as content that a browser would execute."""

from __future__ import annotations

import hashlib
import sys
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.lab import error_code, little_growth, png

if TYPE_CHECKING:
    import httpx
    from support.lab import Server

    from fusionflow_nb.media.values import Asset

pytest_plugins = ["support.lab_fixtures"]

PICTURE = png(1)


@pytest.fixture(scope="module")
def asset(server: Server) -> Asset:
    return server.store.put(PICTURE)


@pytest.fixture(scope="module")
def url(asset: Asset) -> str:
    return f"fusionflow/assets/{asset.sha256}.png"


def test_an_asset_is_served_with_its_headers(client: httpx.Client, url: str, asset: Asset) -> None:
    """The response has type, length, ETag, lasting cache and headers that forbid execution."""
    answer = client.get(url)
    assert answer.status_code == 200
    assert answer.content == PICTURE
    expected = {
        "content-type": "image/png",
        "content-length": str(len(PICTURE)),
        "etag": f'"{asset.sha256}"',
        "cache-control": "private, max-age=31536000, immutable",
        "accept-ranges": "bytes",
        "x-content-type-options": "nosniff",
        "content-security-policy": "sandbox; default-src 'none'",
        "cross-origin-resource-policy": "same-origin",
        "content-disposition": f'inline; filename="{asset.sha256[:12]}.png"',
    }
    assert {name: answer.headers.get(name) for name in expected} == expected


def test_head_has_the_headers_of_get(client: httpx.Client, url: str) -> None:
    """HEAD sends the headers of GET and no body, also with a Range header."""
    got, head = client.get(url), client.head(url, headers={"Range": "bytes=0-1"})
    assert (head.status_code, head.content) == (200, b"")
    changing = {"date", "set-cookie"}
    assert {k: v for k, v in head.headers.items() if k not in changing} == {
        k: v for k, v in got.headers.items() if k not in changing
    }


@pytest.mark.parametrize("named", ['"{}"', 'W/"{}"', '"other", "{}"', "*"], ids=["strong", "weak", "list", "any"])
def test_a_matching_etag_is_not_modified(client: httpx.Client, url: str, asset: Asset, named: str) -> None:
    """If-None-Match with the digest gets 304 without a body, whatever the Range header."""
    headers = {"If-None-Match": named.format(asset.sha256), "Range": "bytes=0-3"}
    answer = client.get(url, headers=headers)
    assert (answer.status_code, answer.content) == (304, b"")
    assert answer.headers["etag"] == f'"{asset.sha256}"'


def test_another_etag_gets_the_bytes(client: httpx.Client, url: str) -> None:
    """If-None-Match with another ETag has no effect."""
    assert client.get(url, headers={"If-None-Match": '"other"'}).content == PICTURE


@settings(max_examples=80, deadline=None)
@given(start=st.integers(0, len(PICTURE) - 1), length=st.integers(1, len(PICTURE) + 10), form=st.sampled_from("abc"))
def test_any_range_is_that_slice(client: httpx.Client, url: str, start: int, length: int, form: str) -> None:
    """From-to, from and last-n ranges return exactly that slice, and Content-Range names it."""
    size = len(PICTURE)
    header, expected = {
        "a": (f"bytes={start}-{start + length - 1}", slice(start, min(size, start + length))),
        "b": (f"bytes={start}-", slice(start, size)),
        "c": (f"bytes=-{length}", slice(max(0, size - length), size)),
    }[form]
    answer = client.get(url, headers={"Range": header})
    assert answer.status_code == 206
    assert answer.content == PICTURE[expected]
    assert answer.headers["content-range"] == f"bytes {expected.start}-{expected.stop - 1}/{size}"
    assert answer.headers["content-length"] == str(expected.stop - expected.start)


@pytest.mark.parametrize("header", [f"bytes={len(PICTURE)}-", "bytes=-0", "bytes=999999999999999999-"])
def test_a_range_past_the_end_is_416(client: httpx.Client, url: str, header: str) -> None:
    """A range without a byte is refused, and the response states the asset's length."""
    answer = client.get(url, headers={"Range": header})
    assert answer.status_code == 416
    assert answer.headers["content-range"] == f"bytes */{len(PICTURE)}"
    assert answer.headers["cache-control"] == "no-store"
    assert error_code(answer) == "range"


@pytest.mark.parametrize(
    "headers",
    [
        {"Range": "bytes=0-1,4-5"},
        {"Range": "bytes=5-2"},
        {"Range": "bytes=-"},
        {"Range": "bytes=a-b"},
        {"Range": "lines=0-1"},
        {"Range": f"bytes=0-{'9' * 400}"},
        {"Range": "bytes=0-1", "If-Range": '"other"'},
        {"Range": "bytes=0-1", "If-Range": "Wed, 21 Oct 2015 07:28:00 GMT"},
    ],
    ids=["several", "backwards", "empty", "words", "unit", "endless", "changed", "dated"],
)
def test_a_range_that_does_not_apply_gets_the_whole(client: httpx.Client, url: str, headers: dict[str, str]) -> None:
    """Several ranges, malformed ranges and ranges of another version get all bytes."""
    answer = client.get(url, headers=headers)
    assert (answer.status_code, answer.content) == (200, PICTURE)


def test_if_range_with_the_etag_gets_the_range(client: httpx.Client, url: str, asset: Asset) -> None:
    """A resumed download gets the rest."""
    answer = client.get(url, headers={"Range": "bytes=4-7", "If-Range": f'"{asset.sha256}"'})
    assert (answer.status_code, answer.content) == (206, PICTURE[4:8])


def test_a_missing_asset_is_404(client: httpx.Client) -> None:
    """An unknown digest is reported as lost."""
    for place in ("assets", "previews"):
        answer = client.get(f"fusionflow/{place}/{'0' * 64}")
        assert (answer.status_code, error_code(answer)) == (404, "lost")
        assert answer.headers["cache-control"] == "no-store"


@pytest.mark.parametrize(
    ("data", "suffix"),
    [
        (b'<svg xmlns="http://www.w3.org/2000/svg"><script>alert(1)</script></svg>', "png"),
        (b"<!doctype html><script>alert(1)</script>", "jpg"),
        (b"<!doctype html><script>alert(2)</script>", "txt"),
        (b"<!doctype html><script>alert(3)</script>", "mp4"),
    ],
    ids=["svg as image", "page as image", "page as text", "page as video"],
)
def test_hostile_bytes_are_never_shown(server: Server, client: httpx.Client, data: bytes, suffix: str) -> None:
    """Files planted under a media name are downloads of unknown type; text is a download too."""
    sha256 = hashlib.sha256(data).hexdigest()
    planted = server.home / "assets" / sha256[:2] / f"{sha256}.{suffix}"
    planted.parent.mkdir(parents=True, exist_ok=True)
    planted.write_bytes(data)
    answer = client.get(f"fusionflow/assets/{sha256}.svg")
    assert answer.status_code == 200
    expected = "text/plain; charset=utf-8" if suffix == "txt" else "application/octet-stream"
    assert answer.headers["content-type"] == expected
    assert answer.headers["content-disposition"].startswith("attachment;")
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["content-security-policy"] == "sandbox; default-src 'none'"


def test_damaged_bytes_are_not_served(server: Server, client: httpx.Client) -> None:
    """A file whose bytes do not match its name is an error."""
    stored = server.store.put(png(2))
    path = server.store.path(stored.sha256)
    path.chmod(0o600)
    path.write_bytes(PICTURE)
    answer = client.get(f"fusionflow/assets/{stored.sha256}")
    assert (answer.status_code, error_code(answer)) == (500, "corrupt")


def test_a_preview_is_a_webp_and_rendered_again(server: Server, client: httpx.Client, asset: Asset) -> None:
    """The preview is a WebP with its own ETag; a deleted preview is rendered again; text has none."""
    url = f"fusionflow/previews/{asset.sha256}"
    first = client.get(url)
    assert first.headers["content-type"] == "image/webp"
    assert first.content[8:12] == b"WEBP"
    assert client.get(url, headers={"If-None-Match": first.headers["etag"]}).status_code == 304
    (server.home / "assets" / "previews" / asset.sha256[:2] / f"{asset.sha256}.webp").unlink()
    assert client.get(url).content == first.content
    text = server.store.put(b"just words", media_type="text/plain")
    answer = client.get(f"fusionflow/previews/{text.sha256}")
    assert (answer.status_code, error_code(answer)) == (404, "no_preview")


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_a_large_download_needs_little_memory(server: Server, client: httpx.Client) -> None:
    """Only a few chunks of an asset are in memory, also for a slow reader."""
    data = (b"all work and no play " * 64 + b"\n") * 50_000
    stored = server.store.put(data, media_type="text/plain")
    client.get(f"fusionflow/assets/{stored.sha256}", headers={"Range": "bytes=0-9"})
    digest = hashlib.sha256()
    with little_growth(server.pid), client.stream("GET", f"fusionflow/assets/{stored.sha256}") as answer:
        assert client.get("fusionflow/probe", params={"nonce": "0" * 32}).is_success
        for chunk in answer.iter_raw():
            digest.update(chunk)
    assert digest.hexdigest() == stored.sha256
    assert len(data) > 60 << 20
