"""The recipe in a JPEG: a property in the XMP segment, or in extended XMP if it does not fit into 64 kB."""

# ruff: noqa: PLR2004 - the numbers are bytes and bit fields that the format fixes

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, BinaryIO

from fusionflow_nb import errors
from fusionflow_nb.assets.recipe import xmp
from fusionflow_nb.assets.recipe.chunks import Chunk, Span, read_at, size_of, truncated
from fusionflow_nb.assets.recipe.text import damaged, too_large

if TYPE_CHECKING:
    from collections.abc import Iterator

_NAME = "This JPEG"
_APP0, _APP1 = 0xE0, 0xE1
_START_OF_SCAN, _END_OF_IMAGE = 0xDA, 0xD9
# Markers without data: TEM, restarts, start of image.
_BARE = frozenset({0x01, *range(0xD0, 0xD9)})
_MAIN = b"http://ns.adobe.com/xap/1.0/\0"
_MORE = b"http://ns.adobe.com/xmp/extension/\0"
_MAX_SEGMENT_BYTES = 65533
# Of an extension segment after its name: 32 digits of MD5, the total length, the part's offset.
_PART_HEAD_BYTES = 40
_PART_BYTES = 65000
_POINTER_OPEN = b'<rdf:Description rdf:about="" xmlns:xmpNote="http://ns.adobe.com/xmp/note/" xmpNote:HasExtendedXMP="'
_POINTER_CLOSE = b'"/>'
_DIGEST_BYTES = 32


@dataclass(frozen=True, slots=True)
class _Segment:
    """One marker with its data, from its 0xFF to its last byte."""

    marker: int
    start: int
    end: int

    def data(self, stream: BinaryIO) -> bytes:
        return read_at(stream, self.start + 4, self.end - self.start - 4)


def rewrite(stream: BinaryIO, text: str) -> list[Chunk]:
    """The file with new XMP; all other segments and the pixels are unchanged.

    Raises:
        MediaError: truncated before the pixels, or XMP that cannot be extended.
    """
    segments = list(_segments(stream))
    if not segments or segments[-1].marker != _START_OF_SCAN:
        raise truncated(_NAME)
    packet: bytes | None = None
    replaced: set[_Segment] = set()
    for segment in segments:
        data = segment.data(stream) if segment.marker == _APP1 else b""
        if data.startswith(_MAIN):
            packet = data[len(_MAIN) :]
            replaced.add(segment)
            break
    digest = _pointer(packet) if packet else None
    extended = _extended_packet(stream, segments, digest) if digest else None
    if extended is not None and _holds_recipe(extended):
        # An earlier recipe in extended XMP is removed with its pointer.
        replaced |= {segment for segment in segments if _part_of(segment, stream, digest)}
        packet = (packet or b"").replace(_POINTER_OPEN + (digest or b"") + _POINTER_CLOSE, b"")
    remaining = [segment for segment in segments if segment not in replaced]
    # The XMP comes directly after JFIF, where readers expect it.
    lead = [segment for segment in remaining[:1] if segment.marker == _APP0]
    chunks: list[Chunk] = [Span(0, 2), *(Span(segment.start, segment.end) for segment in lead)]
    chunks += _xmp_segments(text, packet)
    chunks += [Span(segment.start, segment.end) for segment in remaining[len(lead) :]]
    return [*chunks, Span(segments[-1].end, size_of(stream))]


def read(stream: BinaryIO) -> str | None:
    """The recipe text, or None.

    Raises:
        MediaError: the recipe is damaged or too large.
    """
    segments = list(_segments(stream))
    for segment in segments:
        data = segment.data(stream) if segment.marker == _APP1 else b""
        if not data.startswith(_MAIN):
            continue
        text = xmp.text_in(data)
        if text is not None:
            return text
        digest = _pointer(data)
        packet = _extended_packet(stream, segments, digest) if digest else None
        return xmp.text_in(packet) if packet else None
    return None


