"""Values that a flow can store: JSON with finite numbers, limited depth and valid Unicode text."""

from __future__ import annotations

import math
from typing import Any

from fusionflow_nb import errors

MAX_DEPTH = 100
"""Levels of lists and dicts in a value; Python cannot parse code nested twice as deep."""
_MAX_BITS = 4096


def to_json_value(value: Any, *, node_id: str | None = None, depth: int = 0) -> Any:  # noqa: ANN401 - any JSON value
    """A copy of a value as plain JSON: dict, list, str, int, float, bool, None.

    Args:
        value: tuples become lists; types that JSON does not have are errors.
        node_id: the node of the value, for errors.
        depth: the nesting level of the value.

    Raises:
        EditError: a number that is not finite or too large, invalid text, another type, more than MAX_DEPTH levels.

    >>> to_json_value({"sizes": (512, 1.5)})
    {'sizes': [512, 1.5]}
    """
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, str):
        return _text(value, node_id)
    if isinstance(value, int):
        if value.bit_length() > _MAX_BITS:
            raise errors.EditError("A number is too large to be stored.", node_id=node_id, hint="Store it as text.")
        return int(value)
    if isinstance(value, float):
        if not math.isfinite(value):
            raise errors.EditError(f"{value} cannot be stored.", node_id=node_id, hint="Use a finite number.")
        return float(value)
    if depth == MAX_DEPTH:
        raise errors.EditError(
            f"A value is nested deeper than {MAX_DEPTH} levels.", node_id=node_id, hint="Flatten it."
        )
    if isinstance(value, dict):
        return {
            _key(name, node_id): to_json_value(item, node_id=node_id, depth=depth + 1) for name, item in value.items()
        }
    if isinstance(value, list | tuple):
        return [to_json_value(item, node_id=node_id, depth=depth + 1) for item in value]
    raise errors.EditError(
        f"A {type(value).__name__} cannot be stored in a flow.",
        node_id=node_id,
        hint="Use text, numbers, lists and dicts; connect media to an input.",
    )


def _key(name: Any, node_id: str | None) -> str:  # noqa: ANN401 - any key
    if not isinstance(name, str):
        raise errors.EditError(f"The key {name!r} is not text.", node_id=node_id, hint=f"Write it as {str(name)!r}.")
    return _text(name, node_id)


def _text(text: str, node_id: str | None) -> str:
    if not text.isascii():
        try:
            text.encode()
        except UnicodeEncodeError as error:
            raise errors.EditError(
                f"The text {text[:40]!r} contains an incomplete character.", node_id=node_id, hint="Type it again."
            ) from error
    return str.__str__(text)
