"""Edits as data, each with an inverse. Canvas, Python and undo change a document only through edits."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fusionflow_nb.flow.apply import apply
from fusionflow_nb.flow.edit_types import (
    AddEdge,
    AddNode,
    Edit,
    EditGroup,
    RemoveEdge,
    RemoveNode,
    RenameNode,
    SetFlow,
    SetLayout,
    SetNode,
    SetParam,
    SetVariable,
    parts,
)

if TYPE_CHECKING:
    from fusionflow_nb.flow.document import FlowDocument

__all__ = [
    "VARIABLES",
    "AddEdge",
    "AddNode",
    "Edit",
    "EditGroup",
    "RemoveEdge",
    "RemoveNode",
    "RenameNode",
    "SetFlow",
    "SetLayout",
    "SetNode",
    "SetParam",
    "SetVariable",
    "apply",
    "is_structural",
    "new_node_id",
    "replanned",
    "touched",
]

VARIABLES = "{{variables}}"
"""Represents, in `touched`, every node that reads a variable."""


def touched(edit: Edit) -> frozenset[str]:
    """Ids of the nodes that an edit names; VARIABLES stands for all nodes that read a variable.

    Descendants are not included, nor are the neighbors of a node that is removed, renamed or changes its type:
    `replanned` includes those neighbors.
    """
    match edit:
        case EditGroup():
            return frozenset[str]().union(*map(touched, edit.edits))
        case AddNode():
            ids = {edit.node.id}
        case RemoveNode() | SetParam() | SetNode():
            ids = {edit.node_id}
        case RenameNode():
            ids = {edit.old, edit.new}
        case AddEdge() | RemoveEdge():
            ids = {edit.edge.target}
        case SetVariable():
            ids = {VARIABLES}
        case _:
            ids = set()
    return frozenset(ids)


def replanned(document: FlowDocument, edit: Edit, inverse: Edit) -> frozenset[str]:
    """Ids of the nodes to plan again after an edit, without their descendants; VARIABLES for all that read a variable.

    Args:
        document: the document after the edit.
        edit: the applied edit.
        inverse: the result of `apply`; it names the edges that a removal removed.
    """
    moved: set[str] = set()
    for part in parts(edit):
        match part:
            case RenameNode():
                moved.add(part.new)
            case SetNode(field="type"):
                moved.add(part.node_id)
    followers = {edge.target for edge in document.edges if edge.source in moved} if moved else set()
    return touched(edit) | touched(inverse) | followers


def is_structural(edit: Edit) -> bool:
    """Whether an edit may add or remove nodes or edges, or change a node's type."""
    match edit:
        case AddNode() | RemoveNode() | RenameNode() | AddEdge() | RemoveEdge():
            return True
        case SetNode():
            return edit.field == "type"
        case EditGroup():
            return any(map(is_structural, edit.edits))
        case _:
            return False


def new_node_id(document: FlowDocument, node_type: str) -> str:
    """`<type>_<n>`, where n is the highest number used in this document plus one; removed nodes count, too.

    >>> from fusionflow_nb.flow.document import FlowDocument
    >>> new_node_id(FlowDocument(), "text")
    'text_1'
    """
    counter = document.index.id_counter(document.nodes)
    while (node_id := counter.next_id(node_type)) in document.nodes:
        counter.record(node_id)
    return node_id
