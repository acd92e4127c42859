"""How runs and flows look: bars in a terminal, a live card in a cell, human file names."""

from __future__ import annotations

import base64
import re
import sys
import time
from html import escape
from typing import TYPE_CHECKING, Any, TypeAlias

from fusionflow_nb.assets.sniff import extension as bare_extension
from fusionflow_nb.media.batch import Batch
from fusionflow_nb.media.handles import Media

if TYPE_CHECKING:
    from collections.abc import Sequence

    from fusionflow_nb.author import Flow
    from fusionflow_nb.engine.run import JobStatus
    from fusionflow_nb.live_run import LiveRun

    # What is there, its labels by axis, and why nothing is there.
    _Place: TypeAlias = tuple[Any, tuple[tuple[str, str], ...], str]

REFRESH_S = 0.1
MAX_STEM = 120
MAX_SHOWN_PICTURES = 12
MAX_SHOWN_OF_ONE_NODE = 4
_ENDED = ("succeeded", "cached")
_MARKS = {"succeeded": "✓", "cached": "✓", "running": "●", "waiting": "…", "queued": "·", "skipped": "–"}
_COLORS = {
    "succeeded": "green",
    "cached": "cyan",
    "running": "blue",
    "waiting": "yellow",
    "queued": "dim",
    "skipped": "dim",
}


def extension(media_type: str) -> str:
    """`.png` for `image/png`."""
    return "." + bare_extension(media_type).lstrip(".")


def file_stem(stem: str, labels: Sequence[tuple[str, str]]) -> str:
    """A file name for a cell that people and every file system can read.

    >>> file_stem("generate_image_1", (("prompt", "a cat / a dog"), ("seed", "7")))
    'generate_image_1 prompt=a cat - a dog seed=7'
    """
    name = " ".join([stem, *(f"{axis}={label}" for axis, label in labels)])
    safe = re.sub(r'[<>:"/\\|?*\x00-\x1f]+', "-", name).strip(" .")
    return safe[:MAX_STEM].rstrip(" .")


# --- one line per node -------------------------------------------------------------------------------------------------


def summary(statuses: Sequence[JobStatus], count: int) -> tuple[str, float, str]:
    """(state, fraction done, words) of a node from its jobs."""
    if not statuses:
        return "queued", 0.0, ""
    ended = [status for status in statuses if status.state in _ENDED]
    states = [status.state for status in statuses]
    done = sum(1.0 if status.state in _ENDED else (status.progress or 0.0) for status in statuses) / max(count, 1)
    words = f"{len(ended)}/{count}" if count > 1 else ""
    for state in ("running", "waiting"):
        if state in states:
            return state, done, words
    if len(states) < count:
        return "running", done, words
    bad = [status for status in statuses if status.state not in _ENDED]
    if bad:
        worst = next((status for status in bad if status.state != "skipped"), bad[0])
        said = worst.error.what if worst.error is not None and worst.state != "skipped" else ""
        return worst.state, done, f"{words} {said}".strip()
    return ("cached" if all(state == "cached" for state in states) else "succeeded"), 1.0, words


def _cost(statuses: Sequence[JobStatus]) -> str:
    micro = sum(status.cost_micro_usd for status in statuses)
    return f"${micro / 1e6:.2f}" if micro else "$0"


def _elapsed(statuses: Sequence[JobStatus], now_us: int) -> str:
    started = [status.started_at_us for status in statuses if status.started_at_us]
    if not started:
        return ""
    ended = max((status.finished_at_us or now_us) for status in statuses if status.started_at_us)
    return f"{(ended - min(started)) / 1e6:.1f} s"


# --- a terminal ----------------------------------------------------------------------------------------------------------


def terminal_table(run: LiveRun) -> Any:  # noqa: ANN401 - a rich renderable
    """The run as a rich table: a bar per node."""
    from rich.progress_bar import ProgressBar  # noqa: PLC0415 - only where somebody looks
    from rich.table import Table  # noqa: PLC0415

    table = Table.grid(padding=(0, 2))
    now_us = time.time_ns() // 1000
    for node_id, statuses in run.node_states().items():
        state, done, words = summary(statuses, run.job_count(node_id))
        color = _COLORS.get(state, "red")
        table.add_row(
            f"[{color}]{_MARKS.get(state, '✗')}[/]",
            node_id,
            ProgressBar(total=1.0, completed=done, width=24, complete_style=color, finished_style=color),
            f"[{color}]{state}[/]",
            _elapsed(statuses, now_us),
            _cost(statuses),
            f"[dim]{words.replace('[', chr(92) + '[')}[/]",
        )
    table.caption = f"{run.name} · {run.status} · {run.elapsed_s:.1f} s · ${run.cost_usd:.2f}"
    table.caption_justify = "left"
    return table


def watch(run: LiveRun, timeout_s: float | None = None) -> None:
    """Show progress in a terminal until the run has ended; elsewhere return at once (a cell shows itself)."""
    if not sys.stderr.isatty():
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


# --- a cell --------------------------------------------------------------------------------------------------------------

_STYLE = (
    "font:13px/1.45 var(--jp-ui-font-family,system-ui,sans-serif);color:var(--jp-ui-font-color1,inherit);"
    "max-width:760px"
)
_THUMBNAIL = "display:block;margin:0;width:128px;height:84px;border-radius:4px;background:rgba(128,128,128,.12);"
_STATE_COLORS = {
    "succeeded": "#2e9e6b",
    "cached": "#2b8fa8",
    "running": "#4f7df3",
    "waiting": "#b8860b",
    "queued": "#888",
    "skipped": "#888",
}


