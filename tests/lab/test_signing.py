"""Secret, signatures, ranges, upload verification and the upload pipe, without a server."""

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


def test_the_secret_is_created_once_for_the_owner(tmp_path):
    """The first call creates 32 bytes in a 0600 file, later calls read them; no other file remains."""
    home = tmp_path / "new" / "home"
    assert read_secret(home) is None
    secret = ensure_secret(home)
    assert len(secret) == 32
    assert ensure_secret(home) == read_secret(home) == secret
    assert [path.name for path in home.iterdir()] == ["secret"]
    if os.name == "posix":
        assert stat.S_IMODE((home / "secret").stat().st_mode) == 0o600


def test_concurrent_processes_get_one_secret(tmp_path):
    """Processes that create the secret concurrently all get the same secret."""
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
    secrets = set()
    for process in racing:
        secrets.add(process.stdout.read())
        process.stdout.close()
        assert process.wait(60) == 0
    assert len(secrets) == 1


def test_the_secret_works_without_hard_links(tmp_path, monkeypatch):
    """Where a file cannot be named atomically, the secret is still created once."""

    def refuse(*_):
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr("pathlib.Path.hardlink_to", refuse)
    secret = ensure_secret(tmp_path)
    assert read_secret(tmp_path) == secret
    assert [path.name for path in tmp_path.iterdir()] == ["secret"]


@pytest.mark.skipif(os.name != "posix", reason="needs POSIX file modes")
def test_reading_restricts_the_secrets_mode(tmp_path):
    """A secret copied with a wide mode is restricted to the owner at the next read."""
    ensure_secret(tmp_path)
    (tmp_path / "secret").chmod(0o644)
    read_secret(tmp_path)
    assert stat.S_IMODE((tmp_path / "secret").stat().st_mode) == 0o600


@pytest.mark.parametrize("text", [b"", b"short\n", b"z" * 64 + b"\n", b"a" * 63], ids=["empty", "short", "odd", "cut"])
def test_a_damaged_secret_is_reported(tmp_path, text):
    """A damaged secret is neither used nor replaced: a new secret would invalidate URLs silently."""
    (tmp_path / "secret").write_bytes(text)
    with pytest.raises(errors.SecretError, match="Delete it"):
        ensure_secret(tmp_path)
    assert (tmp_path / "secret").read_bytes() == text


def test_an_uncreatable_secret_names_the_setting(tmp_path):
    """The error names the variable that moves the home folder."""
    (tmp_path / "home").write_text("")
    with pytest.raises(errors.SecretError, match="FUSIONFLOW_HOME"):
        ensure_secret(tmp_path / "home")


def test_a_signature_covers_every_field():
    """A change of any field, or of the secret, is a forgery; a link expires at `expires_at`."""
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


@given(first=st.tuples(TEXT, TEXT, st.integers()), second=st.tuples(TEXT, TEXT, st.integers()))
def test_no_two_links_share_a_signature(first, second):
    """Text cannot move from one field into the next without changing the signature."""
    assume(first != second)
    links = [Link("uploads", sha256, 0, kind, size) for sha256, kind, size in (first, second)]
    assert sign(SECRET, links[0]) != sign(SECRET, links[1])


def test_the_probe_signs_no_links():
    """The answer to a nonce is never the signature of a link."""
    nonce = "ab" * 32
    assert signing._mac(SECRET, "probe", nonce) != signing._mac(SECRET, "link", nonce)
    answers = {probe_answer(SECRET, nonce)}
    assert answers.isdisjoint({sign(SECRET, Link(use, nonce, 0)) for use in ("assets", "previews", "uploads")})


def test_an_upload_url_contains_what_it_allows():
    """An upload URL is relative, contains type, size and expiry, and is valid until it expires."""
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
def test_invalid_uploads_are_not_signed(wrong):
    """The kernel refuses before the browser begins."""
    arguments = {"sha256": SHA256, "media_type": "image/png", "size_bytes": 1} | wrong
    with pytest.raises(errors.MediaError):
        upload_url(SECRET, arguments.pop("sha256"), **arguments)


@given(header=st.one_of(st.text(max_size=30), st.from_regex(r"bytes ?= ?\d*-\d*(,\d*-)?")), size=st.integers(0, 50))
def test_a_parsed_range_is_within_the_bytes(header, size):
    """Whatever the header, a parsed range is within the bytes."""
    try:
        byte_range = parse_range(header, size)
    except UnsatisfiableRangeError:
        return
    assert byte_range is None or 0 <= byte_range.start < byte_range.end <= size


@given(data=st.binary(min_size=1, max_size=9000), cuts=st.lists(st.integers(0, 9000)), extra=st.binary(max_size=3))
def test_chunks_pass_only_if_they_match_the_link(data, cuts, extra):
    """However a body is split, all bytes pass if length and digest match, and an error is raised otherwise."""
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


@pytest.mark.parametrize("declared", ["audio/wav", "text/plain", "application/json"])
def test_an_image_is_accepted_only_as_an_image(declared):
    """Bytes of another kind than declared are refused."""
    data = png()
    link = Link("uploads", hashlib.sha256(data).hexdigest(), 0, declared, len(data))
    with pytest.raises(WrongTypeError):
        list(verified_chunks([data], link))
    for fitting in ("image/jpeg", "image/png", ANY_TYPE):
        assert list(verified_chunks([data], replace(link, media_type=fitting))) == [data]


async def test_a_full_pipe_blocks_the_writer():
    """At most MAX_CHUNKS chunks wait; each read admits one more; all arrive in order."""
    pipe = UploadPipe(idle_s=60)
    for number in range(MAX_CHUNKS):
        await pipe.write(bytes([number]))
    late = asyncio.ensure_future(pipe.write(b"last"))
    await asyncio.sleep(0)
    assert not late.done()
    received = run_in_daemon_thread(lambda: list(pipe.chunks()))
    await asyncio.wait_for(late, 60)
    pipe.end()
    assert await asyncio.wait_for(received, 60) == [*(bytes([number]) for number in range(MAX_CHUNKS)), b"last"]


async def test_a_closed_pipe_blocks_no_writer():
    """After `close`, waiting and later writers continue."""
    pipe = UploadPipe(idle_s=60)
    for _ in range(MAX_CHUNKS):
        await pipe.write(b"x")
    waiting = asyncio.ensure_future(pipe.write(b"x"))
    await asyncio.sleep(0)
    pipe.close()
    await asyncio.wait_for(waiting, 60)
    for _ in range(MAX_CHUNKS + 1):
        await asyncio.wait_for(pipe.write(b"x"), 60)


async def test_an_aborted_or_stalled_upload_raises():
    """The reader raises CutOffError when the browser disconnects, StalledError after the timeout."""
    aborted = UploadPipe(idle_s=60)
    await aborted.write(b"x")
    aborted.abort()
    with pytest.raises(CutOffError):
        await asyncio.wait_for(run_in_daemon_thread(lambda: list(aborted.chunks())), 60)
    stalled = UploadPipe(idle_s=0.01)
    with pytest.raises(StalledError):
        await asyncio.wait_for(run_in_daemon_thread(lambda: list(stalled.chunks())), 60)
