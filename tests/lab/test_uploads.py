"""Accepted uploads: stored exactly once, in little memory, with nothing left after a failure."""

from __future__ import annotations

import hashlib
import socket
import struct
import sys
import threading
from typing import TYPE_CHECKING

import pytest
from support.lab import PATIENCE_S, begin, error_code, little_growth, png, serving, song, until

from fusionflow_nb.lab.signing import ANY_TYPE

if TYPE_CHECKING:
    from pathlib import Path

    import httpx
    from support.lab import Server

pytest_plugins = ["support.lab_fixtures"]


def test_a_signed_upload_is_stored_and_served(server: Server, client: httpx.Client) -> None:
    """The response describes the stored asset, and its bytes are served."""
    data = png(10)
    answer = client.put(server.signed(data), content=data, headers={"Content-Type": "image/png"})
    assert answer.status_code == 200
    sha256 = hashlib.sha256(data).hexdigest()
    expected = {"sha256": sha256, "size_bytes": len(data), "media_type": "image/png", "width": 64, "height": 64}
    assert answer.json() == expected | {"duration_s": None}
    assert client.get(f"fusionflow/assets/{sha256}").content == data
    assert client.get(f"fusionflow/previews/{sha256}").status_code == 200
    assert not server.incoming


def test_the_bytes_decide_an_images_type(server: Server, client: httpx.Client) -> None:
    """A PNG declared as JPEG, and an undeclared PNG, are stored as PNG."""
    for seed, declared in ((11, "image/jpeg"), (12, ANY_TYPE)):
        data = png(seed)
        assert client.put(server.signed(data, declared), content=data).json()["media_type"] == "image/png"


def test_a_chunked_body_is_stored(server: Server, client: httpx.Client) -> None:
    """A chunked body that matches the link is stored."""
    data = png(13)
    parts = [data[at : at + 1000] for at in range(0, len(data), 1000)]
    answer = client.put(server.signed(data), content=iter(parts))
    assert answer.json()["sha256"] == hashlib.sha256(data).hexdigest()


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_a_large_upload_needs_little_memory(server: Server, client: httpx.Client) -> None:
    """20 MB of audio and 60 MB of text are stored with little memory, past Jupyter's own size limit."""
    small = song(1)
    assert client.put(server.signed(small, "audio/wav"), content=small).is_success
    texts = b"all work and no play\n" * 3_000_000
    for data, kind in ((song(220), "audio/wav"), (texts, "text/plain")):
        assert len(data) > 20 << 20
        with little_growth(server.pid):
            answer = client.put(server.signed(data, kind), content=data)
        assert (answer.status_code, answer.json()["size_bytes"]) == (200, len(data))


def test_a_repeated_upload_changes_nothing(server: Server, client: httpx.Client) -> None:
    """A repeated upload gets the first response, and the stored file is not touched."""
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


def test_concurrent_uploads_of_one_asset_store_it_once(server: Server) -> None:
    """Twelve clients upload the same image; all succeed, one file is stored; excess uploads wait."""
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


@pytest.mark.usefixtures("nothing_left")
@pytest.mark.parametrize("manner", ["closed", "killed"])
def test_a_disconnected_upload_is_discarded(server: Server, manner: str) -> None:
    """When the connection ends during an upload, its part file is deleted."""
    data = png(26, side=600)
    connection = begin(server, data, len(data) // 2)
    until(lambda: bool(server.incoming), "the first bytes on the disk")
    if manner == "killed":
        # As after a killed process: the connection is reset, not closed.
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    connection.close()


def test_a_stalled_upload_is_cut_off(tmp_path: Path) -> None:
    """A stalled upload gets 408, its connection is closed, and nothing is stored."""
    with serving(tmp_path, before="from fusionflow_nb.lab import uploads\nuploads.IDLE_S = 0.2") as server:
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
def test_a_full_disk_is_reported(server: Server, client: httpx.Client) -> None:
    """On a full disk the response names the error, nothing is stored, and the server continues."""
    import resource

    limits = resource.prlimit(server.pid, resource.RLIMIT_FSIZE)
    data = song(20)
    resource.prlimit(server.pid, resource.RLIMIT_FSIZE, (500_000, limits[1]))
    try:
        answer = client.put(server.signed(data, "audio/wav"), content=data)
    finally:
        resource.prlimit(server.pid, resource.RLIMIT_FSIZE, limits)
    assert (answer.status_code, error_code(answer)) == (507, "disk_full")


def test_an_unwritable_folder_is_reported(tmp_path: Path) -> None:
    """The response names the variable that moves the store."""
    with serving(tmp_path) as server, server.client() as client:
        (server.home / "assets").write_text("a file where a folder should be")
        data = png(28)
        answer = client.put(server.signed(data), content=data)
        assert (answer.status_code, error_code(answer)) == (500, "unwritable")
        assert "FUSIONFLOW_HOME" in answer.json()["error"]["message"]
