"""Validate parsed JSON as a flow document."""

from __future__ import annotations

from collections import Counter
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from fusionflow_nb import errors
from fusionflow_nb.flow.document import Edge, FlowDocument, Layout, Node
from fusionflow_nb.flow.json_values import to_json_value

_Model = TypeVar("_Model", bound=BaseModel)


def read_document(data: dict[str, Any], where: str) -> FlowDocument:
    """The document in JSON data: nodes and edges as lists, the layouts of the nodes in `layout.nodes`.

    Layouts of missing nodes are dropped. `where` names the data in errors.

    Raises:
        FlowFileError: a field has the wrong type (names it), a node id or an edge occurs twice, or an edge has no node.
    """
    try:
        data = to_json_value(data)
    except errors.EditError as error:
        raise errors.FlowFileError(f"{where}: {error.what}", hint="Fix the value by hand.") from error
    nodes = [_read(Node, item, f"{where}, node {at}") for at, item in enumerate(_list(data, "nodes", where), 1)]
    edges = [_read(Edge, item, f"{where}, edge {at}") for at, item in enumerate(_list(data, "edges", where), 1)]
    by_id = {node.id: node for node in nodes}
    _check_nodes(nodes, where)
    _check_edges(edges, by_id, where)
    layout = _read(Layout, data.get("layout", {}), f"{where}, layout")
    layout.nodes = {node_id: look for node_id, look in layout.nodes.items() if node_id in by_id}
    return _read(FlowDocument, {**data, "nodes": by_id, "edges": edges, "layout": layout}, where)


def _read(form: type[_Model], data: Any, where: str) -> _Model:  # noqa: ANN401 - any JSON value
    try:
        return form.model_validate(data)
    except ValidationError as error:
        first = error.errors()[0]
        at = ".".join(str(part) for part in first["loc"])
        field = f" field {at}:" if at else ""
        raise errors.FlowFileError(f"{where}:{field} {first['msg']}.", hint="Fix it by hand.") from error


def _list(data: dict[str, Any], name: str, where: str) -> list[Any]:
    items = data.get(name, [])
    if not isinstance(items, list):
        raise errors.FlowFileError(f"{where}: {name} is not a list.", hint="Fix it by hand.")
    return items


def _check_nodes(nodes: list[Node], where: str) -> None:
    duplicates = [node_id for node_id, count in Counter(node.id for node in nodes).items() if count > 1]
    if duplicates:
        raise errors.FlowFileError(
            f"{where} has several nodes with the id {', '.join(duplicates)}.", hint="Use unique ids."
        )


def _check_edges(edges: list[Edge], nodes: dict[str, Node], where: str) -> None:
    for edge in edges:
        for end in (edge.source, edge.target):
            if end not in nodes:
                raise errors.FlowFileError(
                    f"{where}: the edge {edge.id} refers to the node {end!r}, which does not exist.",
                    hint="Remove the edge.",
                )
    for key, count in Counter(edge.key for edge in edges).items():
        if count > 1:
            raise errors.FlowFileError(
                f"{where}: the edge {key[0]}.{key[1]}->{key[2]}.{key[3]} exists {count} times.",
                hint="Keep one of them.",
            )
