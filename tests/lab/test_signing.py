"""What stands between browser and disk, without a server: secret, signatures, ranges, announcements, the pipe."""

from __future__ import annotations

import asyncio
import hashlib
import os
import stat
import subprocess
import sys
from dataclasses import replace
from itertools import pairwise
from urllib.parse import parse_qsl, urlsplit

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from support.lab import png

from fusionflow_nb import errors
from fusionflow_nb.lab import signing
from fusionflow_nb.lab.errors import (
    CutOffError,
    ExpiredLinkError,
    ForgedLinkError,
    StalledError,
    TooLongError,
    WrongDigestError,
    WrongLengthError,
    WrongTypeError,
)
from fusionflow_nb.lab.ranges import UnsatisfiableRangeError, parse_range
from fusionflow_nb.lab.secret import ensure_secret, read_secret
from fusionflow_nb.lab.signing import ANY_TYPE, MAX_UPLOAD_BYTES, Link, probe_answer, sign, upload_url, verify
from fusionflow_nb.lab.upload_pipe import MAX_CHUNKS, UploadPipe, run_in_daemon_thread
from fusionflow_nb.lab.verify_upload import verified_chunks

SECRET = b"s" * 32
SHA256 = "ab" * 32
LINK = Link("uploads", SHA256, 1_000, "image/png", 10)


def test_the_secret_is_made_once_for_the_owner_alone(tmp_path):
    """The first caller makes 32 bytes in a 0600 file, the others read them; nothing else stays behind."""
    home = tmp_path / "new" / "home"
    assert read_secret(home) is None
    made = ensure_secret(home)
    assert len(made) == 32
    assert ensure_secret(home) == read_secret(home) == made
    assert [path.name for path in home.iterdir()] == ["secret"]
    if os.name == "posix":
        assert stat.S_IMODE((home / "secret").stat().st_mode) == 0o600


