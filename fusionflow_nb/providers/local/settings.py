"""Checks of the local models' settings; an error names the setting and its range."""

from __future__ import annotations

from fusionflow_nb import errors


def number(name: str, value: float, low: float, high: float) -> float:
    """Return the value if it is within low..high.

    Raises:
        SettingError: it is not.

    >>> number("zoom", 1.5, 1, 2)
    1.5
    """
    if not low <= value <= high:
        message = f"{name} = {value} is out of range."
        raise errors.SettingError(message, hint=f"Use {low:g} to {high:g}.")
    return value


def choice(name: str, value: str, choices: tuple[str, ...]) -> str:
    """Return the value if it is one of the choices.

    Raises:
        SettingError: it is not.
    """
    if value not in choices:
        message = f"{name} = {value!r} is not valid."
        raise errors.SettingError(message, hint=f"Use one of: {', '.join(choices)}.")
    return value


def frame_count(duration_s: float, fps: float) -> int:
    """Return the number of frames of a video of 1 to 20 s at 12 to 60 frames per second.

    Raises:
        SettingError: either is out of range.

    >>> frame_count(3.0, 24)
    72
    """
    return round(number("duration_s", duration_s, 1, 20) * number("fps", fps, 12, 60))
