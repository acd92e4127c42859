"""A run or a flow in a cell: static HTML in the theme's colours, complete in a notebook opened without a kernel.

Every style is inline, because JupyterLab removes style sheets from untrusted outputs and other viewers do not load
them. Colour encodes only the state (a dot) and the type of a port, and text repeats it.
"""

from __future__ import annotations

import base64
import time
from html import escape
from typing import TYPE_CHECKING, Any, TypeAlias

from fusionflow_nb import errors
from fusionflow_nb.display.run_rows import fraction, rows, seconds
from fusionflow_nb.media.batch import Batch
from fusionflow_nb.media.handles import Media, Video

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from fusionflow_nb.display.run_view import FlowView, RunView
    from fusionflow_nb.engine.status import JobStatus
    from fusionflow_nb.flow.document import Node

    # The value, its labels by axis, and why it is missing.
    _Cell: TypeAlias = tuple[Any, tuple[tuple[str, str], ...], str]

MAX_SHOWN_PICTURES = 12
MAX_SHOWN_OF_ONE_NODE = 4

_LINE = "var(--jp-border-color2,rgba(128,128,128,.35))"
_TRACK = "rgba(128,128,128,.22)"
_QUIET = "opacity:.7"
_MONO = "font-family:var(--jp-code-font-family,ui-monospace,monospace);font-size:12px;font-variant-numeric:tabular-nums"
_CARD = (
    "font:13px/1.45 var(--jp-ui-font-family,system-ui,sans-serif);color:var(--jp-ui-font-color1,inherit);"
    f"box-sizing:border-box;max-width:760px;margin:4px 0;padding:10px 16px 12px;border:1px solid {_LINE};"
    "border-radius:10px;overflow:hidden"
)
_TABLE = (
    "border-collapse:collapse;border:0;margin:0;width:100%;table-layout:auto;font-size:13px;color:inherit;"
    "background:transparent"
)
_CELL = "border:0;padding:2px 14px 2px 0;text-align:left;vertical-align:middle;white-space:nowrap"
_NUMBER = f"border:0;padding:2px 0 2px 14px;text-align:right;vertical-align:middle;white-space:nowrap;{_MONO}"
_THUMBNAIL = (
    "display:block;margin:0;height:112px;width:auto;max-width:232px;border-radius:6px;background:rgba(128,128,128,.12)"
)

# Of equal lightness, so that they are readable on white and on black.
_OK, _KNOWN, _RUN, _WARN, _BAD, _REST = "#27a06a", "#2a93b0", "#5b82f5", "#c8881c", "#e0525f", "#8a919d"
STATE_COLORS = {
    "succeeded": _OK,
    "cached": _KNOWN,
    "running": _RUN,
    "waiting": _WARN,
    "unknown": _WARN,
    "over_budget": _WARN,
    "no_funds": _WARN,
    "queued": _REST,
    "skipped": _REST,
    "cancelled": _REST,
}
_STATUS_COLORS = {"queued": _REST, "running": _RUN, "succeeded": _OK, "cancelled": _REST}
PORT_COLORS = {
    "text": "#d0942f",
    "image": "#8b7bff",
    "video": "#f0629a",
    "number": "#35a695",
    "mask": "#8d97a5",
    "audio": "#4aa5e4",
    "json": "#8d97a5",
}


def bundle(run: RunView) -> dict[str, str]:
    """The current state of a run by media type: a card, and one line of plain text."""
    return {"text/plain": repr(run), "text/html": run_html(run)}


# --- a run -----------------------------------------------------------------------------------------------------------


