"""Output of the command line: tables, JSON, and lines without control characters."""

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
"""Output to a file or a pipe is not wrapped to a terminal width."""


@functools.cache
def console() -> Console:
    """The console on stdout."""
    from rich.console import Console  # noqa: PLC0415 - help and errors do not need it

    terminal = Console(highlight=False)
    return terminal if terminal.is_terminal else Console(highlight=False, width=_PIPE_WIDTH)


def is_interactive() -> bool:
    """Whether stdout is a terminal."""
    return console().is_terminal


def line(text: object, *, style: str | None = None) -> None:
    """Print a line without markup or wrapping."""
    console().print(harmless(str(text)), style=style, markup=False, soft_wrap=True)


def heading(text: str) -> None:
    """Print a heading: a rule on a terminal, a plain line elsewhere."""
    if is_interactive():
        console().rule(text)
    else:
        line(f"--- {text}")


def table(columns: Sequence[str], rows: Sequence[Sequence[str]], *, numbers: Collection[int] = ()) -> None:
    """Print a table: folded to the width of a terminal, one line per row elsewhere.

    Args:
        columns: headings; no heading is printed if all are empty.
        rows: cells as text.
        numbers: places of the columns that are right-aligned.
    """
    clean = [[as_line(cell) for cell in row] for row in [columns, *rows]]
    if not is_interactive():
        widths = [max(len(row[place]) for row in clean) for place in range(len(columns))]
        for row in clean if any(columns) else clean[1:]:
            cells = (cell.rjust(widths[at]) if at in numbers else cell.ljust(widths[at]) for at, cell in enumerate(row))
            line("  ".join(cells).rstrip())
        return
    from rich.table import Table  # noqa: PLC0415
    from rich.text import Text  # noqa: PLC0415

    grid = Table(box=None, show_header=any(columns), pad_edge=False, header_style="bold", padding=(0, 2, 0, 0))
    for place, column in enumerate(clean[0]):
        grid.add_column(Text(column), justify="right" if place in numbers else "left", overflow="fold")
    for row in clean[1:]:
        grid.add_row(*(Text(cell) for cell in row))
    console().print(grid)


def as_line(text: str) -> str:
    r"""Join a text into one line; the query excerpt of a parser error is dropped.

    >>> as_line('Parser Error: syntax error at or near "SELEC"\n\nLINE 1: SELEC\n        ^')
    'Parser Error: syntax error at or near "SELEC"'
    """
    return harmless(" ".join(text.partition("\n\nLINE ")[0].split()))


def as_json(value: Any) -> str:  # noqa: ANN401 - any SQL value
    """Encode as strict JSON: no NaN, times in ISO 8601, bytes in base64."""
    return json.dumps(_plain(value), indent=2, ensure_ascii=False, allow_nan=False)


def _plain(value: Any) -> Any:  # noqa: ANN401
    if isinstance(value, dict):
        return {_plain(str(name)): _plain(item) for name, item in value.items()}
    if isinstance(value, list | tuple | set):
        return [_plain(item) for item in value]
    if isinstance(value, Decimal | float):
        return float(value) if math.isfinite(value) else None
    for kind, convert in _LEAVES.items():
        if isinstance(value, kind):
            return convert(value)
    return value if value is None or isinstance(value, int) else str(value)


_LEAVES: dict[type, Callable[[Any], Any]] = {
    str: lambda text: text.encode("utf-8", "replace").decode(),  # lone surrogates cannot be encoded
    dt.date: lambda day: day.isoformat(),  # and datetime, a subclass
    dt.time: dt.time.isoformat,
    dt.timedelta: dt.timedelta.total_seconds,
    bytes: lambda data: base64.b64encode(data).decode(),
}
