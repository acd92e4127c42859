"""A run in a terminal: a bar per node while it goes on, and the same table left behind at its end."""

from __future__ import annotations

import sys
import time
import unicodedata
from typing import TYPE_CHECKING, Any

from fusionflow_nb.display.run_rows import lines, seconds

if TYPE_CHECKING:
    from fusionflow_nb.api.run import RunHandle

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


def terminal_table(run: RunHandle) -> Any:  # noqa: ANN401 - a rich renderable
    """The run as a rich table: a bar per node, and a line that sums up."""
    from rich.console import Group  # noqa: PLC0415 - only where somebody looks
    from rich.progress_bar import ProgressBar  # noqa: PLC0415
    from rich.table import Table  # noqa: PLC0415
    from rich.text import Text  # noqa: PLC0415

    found = lines(run)
    table = Table.grid(padding=(0, 2, 0, 0))
    table.add_column(min_width=1, no_wrap=True)
    longest = max((len(line.node_id) for line in found), default=1)
    table.add_column(min_width=min(longest, _LEAST_NAME), no_wrap=True, overflow="ellipsis")
    table.add_column(min_width=_LEAST_BAR, no_wrap=True)
    table.add_column(min_width=max((len(line.state) for line in found), default=1), no_wrap=True)
    for texts in ([line.elapsed for line in found], [line.cost for line in found]):
        table.add_column(min_width=max(map(len, texts), default=1), justify="right", no_wrap=True)
    table.add_column(no_wrap=True, overflow="ellipsis")
    reasons = []
    for line in found:
        style = _STYLES.get(line.state, "red")
        bar = ProgressBar(total=1.0, completed=line.done, width=_BAR_WIDTH, complete_style=style, finished_style=style)
        table.add_row(
            Text(line.mark, style=style),
            Text(harmless(line.node_id)),
            bar,
            Text(line.state, style=style),
            Text(line.elapsed),
            Text(line.cost),
            Text(harmless(line.words), style="dim"),
        )
        if line.said:
            # Below, over the whole width: a sentence in a column would squeeze all the others.
            reasons.append(Text(harmless(f"{line.mark} {line.node_id}: {line.said}"), style=style))
    total = f"{run.name} · {run.status} · {seconds(run.elapsed_s)} · {run.cost_text}"
    return Group(table, *reasons, Text(harmless(total), style="italic dim"))


def is_watched() -> bool:
    """Whether `watch` has a terminal to show progress in."""
    return sys.stderr.isatty()


def watch(run: RunHandle, timeout_s: float | None = None) -> None:
    """Show progress in a terminal until the run has ended; elsewhere return at once (a cell shows itself)."""
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
    r"""Text whose control codes, which could recolour or rewrite a terminal, are shown instead of obeyed.

    >>> harmless("a\x1b[31mb")
    'a\\x1b[31mb'
    """
    if text.isprintable():
        return text
    return "".join(letter if letter == "\n" or not _is_control(letter) else repr(letter)[1:-1] for letter in text)


def _is_control(letter: str) -> bool:
    """C0, C1, marks that turn the direction of text, half characters; not the joiners inside emoji."""
    kind = unicodedata.category(letter)
    return kind in {"Cc", "Cs"} or (kind == "Cf" and unicodedata.bidirectional(letter) != "BN")
