"""A run or a flow in a cell: static HTML in the colours around it, whole in a notebook stored without a kernel.

Every style is inline: JupyterLab takes style sheets out of outputs that it does not trust, and other viewers have
none of ours. Colour says the state (a dot) and the type of a port, nothing else; words say it too.
"""

from __future__ import annotations

import base64
import time
from html import escape
from typing import TYPE_CHECKING, Any, TypeAlias

from fusionflow_nb import errors
from fusionflow_nb.display.run_rows import fraction, lines, seconds
from fusionflow_nb.media.batch import Batch
from fusionflow_nb.media.handles import Media, Video

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from fusionflow_nb.api.flow import Flow
    from fusionflow_nb.api.run import RunHandle
    from fusionflow_nb.engine.run import JobStatus
    from fusionflow_nb.flow.document import Node

    # What is there, its labels by axis, and why nothing is there.
    _Place: TypeAlias = tuple[Any, tuple[tuple[str, str], ...], str]

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

# Of one lightness, so that they read on white and on black.
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


def bundle(run: RunHandle) -> dict[str, str]:
    """What a cell shows of a run as it stands now: a card, and one line where there is no HTML."""
    return {"text/plain": repr(run), "text/html": run_html(run)}


# --- a run -----------------------------------------------------------------------------------------------------------


def run_html(run: RunHandle) -> str:
    """The run as a card: a line per node, why something failed, and its pictures once it has ended."""
    status = run.status
    facts = f"{seconds(run.elapsed_s)} · {run.cost_text}"
    head = (
        '<div style="display:flex;align-items:center;gap:8px;margin-bottom:8px">'
        f'<span style="font-weight:600;font-size:14px">{escape(run.name)}</span>'
        f'<span style="margin-left:auto">{_dot(_STATUS_COLORS.get(status, _BAD))}{escape(status)}</span>'
        f'<span style="{_MONO};{_QUIET};padding-left:8px">{facts}</span></div>'
    )
    found = lines(run)
    rows = []
    for line in found:
        color = STATE_COLORS.get(line.state, _BAD)
        bar = _bar(_shares([line.statuses], line.jobs)) if line.is_moving else ""
        cells = (
            f'<td style="{_CELL}">{_dot(color)}{escape(line.node_id)}</td>',
            f'<td style="{_CELL};{_QUIET}">{escape(line.words)}</td>',
            f'<td style="{_CELL};width:40%">{bar}</td>',
            f'<td style="{_CELL};padding-right:0">{escape(line.state)}</td>',
            f'<td style="{_NUMBER};{_QUIET}">{line.elapsed}</td>',
            f'<td style="{_NUMBER};{_QUIET}">{line.cost}</td>',
        )
        rows.append(_row(*cells))
        if line.said:
            look = "border:0;padding:0 0 4px 16px;text-align:left"
            rows.append(_row(f'<td colspan="6" style="{look}">{_said(line.said, color)}</td>'))
    table = f'<table style="{_TABLE};margin-top:8px">{"".join(rows)}</table>'
    whole = _bar(_shares([line.statuses for line in found], sum(line.jobs for line in found)))
    return f'<div style="{_CARD}">{head}{whole}{table}{_pictures(run) if run.is_done else ""}</div>'


def _shares(nodes: Iterable[Sequence[JobStatus]], total: int) -> dict[str, float]:
    """How much of `total` jobs each colour has: what is well first, then what failed, then what is under way."""
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
    """A continuous bar: fractions of its width by colour."""
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


def _said(text: str, color: str) -> str:
    look = f"display:inline-block;padding:3px 9px;border-radius:6px;background:{color}24;white-space:normal"
    return f'<div style="{look}">{escape(text)}</div>'


def _row(*cells: str) -> str:
    return f'<tr style="background:transparent;border:0">{"".join(cells)}</tr>'


# --- its pictures ----------------------------------------------------------------------------------------------------


def _pictures(run: RunHandle) -> str:
    """Previews of what the nodes gave, in the flow's order; of too many, those of the last nodes. A hole says why."""
    shown: list[str] = []
    left = MAX_SHOWN_PICTURES
    for node_id in reversed(list(run.node_states())):
        given = run[node_id]
        cells: list[_Place] = (
            [(cell.value, cell.labels, cell.note) for cell in given.cells]
            if isinstance(given, Batch)
            else [(given, (), "")]
        )
        cells = [cell for cell in cells if _is_shown(cell)]
        chosen = _chosen(cells, min(MAX_SHOWN_OF_ONE_NODE, left))
        strip: list[str] = []
        for value, labels, note in chosen:
            text = " · ".join(label for _, label in reversed(labels)) or node_id
            title = f"{node_id}: {text}" if labels else node_id
            if isinstance(value, Media):
                strip.append(_figure(value, text, title))
            else:
                strip.append(_hole(note, text, title))
        left -= len(chosen)
        if strip and len(chosen) < len(cells):
            strip[-1] = _with_more(strip[-1], len(cells) - len(chosen), node_id)
        shown = [*filter(None, strip), *shown]
    if not shown:
        return ""
    return f'<div style="display:flex;flex-wrap:wrap;gap:8px;margin-top:12px">{"".join(shown)}</div>'