def bundle(run: LiveRun) -> dict[str, str]:
    """What a cell shows of a run as it stands now: a card, and one line where there is no HTML."""
    return {"text/plain": repr(run), "text/html": run_html(run)}


def run_html(run: LiveRun) -> str:
    """The run as a card: a line per node, and its pictures once they are there."""
    rows = []
    now_us = time.time_ns() // 1000
    for node_id, statuses in run.node_states().items():
        state, done, words = summary(statuses, run.job_count(node_id))
        color = _STATE_COLORS.get(state, "#d04a4a")
        bar = (
            '<div style="width:120px;height:4px;border-radius:2px;background:rgba(128,128,128,.25)">'
            f'<div style="width:{done * 100:.0f}%;height:4px;border-radius:2px;background:{color}"></div></div>'
        )
        cells = (
            f'<span style="color:{color}">{_MARKS.get(state, "✗")}</span>',
            escape(node_id),
            bar,
            f'<span style="color:{color}">{state}</span>',
            _elapsed(statuses, now_us),
            _cost(statuses),
            f'<span style="opacity:.7">{escape(words)}</span>',
        )
        rows.append(
            '<tr style="background:transparent">'
            + "".join(f'<td style="padding:1px 10px 1px 0;text-align:left">{cell}</td>' for cell in cells)
            + "</tr>"
        )
    head = (
        f'<div style="margin:2px 0 6px"><b>{escape(run.name)}</b> '
        f'<span style="opacity:.7">{run.status} · {run.elapsed_s:.1f} s · ${run.cost_usd:.2f}</span></div>'
    )
    table = f'<table style="border-collapse:collapse;font-variant-numeric:tabular-nums">{"".join(rows)}</table>'
    return f'<div style="{_STYLE}">{head}{table}{_pictures(run) if run.is_done else ""}</div>'


def _pictures(run: LiveRun) -> str:
    """Previews of what the nodes gave, in the flow's order; of too many, those of the last nodes. A hole says why."""
    shown: list[str] = []
    for node_id in reversed(list(run.node_states())):
        given = run[node_id]
        cells: list[_Place] = (
            [(cell.value, cell.labels, cell.note) for cell in given.cells]
            if isinstance(given, Batch)
            else [(given, (), "")]
        )
        strip: list[str] = []
        for value, labels, note in _chosen(cells, min(MAX_SHOWN_OF_ONE_NODE, MAX_SHOWN_PICTURES - len(shown))):
            text = escape(" · ".join(label for _, label in reversed(labels)) or node_id, quote=True)
            if isinstance(value, Media):
                strip.append(_figure(value, text))
            elif value is None and note and labels:
                strip.append(_hole(text, note))
        shown = [*strip, *shown]
    return f'<div style="display:flex;flex-wrap:wrap;gap:8px;margin-top:8px">{"".join(shown)}</div>'


def _chosen(cells: list[_Place], count: int) -> list[_Place]:
    """Some of many places, in their order: holes before all, for they want to be seen."""
    holes_first = sorted(range(len(cells)), key=lambda index: (cells[index][0] is not None, index))
    return [cells[index] for index in sorted(holes_first[: max(count, 0)])]


def _figure(medium: Media, text: str) -> str:
    preview = medium.preview()
    if preview is None:
        return ""
    data = base64.b64encode(preview).decode()
    image = f'<img style="{_THUMBNAIL}object-fit:contain" alt="{text}" src="data:image/webp;base64,{data}">'
    return f'<figure style="margin:0" title="{text}">{image}{_caption(text)}</figure>'


def _hole(text: str, note: str) -> str:
    look = (
        f"{_THUMBNAIL}border:1px dashed rgba(128,128,128,.6);box-sizing:border-box;display:flex;align-items:center;"
        "justify-content:center;font-size:11px;opacity:.7"
    )
    return f'<figure style="margin:0" title="{text}"><div style="{look}">{escape(note)}</div>{_caption(text)}</figure>'


def _caption(text: str) -> str:
    look = (
        "font-size:11px;line-height:1.5;opacity:.7;width:128px;overflow:hidden;text-overflow:ellipsis;white-space:nowrap"
    )
    return f'<figcaption style="{look}">{text}</figcaption>'


def flow_html(flow: Flow) -> str:
    """A flow as a list of its nodes and what feeds them, until the canvas shows it."""
    rows = []
    for node in flow.document.nodes.values():
        feeds = [f"{edge.target_port} ← {edge.source}" for edge in flow.document.edges if edge.target == node.id]
        said = ", ".join(f"{name}={value!r}" for name, value in list(node.params.items())[:4])
        cells = (node.id, node.type, "; ".join(feeds), said if len(said) < 90 else said[:89] + "…")
        rows.append(
            '<tr style="background:transparent">'
            + "".join(f'<td style="padding:1px 10px 1px 0;text-align:left">{escape(cell)}</td>' for cell in cells)
            + "</tr>"
        )
    return f'<div style="{_STYLE}"><b>{escape(flow.name)}</b><table style="border-collapse:collapse">{"".join(rows)}</table></div>'
