"""The edits that make one document another: how a file that changed on disk comes into a living flow, undoably.

What is the same in both stays untouched, so views redraw little, plans stay, and no result is asked for twice.
"""

from __future__ import annotations

from bisect import bisect_left
from typing import TYPE_CHECKING, Any

from fusionflow_nb.flow.edit_types import (
    AddEdge,
    AddNode,
    Edit,
    RemoveEdge,
    RemoveNode,
    SetFlow,
    SetLayout,
    SetNode,
    SetParam,
    SetVariable,
)
from fusionflow_nb.media.values import canonical_json

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from fusionflow_nb.flow.document import Edge, FlowDocument, Node

_NODE_FIELDS = ("type", "take", "is_muted", "locked")
_ABSENT = object()


def diff(now: FlowDocument, wanted: FlowDocument) -> list[Edit]:
    """Edits that, applied in order, make `now` what `wanted` is, the order of nodes and edges included.

    Left as they are: the document's id, since a flow stays its project, and unknown fields of the document and of its
    layout, which no edit can set. The order of parameters and variables is no difference: files do not keep it.

    >>> from fusionflow_nb.flow.document import FlowDocument
    >>> difference(FlowDocument(name="Old"), FlowDocument(name="New"))
    [SetFlow(kind='set_flow', field='name', value='New')]
    """
    kept = _in_order(list(now.nodes), {node_id: at for at, node_id in enumerate(wanted.nodes)})
    remaining = [edge for edge in now.edges if {edge.source, edge.target} <= kept]
    places = {_edge_text(edge): at for at, edge in enumerate(wanted.edges)}
    staying = _in_order([_edge_text(edge) for edge in remaining], places)
    edits: list[Edit] = [RemoveNode(node_id=node_id) for node_id in now.nodes if node_id not in kept]
    edits += [RemoveEdge(edge=edge) for edge in remaining if _edge_text(edge) not in staying]
    # In ascending order each finds its own place: all that stand before it are there already.
    for at, (node_id, node) in enumerate(wanted.nodes.items()):
        if node_id in kept:
            edits += _node_edits(now.nodes[node_id], node)
            edits += _look_edits(now, wanted, node_id)
        else:
            edits.append(AddNode(node=node, layout=wanted.layout.nodes.get(node_id), index=at))
    edits += [AddEdge(edge=edge, index=at) for at, edge in enumerate(wanted.edges) if _edge_text(edge) not in staying]
    for name, value, is_unset in _changes(now.variables, wanted.variables):
        edits.append(SetVariable(name=name, value=value, is_unset=is_unset))
    if now.name != wanted.name:
        edits.append(SetFlow(field="name", value=wanted.name))
    if not _is_same(now.layout.groups, wanted.layout.groups):
        edits.append(SetFlow(field="groups", value=wanted.layout.groups))
    if not _is_same(now.layout.comments, wanted.layout.comments):
        edits.append(SetFlow(field="comments", value=wanted.layout.comments))
    if not _is_same(now.layout.viewport, wanted.layout.viewport):
        edits.append(SetFlow(field="viewport", value=wanted.layout.viewport))
    return edits


def _node_edits(now: Node, wanted: Node) -> Iterator[Edit]:
    for field in _NODE_FIELDS:
        value = getattr(wanted, field)
        if getattr(now, field) != value:
            yield SetNode(node_id=now.id, field=field, value=value)
    for field, value, is_unset in _changes(now.model_extra or {}, wanted.model_extra or {}):
        yield SetNode(node_id=now.id, field=field, value=value, is_unset=is_unset)
    for name, value, is_unset in _changes(now.params, wanted.params):
        yield SetParam(node_id=now.id, name=name, value=value, is_unset=is_unset)


def _look_edits(now: FlowDocument, wanted: FlowDocument, node_id: str) -> Iterator[Edit]:
    before, after = now.layout.nodes.get(node_id), wanted.layout.nodes.get(node_id)
    if after is None:
        if before is not None:
            yield SetLayout(node_id=node_id, mode="remove")
        return
    fields = after.model_dump()
    if before is None or not _is_same(before.model_dump(), fields):
        yield SetLayout(node_id=node_id, fields=fields, mode="replace")


def _changes(now: Mapping[str, Any], wanted: Mapping[str, Any]) -> Iterator[tuple[str, Any, bool]]:
    """(name, value, is_unset) of every name whose value differs."""
    for name in now:
        if name not in wanted:
            yield name, None, True
    for name, value in wanted.items():
        before = now.get(name, _ABSENT)
        if before is _ABSENT or not _is_same(before, value):
            yield name, value, False


def _is_same(one: Any, other: Any) -> bool:  # noqa: ANN401 - JSON
    """Whether two values are one in a file: there, 1 is neither 1.0 nor true."""
    return bool(one == other) and canonical_json(one) == canonical_json(other)


def _edge_text(edge: Edge) -> str:
    """Two edges with one text are one: same ends, same unknown fields."""
    return canonical_json([edge.key, edge.model_extra or {}])


def _in_order(now: Sequence[str], places: Mapping[str, int]) -> set[str]:
    """The most of `now` that may stay where it stands: a longest run of rising places.

    >>> sorted(_in_order(["c", "a", "x", "b"], {"a": 0, "b": 1, "c": 2}))
    ['a', 'b']
    """
    lasts: list[int] = []  # the lowest place in which a run of each length can end
    tails: list[str] = []
    before: dict[str, str | None] = {}
    for name in now:
        place = places.get(name)
        if place is None:
            continue
        length = bisect_left(lasts, place)
        before[name] = tails[length - 1] if length else None
        lasts[length : length + 1] = [place]
        tails[length : length + 1] = [name]
    kept: set[str] = set()
    name_or_none = tails[-1] if tails else None
    while name_or_none is not None:
        kept.add(name_or_none)
        name_or_none = before[name_or_none]
    return kept
