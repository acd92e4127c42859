"""Node types for text, numbers and JSON values."""

from __future__ import annotations

import re
from typing import Any

from fusionflow_nb import errors
from fusionflow_nb.catalog.declare import declare
from fusionflow_nb.catalog.node_type import Kind, NodeType

# A single-braced name; double braces belong to flow variables.
_SLOT = re.compile(r"(?<!\{)\{([A-Za-z_][A-Za-z0-9_]*)\}(?!\})")


def text(text: str = "") -> str:
    """A prompt or any other text; {{name}} reads a flow variable."""
    return text


def template(template: str = "", **values: str) -> str:
    """A text with {slots}, each filled by the input of the same name."""
    slots = {name: str(value) for name, value in values.items()}
    missing = [name for name in _SLOT.findall(template) if name not in slots]
    if missing:
        raise errors.ParameterError(
            f"The template has slots without an input: {', '.join(missing)}.",
            hint="Connect a text to an input of each name.",
        )
    return _SLOT.sub(lambda slot: slots[slot.group(1)], template)


def number(value: float = 0.0) -> float:
    """A number."""
    return value


def json(value: Any = None) -> Any:  # noqa: ANN401 - any JSON value
    """A list, an object or any other JSON value."""
    return value


def join(parts: list[str], separator: str = ", ") -> str:
    """Joins several texts, or a batch of texts, into one text."""
    return separator.join(parts)


def node_types() -> list[NodeType]:
    """The declarations of this family."""
    return [
        declare(text, kind=Kind.STRUCTURAL, category="Text", title="Prompt", run=text),
        declare(template, kind=Kind.STRUCTURAL, category="Text", run=template),
        declare(join, kind=Kind.STRUCTURAL, category="Text", title="Join texts", run=join),
        declare(number, kind=Kind.STRUCTURAL, category="Text", run=number),
        declare(json, kind=Kind.STRUCTURAL, category="Text", title="JSON", run=json),
    ]
