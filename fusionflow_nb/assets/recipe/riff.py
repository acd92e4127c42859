"""RIFF files (WebP, WAV) as chunks: a kind, a length, data, and a padding byte after odd lengths."""

from __future__ import annotations

from dataclasses import dataclass
from typing import BinaryIO

from fusionflow_nb import errors
from fusionflow_nb.assets.recipe.chunks import Chunk, Span, read_at, size_of, truncated

HEADER_BYTES = 12
_MAX_BYTES = (1 << 32) - 2


@dataclass(frozen=True, slots=True)
class RiffChunk:
    """One chunk; `start` is the offset of its kind in the file."""

    kind: bytes
    start: int
    data_bytes: int

    @property
    def data_start(self) -> int:
        """The offset of its data."""
        return self.start + 8

    @property
    def data_end(self) -> int:
        """The end of its data."""
        return self.data_start + self.data_bytes

    @property
    def end(self) -> int:
        """The offset of the next chunk."""
        return self.data_end + self.data_bytes % 2


def chunks_of(stream: BinaryIO) -> tuple[list[RiffChunk], int]:
    """The complete chunks of a file in order, and the offset of the first byte after them.

    The list ends before a truncated chunk; a missing last padding byte is accepted.
    """
    size = size_of(stream)
    declared = HEADER_BYTES - 4 + int.from_bytes(read_at(stream, 4, 4), "little")
    limit = min(size, declared)
    chunks: list[RiffChunk] = []
    start = HEADER_BYTES
    while start + 8 <= limit:
        head = read_at(stream, start, 8)
        chunk = RiffChunk(head[:4], start, int.from_bytes(head[4:], "little"))
        if chunk.data_end > limit:
            break
        chunks.append(chunk)
        start = chunk.end
    return chunks, min(start, size)


def complete_chunks(stream: BinaryIO, what: str) -> tuple[list[RiffChunk], int]:
    """As `chunks_of`, but truncated files are refused.

    Raises:
        MediaError: the chunks do not fill the length that the header declares.
    """
    chunks, end = chunks_of(stream)
    declared = 8 + int.from_bytes(read_at(stream, 4, 4), "little")
    # Some programs do not count the last padding byte.
    if not chunks or end < declared or chunks[-1].data_end > declared:
        raise truncated(what)
    return chunks, end


def chunk_bytes(kind: bytes, data: bytes) -> bytes:
    """A chunk as stored in a file."""
    return kind + len(data).to_bytes(4, "little") + data + bytes(len(data) % 2)


def copy_chunk(stream: BinaryIO, chunk: RiffChunk) -> list[Chunk]:
    """An unchanged chunk, with its padding byte even if the file lacks it."""
    present = min(chunk.end, size_of(stream))
    return [Span(chunk.start, present), bytes(chunk.end - present)]


def assemble(form: bytes, chunks: list[Chunk], rest: Span) -> list[Chunk]:
    """A RIFF file of a form (`WEBP`, `WAVE`) from its chunks; `rest` are the source's bytes after the chunks.

    Raises:
        MediaError: the file is above 4 GB, the limit of RIFF.
    """
    length = 4 + sum(len(chunk) if isinstance(chunk, bytes) else chunk.end - chunk.start for chunk in chunks)
    if length > _MAX_BYTES:
        message = "With a recipe this file exceeds 4 GB, the limit of its format."
        raise errors.MediaError(message, hint="Shorten it, or save it without a recipe.")
    return [b"RIFF" + length.to_bytes(4, "little") + form, *chunks, rest]
