"""Refused uploads: only the bytes that the kernel signed for are stored."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import httpx
import pytest
from support.lab import TOKEN, begin, error_code, png, serving, song

from fusionflow_nb.lab.signing import ANY_TYPE, upload_url

if TYPE_CHECKING:
    from pathlib import Path

    from support.lab import Server

pytest_plugins = ["support.lab_fixtures"]


@pytest.mark.usefixtures("nothing_left")
@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("sha256", "0" * 64),
        ("media_type", "image/webp"),
        ("size_bytes", "9"),
        ("expires_at", "99999999999"),
        ("signature", "0" * 64),
    ],
)
def test_an_altered_url_is_refused(server: Server, client: httpx.Client, field: str, value: str) -> None:
    """Every field of an upload URL is signed."""
    data = png(20)
    url = urlsplit(server.signed(data))
    fields = dict(httpx.QueryParams(url.query))
    path = url.path
    if field == "sha256":
        path = f"fusionflow/uploads/{value}"
    else:
        assert fields[field] != value
        fields[field] = value
    answer = client.put(path, params=fields, content=data)
    assert (answer.status_code, error_code(answer)) == (403, "forged_link")


@pytest.mark.usefixtures("nothing_left")
@pytest.mark.parametrize("field", ["media_type", "size_bytes", "expires_at", "signature"])
@pytest.mark.parametrize("value", [None, "", "-1", " 5", "5e3", "\x00"], ids=ascii)
def test_a_malformed_url_is_refused(server: Server, client: httpx.Client, field: str, value: str | None) -> None:
    """A missing or malformed field is reported, never guessed."""
    data = png(20)
    url = urlsplit(server.signed(data))
    fields = {name: text for name, text in httpx.QueryParams(url.query).items() if name != field}
    if value is not None:
        fields[field] = value
    answer = client.put(url.path, params=fields, content=data)
    assert answer.status_code in {400, 403}
    assert error_code(answer) in {"malformed_query", "forged_link"}


@pytest.mark.usefixtures("nothing_left")
def test_an_expired_url_is_refused(server: Server, client: httpx.Client) -> None:
    """An expired URL accepts no upload."""
    data = png(21)
    answer = client.put(server.signed(data, expires_s=-1), content=data)
    assert (answer.status_code, error_code(answer)) == (403, "expired_link")


@pytest.mark.usefixtures("nothing_left")
def test_a_url_signed_with_another_secret_is_refused(server: Server, client: httpx.Client) -> None:
    """A URL that another kernel's secret signed is invalid."""
    data = png(21)
    sha256 = hashlib.sha256(data).hexdigest()
    url = upload_url(b"x" * 32, sha256, media_type="image/png", size_bytes=len(data))
    assert error_code(client.put(url, content=data)) == "forged_link"


@pytest.mark.usefixtures("nothing_left")
@pytest.mark.parametrize("is_chunked", [False, True], ids=["with length", "chunked"])
@pytest.mark.parametrize("change", ["short", "long", "much longer", "empty", "other bytes"])
def test_other_bytes_than_declared_are_refused(
    server: Server,
    client: httpx.Client,
    change: str,
    is_chunked: bool,  # noqa: FBT001 - pytest passes by name
) -> None:
    """Short, long and different bodies get an error response, and nothing is stored."""
    data = png(22)
    sent, status, code = {
        "short": (data[:-1], 400, "wrong_length"),
        "long": (data + b"x", 413, "wrong_length"),
        "much longer": (data + bytes(900_000), 413, "wrong_length"),
        "empty": (b"", 400, "wrong_length"),
        "other bytes": (data[:-1] + b"x", 422, "wrong_digest"),
    }[change]
    answer = client.put(server.signed(data), content=iter([sent]) if is_chunked else sent)
    assert (answer.status_code, error_code(answer)) == (status, code)


