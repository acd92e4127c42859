"""Build texts from texts."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from fusionflow_nb import errors

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

# A name in single braces. Double braces belong to flow variables and stay as they are.
_SLOT: Final = re.compile(r"(?<!\{)\{([A-Za-z_][A-Za-z0-9_]*)\}(?!\})")


def slots(template: str) -> list[str]:
    """The names of the {slots} of a template, each once, in order of appearance.

    >>> slots("a {mood} {place} at {{time}}, {mood}")
    ['mood', 'place']
    """
    return list(dict.fromkeys(_SLOT.findall(template)))


def fill_template(template: str, values: Mapping[str, str]) -> str:
    """The template with each `{name}` replaced by its value; values are never searched for slots again.

    Double braces (`{{time}}` reads a flow variable) and braces around anything but a name stay.

    Raises:
        ParameterError: slots without a value; lists them.

    >>> fill_template("a {mood} city at {{time}}", {"mood": "calm"})
    'a calm city at {{time}}'
    """
    missing = [name for name in slots(template) if name not in values]
    if missing:
        message = f"These slots of template have no value: {', '.join(missing)}."
        raise errors.ParameterError(message, hint="Connect a text to each, under the same name, or remove the slot.")
    return _SLOT.sub(lambda slot: values[slot.group(1)], template)


def join_text(parts: Iterable[str], separator: str = ", ") -> str:
    """Several texts as one; empty ones leave no trace, so that an optional part needs no care.

    >>> join_text(["neon city", "", "long lens"])
    'neon city, long lens'
    """
    return separator.join(part for part in parts if part)


def split_lines(text: str) -> list[str]:
    r"""One text per line, trimmed; empty lines are left out.

    >>> split_lines("dawn\n\n  dusk ")
    ['dawn', 'dusk']
    """
    return [line.strip() for line in text.splitlines() if line.strip()]
