"""Which bytes a Range header asks for: one stretch, everything, or nothing there is."""

from __future__ import annotations

import re
from dataclasses import dataclass

# More digits than any file has bytes are refused before Python makes a number of them.
_ONE_RANGE = re.compile(r"bytes[ \t]*=[ \t]*([0-9]{0,18})-([0-9]{0,18})[ \t]*", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Stretch:
    """Bytes `start` up to, not including, `end`."""

    start: int
    end: int

    @property
    def size_bytes(self) -> int:
        """How many bytes it has."""
        return self.end - self.start


class UnsatisfiableRangeError(ValueError):
    """The range begins past the end; the answer is 416."""


def read_range(header: str | None, size_bytes: int) -> Stretch | None:
    """The stretch asked for, or None where the whole is due: no range, several ranges, another unit, or nonsense.

    Args:
        header: the value of `Range`, if any.
        size_bytes: of the whole.

    Raises:
        UnsatisfiableRangeError: no byte of the range exists.

    >>> read_range("bytes=-2", 10)
    Stretch(start=8, end=10)
    >>> read_range("bytes=0-0,5-", 10) is None
    True
    """
    asked = _ONE_RANGE.fullmatch(header or "")
    if asked is None or not (asked[1] or asked[2]):
        return None
    if not asked[1]:
        suffix = int(asked[2])
        if suffix == 0 or size_bytes == 0:
            raise UnsatisfiableRangeError
        return Stretch(max(0, size_bytes - suffix), size_bytes)
    start = int(asked[1])
    last = int(asked[2]) if asked[2] else max(start, size_bytes - 1)
    if last < start:
        return None
    if start >= size_bytes:
        raise UnsatisfiableRangeError
    return Stretch(start, min(last + 1, size_bytes))


def names_etag(header: str | None, etag: str) -> bool:
    """Whether an If-None-Match header names a tag; `*` names them all, and weak marks do not count.

    Args:
        header: the value of `If-None-Match`, if any.
        etag: with its quotes.

    >>> names_etag('W/"a", "b"', '"b"')
    True
    """
    named = [part.strip().removeprefix("W/") for part in (header or "").split(",")]
    return "*" in named or etag in named