def _segments(stream: BinaryIO) -> Iterator[_Segment]:
    """Segments in file order up to the start of the pixels or the first incomplete segment."""
    start, size = 2, size_of(stream)
    while start + 4 <= size:
        head = read_at(stream, start, 4)
        if head[0] != 0xFF or head[1] == _END_OF_IMAGE:
            return
        if head[1] == 0xFF:
            # Fill bytes before a marker are skipped.
            start += 1
            continue
        length = 0 if head[1] in _BARE else int.from_bytes(head[2:], "big")
        end = start + 2 + length
        if end > size or (head[1] not in _BARE and length < 2):
            return
        yield _Segment(head[1], start, end)
        if head[1] == _START_OF_SCAN:
            return
        start = end


def _xmp_segments(text: str, packet: bytes | None) -> list[Chunk]:
    """One segment, or a main segment that points to extension segments."""
    single = _MAIN + xmp.packet_with(text, packet)
    if len(single) <= _MAX_SEGMENT_BYTES:
        return [_segment_bytes(single)]
    extended = xmp.packet_with(text)
    digest = hashlib.md5(extended, usedforsecurity=False).hexdigest().upper().encode()
    rest = xmp.without_recipe(packet) if packet else None
    main = _MAIN + xmp.packet_with_block(_POINTER_OPEN + digest + _POINTER_CLOSE, rest)
    if len(main) > _MAX_SEGMENT_BYTES or (rest and b"HasExtendedXMP" in rest):
        message = "The recipe does not fit beside the XMP of this JPEG."
        raise errors.MediaError(message, hint="Save it as PNG or WebP.")
    size = len(extended).to_bytes(4, "big")
    parts = [
        _segment_bytes(_MORE + digest + size + at.to_bytes(4, "big") + extended[at : at + _PART_BYTES])
        for at in range(0, len(extended), _PART_BYTES)
    ]
    return [_segment_bytes(main), *parts]


def _segment_bytes(data: bytes) -> bytes:
    return bytes([0xFF, _APP1]) + (len(data) + 2).to_bytes(2, "big") + data


def _pointer(packet: bytes) -> bytes | None:
    """The digest of the extended packet that a main packet refers to, as attribute or element."""
    at = packet.find(b"xmpNote:HasExtendedXMP")
    if at < 0:
        return None
    value = packet[at + len(b"xmpNote:HasExtendedXMP") :].lstrip(b" =\"'>")[:_DIGEST_BYTES]
    return value if len(value) == _DIGEST_BYTES else None


def _part_of(segment: _Segment, stream: BinaryIO, digest: bytes | None) -> bool:
    head = (_MORE + digest) if digest else b""
    return bool(head) and segment.marker == _APP1 and read_at(stream, segment.start + 4, len(head)) == head


def _extended_packet(stream: BinaryIO, segments: list[_Segment], digest: bytes) -> bytes | None:
    """The joined parts of an extended packet, or None; size and digest are verified."""
    parts = [segment.data(stream) for segment in segments if _part_of(segment, stream, digest)]
    if not parts:
        return None
    sizes = {part[len(_MORE) + 32 : len(_MORE) + 36] for part in parts}
    size = int.from_bytes(min(sizes), "big")
    if size > xmp.MAX_PACKET_BYTES:
        raise too_large()
    bodies = sorted(
        (int.from_bytes(part[len(_MORE) + 36 : len(_MORE) + 40], "big"), part[len(_MORE) + _PART_HEAD_BYTES :])
        for part in parts
    )
    packet = b"".join(body for _, body in bodies)
    is_complete = len(sizes) == 1 and len(packet) == size
    if not is_complete or hashlib.md5(packet, usedforsecurity=False).hexdigest().upper().encode() != digest:
        raise damaged()
    return packet


def _holds_recipe(packet: bytes) -> bool:
    return xmp.without_recipe(packet) != packet
