"""Layout of the static picture of a canvas: a card per node, scaled to a notebook's width."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NotRequired, TypedDict, cast

from fusionflow_nb.media.values import canonical_json

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from fusionflow_nb.canvas.wire import Coordinate, JobResult, WireGraph

    Point = tuple[int, int]

WIDTH_PX = 920
"""Approximate width of a notebook's output column."""
LEAST_SCALE, MOST_SCALE, FAR_SCALE = 0.5, 0.8, 0.01
MAX_DETAILED = 120
"""Larger flows are drawn as an overview, without details of nodes."""
_MARGIN_PX = 16
_NODE_PX = 280
_FAR_HEIGHT = 220
"""Height of a node in the overview, in canvas pixels."""
_TEXT_CHARS = 160
_TEXT_LINES = 4
_WELL = ("succeeded", "cached")


class CardCell(TypedDict):
    """A result on a card, or in its place a label and reason why it is missing."""

    coordinate: Coordinate
    sha256: NotRequired[str]
    media_type: NotRequired[str]
    width: NotRequired[int | None]
    height: NotRequired[int | None]
    duration_s: NotRequired[float | None]
    value: NotRequired[Any]
    label: NotRequired[str]
    reason: NotRequired[str]


@dataclass(frozen=True, slots=True)
class Card:
    """A node, in pixels of the picture."""

    id: str
    type: str
    title: str
    x: int
    y: int
    width: int
    height: int
    head_px: int
    font_px: int
    state: str
    """State of its results; empty without results."""
    summary: str
    text: str
    """Shown if it has no media."""
    cells: list[CardCell]
    cell_px: int
    cell_height_px: int


@dataclass(frozen=True, slots=True)
class Line:
    """An edge, from the right side of a card to the left side of another."""

    source: str
    port: str
    start: Point
    end: Point


@dataclass(frozen=True, slots=True)
class SnapshotLayout:
    """The whole picture."""

    width: int
    height: int
    cards: list[Card]
    lines: list[Line]


def lay_out(graph: WireGraph, results: Mapping[str, Sequence[JobResult]], *, most_cells: int) -> SnapshotLayout:
    """Compute the cards and lines of a graph."""
    nodes = _placed(graph["nodes"])
    if not nodes:
        return SnapshotLayout(WIDTH_PX, 80, [], [])
    left = min(node["position"]["x"] for node in nodes)
    top = min(node["position"]["y"] for node in nodes)
    span = max(node["position"]["x"] + _width(node) for node in nodes) - left
    scale = (WIDTH_PX - 2 * _MARGIN_PX) / max(span, 1.0)
    if len(nodes) > MAX_DETAILED:
        tall = max(node["position"]["y"] for node in nodes) - top + _FAR_HEIGHT
        scale = max(FAR_SCALE, min(scale, LEAST_SCALE * 0.9, WIDTH_PX / tall))
    else:
        scale = min(MOST_SCALE, max(LEAST_SCALE, scale))
    cards = [_card(node, results.get(node["id"], ()), (left, top), scale, most_cells) for node in nodes]
    width = max(card.x + card.width for card in cards) + _MARGIN_PX
    height = max(card.y + card.height for card in cards) + _MARGIN_PX
    return SnapshotLayout(max(width, 240), height, cards, _lines(graph["edges"], cards, scale))


