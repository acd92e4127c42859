"""Parameter checks shared by transforms; every error names the parameter."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Final

from PIL import ImageColor

from fusionflow_nb import errors

if TYPE_CHECKING:
    from collections.abc import Iterable

ANCHORS: Final = {
    "top-left": (0.0, 0.0),
    "top": (0.5, 0.0),
    "top-right": (1.0, 0.0),
    "left": (0.0, 0.5),
    "center": (0.5, 0.5),
    "right": (1.0, 0.5),
    "bottom-left": (0.0, 1.0),
    "bottom": (0.5, 1.0),
    "bottom-right": (1.0, 1.0),
}
"""Nine positions in a rectangle, as fractions of the free space to the left and above."""


def in_range(name: str, value: float, low: float, high: float) -> float:
    """Return the value if it is a finite number within low..high (inclusive).

    Raises:
        ParameterError: it is not.

    >>> in_range("opacity", 0.5, 0, 1)
    0.5
    """
    if not math.isfinite(value) or not low <= value <= high:
        message = f"{name} is {value:g}; it must be from {low:g} to {high:g}."
        raise errors.ParameterError(message, hint=f"Set {name} within this range.")
    return value


def one_of(name: str, value: str, choices: Iterable[str]) -> str:
    """Return the value if it is one of the choices.

    Raises:
        ParameterError: it is not.
    """
    words = list(choices)
    if value not in words:
        message = f"{name} is {value!r}; it must be one of: {', '.join(words)}."
        raise errors.ParameterError(message, hint=f"Set {name} to one of these.")
    return value


def colour(name: str, value: str) -> tuple[int, int, int, int]:
    """Red, green, blue, alpha 0..255 of a CSS colour: "#7c9cff", "#0008", "white", "rgb(0 0 0)", "transparent".

    Raises:
        ParameterError: the text is not a colour.

    >>> colour("ground", "#0008")
    (0, 0, 0, 136)
    """
    if value.strip().lower() == "transparent":
        return (0, 0, 0, 0)
    try:
        red, green, blue, alpha = ImageColor.getcolor(value.strip(), "RGBA")  # type: ignore[misc]  # four in mode RGBA
    except ValueError as error:
        message = f"{name} is {value!r}, which is not a colour."
        raise errors.ParameterError(message, hint="Write it as #rrggbb, #rrggbbaa or a CSS name.") from error
    return (red, green, blue, alpha)