def _is_shown(cell: _Place) -> bool:
    """Whether a place has a picture, or a hole of its own: one that was skipped only repeats the hole above."""
    value, labels, note = cell
    return isinstance(value, Media) or (value is None and bool(labels) and note != "skipped")


def _chosen(cells: list[_Place], count: int) -> list[_Place]:
    """Some of many places, in their order: holes before all, for they want to be seen."""
    holes_first = sorted(range(len(cells)), key=lambda index: (cells[index][0] is not None, index))
    return [cells[index] for index in sorted(holes_first[: max(count, 0)])]


def _figure(medium: Media, text: str, title: str) -> str:
    preview = medium.preview()
    if preview is None:
        return ""
    data = base64.b64encode(preview).decode()
    image = f'<img style="{_THUMBNAIL}" alt="{escape(title, quote=True)}" src="data:image/webp;base64,{data}">'
    badge = ""
    if isinstance(medium, Video) and medium.asset.duration_s:
        look = (
            "position:absolute;left:6px;bottom:6px;padding:0 6px;border-radius:4px;background:rgba(0,0,0,.6);color:#fff"
        )
        badge = f'<span style="{look};{_MONO};font-size:11px">▸ {medium.asset.duration_s:.1f} s</span>'
    return _framed(f'<div style="position:relative">{image}{badge}</div>', text, title)


def _hole(note: str, text: str, title: str) -> str:
    look = (
        "box-sizing:border-box;display:flex;align-items:center;justify-content:center;width:168px;height:112px;"
        f"border:1px dashed rgba(128,128,128,.6);border-radius:6px;font-size:12px;{_QUIET}"
    )
    return _framed(f'<div style="{look}">{escape(note)}</div>', text, title)


def _with_more(last: str, count: int, node_id: str) -> str:
    """The last of those shown, and in its corner how many there are besides."""
    look = "position:absolute;right:6px;top:6px;padding:0 7px;border-radius:4px;background:rgba(0,0,0,.6);color:#fff"
    title = f"{escape(node_id, quote=True)}: {count} more"
    return (
        f'<div style="position:relative">{last}'
        f'<span style="{look};{_MONO};font-size:11px" title="{title}">+{count}</span></div>'
    )


def _framed(what: str, text: str, title: str) -> str:
    """With its caption, which is never wider than the picture."""
    look = (
        f"width:0;min-width:100%;font-size:11px;line-height:1.7;{_QUIET};"
        "overflow:hidden;text-overflow:ellipsis;white-space:nowrap"
    )
    caption = f'<figcaption style="{look}">{escape(text)}</figcaption>'
    return f'<figure style="margin:0" title="{escape(title, quote=True)}">{what}{caption}</figure>'


# --- a flow ----------------------------------------------------------------------------------------------------------

_MAX_SAID = 90


def flow_html(flow: Flow) -> str:
    """A flow as a list of its nodes, what feeds them and what they are set to."""
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
    rows = []
    for node in document.nodes.values():
        said = ", ".join(f"{name}={value!r}" for name, value in list(node.params.items())[:4])
        said = said if len(said) < _MAX_SAID else said[: _MAX_SAID - 1] + "…"
        wide = f"{_CELL};white-space:normal;overflow-wrap:anywhere"
        cells = (
            f'<td style="{_CELL}">{_dot(_type_color(flow, node))}{escape(node.id)}</td>',
            f'<td style="{_CELL};{_QUIET}">{escape(node.type)}</td>',
            f'<td style="{wide}">{escape("; ".join(sources.get(node.id, ())))}</td>',
            f'<td style="{wide};{_QUIET}">{escape(said)}</td>',
        )
        rows.append(_row(*cells))
    return f'<div style="{_CARD}">{head}<table style="{_TABLE}">{"".join(rows)}</table></div>'


def _type_color(flow: Flow, node: Node) -> str:
    """The colour of what the node gives."""
    try:
        declared = flow.node_type(node.id)
        kind = declared.output(declared.first_output).type.value if declared.first_output else ""
    except errors.FlowError:
        return _BAD  # nothing declares it here
    return PORT_COLORS.get(kind, _REST)