@pytest.mark.usefixtures("nothing_left")
def test_an_endless_body_is_cut_off(server: Server, client: httpx.Client) -> None:
    """A chunked body far longer than declared does not occupy the server."""
    data = png(22)
    endless = (bytes(1 << 16) for _ in range(10_000))
    try:
        answer = client.put(server.signed(data), content=endless)
    except httpx.TransportError:
        return  # the server closed the connection
    assert answer.status_code in {400, 413}


@pytest.mark.usefixtures("nothing_left")
@pytest.mark.parametrize(
    ("data", "declared", "header", "code"),
    [
        (song(60), "image/png", None, "wrong_type"),
        (png(23), "audio/wav", None, "wrong_type"),
        (png(23), "text/plain", None, "wrong_type"),
        (png(23), "image/png", "text/html", "wrong_type"),
        (png(23)[:-2000], "image/png", None, "media"),
        (b"<svg xmlns='http://www.w3.org/2000/svg'/>", "image/svg+xml", None, "media"),
        (b"<!doctype html><script>1</script>", "text/html", None, "media"),
        (b"MZ" + bytes(5000), ANY_TYPE, None, "media"),
    ],
    ids=["audio as image", "image as audio", "image as text", "header", "truncated", "svg", "page", "program"],
)
def test_other_media_than_declared_are_refused(  # noqa: PLR0917 - pytest passes by name
    server: Server, client: httpx.Client, data: bytes, declared: str, header: str | None, code: str
) -> None:
    """The bytes must be complete media of a known format and of the declared kind."""
    headers = {"Content-Type": header} if header else {}
    answer = client.put(server.signed(data, declared), content=data, headers=headers)
    assert (answer.status_code, error_code(answer)) == (415, code)


@pytest.mark.usefixtures("nothing_left")
def test_anonymous_uploads_are_refused_before_the_body(server: Server) -> None:
    """A signed URL with a forged XSRF token is refused before a byte is read."""
    data = png(28)
    host = urlsplit(server.url).netloc
    proof = f"Cookie: _xsrf=made-up\r\nX-XSRFToken: made-up\r\nOrigin: http://{host}\r\n"
    with begin(server, data, 0, credentials=proof) as connection:
        answer = connection.recv(1 << 16)
    assert answer.startswith(b"HTTP/1.1 403")


def test_a_read_only_user_cannot_upload(tmp_path: Path) -> None:
    """Where the server's authorizer forbids writing, a signed URL has no effect."""
    rule = "from jupyter_server.auth import AllowAllAuthorizer as Rules\n"
    rule += "Rules.is_authorized = lambda self, handler, user, action, resource: action == 'read'"
    data = png(28)
    with serving(tmp_path, before=rule) as server, server.client() as reader:
        asset = server.store.put(data)
        assert reader.get(f"fusionflow/assets/{asset.sha256}").content == data
        answer = reader.put(server.signed(data), content=data)
        assert (answer.status_code, error_code(answer)) == (403, "not_allowed")


def test_an_upload_by_cookie_needs_the_xsrf_token(server: Server, client: httpx.Client) -> None:
    """With a cookie alone an upload is refused; with Jupyter's XSRF token it is accepted."""
    data = png(29)
    url = server.signed(data)
    sha256 = hashlib.sha256(data).hexdigest()
    with server.client(headers={}) as browser:
        browser.get("tree", params={"token": TOKEN}, follow_redirects=True)
        browser.get("login")
        xsrf = browser.cookies["_xsrf"]
        refused = browser.put(url, content=data)
        assert (refused.status_code, error_code(refused)) == (403, "not_allowed")
        foreign = {"X-XSRFToken": xsrf, "Origin": "https://evil.example"}
        assert browser.put(url, content=data, headers=foreign).status_code in {403, 404}
        assert client.head(f"fusionflow/assets/{sha256}").status_code == 404
        assert browser.put(url, content=data, headers={"X-XSRFToken": xsrf}).status_code == 200
    assert client.head(f"fusionflow/assets/{sha256}").status_code == 200
