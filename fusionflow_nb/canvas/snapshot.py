"""The canvas as a still picture: for a notebook that is opened without a kernel, and for nbconvert.

JupyterLab cleans the HTML of notebooks it does not trust: no scripts, style sheets or SVG elements, in inline styles
neither `var()` nor colours by name. So each colour of Lab's theme stands after one that reads on light and dark alike
and survives alone, text keeps the colour around it, and the edges are a picture.
"""

from __future__ import annotations

import base64
from html import escape
from typing import TYPE_CHECKING, Any

from fusionflow_nb import errors
from fusionflow_nb.canvas.snapshot_layout import MOST_NEAR, Card, SnapshotLayout, lay_out
from fusionflow_nb.canvas.thumbnails import inlined
from fusionflow_nb.display.html import PORT_COLORS, STATE_COLORS
from fusionflow_nb.flow.react_flow import to_wire

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from fusionflow_nb.api.flow import Flow

    Results = Mapping[str, Sequence[Mapping[str, Any]]]

MOST_BYTES = 200_000
MOST_CELLS = 9
MOST_LINES, MOST_BLOCKS = 300, 3000
"""Edges, and nodes from afar: of more the picture would be too large, and tell no more."""
_CARD_BYTES = 900
_ROOM_FOR_WHY_PX = 120
_BAD, _REST = "#e0525f", "#8a919d"
_FAINT = "background-color:rgba(128,128,128,0.12)"
_NODE = "background-color:rgba(128,128,128,0.1);background-color:var(--jp-layout-color1,rgba(128,128,128,0.1))"
_LINE = "rgba(128,128,128,0.4)"
_CUT = "white-space:nowrap;overflow:hidden;text-overflow:ellipsis"


def snapshot_html(flow: Flow, results: Results, preview: Callable[[str], bytes | None], *, css_class: str = "") -> str:
    """The canvas as HTML without scripts, whole by itself, of at most about 200 kB.

    Args:
        flow: as it stands now.
        results: of each node, as the wire has them (js/src/wire/run.ts: JobResult).
        preview: WebP bytes for the sha256 of a picture, or None.
        css_class: of the outermost element, so that a living view can find and hide it.
    """
    with flow.history.held() as document:
        name, graph = document.name, to_wire(document)
    still = lay_out(graph, results, most_cells=MOST_CELLS)
    count = f"{_counted(len(graph['nodes']), 'node')} · {_counted(len(graph['edges']), 'edge')}"
    drawn = still.cards if len(still.cards) <= MOST_NEAR else []
    room = MOST_BYTES - 4_000 - _CARD_BYTES * len(drawn) - 400 * min(len(graph["edges"]), MOST_LINES)
    wanted = [(cell["sha256"], card.cell_px) for card in drawn for cell in card.cells if "sha256" in cell]
    pictures = inlined(wanted, preview, most_bytes=max(room, 0))
    cards = "".join(_card(card, pictures) for card in drawn)
    head = (
        '<div style="display:flex;align-items:baseline;gap:12px;padding:8px 12px;font-size:13px">'
        f'<b style="font-size:14px">{escape(name)}</b><span style="opacity:0.75">{count}</span>'
        '<span style="margin-left:auto;opacity:0.75">A still picture. Run this cell to work on it.</span></div>'
    )
    under = f'<img alt="" src="{_drawing(flow, still, graph, is_far=not drawn)}" style="position:absolute;left:0;top:0;'
    under += f'width:{still.width}px;height:{still.height}px;max-width:{still.width}px;margin:0">'
    field = (
        f'<div style="overflow:auto;max-height:720px;border-top:1px solid {_LINE}">'
        f'<div style="position:relative;width:{still.width}px;height:{still.height}px">{under}{cards}</div></div>'
    )
    return (
        f'<div class="{escape(css_class, quote=True)}" style="border:1px solid {_LINE};border-radius:10px;'
        f'overflow:hidden;margin:4px 0;font-family:sans-serif;{_FAINT}">{head}{field}</div>'
    )


def snapshot_text(flow: Flow, results: Results) -> str:
    """The same in words, a line per node, for where there is no HTML."""
    with flow.history.held() as document:
        name, graph = document.name, to_wire(document)
    still = lay_out(graph, results, most_cells=MOST_CELLS)
    lines = [f"{card.title} ({card.type}){': ' if card.words else ''}{card.words}" for card in still.cards]
    return "\n".join([f"{name}: {_counted(len(graph['nodes']), 'node')}", *(f"  {line}" for line in lines)])


def _counted(number: int, word: str) -> str:
    return f"{number} {word}{'' if number == 1 else 's'}"


