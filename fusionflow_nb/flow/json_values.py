"""What a flow may hold: plain JSON, finite, not absurdly deep, and text that every file and wire can carry."""

from __future__ import annotations

import math
from typing import Any

from fusionflow_nb import errors

MAX_DEPTH = 100
"""Levels of lists and dicts in one value; Python itself cannot read code nested twice as deep."""
_MAX_BITS = 4096


def to_json_value(value: Any, *, node_id: str | None = None, depth: int = 0) -> Any:  # noqa: ANN401 - any JSON value
    """A copy of a value as plain JSON: dict, list, str, int, float, bool, None.

    Args:
        value: tuples become lists; anything that JSON does not know is refused.
        node_id: the node it concerns, for errors.
        depth: how deep it stands already.

    Raises:
        EditError: a number that is not finite or huge, broken text, an object of a class, more than MAX_DEPTH levels.

    >>> plain({"sizes": (512, 1.5)})
    {'sizes': [512, 1.5]}
    """
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, str):
        return _text(value, node_id)
    if isinstance(value, int):
        if value.bit_length() > _MAX_BITS:
            raise errors.EditError("A number is too large to be stored.", node_id=node_id, hint="Give it as text.")
        return int(value)
    if isinstance(value, float):
        if not math.isfinite(value):
            raise errors.EditError(
                f"{value} is no number that can be stored.", node_id=node_id, hint="Use a finite one."
            )
        return float(value)
    if depth == MAX_DEPTH:
        raise errors.EditError(
            f"A value is nested deeper than {MAX_DEPTH} levels.", node_id=node_id, hint="Flatten it."
        )
    if isinstance(value, dict):
        return {
            _key(name, node_id): to_json_value(one, node_id=node_id, depth=depth + 1) for name, one in value.items()
        }
    if isinstance(value, list | tuple):
        return [to_json_value(one, node_id=node_id, depth=depth + 1) for one in value]
    raise errors.EditError(
        f"A {type(value).__name__} cannot be stored in a flow.",
        node_id=node_id,
        hint="Use text, numbers, lists and dicts; media go through an input.",
    )


def _key(name: Any, node_id: str | None) -> str:  # noqa: ANN401 - any key
    if not isinstance(name, str):
        raise errors.EditError(f"The key {name!r} is no text.", node_id=node_id, hint=f"Write it as {str(name)!r}.")
    return _text(name, node_id)


def _text(text: str, node_id: str | None) -> str:
    if not text.isascii():
        try:
            text.encode()
        except UnicodeEncodeError as error:
            raise errors.EditError(
                f"The text {text[:40]!r} holds half a character.", node_id=node_id, hint="Type it again."
            ) from error
    return str.__str__(text)
