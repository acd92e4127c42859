"""Numbers as people and prompts read them."""

from __future__ import annotations

_EXACT = 1e15


def number_text(number: float) -> str:
    """The shortest text that still means this number; whole ones without a point.

    >>> number_text(3), number_text(3.0), number_text(0.1), number_text(1234567.25)
    ('3', '3', '0.1', '1234567.25')
    """
    if isinstance(number, float) and number.is_integer() and abs(number) < _EXACT:
        return str(int(number))
    return str(number) if isinstance(number, int) else repr(number)
