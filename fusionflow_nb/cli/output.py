"""How the command line says things: tables for people, JSON for programs, and no control code from anybody's text."""

from __future__ import annotations

import base64
import datetime as dt
import functools
import json
import math
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from fusionflow_nb.display import harmless

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Sequence

    from rich.console import Console

_PIPE_WIDTH = 10_000
"""What goes into a file or a pipe is not cut to the width of a screen that is not there."""


@functools.cache
def console() -> Console:
    """Where people read."""
    from rich.console import Console  # noqa: PLC0415 - help and errors come without it

    made = Console(highlight=False)
    return made if made.is_terminal else Console(highlight=False, width=_PIPE_WIDTH)


def is_watched() -> bool:
    """Whether a person sees stdout."""
    return console().is_terminal


def line(text: object, *, style: str | None = None) -> None:
    """One line as it is: no markup, no wrapping."""
    console().print(harmless(str(text)), style=style, markup=False, soft_wrap=True)


def heading(text: str) -> None:
    """A rule across a terminal; a plain line elsewhere."""
    if is_watched():
        console().rule(text)
    else:
        line(f"--- {text}")


def table(columns: Sequence[str], rows: Sequence[Sequence[str]], *, numbers: Collection[int] = ()) -> None:
    """A table: folded to the width of a terminal, one whole line per row elsewhere; `numbers` are set flush right.

    Columns without names have no heading.
    """
    clean = [[as_line(cell) for cell in row] for row in [columns, *rows]]
    if not is_watched():
        widths = [max(len(row[place]) for row in clean) for place in range(len(columns))]
        for row in clean if any(columns) else clean[1:]:
            cells = (cell.rjust(widths[at]) if at in numbers else cell.ljust(widths[at]) for at, cell in enumerate(row))
            line("  ".join(cells).rstrip())
        return
    from rich.table import Table  # noqa: PLC0415
    from rich.text import Text  # noqa: PLC0415

    shown = Table(box=None, show_header=any(columns), pad_edge=False, header_style="bold", padding=(0, 2, 0, 0))
    for place, column in enumerate(clean[0]):
        shown.add_column(Text(column), justify="right" if place in numbers else "left", overflow="fold")
    for row in clean[1:]:
        shown.add_row(*(Text(cell) for cell in row))
    console().print(shown)


def as_line(text: str) -> str:
    r"""A text in one line; of a parser's message, the part before the excerpt with its caret.

    >>> as_line('Parser Error: syntax error at or near "SELEC"\n\nLINE 1: SELEC\n        ^')
    'Parser Error: syntax error at or near "SELEC"'
    """
    return harmless(" ".join(text.partition("\n\nLINE ")[0].split()))


def as_json(value: Any) -> str:  # noqa: ANN401 - whatever SQL gives
    """JSON that every parser takes: no NaN, times in ISO 8601, bytes in base64."""
    return json.dumps(_plain(value), indent=2, ensure_ascii=False, allow_nan=False)


def _plain(value: Any) -> Any:  # noqa: ANN401
    if isinstance(value, dict):
        return {_plain(str(name)): _plain(one) for name, one in value.items()}
    if isinstance(value, list | tuple | set):
        return [_plain(one) for one in value]
    if isinstance(value, Decimal | float):
        return float(value) if math.isfinite(value) else None
    for kind, convert in _LEAVES.items():
        if isinstance(value, kind):
            return convert(value)
    return value if value is None or isinstance(value, int) else str(value)


_LEAVES: dict[type, Callable[[Any], Any]] = {
    str: lambda text: text.encode("utf-8", "replace").decode(),  # half characters would break the pipe
    dt.date: lambda day: day.isoformat(),  # and datetime, each in its own form
    dt.time: dt.time.isoformat,
    dt.timedelta: dt.timedelta.total_seconds,
    bytes: lambda data: base64.b64encode(data).decode(),
}