def _placed(nodes: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Nodes with positions; nodes without a stored position form a row below the others."""
    below = max((node["position"]["y"] + 400 for node in nodes if not node.get("is_unplaced")), default=0)
    placed, column = [], 0
    for node in nodes:
        if node.get("is_unplaced"):
            placed.append({**node, "position": {"x": column * (_NODE_PX + 60), "y": below}})
            column += 1
        else:
            placed.append(dict(node))
    return placed


def _width(node: Mapping[str, Any]) -> float:
    return float(node.get("width") or _NODE_PX)


def _card(
    node: Mapping[str, Any], results: Sequence[JobResult], origin: tuple[float, float], scale: float, most_cells: int
) -> Card:
    cells = _cells(results)
    is_media = any("sha256" in cell or "label" in cell for cell in cells)
    shown = cells[:most_cells] if is_media else []
    width = max(3, round(_width(node) * scale))
    columns = 1 if len(shown) < 2 else 2 if len(shown) in {2, 4} else 3  # noqa: PLR2004 - a balanced grid
    cell_px = max(1, (width - 14 - 3 * (columns - 1)) // columns)
    sizes = [(cell.get("width"), cell.get("height")) for cell in shown]
    aspects = [cell_width / cell_height for cell_width, cell_height in sizes if cell_width and cell_height]
    cell_height_px = round(cell_px / min(2.4, max(0.8, aspects[0] if aspects else 1.5)))
    font_px = max(10, round(15 * scale))
    head_px = max(20, round(38 * scale))
    text = "" if is_media else _text(node, cells)
    rows = -(-len(shown) // columns)
    per_line = max(8, int((width - 16) / (font_px * 0.55)))
    lines = min(_TEXT_LINES, sum(-(-max(len(part), 1) // per_line) for part in text.split("\n"))) if text else 0
    body = rows * (cell_height_px + 3) + 6 if shown else round(lines * font_px * 1.35) + (8 if lines else 0)
    more = len(cells) - len(shown) if is_media else 0
    state, summary = _state(results)
    if not is_media and state in _WELL:
        summary = ""  # for a plain value, success is obvious
    x, y = node["position"]["x"] - origin[0], node["position"]["y"] - origin[1]
    return Card(
        id=node["id"],
        type=node["type"],
        title=str(node.get("look", {}).get("title") or node["id"]),
        x=round(x * scale) + _MARGIN_PX,
        y=round(y * scale) + _MARGIN_PX,
        width=width,
        height=head_px + body if scale >= LEAST_SCALE else max(2, round(_FAR_HEIGHT * scale)),
        head_px=head_px,
        font_px=font_px,
        state=state,
        summary=f"{summary} · {more} more" if more else summary,
        text=text,
        cells=shown,
        cell_px=cell_px,
        cell_height_px=cell_height_px,
    )


def _cells(results: Sequence[JobResult]) -> list[CardCell]:
    """The results of the first port; a missing result is replaced by its state and the reason."""
    card_cells: list[CardCell] = []
    for result in results:
        cells = result["cells"]
        if cells:
            card_cells += [cast("CardCell", cell) for cell in cells if cell["port"] == cells[0]["port"]]
        elif result["state"] not in _WELL:
            error = result.get("error")
            reason = error["message"] if error else ""
            card_cells.append({"coordinate": result["coordinate"], "label": _label(result["state"]), "reason": reason})
    return card_cells


def _text(node: Mapping[str, Any], cells: Sequence[CardCell]) -> str:
    """The value of a node, else its main parameter."""
    values = [cell["value"] for cell in cells if "value" in cell]
    if not values:
        params = node["data"].get("params", {})
        values = [value for name, value in params.items() if name in {"text", "values", "prompt", "value"}]
        values = values[0] if len(values) == 1 and isinstance(values[0], list) else values
    text = "\n".join(value if isinstance(value, str) else canonical_json(value) for value in values[:_TEXT_LINES])
    return text if len(text) <= _TEXT_CHARS else f"{text[: _TEXT_CHARS - 1]}…"


def _state(results: Sequence[JobResult]) -> tuple[str, str]:
    """The state of a node (failures rank first), and a summary of all its results."""
    counts = Counter(str(result["state"]) for result in results)
    if not counts:
        return "", ""
    bad = [state for state in counts if state not in _WELL]
    state = bad[0] if bad else "succeeded" if counts["succeeded"] else "cached"
    if len(results) == 1:
        return state, _label(state)
    succeeded = sum(counts[name] for name in _WELL)
    rest = [f"{counts[name]} {_label(name)}" for name in bad]
    return state, " · ".join([f"{succeeded}/{len(results)}", *rest])


def _label(state: str) -> str:
    return state.replace("_", " ")


def _lines(edges: Sequence[Mapping[str, Any]], cards: Sequence[Card], scale: float) -> list[Line]:
    by_id = {card.id: card for card in cards}
    step = max(3, round(26 * scale))
    ports: dict[tuple[str, str], list[str]] = {}

    def at(node_id: str, side: str, port: str) -> int:
        card, names = by_id[node_id], ports.setdefault((node_id, side), [])
        if port not in names:
            names.append(port)
        below = card.head_px + step // 2 + names.index(port) * step
        return card.y + min(below, max(card.height - 6, card.height // 2))

    lines = []
    for edge in edges:
        source, target = by_id[edge["source"]], by_id[edge["target"]]
        start = source.x + source.width, at(source.id, "right", edge["sourceHandle"])
        end = target.x, at(target.id, "left", edge["targetHandle"])
        lines.append(Line(source.id, edge["sourceHandle"], start, end))
    return lines
