"""Edits as data, each with its inverse. Canvas, Python and undo change a document through these and nothing else."""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from fusionflow_nb import errors
from fusionflow_nb.flow.document import Edge, FlowDocument, Node, NodeLayout

VARIABLES = "{{variables}}"
"""Stands in `touched` for every node that reads a variable."""


class _Edit(BaseModel):
    model_config = ConfigDict(extra="forbid")


class AddNode(_Edit):
    kind: Literal["add_node"] = "add_node"
    node: Node
    layout: NodeLayout | None = None
    index: int | None = None
    """Place in the order of creation; the end by default."""


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
    kind: Literal["set_param"] = "set_param"
    node_id: str
    name: str
    value: Any = None
    is_unset: bool = False
    index: int | None = None
    """Place among the parameters, where an inverse puts one back."""


class SetNode(_Edit):
    """Sets another field of a node: take, is_muted, locked, type, or one that this version does not know."""

    kind: Literal["set_node"] = "set_node"
    node_id: str
    field: str
    value: Any = None
    is_unset: bool = False


class SetLayout(_Edit):
    """Sets some layout fields of a node; None takes one away."""

    kind: Literal["set_layout"] = "set_layout"
    node_id: str
    fields: dict[str, Any]


class AddEdge(_Edit):
    kind: Literal["add_edge"] = "add_edge"
    edge: Edge
    index: int | None = None


class RemoveEdge(_Edit):
    kind: Literal["remove_edge"] = "remove_edge"
    edge: Edge


class SetVariable(_Edit):
    kind: Literal["set_variable"] = "set_variable"
    name: str
    value: Any = None
    is_unset: bool = False


class SetFlow(_Edit):
    """Sets what concerns the whole: name, or the canvas's groups, comments and viewport."""

    kind: Literal["set_flow"] = "set_flow"
    field: Literal["name", "groups", "comments", "viewport"]
    value: Any


class Several(_Edit):
    """Edits that are one step for undo."""

    kind: Literal["several"] = "several"
    edits: list[Edit]


Edit = Annotated[
    AddNode | RemoveNode | RenameNode | SetParam | SetNode | SetLayout | AddEdge | RemoveEdge | SetVariable | SetFlow | Several,
    Field(discriminator="kind"),
]
Several.model_rebuild()


def apply(document: FlowDocument, edit: Edit) -> Edit:
    """Change the document and return the edit that changes it back, exactly.

    Raises:
        EditError: the edit does not fit; the document is as it was.
    """
    match edit:
        case AddNode():
            return _add_node(document, edit)
        case RemoveNode():
            return _remove_node(document, edit.node_id)
        case RenameNode():
            return _rename_node(document, edit.old, edit.new)
        case SetParam():
            return _set_param(document, edit)
        case SetNode():
            return _set_node(document, edit)
        case SetLayout():
            return _set_layout(document, edit)
        case AddEdge():
            return _add_edge(document, edit)
        case RemoveEdge():
            return _remove_edge(document, edit.edge)
        case SetVariable():
            return _set_variable(document, edit)
        case SetFlow():
            return _set_flow(document, edit)
        case Several():
            return _several(document, edit.edits)


def touched(edit: Edit) -> frozenset[str]:
    """Ids of the nodes whose plan an edit may change (not those below them); VARIABLES for all that read one."""
    match edit:
        case AddNode():
            return frozenset({edit.node.id})
        case RemoveNode() | SetParam() | SetNode():
            return frozenset({edit.node_id})
        case RenameNode():
            return frozenset({edit.old, edit.new})
        case AddEdge() | RemoveEdge():
            return frozenset({edit.edge.target})
        case SetVariable():
            return frozenset({VARIABLES})
        case Several():
            return frozenset().union(*(touched(one) for one in edit.edits))
        case _:
            return frozenset()


