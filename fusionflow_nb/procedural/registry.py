"""Declaration of a style: texts for users, settings as data, and the render function."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, TypeAlias

from fusionflow_nb import errors

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from fusionflow_nb.procedural.frame import Frame, Rendered, Tick

    # Paints a prompt: prompt, seed, frame, settings (complete and valid), tick.
    Renderer: TypeAlias = Callable[[str, int, Frame, Mapping[str, object], Tick], Rendered]


@dataclass(frozen=True, slots=True)
class Setting:
    """One setting of a style."""

    kind: Literal["number", "integer", "choice", "boolean"]
    default: object
    description: str
    minimum: float | None = None
    maximum: float | None = None
    choices: tuple[str, ...] = ()

    def problem(self, value: object) -> str | None:
        """Return why a value is invalid, as the rest of a sentence; None if it is valid.

        >>> Setting("number", 0.5, "Amount of it.", 0, 1).problem(2)
        'must be a number from 0 to 1, not 2'
        """
        if self.kind == "boolean":
            return None if isinstance(value, bool) else f"must be true or false, not {value!r}"
        if self.kind == "choice":
            return None if value in self.choices else f"must be one of {', '.join(self.choices)}, not {value!r}"
        expected = int if self.kind == "integer" else (int, float)
        low, high = self.minimum, self.maximum
        fits = (
            isinstance(value, expected)
            and not isinstance(value, bool)
            and (low is None or value >= low)
            and (high is None or value <= high)
            and value == value  # noqa: PLR0124 - false only for NaN
        )
        noun = "a whole number" if self.kind == "integer" else "a number"
        return None if fits else f"must be {noun} from {low:g} to {high:g}, not {value!r}"


@dataclass(frozen=True, slots=True)
class Style:
    """A procedural way to make a picture from a prompt."""

    id: str
    title: str
    says_how: str  # how the picture is computed, one sentence
    gives_depth: bool
    settings: Mapping[str, Setting]
    renderer: Renderer

    def complete(self, values: Mapping[str, object]) -> dict[str, object]:
        """Return the settings, checked, with defaults for missing ones.

        Raises:
            ParameterError: a setting is unknown, of the wrong type or out of range.

        """
        for name, value in values.items():
            if name not in self.settings:
                message = f"The style {self.id} has no setting {name!r}."
                raise errors.ParameterError(message, hint=f"It has: {', '.join(self.settings)}.")
            problem = self.settings[name].problem(value)
            if problem is not None:
                message = f"The setting {name!r} of the style {self.id} {problem}."
                raise errors.ParameterError(message, hint=self.settings[name].description)
        return {name: values.get(name, setting.default) for name, setting in self.settings.items()}


PHASE = Setting(
    "number",
    0.0,
    "Moment of a loop: rendering 0, 0.1, 0.2 ... 1 moves the picture; 1 looks like 0 again.",
    0,
    1,
)


def number(settings: Mapping[str, object], name: str) -> float:
    """Return a checked setting as a float."""
    value = settings[name]
    if not isinstance(value, (int, float)):
        message = f"The setting {name!r} is not a number."
        raise errors.ParameterError(message)
    return float(value)
