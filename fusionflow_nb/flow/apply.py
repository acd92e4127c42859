"""Apply edits to a document and return their inverses.

Every function returns the exact inverse, which restores values and the order of nodes, edges and parameters. Edits are
validated before the first change, so a failing edit leaves the document unchanged.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from fusionflow_nb import errors
from fusionflow_nb.flow.document import Edge, FlowDocument, Layout, Node, NodeLayout
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
)
from fusionflow_nb.flow.json_values import to_json_value

if TYPE_CHECKING:
    from collections.abc import Callable


def apply(document: FlowDocument, edit: Edit) -> Edit:
    """Apply an edit and return its exact inverse.

    Raises:
        EditError: the edit does not fit the document, which is unchanged.
    """
    return _APPLY[edit.kind](document, edit)


def _add_node(document: FlowDocument, edit: AddNode) -> Edit:
    node_id = edit.node.id
    if node_id in document.nodes:
        raise errors.EditError(f"A node {node_id!r} already exists.", hint="Choose another name.")
    node = edit.node.model_copy(update={"params": to_json_value(edit.node.params, node_id=node_id)})
    node.__pydantic_extra__ = to_json_value(edit.node.model_extra or {}, node_id=node_id)
    look = None if edit.layout is None else _look(edit.layout.model_dump(), node_id)
    _insert(document.nodes, node_id, node, edit.index)
    document.index.record_id(node_id)
    if look is not None:
        _insert(document.layout.nodes, node_id, look, edit.layout_index)
    return RemoveNode(node_id=node_id)


def _remove_node(document: FlowDocument, edit: RemoveNode) -> Edit:
    node_id = edit.node_id
    node = _node(document, node_id)
    # Build the counter before the node is removed, so that its number is not used again.
    document.index.id_counter(document.nodes)
    inverses: list[Edit] = [
        AddNode(
            node=node,
            layout=document.layout.nodes.get(node_id),
            index=_index_of(document.nodes, node_id),
            layout_index=_index_of(document.layout.nodes, node_id),
        )
    ]
    # Added in ascending order, each edge gets its old index again.
    removed = [(at, edge) for at, edge in enumerate(document.edges) if node_id in (edge.source, edge.target)]
    inverses += [AddEdge(edge=edge, index=at) for at, edge in removed]
    if removed:
        document.edges[:] = [edge for edge in document.edges if node_id not in (edge.source, edge.target)]
        document.index.reset_edge_keys()
    del document.nodes[node_id]
    document.layout.nodes.pop(node_id, None)
    return EditGroup(edits=inverses) if removed else inverses[0]


def _rename_node(document: FlowDocument, edit: RenameNode) -> Edit:
    old, new = edit.old, edit.new
    _node(document, old)
    if new in document.nodes and new != old:
        raise errors.EditError(f"A node {new!r} already exists.", hint="Choose another name.")
    if not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", new):
        raise errors.EditError(
            f"{new!r} is not a valid name for a node.", hint="Use letters, digits and _, a letter first."
        )
    document.index.id_counter(document.nodes)
    renamed = {(new if name == old else name): node for name, node in document.nodes.items()}
    renamed[new].id = new
    _replace(document.nodes, renamed)
    looks = {(new if name == old else name): look for name, look in document.layout.nodes.items()}
    _replace(document.layout.nodes, looks)
    for edge in document.edges:
        edge.source = new if edge.source == old else edge.source
        edge.target = new if edge.target == old else edge.target
    document.index.record_id(new)
    document.index.reset_edge_keys()
    return RenameNode(old=new, new=old)


def _set_param(document: FlowDocument, edit: SetParam) -> Edit:
    params = _node(document, edit.node_id).params
    before = _put(params, edit.name, to_json_value(edit.value, node_id=edit.node_id), edit)
    return SetParam(node_id=edit.node_id, name=edit.name, **before)


def _set_node(document: FlowDocument, edit: SetNode) -> Edit:
    node = _node(document, edit.node_id)
    if edit.field in {"id", "params"}:
        raise errors.EditError(
            f"{edit.field} cannot be set with set_node.", node_id=edit.node_id, hint="Use rename_node or set_param."
        )
    value = to_json_value(edit.value, node_id=edit.node_id)
    if edit.field not in Node.model_fields:
        if node.__pydantic_extra__ is None:
            node.__pydantic_extra__ = {}
        before = _put(node.__pydantic_extra__, edit.field, value, edit)
        return SetNode(node_id=edit.node_id, field=edit.field, **before)
    fields = {"id": node.id, "type": node.type, edit.field: value}
    if edit.is_unset:
        del fields[edit.field]
    try:
        checked = Node.model_validate(fields)
    except ValueError as error:
        raise errors.EditError(f"{edit.field} cannot be {value!r}.", node_id=edit.node_id) from error
    inverse = SetNode(node_id=edit.node_id, field=edit.field, value=getattr(node, edit.field))
    setattr(node, edit.field, getattr(checked, edit.field))
    return inverse


def _set_layout(document: FlowDocument, edit: SetLayout) -> Edit:
    node_id, looks = edit.node_id, document.layout.nodes
    _node(document, node_id)
    before = looks.get(node_id)
    inverse = SetLayout(node_id=node_id, mode="remove")
    if before is not None:
        at = _index_of(looks, node_id) if edit.mode == "remove" else None
        inverse = SetLayout(node_id=node_id, fields=before.model_dump(), mode="replace", index=at)
    if edit.mode == "remove":
        looks.pop(node_id, None)
        return inverse
    fields = edit.fields
    if edit.mode == "merge":
        old = before.model_dump() if before is not None else {}
        fields = {name: value for name, value in {**old, **fields}.items() if value is not None or name not in fields}
    look = _look(fields, node_id)
    if before is None:
        _insert(looks, node_id, look, edit.index)
    else:
        looks[node_id] = look
    return inverse


def _look(fields: dict[str, Any], node_id: str) -> NodeLayout:
    try:
        return NodeLayout.model_validate(to_json_value(fields, node_id=node_id))
    except ValueError as error:
        raise errors.EditError(f"The layout {fields} does not fit.", node_id=node_id) from error


def _add_edge(document: FlowDocument, edit: AddEdge) -> Edit:
    edge = edit.edge
    _node(document, edge.source)
    _node(document, edge.target)
    keys = document.index.edge_keys(document.edges)
    if edge.key in keys:
        raise errors.EditError(f"The edge {edge.id} already exists.", node_id=edge.target)
    # Validate again, which makes a copy and checks that it is JSON.
    placed = Edge.model_validate(to_json_value(edge.model_dump(by_alias=True), node_id=edge.target))
    document.edges.insert(len(document.edges) if edit.index is None else edit.index, placed)
    keys.add(placed.key)
    return RemoveEdge(edge=edge)


def _remove_edge(document: FlowDocument, edit: RemoveEdge) -> Edit:
    key, target = edit.edge.key, edit.edge.target
    _node(document, edit.edge.source)
    _node(document, target)
    for at, edge in enumerate(document.edges):
        if edge.target == target and edge.key == key:
            document.index.edge_keys(document.edges).discard(key)
            del document.edges[at]
            return AddEdge(edge=edge, index=at)
    raise errors.EditError(f"There is no edge {edit.edge.id}.", hint="It may have been removed in the meantime.")


def _set_variable(document: FlowDocument, edit: SetVariable) -> Edit:
    before = _put(document.variables, edit.name, to_json_value(edit.value), edit)
    return SetVariable(name=edit.name, **before)


def _set_flow(document: FlowDocument, edit: SetFlow) -> Edit:
    holder: FlowDocument | Layout = document if edit.field == "name" else document.layout
    value = to_json_value(edit.value)
    try:
        checked = type(holder).model_validate({edit.field: value})
    except ValueError as error:
        raise errors.EditError(f"{edit.field} cannot be {value!r}.") from error
    inverse = SetFlow(field=edit.field, value=getattr(holder, edit.field))
    setattr(holder, edit.field, getattr(checked, edit.field))
    return inverse


def _edit_group(document: FlowDocument, edit: EditGroup) -> Edit:
    done: list[Edit] = []
    try:
        for part in edit.edits:
            done.append(apply(document, part))  # noqa: PERF401 - the list is needed when an edit fails
    except errors.EditError:
        for inverse in reversed(done):
            apply(document, inverse)
        raise
    return EditGroup(edits=list(reversed(done)))


def _node(document: FlowDocument, node_id: str) -> Node:
    node = document.nodes.get(node_id)
    if node is None:
        raise errors.GoneError(
            "There is no such node.", node_id=node_id, hint="It may have been removed in the meantime."
        )
    return node


def _put(
    mapping: dict[str, Any],
    name: str,
    value: Any,  # noqa: ANN401
    edit: SetParam | SetNode | SetVariable,
) -> dict[str, Any]:
    """Set or remove a key; returns value, is_unset and index of the inverse."""
    if name not in mapping:
        if not edit.is_unset:
            _insert(mapping, name, value, edit.index)
        return {"is_unset": True}
    before = {"value": mapping[name]}
    if edit.is_unset:
        before["index"] = _index_of(mapping, name)
        del mapping[name]
    else:
        mapping[name] = value
    return before


def _index_of(mapping: dict[str, Any], key: str) -> int | None:
    return list(mapping).index(key) if key in mapping else None


def _insert(mapping: dict[str, Any], key: str, value: Any, index: int | None) -> None:  # noqa: ANN401
    """Insert a key at an index of a dict's order; at the end by default."""
    if index is None or index >= len(mapping):
        mapping[key] = value
        return
    items = list(mapping.items())
    items.insert(index, (key, value))
    _replace(mapping, dict(items))


def _replace(mapping: dict[str, Any], content: dict[str, Any]) -> None:
    mapping.clear()
    mapping.update(content)


_APPLY: dict[str, Callable[[FlowDocument, Any], Edit]] = {
    "add_node": _add_node,
    "remove_node": _remove_node,
    "rename_node": _rename_node,
    "set_param": _set_param,
    "set_node": _set_node,
    "set_layout": _set_layout,
    "add_edge": _add_edge,
    "remove_edge": _remove_edge,
    "set_variable": _set_variable,
    "set_flow": _set_flow,
    "several": _edit_group,
}