def new_node_id(document: FlowDocument, node_type: str) -> str:
    """`<type>_<n>`, one more than the highest number in use.

    >>> new_node_id(FlowDocument(), "text")
    'text_1'
    """
    stem = re.sub(r"\W", "_", node_type)
    found = re.compile(rf"{re.escape(stem)}_(\d+)")
    highest = max((int(match[1]) for name in document.nodes if (match := found.fullmatch(name))), default=0)
    return f"{stem}_{highest + 1}"


def _add_node(document: FlowDocument, edit: AddNode) -> Edit:
    node = edit.node
    if node.id in document.nodes:
        raise errors.EditError(f"There is a node {node.id!r} already.", hint="Choose another name.")
    _insert(document.nodes, node.id, node.model_copy(deep=True), edit.index)
    if edit.layout is not None:
        document.layout.nodes[node.id] = edit.layout.model_copy(deep=True)
    return RemoveNode(node_id=node.id)


def _remove_node(document: FlowDocument, node_id: str) -> Edit:
    node = _node(document, node_id)
    back: list[Edit] = [
        AddNode(node=node, layout=document.layout.nodes.get(node_id), index=list(document.nodes).index(node_id))
    ]
    # Put back in ascending order, each edge finds its old place again.
    back += [AddEdge(edge=edge, index=at) for at, edge in enumerate(document.edges) if node_id in (edge.source, edge.target)]
    document.edges[:] = [edge for edge in document.edges if node_id not in (edge.source, edge.target)]
    look_at = list(document.layout.nodes).index(node_id) if node_id in document.layout.nodes else None
    del document.nodes[node_id]
    document.layout.nodes.pop(node_id, None)
    if look_at is not None:
        back.append(SetLayout(node_id=node_id, fields={_ORDER: look_at}))
    return Several(edits=back) if len(back) > 1 else back[0]


_ORDER = "\0order"
"""Layout pseudo-field of an inverse: the place of a node's line among the layout lines."""


def _rename_node(document: FlowDocument, old: str, new: str) -> Edit:
    _node(document, old)
    if new in document.nodes and new != old:
        raise errors.EditError(f"There is a node {new!r} already.", hint="Choose another name.")
    if not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", new):
        raise errors.EditError(f"{new!r} is no name for a node.", hint="Use letters, digits and _, a letter first.")
    renamed = {(new if name == old else name): node for name, node in document.nodes.items()}
    renamed[new].id = new
    _replace(document.nodes, renamed)
    _replace(document.layout.nodes, {(new if name == old else name): look for name, look in document.layout.nodes.items()})
    for edge in document.edges:
        edge.source = new if edge.source == old else edge.source
        edge.target = new if edge.target == old else edge.target
    return RenameNode(old=new, new=old)


def _set_param(document: FlowDocument, edit: SetParam) -> Edit:
    params = _node(document, edit.node_id).params
    if edit.name in params:
        at = list(params).index(edit.name) if edit.is_unset else None
        inverse = SetParam(node_id=edit.node_id, name=edit.name, value=params[edit.name], index=at)
    else:
        inverse = SetParam(node_id=edit.node_id, name=edit.name, is_unset=True)
    if edit.is_unset:
        params.pop(edit.name, None)
    elif edit.name in params:
        params[edit.name] = edit.value
    else:
        _insert(params, edit.name, edit.value, edit.index)
    return inverse


_NODE_DEFAULTS = {"take": 0, "is_muted": False, "locked": None}


def _set_node(document: FlowDocument, edit: SetNode) -> Edit:
    node = _node(document, edit.node_id)
    if edit.field in {"id", "params"}:
        raise errors.EditError(f"{edit.field} is not set this way.", node_id=edit.node_id, hint="Use rename_node or set_param.")
    is_known = edit.field in Node.model_fields
    extra = node.__pydantic_extra__ if node.__pydantic_extra__ is not None else {}
    has = is_known or edit.field in extra
    before = getattr(node, edit.field) if has else None
    if edit.is_unset and not is_known:
        extra.pop(edit.field, None)
    else:
        value = _NODE_DEFAULTS.get(edit.field) if edit.is_unset else edit.value
        try:
            checked = Node.model_validate({**node.model_dump(), edit.field: value})
        except ValueError as error:
            raise errors.EditError(f"{edit.field} cannot be {value!r}.", node_id=edit.node_id) from error
        setattr(node, edit.field, getattr(checked, edit.field))
    return SetNode(node_id=edit.node_id, field=edit.field, value=before, is_unset=not has)


