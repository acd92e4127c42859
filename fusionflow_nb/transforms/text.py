"""Combine and split texts."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from fusionflow_nb import errors

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

# A name in single braces. Double braces are flow variables and are kept.
_SLOT: Final = re.compile(r"(?<!\{)\{([A-Za-z_][A-Za-z0-9_]*)\}(?!\})")


def slots(template: str) -> list[str]:
    """The names of the {slots} of a template, each once, in order of appearance.

    >>> slots("a {mood} {place} at {{time}}, {mood}")
    ['mood', 'place']
    """
    return list(dict.fromkeys(_SLOT.findall(template)))


def fill_template(template: str, values: Mapping[str, str]) -> str:
    """Replace each `{name}` of a template by its value; values are not searched for slots.

    Double braces (`{{time}}` reads a flow variable) and braces around anything but a name are kept.

    Raises:
        ParameterError: slots have no value; the message lists them.

    >>> fill_template("a {mood} city at {{time}}", {"mood": "calm"})
    'a calm city at {{time}}'
    """
    missing = [name for name in slots(template) if name not in values]
    if missing:
        message = f"These slots of the template have no value: {', '.join(missing)}."
        raise errors.ParameterError(message, hint="Connect a text with the name of each slot, or remove the slot.")
    return _SLOT.sub(lambda slot: values[slot.group(1)], template)


def join_text(parts: Iterable[str], separator: str = ", ") -> str:
    """Join texts; empty texts are skipped, with their separators.

    >>> join_text(["neon city", "", "long lens"])
    'neon city, long lens'
    """
    return separator.join(part for part in parts if part)


def split_lines(text: str) -> list[str]:
    r"""Split a text into lines, trimmed, without empty lines.

    >>> split_lines("dawn\n\n  dusk ")
    ['dawn', 'dusk']
    """
    return [line.strip() for line in text.splitlines() if line.strip()]
