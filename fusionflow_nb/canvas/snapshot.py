"""The canvas as a static picture: for notebooks opened without a kernel, and for nbconvert.

JupyterLab sanitizes the HTML of untrusted notebooks: no scripts, style sheets or SVG elements, and no `var()` or named
colours in inline styles. So each colour of Lab's theme follows a fallback that is readable on light and dark, text
inherits its colour, and the edges are an image.
"""

from __future__ import annotations

import base64
from html import escape
from typing import TYPE_CHECKING, cast

from fusionflow_nb import errors
from fusionflow_nb.canvas.snapshot_layout import MAX_DETAILED, Card, CardCell, SnapshotLayout, lay_out
from fusionflow_nb.canvas.thumbnails import inlined
from fusionflow_nb.display.html import PORT_COLORS, STATE_COLORS
from fusionflow_nb.flow.react_flow import to_wire

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from fusionflow_nb.api.flow import Flow
    from fusionflow_nb.canvas.wire import JobResult, WireGraph

    Results = Mapping[str, Sequence[JobResult]]

MOST_BYTES = 200_000
MOST_CELLS = 9
MOST_LINES, MOST_BLOCKS = 300, 3000
"""Maximum number of drawn edges, and of nodes in the overview: more would make the picture too large."""
_CARD_BYTES = 900
_REASON_MIN_PX = 120
_BAD, _REST = "#e0525f", "#8a919d"
_FAINT = "background-color:rgba(128,128,128,0.12)"
_NODE = "background-color:rgba(128,128,128,0.1);background-color:var(--jp-layout-color1,rgba(128,128,128,0.1))"
_LINE = "rgba(128,128,128,0.4)"
_CUT = "white-space:nowrap;overflow:hidden;text-overflow:ellipsis"


def snapshot_html(flow: Flow, results: Results, preview: Callable[[str], bytes | None], *, css_class: str = "") -> str:
    """The canvas as self-contained HTML without scripts, of at most about 200 kB.

    Args:
        flow: the flow.
        results: results of each node, in wire form.
        preview: returns WebP bytes of an image by sha256, or None.
        css_class: class of the outermost element, by which an active view finds and hides it.
    """
    with flow.history.locked_document() as document:
        name, graph = document.name, cast("WireGraph", to_wire(document))
    layout = lay_out(graph, results, most_cells=MOST_CELLS)
    count = f"{_counted(len(graph['nodes']), 'node')} · {_counted(len(graph['edges']), 'edge')}"
    drawn = layout.cards if len(layout.cards) <= MAX_DETAILED else []
    room = MOST_BYTES - 4_000 - _CARD_BYTES * len(drawn) - 400 * min(len(graph["edges"]), MOST_LINES)
    images = [(cell["sha256"], card.cell_px) for card in drawn for cell in card.cells if "sha256" in cell]
    pictures = inlined(images, preview, most_bytes=max(room, 0))
    cards = "".join(_card(card, pictures) for card in drawn)
    head = (
        '<div style="display:flex;align-items:baseline;gap:12px;padding:8px 12px;font-size:13px">'
        f'<b style="font-size:14px">{escape(name)}</b><span style="opacity:0.75">{count}</span>'
        '<span style="margin-left:auto;opacity:0.75">Static picture. Run this cell to edit the flow.</span></div>'
    )
    under = (
        f'<img alt="" src="{_drawing(flow, layout, graph, is_far=not drawn)}" style="position:absolute;left:0;top:0;'
    )
    under += f'width:{layout.width}px;height:{layout.height}px;max-width:{layout.width}px;margin:0">'
    field = (
        f'<div style="overflow:auto;max-height:720px;border-top:1px solid {_LINE}">'
        f'<div style="position:relative;width:{layout.width}px;height:{layout.height}px">{under}{cards}</div></div>'
    )
    return (
        f'<div class="{escape(css_class, quote=True)}" style="border:1px solid {_LINE};border-radius:10px;'
        f'overflow:hidden;margin:4px 0;font-family:sans-serif;{_FAINT}">{head}{field}</div>'
    )


def snapshot_text(flow: Flow, results: Results) -> str:
    """The canvas as plain text, one line per node."""
    with flow.history.locked_document() as document:
        name, graph = document.name, cast("WireGraph", to_wire(document))
    layout = lay_out(graph, results, most_cells=MOST_CELLS)
    lines = [f"{card.title} ({card.type}){': ' if card.summary else ''}{card.summary}" for card in layout.cards]
    return "\n".join([f"{name}: {_counted(len(graph['nodes']), 'node')}", *(f"  {line}" for line in lines)])


def _counted(number: int, word: str) -> str:
    return f"{number} {word}{'' if number == 1 else 's'}"


