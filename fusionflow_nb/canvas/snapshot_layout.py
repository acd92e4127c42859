"""Where things stand in the still picture of a canvas: cards at their nodes' places, scaled to a notebook's width."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from fusionflow_nb.media.values import canonical_json

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    Result = Mapping[str, Any]
    Point = tuple[int, int]

WIDTH_PX = 920
"""Of the column in which notebooks show outputs, about."""
LEAST_SCALE, MOST_SCALE, FAR_SCALE = 0.5, 0.8, 0.01
MOST_NEAR = 120
"""Of more nodes only their places are drawn."""
_MARGIN_PX = 16
_NODE_PX = 280
_FAR_HEIGHT = 220
"""Of every node from afar, where nothing on it can be seen, in canvas pixels."""
_TEXT_CHARS = 160
_TEXT_LINES = 4
_WELL = ("succeeded", "cached")


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
    """Of its results; empty where there are none."""
    words: str
    text: str
    """What it says where it has no media."""
    cells: list[dict[str, Any]]
    cell_px: int
    cell_height_px: int


@dataclass(frozen=True, slots=True)
class Line:
    """An edge, from the right of one card to the left of another."""

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


def lay_out(graph: Mapping[str, Any], results: Mapping[str, Sequence[Result]], *, most_cells: int) -> SnapshotLayout:
    """Cards and lines of a graph in React Flow's shape."""
    nodes = _placed(graph["nodes"])
    if not nodes:
        return SnapshotLayout(WIDTH_PX, 80, [], [])
    left = min(node["position"]["x"] for node in nodes)
    top = min(node["position"]["y"] for node in nodes)
    span = max(node["position"]["x"] + _width(node) for node in nodes) - left
    scale = (WIDTH_PX - 2 * _MARGIN_PX) / max(span, 1.0)
    if len(nodes) > MOST_NEAR:
        tall = max(node["position"]["y"] for node in nodes) - top + _FAR_HEIGHT
        scale = max(FAR_SCALE, min(scale, LEAST_SCALE * 0.9, WIDTH_PX / tall))
    else:
        scale = min(MOST_SCALE, max(LEAST_SCALE, scale))
    cards = [_card(node, results.get(node["id"], ()), (left, top), scale, most_cells) for node in nodes]
    width = max(card.x + card.width for card in cards) + _MARGIN_PX
    height = max(card.y + card.height for card in cards) + _MARGIN_PX
    return SnapshotLayout(max(width, 240), height, cards, _lines(graph["edges"], cards, scale))


def _placed(nodes: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Nodes that nobody has placed yet stand in a row below the others."""
    below = max((node["position"]["y"] + 400 for node in nodes if not node.get("is_unplaced")), default=0)
    found, free = [], 0
    for node in nodes:
        if node.get("is_unplaced"):
            found.append({**node, "position": {"x": free * (_NODE_PX + 60), "y": below}})
            free += 1
        else:
            found.append(dict(node))
    return found


def _width(node: Mapping[str, Any]) -> float:
    return float(node.get("width") or _NODE_PX)


def _card(
    node: Mapping[str, Any], results: Sequence[Result], origin: tuple[float, float], scale: float, most_cells: int
) -> Card:
    cells = _cells(results)
    is_media = any("sha256" in cell or "said" in cell for cell in cells)
    shown = cells[:most_cells] if is_media else []
    width = max(3, round(_width(node) * scale))
    columns = 1 if len(shown) < 2 else 2 if len(shown) in {2, 4} else 3  # noqa: PLR2004 - what looks even
    cell_px = max(1, (width - 14 - 3 * (columns - 1)) // columns)
    aspects = [cell["width"] / cell["height"] for cell in shown if cell.get("width") and cell.get("height")]
    cell_height_px = round(cell_px / min(2.4, max(0.8, aspects[0] if aspects else 1.5)))
    font_px = max(10, round(15 * scale))
    head_px = max(20, round(38 * scale))
    text = "" if is_media else _text(node, cells)
    rows = -(-len(shown) // columns)
    per_line = max(8, int((width - 16) / (font_px * 0.55)))
    lines = min(_TEXT_LINES, sum(-(-max(len(part), 1) // per_line) for part in text.split("\n"))) if text else 0
    body = rows * (cell_height_px + 3) + 6 if shown else round(lines * font_px * 1.35) + (8 if lines else 0)
    more = len(cells) - len(shown) if is_media else 0
    state, words = _state(results)
    if not is_media and state in _WELL:
        words = ""  # a text that is what it is needs no word for it
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
        words=f"{words} · {more} more" if more else words,
        text=text,
        cells=shown,
        cell_px=cell_px,
        cell_height_px=cell_height_px,
    )


def _cells(results: Sequence[Result]) -> list[dict[str, Any]]:
    """What is shown of a node: the first port's results, and in place of one that is missing why it is."""
    found: list[dict[str, Any]] = []
    for result in results:
        cells = result["cells"]
        if cells:
            found += [dict(cell) for cell in cells if cell["port"] == cells[0]["port"]]
        elif result["state"] not in _WELL:
            why = (result.get("error") or {}).get("message", "")
            found.append({"coordinate": result["coordinate"], "said": _spoken(result["state"]), "why": why})
    return found


def _text(node: Mapping[str, Any], cells: Sequence[Mapping[str, Any]]) -> str:
    """The value of a node, or what it is set to."""
    values = [cell["value"] for cell in cells if "value" in cell]
    if not values:
        params = node["data"].get("params", {})
        values = [value for name, value in params.items() if name in {"text", "values", "prompt", "value"}]
        values = values[0] if len(values) == 1 and isinstance(values[0], list) else values
    said = "\n".join(value if isinstance(value, str) else canonical_json(value) for value in values[:_TEXT_LINES])
    return said if len(said) <= _TEXT_CHARS else f"{said[: _TEXT_CHARS - 1]}…"


def _state(results: Sequence[Result]) -> tuple[str, str]:
    """The state that speaks for a node, and all of them in words."""
    counts = Counter(str(result["state"]) for result in results)
    if not counts:
        return "", ""
    bad = [state for state in counts if state not in _WELL]
    state = bad[0] if bad else "succeeded" if counts["succeeded"] else "cached"
    if len(results) == 1:
        return state, _spoken(state)
    well = sum(counts[name] for name in _WELL)
    rest = [f"{counts[name]} {_spoken(name)}" for name in bad]
    return state, " · ".join([f"{well}/{len(results)}", *rest])


def _spoken(state: str) -> str:
    return state.replace("_", " ")


def _lines(edges: Sequence[Mapping[str, Any]], cards: Sequence[Card], scale: float) -> list[Line]:
    by_id = {card.id: card for card in cards}
    step = max(3, round(26 * scale))
    ports: dict[tuple[str, str], list[str]] = {}

    def at(node_id: str, side: str, port: str) -> int:
        card, known = by_id[node_id], ports.setdefault((node_id, side), [])
        if port not in known:
            known.append(port)
        below = card.head_px + step // 2 + known.index(port) * step
        return card.y + min(below, max(card.height - 6, card.height // 2))

    lines = []
    for edge in edges:
        source, target = by_id[edge["source"]], by_id[edge["target"]]
        start = source.x + source.width, at(source.id, "right", edge["sourceHandle"])
        end = target.x, at(target.id, "left", edge["targetHandle"])
        lines.append(Line(source.id, edge["sourceHandle"], start, end))
    return lines
