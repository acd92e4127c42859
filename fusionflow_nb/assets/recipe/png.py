"""The recipe in a PNG: a compressed iTXt chunk named `fusionflow`, right after the header.

It comes early in the file, so that a partial download contains it.
"""

# ruff: noqa: PLR2004 - the numbers are bytes and bit fields that the format fixes

from __future__ import annotations

import zlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, BinaryIO

from fusionflow_nb.assets.recipe.chunks import Chunk, Span, read_at, size_of, truncated
from fusionflow_nb.assets.recipe.text import MAX_RECIPE_BYTES, damaged, too_large

if TYPE_CHECKING:
    from collections.abc import Iterator

_NAME = "This PNG"
_SIGNATURE_BYTES = 8
# Length before the data, checksum after it.
_FRAME_BYTES = 12
_KEYWORD = b"fusionflow\0"
# Deflate never grows data by more than a few bytes: a larger chunk is not a recipe.
_MAX_CHUNK_BYTES = MAX_RECIPE_BYTES + 4096


@dataclass(frozen=True, slots=True)
class _Chunk:
    kind: bytes
    start: int
    data_bytes: int

    @property
    def end(self) -> int:
        return self.start + _FRAME_BYTES + self.data_bytes


def rewrite(stream: BinaryIO, text: str) -> list[Chunk]:
    """The file with a new recipe chunk; all other chunks are unchanged.

    Raises:
        MediaError: the file does not start with a header chunk and end with an end chunk.
    """
    chunks = list(_chunks(stream))
    if len(chunks) < 2 or chunks[0].kind != b"IHDR" or chunks[-1].kind != b"IEND":
        raise truncated(_NAME)
    output: list[Chunk] = [Span(0, chunks[0].end), _recipe_chunk(text)]
    output += [Span(chunk.start, chunk.end) for chunk in chunks[1:] if not _is_recipe(stream, chunk)]
    return [*output, Span(chunks[-1].end, size_of(stream))]


def read(stream: BinaryIO) -> str | None:
    """The recipe text, or None.

    Raises:
        MediaError: the recipe chunk is damaged or too large.
    """
    for chunk in _chunks(stream):
        if _is_recipe(stream, chunk):
            return _text_of(stream, chunk)
    return None


def _chunks(stream: BinaryIO) -> Iterator[_Chunk]:
    """Chunks in file order up to the end chunk or the first incomplete chunk."""
    start, size = _SIGNATURE_BYTES, size_of(stream)
    while start + _FRAME_BYTES <= size:
        frame = read_at(stream, start, 8)
        chunk = _Chunk(frame[4:], start, int.from_bytes(frame[:4], "big"))
        if chunk.end > size:
            return
        yield chunk
        if chunk.kind == b"IEND":
            return
        start = chunk.end


def _is_recipe(stream: BinaryIO, chunk: _Chunk) -> bool:
    return chunk.kind == b"iTXt" and read_at(stream, chunk.start + 8, len(_KEYWORD)) == _KEYWORD


def _recipe_chunk(text: str) -> bytes:
    # After the keyword: compressed, by method 0 (deflate), no language, no translated keyword.
    data = _KEYWORD + b"\1\0\0\0" + zlib.compress(text.encode(), 9)
    body = b"iTXt" + data
    return len(data).to_bytes(4, "big") + body + zlib.crc32(body).to_bytes(4, "big")


def _text_of(stream: BinaryIO, chunk: _Chunk) -> str:
    if chunk.data_bytes > _MAX_CHUNK_BYTES:
        raise too_large()
    body = read_at(stream, chunk.start + 4, 4 + chunk.data_bytes)
    if zlib.crc32(body).to_bytes(4, "big") != read_at(stream, chunk.end - 4, 4):
        raise damaged()
    flags, rest = body[4 + len(_KEYWORD) :][:2], body[4 + len(_KEYWORD) + 2 :]
    parts = rest.split(b"\0", 2)
    if len(flags) < 2 or len(parts) < 3:
        raise damaged()
    data = _decompress(parts[2]) if flags[0] else parts[2]
    try:
        return data.decode()
    except UnicodeDecodeError as error:
        raise damaged() from error


def _decompress(data: bytes) -> bytes:
    """Decompress up to the size limit of a recipe, so that a zip bomb cannot fill the memory."""
    decompressor = zlib.decompressobj()
    try:
        text = decompressor.decompress(data, MAX_RECIPE_BYTES + 1)
    except zlib.error as error:
        raise damaged() from error
    if len(text) > MAX_RECIPE_BYTES:
        raise too_large()
    if not decompressor.eof:
        raise damaged()
    return text