def run_html(run: RunView) -> str:
    """The run as a card: a row per node, reasons of failures, and previews of results after the end."""
    status = run.status
    facts = f"{seconds(run.elapsed_s)} · {run.cost_text}"
    head = (
        '<div style="display:flex;align-items:center;gap:8px;margin-bottom:8px">'
        f'<span style="font-weight:600;font-size:14px">{escape(run.name)}</span>'
        f'<span style="margin-left:auto">{_dot(_STATUS_COLORS.get(status, _BAD))}{escape(status)}</span>'
        f'<span style="{_MONO};{_QUIET};padding-left:8px">{facts}</span></div>'
    )
    nodes = rows(run)
    table_rows = []
    for row in nodes:
        color = STATE_COLORS.get(row.state, _BAD)
        bar = _bar(_shares([row.statuses], row.jobs)) if row.is_moving else ""
        cells = (
            f'<td style="{_CELL}">{_dot(color)}{escape(row.node_id)}</td>',
            f'<td style="{_CELL};{_QUIET}">{escape(row.details)}</td>',
            f'<td style="{_CELL};width:40%">{bar}</td>',
            f'<td style="{_CELL};padding-right:0">{escape(row.state)}</td>',
            f'<td style="{_NUMBER};{_QUIET}">{row.elapsed}</td>',
            f'<td style="{_NUMBER};{_QUIET}">{row.cost}</td>',
        )
        table_rows.append(_table_row(*cells))
        if row.reason:
            style = "border:0;padding:0 0 4px 16px;text-align:left"
            table_rows.append(_table_row(f'<td colspan="6" style="{style}">{_reason(row.reason, color)}</td>'))
    table = f'<table style="{_TABLE};margin-top:8px">{"".join(table_rows)}</table>'
    total = _bar(_shares([row.statuses for row in nodes], sum(row.jobs for row in nodes)))
    return f'<div style="{_CARD}">{head}{total}{table}{_previews(run) if run.is_done else ""}</div>'


def _shares(nodes: Iterable[Sequence[JobStatus]], total: int) -> dict[str, float]:
    """Share of `total` jobs by colour: successes first, then failures, then running jobs."""
    counts: dict[str, float] = {}
    now_us = time.time_ns() // 1000
    for statuses in nodes:
        for status in statuses:
            color = STATE_COLORS.get(status.state, _BAD)
            share = 1.0 if status.finished_at_us else fraction(status, now_us)
            counts[color] = counts.get(color, 0.0) + share
    order = (_KNOWN, _OK, _BAD, _WARN, _REST, _RUN)
    return {color: counts[color] / max(total, 1) for color in order if counts.get(color)}


def _bar(shares: Mapping[str, float]) -> str:
    """A bar, with fractions of its width by colour."""
    parts = "".join(
        f'<div style="width:{share * 100:.1f}%;background:{color}"></div>' for color, share in shares.items()
    )
    return (
        f'<div style="display:flex;width:100%;height:4px;border-radius:2px;overflow:hidden;background:{_TRACK}">'
        f"{parts}</div>"
    )


def _dot(color: str) -> str:
    return (
        f'<span style="display:inline-block;width:8px;height:8px;border-radius:50%;background:{color};'
        'margin-right:8px;vertical-align:1px"></span>'
    )


def _reason(text: str, color: str) -> str:
    look = f"display:inline-block;padding:3px 9px;border-radius:6px;background:{color}24;white-space:normal"
    return f'<div style="{look}">{escape(text)}</div>'


def _table_row(*cells: str) -> str:
    return f'<tr style="background:transparent;border:0">{"".join(cells)}</tr>'


# --- previews of results ---------------------------------------------------------------------------------------------


def _previews(run: RunView) -> str:
    """Previews of results in the order of the flow; of too many, those of the last nodes. Missing cells say why."""
    figures: list[str] = []
    remaining = MAX_SHOWN_PICTURES
    for node_id in reversed(list(run.node_states())):
        output = run[node_id]
        cells: list[_Cell] = (
            [(cell.value, cell.labels, cell.note) for cell in output.cells]
            if isinstance(output, Batch)
            else [(output, (), "")]
        )
        cells = [cell for cell in cells if _is_shown(cell)]
        selected = _select(cells, min(MAX_SHOWN_OF_ONE_NODE, remaining))
        strip: list[str] = []
        for value, labels, note in selected:
            text = " · ".join(label for _, label in reversed(labels)) or node_id
            title = f"{node_id}: {text}" if labels else node_id
            if isinstance(value, Media):
                strip.append(_figure(value, text, title))
            else:
                strip.append(_missing(note, text, title))
        remaining -= len(selected)
        if strip and len(selected) < len(cells):
            strip[-1] = _with_more(strip[-1], len(cells) - len(selected), node_id)
        figures = [*filter(None, strip), *figures]
    if not figures:
        return ""
    return f'<div style="display:flex;flex-wrap:wrap;gap:8px;margin-top:12px">{"".join(figures)}</div>'


def _is_shown(cell: _Cell) -> bool:
    """Whether a cell has media or is missing; a skipped cell only repeats a missing cell upstream."""
    value, labels, note = cell
    return isinstance(value, Media) or (value is None and bool(labels) and note != "skipped")


