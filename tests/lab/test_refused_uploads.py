"""What the browser may not send: anything but the very bytes that the kernel signed for; nothing of it stays."""

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
def test_an_altered_address_is_refused(server: Server, client: httpx.Client, field: str, value: str) -> None:
    """Every field of an upload address is signed."""
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
def test_a_malformed_address_is_refused(server: Server, client: httpx.Client, field: str, value: str | None) -> None:
    """A field that is missing or nonsense is told, never guessed."""
    data = png(20)
    url = urlsplit(server.signed(data))
    fields = {name: kept for name, kept in httpx.QueryParams(url.query).items() if name != field}
    if value is not None:
        fields[field] = value
    answer = client.put(url.path, params=fields, content=data)
    assert answer.status_code in {400, 403}
    assert error_code(answer) in {"malformed_query", "forged_link"}


@pytest.mark.usefixtures("nothing_left")
def test_an_expired_address_is_refused(server: Server, client: httpx.Client) -> None:
    """Past its end an address takes nothing."""
    data = png(21)
    answer = client.put(server.signed(data, expires_s=-1), content=data)
    assert (answer.status_code, error_code(answer)) == (403, "expired_link")


@pytest.mark.usefixtures("nothing_left")
def test_an_address_of_another_home_is_refused(server: Server, client: httpx.Client) -> None:
    """What a kernel with another secret signed is worth nothing here."""
    data = png(21)
    sha256 = hashlib.sha256(data).hexdigest()
    url = upload_url(b"x" * 32, sha256, media_type="image/png", size_bytes=len(data))
    assert error_code(client.put(url, content=data)) == "forged_link"


@pytest.mark.usefixtures("nothing_left")
@pytest.mark.parametrize("is_chunked", [False, True], ids=["length told", "chunked"])
@pytest.mark.parametrize("change", ["short", "long", "much longer", "empty", "other bytes"])
def test_other_bytes_than_announced_are_refused(
    server: Server,
    client: httpx.Client,
    change: str,
    is_chunked: bool,  # noqa: FBT001 - pytest passes by name
) -> None:
    """Too short, too long and different bodies get a clear answer, and nothing of them stays."""
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
def test_a_body_without_end_is_cut_off(server: Server, client: httpx.Client) -> None:
    """A chunked body that goes far past its announcement does not hold the server."""
    data = png(22)
    endless = (bytes(1 << 16) for _ in range(10_000))
    try:
        answer = client.put(server.signed(data), content=endless)
    except httpx.TransportError:
        return  # hung up upon
    assert answer.status_code in {400, 413}


@pytest.mark.usefixtures("nothing_left")
@pytest.mark.parametrize(
    ("data", "announced", "header", "code"),
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
    ids=["sound as picture", "picture as sound", "picture as text", "header", "truncated", "svg", "page", "program"],
)
def test_what_is_no_such_media_is_refused(  # noqa: PLR0917 - pytest passes by name
    server: Server, client: httpx.Client, data: bytes, announced: str, header: str | None, code: str
) -> None:
    """Bytes must be media this house knows, whole, and of the kind that was signed for."""
    headers = {"Content-Type": header} if header else {}
    answer = client.put(server.signed(data, announced), content=data, headers=headers)
    assert (answer.status_code, error_code(answer)) == (415, code)


@pytest.mark.usefixtures("nothing_left")
def test_a_stranger_is_turned_away_before_the_body(server: Server) -> None:
    """A stranger with a signed address and a forged proof of origin is refused before a byte is taken."""
    data = png(28)
    host = urlsplit(server.url).netloc
    proof = f"Cookie: _xsrf=made-up\r\nX-XSRFToken: made-up\r\nOrigin: http://{host}\r\n"
    with begin(server, data, 0, credentials=proof) as connection:
        answer = connection.recv(1 << 16)
    assert answer.startswith(b"HTTP/1.1 403")


def test_a_person_who_may_only_read_is_turned_away(tmp_path: Path) -> None:
    """Where the server's own rules allow no writing, a signed address changes nothing."""
    rule = "from jupyter_server.auth import AllowAllAuthorizer as Rules\n"
    rule += "Rules.is_authorized = lambda self, handler, user, action, resource: action == 'read'"
    data = png(28)
    with serving(tmp_path, before=rule) as server, server.client() as reader:
        asset = server.store.put(data)
        assert reader.get(f"fusionflow/assets/{asset.sha256}").content == data
        answer = reader.put(server.signed(data), content=data)
        assert (answer.status_code, error_code(answer)) == (403, "not_allowed")


def test_a_cookie_needs_the_token_against_forgery(server: Server, client: httpx.Client) -> None:
    """With a cookie alone an upload is refused; with Jupyter's own token against forged requests it is taken."""
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
