"""Detect the media type of bytes by their head, never by a name or a declaration."""

# ruff: noqa: PLR2004 - the numbers are bytes and bit fields that the format fixes

from __future__ import annotations

from fusionflow_nb.media.media_types import EXTENSIONS, extension

__all__ = ["DECLARED_TYPES", "EXTENSIONS", "HEAD_BYTES", "extension", "sniff"]

# The number of first bytes that `sniff` needs.
HEAD_BYTES = 4096

# Text has no magic bytes: its declared type is used (after a check that it is text).
DECLARED_TYPES = frozenset({"application/json", "text/plain"})

_BITMAP_HEADER_BYTES = frozenset({12, 40, 52, 56, 64, 108, 124})
_STILL_BRANDS = frozenset({b"avif", b"avis"})
_AUDIO_BRANDS = frozenset({b"M4A ", b"M4B ", b"M4P "})
_VIDEO_BRANDS = frozenset(
    {b"isom", b"iso2", b"iso3", b"iso4", b"iso5", b"iso6", b"iso7", b"iso8", b"iso9", b"mp41", b"mp42", b"mp71"}
    | {b"avc1", b"av01", b"dash", b"cmfc", b"cmf2", b"M4V ", b"M4VH", b"M4VP", b"MSNV", b"mmp4", b"f4v ", b"XAVC"}
    | {b"3gp4", b"3gp5", b"3gp6", b"3g2a", b"hvc1"}
)


def sniff(head: bytes) -> str | None:
    """The media type of a file by its first bytes, or None.

    None for text and JSON, which have no magic bytes. `HEAD_BYTES` bytes are enough for every type. A container with
    audio only begins like a video: `probe.resolve_type` opens it.

    >>> sniff(b"GIF89a")
    'image/gif'
    >>> sniff(b"hello") is None
    True
    """
    return _image(head) or _iso_container(head) or _matroska(head) or _audio(head)


def _image(head: bytes) -> str | None:
    if head.startswith(b"\x89PNG\r\n\x1a\n"):
        return "image/png"
    if head.startswith(b"\xff\xd8\xff"):
        return "image/jpeg"
    if head.startswith((b"GIF87a", b"GIF89a")):
        return "image/gif"
    if head.startswith(b"RIFF") and head[8:12] == b"WEBP":
        return "image/webp"
    if head.startswith((b"II*\0", b"MM\0*")):
        return "image/tiff"
    # "BM" may also begin a text: the reserved zeros and a known header length make it a bitmap.
    is_bitmap = head.startswith(b"BM") and head[6:10] == bytes(4) and _little(head[14:18]) in _BITMAP_HEADER_BYTES
    return "image/bmp" if is_bitmap else None


def _iso_container(head: bytes) -> str | None:
    """MP4, QuickTime, M4A or AVIF by the brands of the first box."""
    if head[4:8] != b"ftyp":
        # Old QuickTime files start without brands.
        return "video/quicktime" if head[4:8] == b"moov" or head[4:12] == b"wide\0\0\0\0" else None
    box = head[: min(int.from_bytes(head[:4], "big"), len(head))]
    major = box[8:12]
    brands = [major, *(box[at : at + 4] for at in range(16, len(box) - 3, 4))]
    if not _STILL_BRANDS.isdisjoint(brands):
        return "image/avif"
    if major in _AUDIO_BRANDS:
        return "audio/mp4"
    if major == b"qt  ":
        return "video/quicktime"
    return "video/mp4" if not _VIDEO_BRANDS.isdisjoint(brands) else None


def _matroska(head: bytes) -> str | None:
    """WebM or Matroska by the DocType element (0x4282) of the EBML header."""
    if not head.startswith(b"\x1a\x45\xdf\xa3"):
        return None
    at = head.find(b"\x42\x82", 4, 128)
    document = head[at + 3 : at + 3 + (head[at + 2] & 0x7F)] if 0 <= at < len(head) - 3 else b""
    return {b"webm": "video/webm", b"matroska": "video/x-matroska"}.get(document.rstrip(b"\0"))


def _audio(head: bytes) -> str | None:
    if head.startswith(b"RIFF") and head[8:12] == b"WAVE":
        return "audio/wav"
    if head.startswith(b"fLaC"):
        return "audio/flac"
    if head.startswith(b"OggS"):
        return "audio/ogg"
    # A text may begin with ID3 too: the version is 2 to 4, and no byte of the length has its high bit.
    if head.startswith(b"ID3") and len(head) >= 10 and 2 <= head[3] <= 4 and max(head[6:10]) < 0x80:
        return "audio/mpeg"
    return _frame_header(head)


def _frame_header(head: bytes) -> str | None:
    """MP3 or ADTS AAC by the fields of the first frame header: the two sync bytes alone are not enough."""
    if len(head) < 7 or head[0] != 0xFF or head[1] & 0xE0 != 0xE0:
        return None
    layer = head[1] >> 1 & 3
    if layer == 0:
        is_frame = head[1] & 0xF0 == 0xF0 and head[2] >> 2 & 15 < 13
        length = (head[3] & 3) << 11 | head[4] << 3 | head[5] >> 5
        return "audio/aac" if is_frame and length > 7 and _follows(head, length, head[1]) else None
    version, bitrate, rate = head[1] >> 3 & 3, head[2] >> 4, head[2] >> 2 & 3
    if layer != 1 or version == 1 or bitrate in {0, 15} or rate == 3:
        return None
    length = _mp3_frame_bytes(version, bitrate, rate, padding=head[2] >> 1 & 1)
    return "audio/mpeg" if _follows(head, length, head[1]) else None


def _mp3_frame_bytes(version: int, bitrate: int, rate: int, *, padding: int) -> int:
    is_mpeg1 = version == 3
    kilobits_1 = (0, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320)
    kilobits_2 = (0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160)
    hertz = (44100, 48000, 32000)[rate] // {3: 1, 2: 2, 0: 4}[version]
    kilobits = (kilobits_1 if is_mpeg1 else kilobits_2)[bitrate]
    return (144 if is_mpeg1 else 72) * kilobits * 1000 // hertz + padding


def _follows(head: bytes, length: int, second_byte: int) -> bool:
    """Whether another frame begins where this frame ends; True if the file is shorter than that."""
    if len(head) < length + 2:
        return len(head) < HEAD_BYTES
    return head[length] == 0xFF and head[length + 1] == second_byte


def _little(data: bytes) -> int:
    return int.from_bytes(data, "little")
