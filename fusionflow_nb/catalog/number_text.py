"""Format numbers as text for prompts and labels."""

from __future__ import annotations

_MAX_INTEGER = 1e15


def number_text(number: float) -> str:
    """The shortest text that parses to the same number; integers without a decimal point.

    >>> number_text(3), number_text(3.0), number_text(0.1), number_text(1234567.25)
    ('3', '3', '0.1', '1234567.25')
    """
    if isinstance(number, float) and number.is_integer() and abs(number) < _MAX_INTEGER:
        return str(int(number))
    return str(number) if isinstance(number, int) else repr(number)