def _set_layout(document: FlowDocument, edit: SetLayout) -> Edit:
    _node(document, edit.node_id)
    looks = document.layout.nodes
    if _ORDER in edit.fields:
        look = looks.pop(edit.node_id, NodeLayout())
        _insert(looks, edit.node_id, look, int(edit.fields[_ORDER]))
        return SetLayout(node_id=edit.node_id, fields={})
    before = looks.get(edit.node_id)
    old = before.model_dump() if before is not None else NodeLayout().model_dump()
    merged = {**old, **edit.fields}
    try:
        looks[edit.node_id] = NodeLayout.model_validate({k: v for k, v in merged.items() if v is not None})
    except ValueError as error:
        raise errors.EditError(f"The layout {edit.fields} does not fit.", node_id=edit.node_id) from error
    return SetLayout(node_id=edit.node_id, fields={name: old.get(name) for name in edit.fields})


def _add_edge(document: FlowDocument, edit: AddEdge) -> Edit:
    edge = edit.edge
    _node(document, edge.source)
    _node(document, edge.target)
    if any(other.id == edge.id for other in document.edges):
        raise errors.EditError(f"The edge {edge.id} is there already.", node_id=edge.target)
    document.edges.insert(len(document.edges) if edit.index is None else edit.index, edge.model_copy(deep=True))
    return RemoveEdge(edge=edge)


def _remove_edge(document: FlowDocument, edge: Edge) -> Edit:
    for at, other in enumerate(document.edges):
        if other.id == edge.id:
            del document.edges[at]
            return AddEdge(edge=other, index=at)
    raise errors.EditError(f"There is no edge {edge.id}.", hint="It may have been removed meanwhile.")


def _set_variable(document: FlowDocument, edit: SetVariable) -> Edit:
    has = edit.name in document.variables
    inverse = SetVariable(name=edit.name, value=document.variables.get(edit.name), is_unset=not has)
    if edit.is_unset:
        document.variables.pop(edit.name, None)
    else:
        document.variables[edit.name] = edit.value
    return inverse


def _set_flow(document: FlowDocument, edit: SetFlow) -> Edit:
    holder: Any = document if edit.field == "name" else document.layout
    before = getattr(holder, edit.field)
    try:
        checked = type(holder).model_validate({**holder.model_dump(), edit.field: edit.value})
    except ValueError as error:
        raise errors.EditError(f"{edit.field} cannot be {edit.value!r}.") from error
    setattr(holder, edit.field, getattr(checked, edit.field))
    return SetFlow(field=edit.field, value=before)


def _several(document: FlowDocument, parts: list[Edit]) -> Edit:
    done: list[Edit] = []
    try:
        for part in parts:
            done.append(apply(document, part))
    except errors.EditError:
        for inverse in reversed(done):
            apply(document, inverse)
        raise
    return Several(edits=list(reversed(done)))


def _node(document: FlowDocument, node_id: str) -> Node:
    node = document.nodes.get(node_id)
    if node is None:
        raise errors.EditError(f"There is no node {node_id!r}.", hint="It may have been removed meanwhile.")
    return node


def _insert(mapping: dict[str, Any], key: str, value: Any, index: int | None) -> None:  # noqa: ANN401
    """Put a key at a place of a dict's order; at the end by default."""
    if index is None or index >= len(mapping):
        mapping[key] = value
        return
    items = list(mapping.items())
    items.insert(index, (key, value))
    _replace(mapping, dict(items))


def _replace(mapping: dict[str, Any], content: dict[str, Any]) -> None:
    mapping.clear()
    mapping.update(content)
