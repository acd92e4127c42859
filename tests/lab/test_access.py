"""Authentication, signatures and paths of the server extension."""

from __future__ import annotations

import http.client
import re
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import pytest
from support.lab import BASE, PATIENCE_S, TOKEN, error_code, png, serving

from fusionflow_nb.lab.signing import asset_url, preview_url, probe_answer

if TYPE_CHECKING:
    from pathlib import Path

    import httpx
    from support.lab import Server

    from fusionflow_nb.media.values import Asset

pytest_plugins = ["support.lab_fixtures"]

PICTURE = png(1)


@pytest.fixture(scope="module")
def asset(server: Server) -> Asset:
    return server.store.put(PICTURE)


def raw(server: Server, path: str, method: str = "GET") -> tuple[int, bytes]:
    """Send a request with the path unchanged: HTTP clients normalize paths."""
    connection = http.client.HTTPConnection(urlsplit(server.url).netloc, timeout=PATIENCE_S)
    try:
        connection.putrequest(method, path, skip_host=False)
        connection.putheader("Authorization", f"token {TOKEN}")
        connection.endheaders()
        answer = connection.getresponse()
        return answer.status, answer.read()
    finally:
        connection.close()


@pytest.mark.parametrize("method", ["GET", "HEAD", "PUT", "POST", "DELETE", "PATCH"])
@pytest.mark.parametrize("place", ["assets/{}.png", "previews/{}", "uploads/{}", "probe?nonce=" + "0" * 32, "other"])
def test_requests_without_a_token_are_refused(server: Server, asset: Asset, method: str, place: str) -> None:
    """No route responds to an anonymous request, or reveals whether an asset exists."""
    with server.client(headers={}) as anonymous:
        answer = anonymous.request(method, f"fusionflow/{place.format(asset.sha256)}", content=b"x")
    # 405 is the same for every digest, so it reveals nothing either.
    assert answer.status_code == 403 or (answer.status_code == 405 and method in {"GET", "HEAD"})
    assert PICTURE not in answer.content


def test_a_signature_does_not_replace_authentication(server: Server, asset: Asset) -> None:
    """A signed URL still needs Jupyter's authentication."""
    with server.client(headers={}) as anonymous:
        assert anonymous.get(asset_url(server.secret, asset)).status_code == 403


@pytest.mark.parametrize(
    "tail",
    [
        "assets/../secret",
        "assets/%2e%2e/%2e%2e/secret",
        "assets/..%2f..%2fsecret",
        "assets/%2fetc%2fpasswd",
        "assets//etc/passwd",
        "assets/{}%00.png",
        "assets/{}.png%00",
        "assets/{}/../../../secret",
        "assets/{}.p%2fg",
        "assets/{}.toolong",
        "assets/%EF%BC%8E%EF%BC%8E/secret",
        "assets/%ff%fe",
        "assets/{upper}",
        "assets/{half}",
        "assets/{digits}",
        "assets/",
        "previews/../../secret",
        "previews/{}.webp%00",
        "uploads/..%2fsecret",
    ],
)
def test_only_digests_name_files(server: Server, asset: Asset, tail: str) -> None:
    """Dots, slashes, NUL, Unicode and malformed digests, encoded or not, are refused and reveal nothing."""
    digits = "%D9%A1" * 64  # Arabic digit one: a digit, but not of a digest
    tail = tail.format(asset.sha256, upper=asset.sha256.upper(), half=asset.sha256[:32], digits=digits)
    status, body = raw(server, f"{BASE}fusionflow/{tail}")
    assert status in {400, 404}
    assert server.secret.hex().encode() not in body
    assert b"root:" not in body


def test_signed_urls_serve_until_they_expire(server: Server, client: httpx.Client, asset: Asset) -> None:
    """A signed URL serves the bytes; expired, altered or used for another route it is refused."""
    signed = asset_url(server.secret, asset)
    assert client.get(signed).content == PICTURE
    assert client.get(preview_url(server.secret, asset.sha256)).headers["content-type"] == "image/webp"
    expired = client.get(asset_url(server.secret, asset, expires_s=-1))
    assert (expired.status_code, error_code(expired)) == (403, "expired_link")
    for altered in (
        signed.replace("expires_at=1", "expires_at=2"),
        signed.replace("assets/", "previews/").replace(".png", ""),
        signed[:-1] + ("0" if signed[-1] != "0" else "1"),
        asset_url(b"x" * 32, asset),
    ):
        answer = client.get(altered)
        assert (answer.status_code, error_code(answer)) == (403, "forged_link")


def test_a_cookie_serves_pages_of_this_server_only(server: Server, asset: Asset) -> None:
    """With a cookie, only pages of this server get the bytes; a signed URL needs no referrer."""
    url = f"fusionflow/assets/{asset.sha256}"
    with server.client(headers={}) as browser:
        browser.get("api/contents", params={"token": TOKEN})
        assert browser.get(url).status_code == 403
        assert browser.get(url, headers={"Referer": "https://evil.example/"}).status_code == 403
        assert browser.get(url, headers={"Referer": f"{server.url}lab"}).content == PICTURE
        assert browser.get(asset_url(server.secret, asset)).content == PICTURE


def test_the_probe_gives_the_kernels_answer(server: Server, client: httpx.Client) -> None:
    """Server and kernel with the same secret compute one answer; a malformed nonce is refused; nothing is cached."""
    answer = client.get("fusionflow/probe", params={"nonce": "ab" * 16})
    assert answer.json() == {"answer": probe_answer(server.secret, "ab" * 16)}
    assert answer.headers["cache-control"] == "no-store"
    for nonce in ({}, {"nonce": "short"}, {"nonce": "Z" * 32}, {"nonce": "a" * 129}):
        refused = client.get("fusionflow/probe", params=nonce)
        assert (refused.status_code, error_code(refused)) == (400, "malformed_query")


def test_requests_are_logged_without_secrets(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """FUSIONFLOW_LOG=debug logs method, kind, status and time of each request, never the signed URL."""
    monkeypatch.setenv("FUSIONFLOW_LOG", "debug")
    with serving(tmp_path) as server, server.client() as client:
        asset = server.store.put(PICTURE)
        url = asset_url(server.secret, asset)
        client.get(url)
        client.get("fusionflow/probe")
    lines = [line for line in (tmp_path / "server.log").read_text().splitlines() if "fusionflow_nb.lab:" in line]
    assert [re.sub(r"\d+ ms$", "N ms", line.partition("fusionflow_nb.lab: ")[2]) for line in lines] == [
        "GET asset 200 N ms",
        "GET probe 400 N ms",
    ]
    assert "signature=" not in "".join(lines)
