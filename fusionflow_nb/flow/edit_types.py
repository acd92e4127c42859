"""Edit types: changes of a document as data, exchanged with the canvas."""

from __future__ import annotations

from typing import Annotated, Any, Literal, TypeAlias

from pydantic import BaseModel, ConfigDict, Field

from fusionflow_nb.flow.document import Edge, Node, NodeLayout

_Place: TypeAlias = Annotated[int, Field(ge=0)] | None


class _Edit(BaseModel):
    model_config = ConfigDict(extra="forbid")


class AddNode(_Edit):
    """Adds a node. An inverse sets the indices to restore the node's position among nodes and layouts."""

    kind: Literal["add_node"] = "add_node"
    node: Node
    layout: NodeLayout | None = None
    index: _Place = None
    layout_index: _Place = None


class RemoveNode(_Edit):
    """Removes a node with its edges and layout."""

    kind: Literal["remove_node"] = "remove_node"
    node_id: str


class RenameNode(_Edit):
    """Gives a node another id; edges and layout follow."""

    kind: Literal["rename_node"] = "rename_node"
    old: str
    new: str


class SetParam(_Edit):
    """Sets or removes a parameter. An inverse sets `index` to restore the parameter's position."""

    kind: Literal["set_param"] = "set_param"
    node_id: str
    name: str
    value: Any = None
    is_unset: bool = False
    index: _Place = None


class SetNode(_Edit):
    """Sets another field of a node: take, is_muted, locked, type, or an unknown field."""

    kind: Literal["set_node"] = "set_node"
    node_id: str
    field: str
    value: Any = None
    is_unset: bool = False
    index: _Place = None


class SetLayout(_Edit):
    """Changes a node's layout: some fields (`merge`; None removes a field), all fields (`replace`), or `remove`."""

    kind: Literal["set_layout"] = "set_layout"
    node_id: str
    fields: dict[str, Any] = Field(default_factory=dict)
    mode: Literal["merge", "replace", "remove"] = "merge"
    index: _Place = None


class AddEdge(_Edit):
    """Adds an edge; `index` is its position in the list, which orders the edges into a collecting port."""

    kind: Literal["add_edge"] = "add_edge"
    edge: Edge
    index: _Place = None


class RemoveEdge(_Edit):
    """Removes the edge between two ends."""

    kind: Literal["remove_edge"] = "remove_edge"
    edge: Edge


class SetVariable(_Edit):
    """Sets or removes a variable of the flow."""

    kind: Literal["set_variable"] = "set_variable"
    name: str
    value: Any = None
    is_unset: bool = False
    index: _Place = None


class SetFlow(_Edit):
    """Sets the flow's name, or the canvas's groups, comments or viewport."""

    kind: Literal["set_flow"] = "set_flow"
    field: Literal["name", "groups", "comments", "viewport"]
    value: Any


class EditGroup(_Edit):
    """Several edits as one undo step: all of them apply, or none."""

    kind: Literal["several"] = "several"
    edits: list[Edit]


Edit: TypeAlias = Annotated[
    AddNode
    | RemoveNode
    | RenameNode
    | SetParam
    | SetNode
    | SetLayout
    | AddEdge
    | RemoveEdge
    | SetVariable
    | SetFlow
    | EditGroup,
    Field(discriminator="kind"),
]
EditGroup.model_rebuild()


def parts(edit: Edit) -> list[Edit]:
    """An edit as a flat list of single edits."""
    if not isinstance(edit, EditGroup):
        return [edit]
    return [part for member in edit.edits for part in parts(member)]
