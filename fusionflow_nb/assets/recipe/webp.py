"""The recipe in a WebP, still or animated: a property of its XMP chunk, which comes last.

A simple file (one bitstream without an extended header) gets the extended header that declares the chunk.
"""

# ruff: noqa: PLR2004 - the numbers are bytes and bit fields that the format fixes

from __future__ import annotations

from typing import BinaryIO

from fusionflow_nb.assets.recipe import xmp
from fusionflow_nb.assets.recipe.chunks import Chunk, Span, read_at, size_of, truncated
from fusionflow_nb.assets.recipe.riff import RiffChunk, assemble, chunk_bytes, chunks_of, complete_chunks, copy_chunk
from fusionflow_nb.assets.recipe.text import too_large

_NAME = "This WebP"
_XMP_FLAG = 0x04
_ALPHA_FLAG = 0x10


def rewrite(stream: BinaryIO, text: str) -> list[Chunk]:
    """The file with a new XMP chunk; all other chunks are unchanged.

    Raises:
        MediaError: the file is truncated, lacks a bitstream, or its XMP cannot be extended.
    """
    chunks, end = complete_chunks(stream, _NAME)
    remaining = [chunk for chunk in chunks if chunk.kind not in {b"XMP ", b"VP8X"}]
    output: list[Chunk] = [chunk_bytes(b"VP8X", _extended_header(stream, chunks))]
    for chunk in remaining:
        output += copy_chunk(stream, chunk)
    output.append(chunk_bytes(b"XMP ", xmp.packet_with(text, _packet(stream, chunks))))
    return assemble(b"WEBP", output, Span(end, size_of(stream)))


def read(stream: BinaryIO) -> str | None:
    """The recipe text, or None.

    Raises:
        MediaError: the recipe is damaged or too large.
    """
    packet = _packet(stream, chunks_of(stream)[0])
    return None if packet is None else xmp.text_in(packet)


def _packet(stream: BinaryIO, chunks: list[RiffChunk]) -> bytes | None:
    xmp_chunk = next((chunk for chunk in chunks if chunk.kind == b"XMP "), None)
    if xmp_chunk is None:
        return None
    if xmp_chunk.data_bytes > xmp.MAX_PACKET_BYTES:
        raise too_large()
    return read_at(stream, xmp_chunk.data_start, xmp_chunk.data_bytes)


def _extended_header(stream: BinaryIO, chunks: list[RiffChunk]) -> bytes:
    """Flags and canvas size: the existing header with the XMP flag, or a header derived from the bitstream."""
    first = chunks[0]
    if first.kind == b"VP8X":
        header = bytearray(read_at(stream, first.data_start, first.data_bytes))
        if len(header) < 10:
            raise truncated(_NAME)
        header[0] |= _XMP_FLAG
        return bytes(header)
    bitstream = read_at(stream, first.data_start, min(first.data_bytes, 10))
    if first.kind == b"VP8L" and len(bitstream) >= 5 and bitstream[0] == 0x2F:
        # 14 bits of width - 1, 14 bits of height - 1, one bit: alpha is used.
        bits = int.from_bytes(bitstream[1:5], "little")
        width, height, has_alpha = (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1, bits >> 28 & 1
    elif first.kind == b"VP8 " and bitstream[3:6] == b"\x9d\x01\x2a" and len(bitstream) == 10:
        width = int.from_bytes(bitstream[6:8], "little") & 0x3FFF
        height = int.from_bytes(bitstream[8:10], "little") & 0x3FFF
        has_alpha = 0
    else:
        raise truncated(_NAME)
    if width < 1 or height < 1:
        raise truncated(_NAME)
    flags = _XMP_FLAG | (_ALPHA_FLAG if has_alpha else 0)
    return bytes([flags, 0, 0, 0]) + (width - 1).to_bytes(3, "little") + (height - 1).to_bytes(3, "little")
