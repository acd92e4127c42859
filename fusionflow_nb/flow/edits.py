"""Edits as data, each with its inverse. Canvas, Python and undo change a document through these and nothing else."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fusionflow_nb.flow.apply import apply
from fusionflow_nb.flow.edit_forms import (
    AddEdge,
    AddNode,
    Edit,
    RemoveEdge,
    RemoveNode,
    RenameNode,
    SetFlow,
    SetLayout,
    SetNode,
    SetParam,
    SetVariable,
    Several,
)

if TYPE_CHECKING:
    from fusionflow_nb.flow.document import FlowDocument

__all__ = [
    "VARIABLES",
    "AddEdge",
    "AddNode",
    "Edit",
    "RemoveEdge",
    "RemoveNode",
    "RenameNode",
    "SetFlow",
    "SetLayout",
    "SetNode",
    "SetParam",
    "SetVariable",
    "Several",
    "apply",
    "is_structural",
    "new_node_id",
    "touched",
]

VARIABLES = "{{variables}}"
"""Stands in `touched` for every node that reads a variable."""


def touched(edit: Edit) -> frozenset[str]:
    """Ids of the nodes whose plan an edit may change; VARIABLES for all that read one.

    Not those below them; and an edit does not know the edges of a node that it removes or renames. The inverse of a
    removal does: it touches the ends of the edges it brings back.
    """
    match edit:
        case Several():
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


def is_structural(edit: Edit) -> bool:
    """Whether an edit may change which nodes and edges there are, or of what type."""
    match edit:
        case AddNode() | RemoveNode() | RenameNode() | AddEdge() | RemoveEdge():
            return True
        case SetNode():
            return edit.field == "type"
        case Several():
            return any(map(is_structural, edit.edits))
        case _:
            return False


def new_node_id(document: FlowDocument, node_type: str) -> str:
    """`<type>_<n>`, one more than the highest number that this document is known to have used, removed nodes included.

    >>> from fusionflow_nb.flow.document import FlowDocument
    >>> new_node_id(FlowDocument(), "text")
    'text_1'
    """
    numbers = document.index.numbers(document.nodes)
    while (node_id := numbers.next(node_type)) in document.nodes:
        numbers.count(node_id)
    return node_id
