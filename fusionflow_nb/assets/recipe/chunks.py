"""A rewritten file as a list of pieces: new bytes, and spans of the old file that are copied as they are."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, BinaryIO, TypeAlias

from fusionflow_nb import errors

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

_CHUNK_BYTES = 1 << 20
_SOURCE = "The file"


@dataclass(frozen=True, slots=True)
class Span:
    """Bytes `start` to `end` (not included) of the source."""

    start: int
    end: int


Chunk: TypeAlias = "bytes | Span"


def chunks_of(stream: BinaryIO, pieces: Iterable[Chunk]) -> Iterator[bytes]:
    """The bytes of the pieces in order, spans in chunks, so that a large file is never in memory whole."""
    for piece in pieces:
        if isinstance(piece, bytes):
            yield piece
            continue
        stream.seek(piece.start)
        left = piece.end - piece.start
        while left > 0:
            chunk = stream.read(min(left, _CHUNK_BYTES))
            if not chunk:
                raise truncated(_SOURCE)
            left -= len(chunk)
            yield chunk


def size_of(stream: BinaryIO) -> int:
    """The length of a stream; its position is at the end afterwards."""
    return stream.seek(0, 2)


def read_at(stream: BinaryIO, start: int, length: int) -> bytes:
    """Up to `length` bytes from `start`; fewer where the stream ends."""
    stream.seek(start)
    return stream.read(length)


def truncated(what: str) -> errors.MediaError:
    """A file ends before its own lengths say, or its structure is not what its kind asks for."""
    message = f"{what} is truncated or damaged."
    return errors.MediaError(message, hint="Download or export it again.")
