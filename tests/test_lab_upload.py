"""What the browser sends: stored exactly once if it is what the kernel signed for, else nothing of it stays."""

from __future__ import annotations

import hashlib
import os
import socket
import struct
import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import httpx
import pytest
from lab_kit import BASE, PATIENCE_S, TOKEN, Server, error_code, peak_bytes, png, serving, until

from fusionflow_nb.lab.signing import ANY_TYPE, upload_url

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with serving(tmp_path_factory.mktemp("upload")) as running:
        yield running


@pytest.fixture(scope="module")
def client(server: Server) -> Iterator[httpx.Client]:
    with server.client() as made:
        yield made


@pytest.fixture
def nothing_left(server: Server) -> Iterator[None]:
    """The test stores nothing and leaves nothing on its way in."""
    before = server.stored()
    yield
    until(lambda: not server.incoming, "the end of every part file")
    assert server.stored() == before


def song(seconds: int) -> bytes:
    """A WAV file of 1 kHz, 16 bit, mono, 48 kHz."""
    body = struct.pack("<48h", *(int(20_000 * (-1) ** (at // 24)) for at in range(48))) * 1000 * seconds
    layout = struct.pack("<4sIHHIIHH4sI", b"fmt ", 16, 1, 1, 48_000, 96_000, 2, 16, b"data", len(body))
    return b"RIFF" + struct.pack("<I", 4 + len(layout) + len(body)) + b"WAVE" + layout + body


def test_a_signed_upload_is_stored_and_served(server: Server, client: httpx.Client) -> None:
    """The answer describes the stored asset, and its bytes come back."""
    data = png(10)
    answer = client.put(server.signed(data), content=data, headers={"Content-Type": "image/png"})
    assert answer.status_code == 200
    sha256 = hashlib.sha256(data).hexdigest()
    expected = {"sha256": sha256, "size_bytes": len(data), "media_type": "image/png", "width": 64, "height": 64}
    assert answer.json() == expected | {"duration_s": None}
    assert client.get(f"fusionflow/assets/{sha256}").content == data
    assert client.get(f"fusionflow/previews/{sha256}").status_code == 200
    assert not server.incoming


def test_the_bytes_decide_what_a_picture_is(server: Server, client: httpx.Client) -> None:
    """A PNG named .jpg, and one nobody could name, are stored as the PNGs they are."""
    for seed, announced in ((11, "image/jpeg"), (12, ANY_TYPE)):
        data = png(seed)
        assert client.put(server.signed(data, announced), content=data).json()["media_type"] == "image/png"


def test_a_body_of_untold_length_is_taken(server: Server, client: httpx.Client) -> None:
    """A chunked body that turns out as announced is stored."""
    data = png(13)
    parts = [data[at : at + 1000] for at in range(0, len(data), 1000)]
    answer = client.put(server.signed(data), content=iter(parts))
    assert answer.json()["sha256"] == hashlib.sha256(data).hexdigest()


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_a_long_upload_holds_little_memory(server: Server, client: httpx.Client) -> None:
    """20 MB of sound and 60 MB of text flow through without the server growing by them."""
    small = song(1)
    assert client.put(server.signed(small, "audio/wav"), content=small).is_success
    before = peak_bytes(server.pid)
    for data, kind in ((song(220), "audio/wav"), (b"all work and no play\n" * 3_000_000, "text/plain")):
        assert len(data) > 20 << 20
        answer = client.put(server.signed(data, kind), content=data)
        assert (answer.status_code, answer.json()["size_bytes"]) == (200, len(data))
    assert peak_bytes(server.pid) - before < 16 << 20


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
    server: Server, client: httpx.Client, change: str, is_chunked: bool
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
        (song(1), "image/png", None, "wrong_type"),
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
def test_what_is_no_such_media_is_refused(
    server: Server, client: httpx.Client, data: bytes, announced: str, header: str | None, code: str
) -> None:
    """Bytes must be media this house knows, whole, and of the kind that was signed for."""
    headers = {"Content-Type": header} if header else {}
    answer = client.put(server.signed(data, announced), content=data, headers=headers)
    assert (answer.status_code, error_code(answer)) == (415, code)


def test_the_same_upload_again_changes_nothing(server: Server, client: httpx.Client) -> None:
    """A replay is answered like the first time, and the stored file is not touched."""
    data = png(24)
    url = server.signed(data)
    first = client.put(url, content=data)
    path = server.store.path(hashlib.sha256(data).hexdigest())
    before = path.stat()
    again = client.put(url, content=data)
    assert (again.status_code, again.json()) == (200, first.json())
    after = path.stat()
    assert (after.st_ino, after.st_mtime_ns) == (before.st_ino, before.st_mtime_ns)
    assert not server.incoming


def test_uploads_of_one_content_at_once_store_it_once(server: Server) -> None:
    """Six browsers with the same picture all succeed, and there is one file; more than fit at once wait their turn."""
    data = png(25, side=400)
    answers: list[httpx.Response] = []

    def send() -> None:
        with server.client() as own:
            answers.append(own.put(server.signed(data), content=data))

    threads = [threading.Thread(target=send) for _ in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(PATIENCE_S)
    assert [answer.status_code for answer in answers] == [200] * 12
    sha256 = hashlib.sha256(data).hexdigest()
    assert [stored.sha256 for stored in server.store.assets()].count(sha256) == 1
    assert not server.incoming


def begin(server: Server, data: bytes, sent: int) -> socket.socket:
    """An upload by hand, of which only the first bytes are sent."""
    connection = socket.create_connection(("127.0.0.1", urlsplit(server.url).port), timeout=PATIENCE_S)
    head = f"PUT {BASE}{server.signed(data)} HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: token {TOKEN}\r\n"
    connection.sendall(f"{head}Content-Length: {len(data)}\r\n\r\n".encode() + data[:sent])
    return connection


@pytest.mark.usefixtures("nothing_left")
@pytest.mark.parametrize("manner", ["closed", "killed"])
def test_a_browser_that_dies_leaves_nothing(server: Server, manner: str) -> None:
    """When the connection goes in the middle of an upload, its part file goes too."""
    data = png(26, side=600)
    connection = begin(server, data, len(data) // 2)
    until(lambda: bool(server.incoming), "the first bytes on the disk")
    if manner == "killed":
        # What the system sends for a process that is gone: a reset, not a farewell.
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    connection.close()


def test_a_browser_that_stands_still_is_given_up(tmp_path: Path) -> None:
    """An upload that does not go on is answered 408, hung up upon, and leaves nothing."""
    with serving(tmp_path, before="from fusionflow_nb.lab import receive\nreceive.IDLE_S = 0.2") as server:
        data = png(27, side=600)
        with begin(server, data, len(data) // 2) as connection:
            answer = b""
            while part := connection.recv(1 << 16):
                answer += part
        assert answer.startswith(b"HTTP/1.1 408")
        assert b'"stalled"' in answer
        until(lambda: not server.incoming, "the end of the part file")
        assert server.stored() == set()


@pytest.mark.usefixtures("nothing_left")
@pytest.mark.skipif(sys.platform != "linux", reason="limits another process")
def test_a_full_disk_is_told(server: Server, client: httpx.Client) -> None:
    """Where no more fits, the answer says so, nothing stays, and the server goes on."""
    import resource

    limits = resource.prlimit(server.pid, resource.RLIMIT_FSIZE)
    data = song(20)
    resource.prlimit(server.pid, resource.RLIMIT_FSIZE, (500_000, limits[1]))
    try:
        answer = client.put(server.signed(data, "audio/wav"), content=data)
    finally:
        resource.prlimit(server.pid, resource.RLIMIT_FSIZE, limits)
    assert (answer.status_code, error_code(answer)) == (507, "disk_full")


@pytest.mark.skipif(not hasattr(os, "getuid") or os.getuid() == 0, reason="root may write everywhere")
@pytest.mark.usefixtures("nothing_left")
def test_a_folder_that_cannot_be_written_is_told(server: Server, client: httpx.Client) -> None:
    """A read-only store answers with the setting that moves it."""
    data = png(28)
    incoming = server.home / "assets" / "incoming"
    incoming.chmod(0o500)
    try:
        answer = client.put(server.signed(data), content=data)
    finally:
        incoming.chmod(0o700)
    assert (answer.status_code, error_code(answer)) == (500, "unwritable")


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
