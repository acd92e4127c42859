"""A rewritten file as a list of chunks: new bytes, and spans copied from the source."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, BinaryIO, TypeAlias

from fusionflow_nb import errors

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

_BLOCK_BYTES = 1 << 20
_SOURCE = "The file"


@dataclass(frozen=True, slots=True)
class Span:
    """Bytes of the source from `start` to, not including, `end`."""

    start: int
    end: int


Chunk: TypeAlias = "bytes | Span"


def iter_bytes(stream: BinaryIO, chunks: Iterable[Chunk]) -> Iterator[bytes]:
    """Iterate over the bytes of the chunks; spans are read in blocks, so a large file is never in memory whole."""
    for chunk in chunks:
        if isinstance(chunk, bytes):
            yield chunk
            continue
        stream.seek(chunk.start)
        remaining = chunk.end - chunk.start
        while remaining > 0:
            block = stream.read(min(remaining, _BLOCK_BYTES))
            if not block:
                raise truncated(_SOURCE)
            remaining -= len(block)
            yield block


def size_of(stream: BinaryIO) -> int:
    """The length of a stream; its position is at the end afterwards."""
    return stream.seek(0, 2)


def read_at(stream: BinaryIO, start: int, length: int) -> bytes:
    """Up to `length` bytes from `start`; fewer at the end of the stream."""
    stream.seek(start)
    return stream.read(length)


def truncated(what: str) -> errors.MediaError:
    """The error for a file that is truncated or has an invalid structure."""
    message = f"{what} is truncated or damaged."
    return errors.MediaError(message, hint="Download or export it again.")
