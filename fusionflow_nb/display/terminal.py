"""A run in a terminal: a live table with one bar per node, which remains after the end."""

from __future__ import annotations

import sys
import time
import unicodedata
from typing import TYPE_CHECKING, Any

from fusionflow_nb.display.run_rows import rows, seconds

if TYPE_CHECKING:
    from fusionflow_nb.display.run_view import RunView

REFRESH_S = 0.1
_BAR_WIDTH, _LEAST_BAR, _LEAST_NAME = 20, 6, 24
_STYLES = {
    "succeeded": "green",
    "cached": "cyan",
    "running": "blue",
    "waiting": "yellow",
    "unknown": "yellow",
    "over_budget": "yellow",
    "no_funds": "yellow",
    "queued": "dim",
    "skipped": "dim",
    "cancelled": "dim",
}


def terminal_table(run: RunView) -> Any:  # noqa: ANN401 - a rich renderable
    """The run as a rich table: one bar per node, and a total."""
    from rich.console import Group  # noqa: PLC0415 - only with a terminal
    from rich.progress_bar import ProgressBar  # noqa: PLC0415
    from rich.table import Table  # noqa: PLC0415
    from rich.text import Text  # noqa: PLC0415

    nodes = rows(run)
    table = Table.grid(padding=(0, 2, 0, 0))
    table.add_column(min_width=1, no_wrap=True)
    longest = max((len(row.node_id) for row in nodes), default=1)
    table.add_column(min_width=min(longest, _LEAST_NAME), no_wrap=True, overflow="ellipsis")
    table.add_column(min_width=_LEAST_BAR, no_wrap=True)
    table.add_column(min_width=max((len(row.state) for row in nodes), default=1), no_wrap=True)
    for texts in ([row.elapsed for row in nodes], [row.cost for row in nodes]):
        table.add_column(min_width=max(map(len, texts), default=1), justify="right", no_wrap=True)
    table.add_column(no_wrap=True, overflow="ellipsis")
    reasons = []
    for row in nodes:
        style = _STYLES.get(row.state, "red")
        bar = ProgressBar(total=1.0, completed=row.done, width=_BAR_WIDTH, complete_style=style, finished_style=style)
        table.add_row(
            Text(row.mark, style=style),
            Text(harmless(row.node_id)),
            bar,
            Text(row.state, style=style),
            Text(row.elapsed),
            Text(row.cost),
            Text(harmless(row.details), style="dim"),
        )
        if row.reason:
            # Below the table in full width: a sentence in a column would squeeze the other columns.
            reasons.append(Text(harmless(f"{row.mark} {row.node_id}: {row.reason}"), style=style))
    total = f"{run.name} · {run.status} · {seconds(run.elapsed_s)} · {run.cost_text}"
    return Group(table, *reasons, Text(harmless(total), style="italic dim"))


def is_watched() -> bool:
    """Whether `watch` shows progress: stderr is a terminal."""
    return sys.stderr.isatty()


def watch(run: RunView, timeout_s: float | None = None) -> None:
    """Show progress in a terminal until the run has ended. Returns immediately without a terminal."""
    if not is_watched():
        return
    from rich.console import Console  # noqa: PLC0415
    from rich.live import Live  # noqa: PLC0415

    deadline = None if timeout_s is None else time.monotonic() + timeout_s
    console = Console(stderr=True)
    with Live(terminal_table(run), console=console, refresh_per_second=10, transient=False) as live:
        while not run.is_done and (deadline is None or time.monotonic() < deadline):
            time.sleep(REFRESH_S)
            live.update(terminal_table(run))
        live.update(terminal_table(run))


def harmless(text: str) -> str:
    r"""Escape control characters, which could recolour or overwrite a terminal.

    >>> harmless("a\x1b[31mb")
    'a\\x1b[31mb'
    """
    if text.isprintable():
        return text
    return "".join(letter if letter == "\n" or not _is_control(letter) else repr(letter)[1:-1] for letter in text)


def _is_control(letter: str) -> bool:
    """C0 and C1 controls, bidirectional controls and surrogates, but not the joiners of emoji."""
    kind = unicodedata.category(letter)
    return kind in {"Cc", "Cs"} or (kind == "Cf" and unicodedata.bidirectional(letter) != "BN")
