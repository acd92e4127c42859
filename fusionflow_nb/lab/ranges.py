"""Parse the request headers Range and If-None-Match."""

from __future__ import annotations

import re
from dataclasses import dataclass

# At most 18 digits, so that a hostile header does not become a huge integer.
_ONE_RANGE = re.compile(r"bytes[ \t]*=[ \t]*([0-9]{0,18})-([0-9]{0,18})[ \t]*", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class ByteRange:
    """Bytes from `start` up to, not including, `end`."""

    start: int
    end: int

    @property
    def size_bytes(self) -> int:
        """The length of the range."""
        return self.end - self.start


class UnsatisfiableRangeError(ValueError):
    """The range begins past the end; the response is 416."""


def parse_range(header: str | None, size_bytes: int) -> ByteRange | None:
    """The requested range; None for the whole: no range, several ranges, another unit, or a malformed header.

    Args:
        header: the value of `Range`, if any.
        size_bytes: of the whole.

    Raises:
        UnsatisfiableRangeError: no byte of the range exists.

    >>> parse_range("bytes=-2", 10)
    ByteRange(start=8, end=10)
    >>> parse_range("bytes=0-0,5-", 10) is None
    True
    """
    match = _ONE_RANGE.fullmatch(header or "")
    if match is None or not (match[1] or match[2]):
        return None
    if not match[1]:
        suffix = int(match[2])
        if suffix == 0 or size_bytes == 0:
            raise UnsatisfiableRangeError
        return ByteRange(max(0, size_bytes - suffix), size_bytes)
    start = int(match[1])
    last = int(match[2]) if match[2] else max(start, size_bytes - 1)
    if last < start:
        return None
    if start >= size_bytes:
        raise UnsatisfiableRangeError
    return ByteRange(start, min(last + 1, size_bytes))


def matches_etag(header: str | None, etag: str) -> bool:
    """Whether an If-None-Match header matches an ETag: `*` matches every ETag, and weak ETags match too.

    Args:
        header: the value of `If-None-Match`, if any.
        etag: with its quotes.

    >>> matches_etag('W/"a", "b"', '"b"')
    True
    """
    etags = [part.strip().removeprefix("W/") for part in (header or "").split(",")]
    return "*" in etags or etag in etags