def test_processes_that_race_get_one_secret(tmp_path):
    """However many processes make the secret at once, all hold the same one."""
    code = "import sys,pathlib;sys.stdin.read();from fusionflow_nb.lab.secret import ensure_secret as m;"
    code += "print(m(pathlib.Path(sys.argv[1])).hex())"
    racing = [
        subprocess.Popen(
            [sys.executable, "-c", code, str(tmp_path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        for _ in range(6)
    ]
    for process in racing:
        process.stdin.close()  # the start signal
    got = set()
    for process in racing:
        got.add(process.stdout.read())
        process.stdout.close()
        assert process.wait(60) == 0
    assert len(got) == 1


def test_a_file_system_without_hard_links_has_a_secret_too(tmp_path, monkeypatch):
    """Where a name cannot be given in one step, the secret is made all the same, once."""

    def refuse(*_):
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr("pathlib.Path.hardlink_to", refuse)
    made = ensure_secret(tmp_path)
    assert read_secret(tmp_path) == made
    assert [path.name for path in tmp_path.iterdir()] == ["secret"]


@pytest.mark.skipif(os.name != "posix", reason="modes are of POSIX")
def test_others_lose_their_access_to_the_secret(tmp_path):
    """A secret that was copied about with a wide mode is narrowed when it is next read."""
    ensure_secret(tmp_path)
    (tmp_path / "secret").chmod(0o644)
    read_secret(tmp_path)
    assert stat.S_IMODE((tmp_path / "secret").stat().st_mode) == 0o600


@pytest.mark.parametrize("text", [b"", b"short\n", b"z" * 64 + b"\n", b"a" * 63], ids=["empty", "short", "odd", "cut"])
def test_a_file_that_holds_no_secret_is_told(tmp_path, text):
    """A damaged secret is neither used nor silently replaced: links would die without a word."""
    (tmp_path / "secret").write_bytes(text)
    with pytest.raises(errors.SecretError, match="Delete it"):
        ensure_secret(tmp_path)
    assert (tmp_path / "secret").read_bytes() == text


def test_a_secret_that_cannot_be_made_names_the_setting(tmp_path):
    """A home that is a file is told in terms of the setting that moves it."""
    (tmp_path / "home").write_text("")
    with pytest.raises(errors.SecretError, match="FUSIONFLOW_HOME"):
        ensure_secret(tmp_path / "home")


def test_a_signature_covers_every_field():
    """A change of any field, or of the secret, is a forgery; at its end a link expires."""
    signature = sign(SECRET, LINK)
    verify(SECRET, LINK, signature, now_s=999.9)
    changed = {
        "use": "assets",
        "sha256": "cd" * 32,
        "expires_at": 1_001,
        "media_type": "image/webp",
        "size_bytes": 11,
    }
    assert set(changed) == set(Link.__slots__)
    for field, value in changed.items():
        with pytest.raises(ForgedLinkError):
            verify(SECRET, replace(LINK, **{field: value}), signature, now_s=0)
    for secret in (b"t" * 32, None):
        with pytest.raises(ForgedLinkError):
            verify(secret, LINK, signature, now_s=0)
    for forged in ("", signature[:-1], signature.upper(), "é" * 64):
        with pytest.raises(ForgedLinkError):
            verify(SECRET, LINK, forged, now_s=0)
    with pytest.raises(ExpiredLinkError):
        verify(SECRET, LINK, signature, now_s=1_000)


TEXT = st.text(max_size=12)


@given(one=st.tuples(TEXT, TEXT, st.integers()), other=st.tuples(TEXT, TEXT, st.integers()))
def test_no_two_links_share_a_signature(one, other):
    """Whatever signs the fields hold, text cannot move from one into the next unnoticed."""
    assume(one != other)
    links = [Link("uploads", sha256, 0, kind, size) for sha256, kind, size in (one, other)]
    assert sign(SECRET, links[0]) != sign(SECRET, links[1])


def test_the_probe_signs_no_links():
    """The answer to a nonce is never a signature, even of a link that is spelled as one."""
    nonce = "ab" * 32
    assert signing._mac(SECRET, "probe", nonce) != signing._mac(SECRET, "link", nonce)
    answers = {probe_answer(SECRET, nonce)}
    assert answers.isdisjoint({sign(SECRET, Link(use, nonce, 0)) for use in ("assets", "previews", "uploads")})


def test_upload_addresses_say_what_they_allow():
    """An upload address is relative, carries its announcement, and is believed until it expires."""
    url = urlsplit(
        upload_url(SECRET, SHA256, media_type="Image/PNG; q=1", size_bytes=7, expires_s=60, clock=lambda: 5.5)
    )
    fields = dict(parse_qsl(url.query))
    assert url.path == f"fusionflow/uploads/{SHA256}"
    assert (fields["media_type"], fields["size_bytes"], fields["expires_at"]) == ("image/png", "7", "65")
    verify(SECRET, Link("uploads", SHA256, 65, "image/png", 7), fields["signature"], now_s=64.9)


@pytest.mark.parametrize(
    "wrong",
    [
        {"sha256": "../../x"},
        {"size_bytes": 0},
        {"size_bytes": MAX_UPLOAD_BYTES + 1},
        {"media_type": "png"},
        {"media_type": "image/png\nX: y"},
    ],
    ids=["digest", "empty", "huge", "no type", "header"],
)
def test_what_cannot_be_uploaded_is_not_signed(wrong):
    """The kernel refuses before the browser begins."""
    asked = {"sha256": SHA256, "media_type": "image/png", "size_bytes": 1} | wrong
    with pytest.raises(errors.MediaError):
        upload_url(SECRET, asked.pop("sha256"), **asked)


@given(header=st.one_of(st.text(max_size=30), st.from_regex(r"bytes ?= ?\d*-\d*(,\d*-)?")), size=st.integers(0, 50))
def test_a_range_is_inside_or_nothing(header, size):
    """Whatever the header holds, what comes out lies within the bytes there are."""
    try:
        stretch = parse_range(header, size)
    except UnsatisfiableRangeError:
        return
    assert stretch is None or 0 <= stretch.start < stretch.end <= size


@given(data=st.binary(min_size=1, max_size=9000), cuts=st.lists(st.integers(0, 9000)), extra=st.binary(max_size=3))
def test_bytes_pass_exactly_when_they_are_verified_chunks(data, cuts, extra):
    """However a body is cut, all of it passes if length and digest fit, and it ends in an error if not."""
    edges = sorted({0, len(data), *(cut for cut in cuts if cut < len(data))})
    chunks = [data[start:end] for start, end in pairwise(edges)]
    link = Link("uploads", hashlib.sha256(data).hexdigest(), 0, ANY_TYPE, len(data))
    assert b"".join(verified_chunks(chunks, link)) == data
    with pytest.raises(WrongLengthError):
        list(verified_chunks(chunks[:-1], link))
    if extra:
        with pytest.raises(TooLongError):
            list(verified_chunks([*chunks, extra], link))
    with pytest.raises(WrongDigestError):
        list(verified_chunks([*chunks[:-1], bytes(byte ^ 1 for byte in chunks[-1])], link))


@pytest.mark.parametrize("announced", ["audio/wav", "text/plain", "application/json"])
def test_a_picture_is_taken_as_nothing_else(announced):
    """Bytes that prove to be of another kind are refused before they end."""
    data = png()
    link = Link("uploads", hashlib.sha256(data).hexdigest(), 0, announced, len(data))
    with pytest.raises(WrongTypeError):
        list(verified_chunks([data], link))
    for fitting in ("image/jpeg", "image/png", ANY_TYPE):
        assert list(verified_chunks([data], replace(link, media_type=fitting))) == [data]


async def test_a_full_pipe_holds_the_giver_until_the_thread_takes():
    """No more than a few chunks wait; each one taken lets one more in; all arrive in order."""
    feed = UploadPipe(idle_s=60)
    for number in range(MAX_CHUNKS):
        await feed.write(bytes([number]))
    late = asyncio.ensure_future(feed.write(b"last"))
    await asyncio.sleep(0)
    assert not late.done()
    taken = run_in_daemon_thread(lambda: list(feed.chunks()))
    await asyncio.wait_for(late, 60)
    feed.end()
    assert await asyncio.wait_for(taken, 60) == [*(bytes([number]) for number in range(MAX_CHUNKS)), b"last"]


async def test_a_thread_that_gave_up_holds_nobody():
    """Once nobody takes chunks any more, whoever waits and whoever comes later is let through."""
    feed = UploadPipe(idle_s=60)
    for _ in range(MAX_CHUNKS):
        await feed.write(b"x")
    waiting = asyncio.ensure_future(feed.write(b"x"))
    await asyncio.sleep(0)
    feed.close()
    await asyncio.wait_for(waiting, 60)
    for _ in range(MAX_CHUNKS + 1):
        await asyncio.wait_for(feed.write(b"x"), 60)


async def test_a_cut_or_a_standstill_ends_in_its_error():
    """The thread is told when the browser goes away, and does not wait for ever when it stands still."""
    cut = UploadPipe(idle_s=60)
    await cut.write(b"x")
    cut.abort()
    with pytest.raises(CutOffError):
        await asyncio.wait_for(run_in_daemon_thread(lambda: list(cut.chunks())), 60)
    still = UploadPipe(idle_s=0.01)
    with pytest.raises(StalledError):
        await asyncio.wait_for(run_in_daemon_thread(lambda: list(still.chunks())), 60)
