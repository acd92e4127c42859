"""Detection of media types, and names of assets."""

from __future__ import annotations

import io

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from fusionflow_nb import errors
from fusionflow_nb.assets import keys
from fusionflow_nb.assets.sniff import DECLARED_TYPES, EXTENSIONS, HEAD_BYTES, extension, sniff
from fusionflow_nb.media.values import Asset

SHA256 = "0123456789abcdef" * 4


def box(kind: bytes, data: bytes) -> bytes:
    return (8 + len(data)).to_bytes(4, "big") + kind + data


def mp3_frames(count: int) -> bytes:
    # MPEG 1 layer 3, 128 kbit/s, 44.1 kHz: 417 bytes a frame.
    return (b"\xff\xfb\x90\x00" + bytes(413)) * count


def adts_frames(count: int) -> bytes:
    length = 64
    header = bytes([0xFF, 0xF1, 0x50, 0x80 | length >> 11, length >> 3 & 0xFF, (length & 7) << 5 | 0x1F, 0xFC])
    return (header + bytes(length - 7)) * count


@pytest.mark.parametrize("kind", ["png", "jpeg", "webp", "gif", "avif", "tiff", "bmp"])
def test_images_are_detected_by_their_bytes(kind: str) -> None:
    """Every image format that Pillow writes here is detected."""
    stream = io.BytesIO()
    Image.new("RGB", (8, 8)).save(stream, kind)
    assert sniff(stream.getvalue()[:HEAD_BYTES]) == f"image/{kind}"


@pytest.mark.parametrize(
    ("head", "media_type"),
    [
        (box(b"ftyp", b"isom\0\0\2\0isomiso2avc1mp41"), "video/mp4"),
        (box(b"ftyp", b"qt  \0\0\2\0qt  "), "video/quicktime"),
        (box(b"ftyp", b"M4A \0\0\2\0M4A mp42isom"), "audio/mp4"),
        (box(b"ftyp", b"avis\0\0\0\0msf1"), "image/avif"),
        (box(b"ftyp", b"heic\0\0\0\0mif1heic"), None),
        (b"\x1a\x45\xdf\xa3\x9f\x42\x86\x81\x01\x42\x82\x84webm", "video/webm"),
        (b"\x1a\x45\xdf\xa3\x9f\x42\x86\x81\x01\x42\x82\x88matroska", "video/x-matroska"),
        (b"RIFF\x24\0\0\0WAVEfmt ", "audio/wav"),
        (b"ID3\x04\0\0\0\0\0\x21", "audio/mpeg"),
        (mp3_frames(2), "audio/mpeg"),
        (adts_frames(3), "audio/aac"),
        (b"OggS\0\2", "audio/ogg"),
        (b"fLaC\0\0\0\x22", "audio/flac"),
        (b"RIFF\x24\0\0\0AVI LIST", None),
        (b"BM is how this sentence begins, and goes on", None),
        (b"ID3 is a tag format", None),
        (b"\xff\xfb\x90\x00" + bytes(600), None),
        (b'{"a": 1}', None),
        (b"<svg xmlns='http://www.w3.org/2000/svg'/>", None),
        (b"%PDF-1.7", None),
        (b"", None),
    ],
    ids=lambda value: repr(value[:16]) if isinstance(value, bytes) else str(value),
)
def test_containers_audio_and_other_files(head: bytes, media_type: str | None) -> None:
    """Containers are detected by brand or document type, audio by its frames; text and other files are not."""
    assert sniff(head) == media_type


@given(st.binary(max_size=200) | st.sampled_from([b"RIFF", b"\xff\xfb", b"\x1a\x45\xdf\xa3\x42\x82", b"ID3"]))
@settings(derandomize=True, deadline=None)
def test_every_detected_type_has_an_extension(head: bytes) -> None:
    """Whatever the bytes, sniffing never raises, and each detected type has an extension."""
    media_type = sniff(head)
    assert media_type is None or extension(media_type) == EXTENSIONS[media_type]


def test_random_bytes_are_rarely_detected_as_media() -> None:
    """Weak signatures (MP3, AAC) need a second frame: random bytes are not audio."""
    generator = np.random.default_rng(7)
    heads = [b"\xff" + generator.bytes(HEAD_BYTES - 1) for _ in range(2000)]
    assert sum(sniff(head) is not None for head in heads) <= 2


def test_extensions_and_types_are_one_to_one() -> None:
    """No two types share an extension, and every declared type has an extension."""
    assert len(set(EXTENSIONS.values())) == len(EXTENSIONS)
    assert set(EXTENSIONS) >= DECLARED_TYPES


def test_an_unknown_type_has_no_extension() -> None:
    """The error for an unknown type lists the known types."""
    with pytest.raises(errors.MediaError, match=r"application/x-sh.*image/png"):
        extension("application/x-sh")


def test_store_keys_have_the_documented_form() -> None:
    """Keys are `assets/ab/<sha256>.<ext>`, the same in every store."""
    assert keys.store_key(Asset(SHA256, "image/jpeg", 3)) == f"assets/01/{SHA256}.jpg"


@pytest.mark.parametrize(
    "name",
    [
        "",
        "../../etc/passwd",
        SHA256.upper(),
        SHA256[:-1],
        SHA256 + "0",
        SHA256[:-1] + "/",
        SHA256 + "\n",
        None,
        7,
        b"a" * 64,
    ],
    ids=repr,
)
def test_only_a_sha256_is_used_as_a_file_name(name: str) -> None:
    """Anything but 64 lowercase hex digits is refused before a path is built from it."""
    with pytest.raises(errors.MediaError, match="not an asset's digest"):
        keys.checked_sha256(name)
