"""Compute the edits that turn a document into another: loads a file that changed on disk as an undoable step.

The edits leave equal parts untouched, so that views redraw little and plans stay valid.
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


def diff(now: FlowDocument, target: FlowDocument) -> list[Edit]:
    """Edits that, applied in order, make `now` equal to `target`, including the order of nodes and edges.

    Not changed: the document's id, which identifies the project, and unknown fields of the document and of its layout,
    which no edit can set. The order of parameters and variables is ignored, because files do not keep it.

    >>> from fusionflow_nb.flow.document import FlowDocument
    >>> diff(FlowDocument(name="Old"), FlowDocument(name="New"))
    [SetFlow(kind='set_flow', field='name', value='New')]
    """
    common = _longest_in_order(list(now.nodes), {node_id: at for at, node_id in enumerate(target.nodes)})
    remaining = [edge for edge in now.edges if {edge.source, edge.target} <= common]
    places = {_edge_text(edge): at for at, edge in enumerate(target.edges)}
    unchanged = _longest_in_order([_edge_text(edge) for edge in remaining], places)
    edits: list[Edit] = [RemoveNode(node_id=node_id) for node_id in now.nodes if node_id not in common]
    edits += [RemoveEdge(edge=edge) for edge in remaining if _edge_text(edge) not in unchanged]
    # In ascending order, so that everything before an index exists when the edit is applied.
    for at, (node_id, node) in enumerate(target.nodes.items()):
        if node_id in common:
            edits += _node_edits(now.nodes[node_id], node)
            edits += _look_edits(now, target, node_id)
        else:
            edits.append(AddNode(node=node, layout=target.layout.nodes.get(node_id), index=at))
    edits += [AddEdge(edge=edge, index=at) for at, edge in enumerate(target.edges) if _edge_text(edge) not in unchanged]
    for name, value, is_unset in _changes(now.variables, target.variables):
        edits.append(SetVariable(name=name, value=value, is_unset=is_unset))
    if now.name != target.name:
        edits.append(SetFlow(field="name", value=target.name))
    if not _is_same(now.layout.groups, target.layout.groups):
        edits.append(SetFlow(field="groups", value=target.layout.groups))
    if not _is_same(now.layout.comments, target.layout.comments):
        edits.append(SetFlow(field="comments", value=target.layout.comments))
    if not _is_same(now.layout.viewport, target.layout.viewport):
        edits.append(SetFlow(field="viewport", value=target.layout.viewport))
    return edits


def _node_edits(now: Node, target: Node) -> Iterator[Edit]:
    for field in _NODE_FIELDS:
        value = getattr(target, field)
        if getattr(now, field) != value:
            yield SetNode(node_id=now.id, field=field, value=value)
    for field, value, is_unset in _changes(now.model_extra or {}, target.model_extra or {}):
        yield SetNode(node_id=now.id, field=field, value=value, is_unset=is_unset)
    for name, value, is_unset in _changes(now.params, target.params):
        yield SetParam(node_id=now.id, name=name, value=value, is_unset=is_unset)


def _look_edits(now: FlowDocument, target: FlowDocument, node_id: str) -> Iterator[Edit]:
    before, after = now.layout.nodes.get(node_id), target.layout.nodes.get(node_id)
    if after is None:
        if before is not None:
            yield SetLayout(node_id=node_id, mode="remove")
        return
    fields = after.model_dump()
    if before is None or not _is_same(before.model_dump(), fields):
        yield SetLayout(node_id=node_id, fields=fields, mode="replace")


def _changes(now: Mapping[str, Any], target: Mapping[str, Any]) -> Iterator[tuple[str, Any, bool]]:
    """(name, value, is_unset) for each name whose value differs."""
    for name in now:
        if name not in target:
            yield name, None, True
    for name, value in target.items():
        before = now.get(name, _ABSENT)
        if before is _ABSENT or not _is_same(before, value):
            yield name, value, False


def _is_same(value: Any, other: Any) -> bool:  # noqa: ANN401 - JSON
    """Whether two values are equal in a file, where 1, 1.0 and true differ."""
    return bool(value == other) and canonical_json(value) == canonical_json(other)


def _edge_text(edge: Edge) -> str:
    """The edge as text; two edges with equal text have the same ends and unknown fields."""
    return canonical_json([edge.key, edge.model_extra or {}])


def _longest_in_order(now: Sequence[str], places: Mapping[str, int]) -> set[str]:
    """The largest subset of `now` that keeps its order: a longest increasing subsequence of `places`.

    >>> sorted(_longest_in_order(["c", "a", "x", "b"], {"a": 0, "b": 1, "c": 2}))
    ['a', 'b']
    """
    lasts: list[int] = []  # the lowest place in which a subsequence of each length can end
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
    subset: set[str] = set()
    last = tails[-1] if tails else None
    while last is not None:
        subset.add(last)
        last = before[last]
    return subset