def _select(cells: list[_Cell], count: int) -> list[_Cell]:
    """At most `count` cells, in order, preferring missing cells."""
    missing_first = sorted(range(len(cells)), key=lambda index: (cells[index][0] is not None, index))
    return [cells[index] for index in sorted(missing_first[: max(count, 0)])]


def _figure(media: Media, text: str, title: str) -> str:
    preview = media.preview()
    if preview is None:
        return ""
    data = base64.b64encode(preview).decode()
    image = f'<img style="{_THUMBNAIL}" alt="{escape(title, quote=True)}" src="data:image/webp;base64,{data}">'
    badge = ""
    if isinstance(media, Video) and media.asset.duration_s:
        look = (
            "position:absolute;left:6px;bottom:6px;padding:0 6px;border-radius:4px;background:rgba(0,0,0,.6);color:#fff"
        )
        badge = f'<span style="{look};{_MONO};font-size:11px">▸ {media.asset.duration_s:.1f} s</span>'
    return _framed(f'<div style="position:relative">{image}{badge}</div>', text, title)


def _missing(note: str, text: str, title: str) -> str:
    look = (
        "box-sizing:border-box;display:flex;align-items:center;justify-content:center;width:168px;height:112px;"
        f"border:1px dashed rgba(128,128,128,.6);border-radius:6px;font-size:12px;{_QUIET}"
    )
    return _framed(f'<div style="{look}">{escape(note)}</div>', text, title)


def _with_more(last: str, count: int, node_id: str) -> str:
    """The last figure, with the number of cells that are not shown in its corner."""
    look = "position:absolute;right:6px;top:6px;padding:0 7px;border-radius:4px;background:rgba(0,0,0,.6);color:#fff"
    title = f"{escape(node_id, quote=True)}: {count} more"
    return (
        f'<div style="position:relative">{last}'
        f'<span style="{look};{_MONO};font-size:11px" title="{title}">+{count}</span></div>'
    )


def _framed(content: str, text: str, title: str) -> str:
    """A figure with a caption, which is never wider than the content."""
    look = (
        f"width:0;min-width:100%;font-size:11px;line-height:1.7;{_QUIET};"
        "overflow:hidden;text-overflow:ellipsis;white-space:nowrap"
    )
    caption = f'<figcaption style="{look}">{escape(text)}</figcaption>'
    return f'<figure style="margin:0" title="{escape(title, quote=True)}">{content}{caption}</figure>'


# --- a flow ----------------------------------------------------------------------------------------------------------

_MAX_PARAMS_CHARS = 90


def flow_html(flow: FlowView) -> str:
    """A flow as a list of its nodes with their inputs and parameters."""
    document = flow.document
    count = f"{len(document.nodes)} nodes · {len(document.edges)} edges"
    head = (
        '<div style="display:flex;align-items:center;gap:8px;margin-bottom:6px">'
        f'<span style="font-weight:600;font-size:14px">{escape(flow.name)}</span>'
        f'<span style="margin-left:auto;{_MONO};{_QUIET}">{count}</span></div>'
    )
    sources: dict[str, list[str]] = {}
    for edge in document.edges:
        sources.setdefault(edge.target, []).append(f"{edge.target_port} ← {edge.source}")
    table_rows = []
    for node in document.nodes.values():
        params = ", ".join(f"{name}={value!r}" for name, value in list(node.params.items())[:4])
        params = params if len(params) < _MAX_PARAMS_CHARS else params[: _MAX_PARAMS_CHARS - 1] + "…"
        wide = f"{_CELL};white-space:normal;overflow-wrap:anywhere"
        cells = (
            f'<td style="{_CELL}">{_dot(_type_color(flow, node))}{escape(node.id)}</td>',
            f'<td style="{_CELL};{_QUIET}">{escape(node.type)}</td>',
            f'<td style="{wide}">{escape("; ".join(sources.get(node.id, ())))}</td>',
            f'<td style="{wide};{_QUIET}">{escape(params)}</td>',
        )
        table_rows.append(_table_row(*cells))
    return f'<div style="{_CARD}">{head}<table style="{_TABLE}">{"".join(table_rows)}</table></div>'


def _type_color(flow: FlowView, node: Node) -> str:
    """The colour of the type of the node's first output."""
    try:
        declared = flow.node_type(node.id)
        kind = declared.output(declared.first_output).type.value if declared.first_output else ""
    except errors.FlowError:
        return _BAD  # not declared in this kernel
    return PORT_COLORS.get(kind, _REST)