def _card(card: Card, pictures: Mapping[tuple[str, int], str]) -> str:
    color = STATE_COLORS.get(card.state, _BAD) if card.state else _REST
    words = ""
    if card.words:
        dot = f"display:inline-block;width:7px;height:7px;border-radius:4px;background-color:{color};margin:0 5px 0 0"
        words = f'<span style="margin-left:auto;flex:none;opacity:0.9"><span style="{dot}"></span>'
        words += f"{escape(card.words)}</span>"
    place = f"position:absolute;left:{card.x}px;top:{card.y}px;width:{card.width}px;height:{card.height}px"
    look = f"box-sizing:border-box;overflow:hidden;border:1px solid {_LINE};border-radius:8px;{_NODE}"
    size = f"font-size:{card.font_px}px"
    title = f'<b style="{_CUT};min-width:0">{escape(card.title)}</b>'
    head = f"display:flex;align-items:center;gap:8px;height:{card.head_px}px;padding:0 8px;{size}"
    return (
        f'<div title="{escape(f"{card.title} ({card.type})", quote=True)}" style="{place};{look}">'
        f'<div style="{head}">{title}{words}</div>{_body(card, pictures)}</div>'
    )


def _body(card: Card, pictures: Mapping[tuple[str, int], str]) -> str:
    if not card.cells:
        said = f"padding:0 8px;white-space:pre-wrap;overflow:hidden;line-height:1.35;font-size:{card.font_px}px"
        return f'<div style="{said};opacity:0.85">{escape(card.text)}</div>' if card.text else ""
    shown = "".join(_cell(card, cell, pictures) for cell in card.cells)
    return f'<div style="display:flex;flex-wrap:wrap;gap:3px;padding:0 6px">{shown}</div>'


def _cell(card: Card, cell: Mapping[str, Any], pictures: Mapping[tuple[str, int], str]) -> str:
    size = f"width:{card.cell_px}px;height:{card.cell_height_px}px"
    labels = " · ".join(label for _, label in cell["coordinate"])
    uri = pictures.get((cell.get("sha256", ""), card.cell_px))
    badge = ""
    if cell.get("duration_s"):
        place = "position:absolute;left:4px;bottom:4px;padding:0 5px;border-radius:4px;font-size:10px"
        colors = "background-color:rgba(0,0,0,0.65);color:#ffffff"
        badge = f'<span style="{place};{colors}">▸ {cell["duration_s"]:.1f} s</span>'
    if uri is not None:
        alt = escape(f"{card.title} {labels}".strip(), quote=True)
        inside = f'<img alt="{alt}" src="{uri}" style="display:block;{size};max-width:{card.cell_px}px;margin:0">'
        border = ""
    else:
        said = cell.get("said") or cell.get("media_type", "")
        if cell.get("why") and card.cell_px >= _ROOM_FOR_WHY_PX:
            said = f"{said}: {cell['why']}"
        look = f"padding:4px;box-sizing:border-box;opacity:0.85;overflow:hidden;font-size:{card.font_px - 1}px"
        inside = f'<div style="{look};{size}">{escape(said)}</div>'
        border = f";border:1px dashed {_REST};box-sizing:border-box"
    told = ": ".join(filter(None, (labels, cell.get("why"))))
    title = f' title="{escape(told, quote=True)}"' if told else ""
    return (
        f'<div{title} style="position:relative;{size};border-radius:5px;overflow:hidden{border}">{inside}{badge}</div>'
    )


def _drawing(flow: Flow, still: SnapshotLayout, graph: Mapping[str, Any], *, is_far: bool) -> str:
    """The edges, and from afar the nodes too, as a picture."""
    types = {node["id"]: node["type"] for node in graph["nodes"]}
    known = {card.id: card for card in still.cards}
    parts = []
    for line in still.lines[:MOST_LINES]:
        (x1, y1), (x2, y2) = line.start, line.end
        bend = max(24, abs(x2 - x1) // 2)
        color = _port_color(flow, line.source, line.port, types)
        dash = "" if known[line.source].state else ' stroke-dasharray="5 4"'
        parts.append(f'<path d="M{x1} {y1}C{x1 + bend} {y1} {x2 - bend} {y2} {x2} {y2}" stroke="{color}"{dash}/>')
        if not is_far:
            parts += [f'<circle cx="{x}" cy="{y}" r="3.5" fill="{color}"/>' for x, y in (line.start, line.end)]
    if is_far:
        blocks: dict[str, list[str]] = {}
        for card in still.cards[:MOST_BLOCKS]:
            color = STATE_COLORS.get(card.state, _BAD) if card.state else _REST
            blocks.setdefault(color, []).append(f"M{card.x} {card.y}h{card.width}v{card.height}h-{card.width}z")
        parts += [f'<path d="{"".join(each)}" fill="{color}" fill-opacity=".6"/>' for color, each in blocks.items()]
    size = f'width="{still.width}" height="{still.height}"'
    svg = f'<svg xmlns="http://www.w3.org/2000/svg" {size} fill="none" stroke-width="1.5">{"".join(parts)}</svg>'
    return f"data:image/svg+xml;base64,{base64.b64encode(svg.encode()).decode()}"


def _port_color(flow: Flow, node_id: str, port: str, types: Mapping[str, str]) -> str:
    """The colour of what leaves a port."""
    try:
        declared = flow.node_type(node_id)
        return PORT_COLORS.get(declared.output(port).type.value, _REST) if declared.name == types[node_id] else _REST
    except errors.FlowError:
        return _REST  # nothing declares it here
