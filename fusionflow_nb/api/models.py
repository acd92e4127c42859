"""`ff.models()`: the available models with their prices and keys."""

from __future__ import annotations

import datetime as dt
import os
from html import escape
from typing import TYPE_CHECKING, Any, get_args

from fusionflow_nb import errors
from fusionflow_nb.providers.model import PerCharacter, PerMegapixel, PerSecond, PerToken, Task
from fusionflow_nb.session import current_session
from fusionflow_nb.settings import credentials
from fusionflow_nb.settings.environment import SIMULATOR_VARIABLE

if TYPE_CHECKING:
    from collections.abc import Iterator

    from fusionflow_nb.providers.model import ModelEntry

COLUMNS = ("model", "tasks", "method", "price", "key", "aliases")


class ModelTable:
    """Models as a table in a cell or terminal; iterating yields the entries."""

    def __init__(self, entries: list[ModelEntry]) -> None:
        self.entries = entries

    def __iter__(self) -> Iterator[ModelEntry]:
        return iter(self.entries)

    def __len__(self) -> int:
        return len(self.entries)

    def rows(self) -> list[tuple[str, ...]]:
        """One row of text per model."""
        keys = {provider: _key_text(provider) for provider in {entry.provider for entry in self.entries}}
        return [
            (
                entry.id,
                ", ".join(entry.tasks),
                entry.method,
                _price_or_end(entry),
                keys[entry.provider],
                ", ".join(entry.aliases),
            )
            for entry in self.entries
        ]

    def _repr_html_(self) -> str:
        def line(cells: tuple[str, ...], tag: str) -> str:
            return (
                "<tr>" + "".join(f'<{tag} style="text-align:left">{escape(cell)}</{tag}>' for cell in cells) + "</tr>"
            )

        return f"<table>{line(COLUMNS, 'th')}{''.join(line(row, 'td') for row in self.rows())}</table>"

    def __repr__(self) -> str:
        widths = [max(len(row[at]) for row in [COLUMNS, *self.rows()]) for at in range(len(COLUMNS))]
        return "\n".join(
            "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
            for row in [COLUMNS, *self.rows()]
        )


def models(task: Task | None = None) -> ModelTable:
    """All models, or those for a task (`text-to-image`, `edit-image`, `upscale`, `image-to-video` ...).

    Raises:
        CapabilityError: unknown task; the hint lists the tasks.

    >>> any(entry.id == "local/landscape" for entry in models(task="text-to-image"))
    True
    """
    if task is not None and task not in get_args(Task):
        raise errors.CapabilityError(f"Unknown task {task!r}.", hint=f"Tasks: {', '.join(sorted(get_args(Task)))}.")
    return ModelTable(current_session().registry.entries(task=task))


def price_text(entry: ModelEntry) -> str:
    """The price rule in words, in US dollars."""
    if entry.is_free:
        return "free"
    if entry.price is None:
        return "unpriced"
    units: dict[type[Any], str] = {
        PerSecond: "second",
        PerMegapixel: "megapixel",
        PerCharacter: "character",
        PerToken: "token",
    }
    unit = units.get(type(entry.price), "image" if entry.price.rule == "per_image" else "call")
    usd = entry.price.usd
    if entry.price.rule in {"per_token", "per_character"}:
        usd, unit = usd * 1e6, f"million {unit}s"
    return f"${usd:g} / {unit}" + (" (uncertain)" if entry.is_price_uncertain else "")


def _price_or_end(entry: ModelEntry) -> str:
    """The price, and the date on which the service retires the model."""
    ends = entry.retires_on
    if ends is None:
        return price_text(entry)
    has_ended = dt.datetime.now(dt.UTC).date() >= ends
    return f"ended {ends}" if has_ended else f"{price_text(entry)}, ends {ends}"


def _key_text(provider: str) -> str:
    if provider not in credentials.services():
        return "not needed"
    if os.environ.get(SIMULATOR_VARIABLE):
        return "simulated"
    try:
        return credentials.where(provider) or "missing"
    except errors.SecretError:
        return "unreadable"  # still list the models; `fusionflow doctor` reports the reason