def _card(card: Card, pictures: Mapping[tuple[str, int], str]) -> str:
    color = STATE_COLORS.get(card.state, _BAD) if card.state else _REST
    summary = ""
    if card.summary:
        dot = f"display:inline-block;width:7px;height:7px;border-radius:4px;background-color:{color};margin:0 5px 0 0"
        summary = f'<span style="margin-left:auto;flex:none;opacity:0.9"><span style="{dot}"></span>'
        summary += f"{escape(card.summary)}</span>"
    place = f"position:absolute;left:{card.x}px;top:{card.y}px;width:{card.width}px;height:{card.height}px"
    look = f"box-sizing:border-box;overflow:hidden;border:1px solid {_LINE};border-radius:8px;{_NODE}"
    size = f"font-size:{card.font_px}px"
    title = f'<b style="{_CUT};min-width:0">{escape(card.title)}</b>'
    head = f"display:flex;align-items:center;gap:8px;height:{card.head_px}px;padding:0 8px;{size}"
    return (
        f'<div title="{escape(f"{card.title} ({card.type})", quote=True)}" style="{place};{look}">'
        f'<div style="{head}">{title}{summary}</div>{_body(card, pictures)}</div>'
    )


def _body(card: Card, pictures: Mapping[tuple[str, int], str]) -> str:
    if not card.cells:
        style = f"padding:0 8px;white-space:pre-wrap;overflow:hidden;line-height:1.35;font-size:{card.font_px}px"
        return f'<div style="{style};opacity:0.85">{escape(card.text)}</div>' if card.text else ""
    cells = "".join(_cell(card, cell, pictures) for cell in card.cells)
    return f'<div style="display:flex;flex-wrap:wrap;gap:3px;padding:0 6px">{cells}</div>'


def _cell(card: Card, cell: CardCell, pictures: Mapping[tuple[str, int], str]) -> str:
    size = f"width:{card.cell_px}px;height:{card.cell_height_px}px"
    labels = " · ".join(label for _, label in cell["coordinate"])
    uri = pictures.get((cell.get("sha256", ""), card.cell_px))
    badge = ""
    duration_s = cell.get("duration_s")
    if duration_s:
        place = "position:absolute;left:4px;bottom:4px;padding:0 5px;border-radius:4px;font-size:10px"
        colors = "background-color:rgba(0,0,0,0.65);color:#ffffff"
        badge = f'<span style="{place};{colors}">▸ {duration_s:.1f} s</span>'
    if uri is not None:
        alt = escape(f"{card.title} {labels}".strip(), quote=True)
        inside = f'<img alt="{alt}" src="{uri}" style="display:block;{size};max-width:{card.cell_px}px;margin:0">'
        border = ""
    else:
        text = cell.get("label") or cell.get("media_type", "")
        if cell.get("reason") and card.cell_px >= _REASON_MIN_PX:
            text = f"{text}: {cell['reason']}"
        look = f"padding:4px;box-sizing:border-box;opacity:0.85;overflow:hidden;font-size:{card.font_px - 1}px"
        inside = f'<div style="{look};{size}">{escape(text)}</div>'
        border = f";border:1px dashed {_REST};box-sizing:border-box"
    tooltip = ": ".join(filter(None, (labels, cell.get("reason"))))
    title = f' title="{escape(tooltip, quote=True)}"' if tooltip else ""
    return (
        f'<div{title} style="position:relative;{size};border-radius:5px;overflow:hidden{border}">{inside}{badge}</div>'
    )


def _drawing(flow: Flow, layout: SnapshotLayout, graph: WireGraph, *, is_far: bool) -> str:
    """The edges as an SVG data URI, in the overview (`is_far`) with the nodes."""
    types = {node["id"]: node["type"] for node in graph["nodes"]}
    cards = {card.id: card for card in layout.cards}
    parts = []
    for line in layout.lines[:MOST_LINES]:
        (x1, y1), (x2, y2) = line.start, line.end
        bend = max(24, abs(x2 - x1) // 2)
        color = _port_color(flow, line.source, line.port, types)
        dash = "" if cards[line.source].state else ' stroke-dasharray="5 4"'
        parts.append(f'<path d="M{x1} {y1}C{x1 + bend} {y1} {x2 - bend} {y2} {x2} {y2}" stroke="{color}"{dash}/>')
        if not is_far:
            parts += [f'<circle cx="{x}" cy="{y}" r="3.5" fill="{color}"/>' for x, y in (line.start, line.end)]
    if is_far:
        blocks: dict[str, list[str]] = {}
        for card in layout.cards[:MOST_BLOCKS]:
            color = STATE_COLORS.get(card.state, _BAD) if card.state else _REST
            blocks.setdefault(color, []).append(f"M{card.x} {card.y}h{card.width}v{card.height}h-{card.width}z")
        parts += [f'<path d="{"".join(paths)}" fill="{color}" fill-opacity=".6"/>' for color, paths in blocks.items()]
    size = f'width="{layout.width}" height="{layout.height}"'
    svg = f'<svg xmlns="http://www.w3.org/2000/svg" {size} fill="none" stroke-width="1.5">{"".join(parts)}</svg>'
    return f"data:image/svg+xml;base64,{base64.b64encode(svg.encode()).decode()}"


def _port_color(flow: Flow, node_id: str, port: str, types: Mapping[str, str]) -> str:
    """The colour of an output port's type."""
    try:
        declared = flow.node_type(node_id)
        return PORT_COLORS.get(declared.output(port).type.value, _REST) if declared.name == types[node_id] else _REST
    except errors.FlowError:
        return _REST  # not declared in this kernel
