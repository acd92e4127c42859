"""From parsed JSON to a document that holds together, or to a sentence that says what is wrong with it."""

from __future__ import annotations

from collections import Counter
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from fusionflow_nb import errors
from fusionflow_nb.flow.document import Edge, FlowDocument, Layout, Node
from fusionflow_nb.flow.json_values import to_json_value

_Form = TypeVar("_Form", bound=BaseModel)


def read_document(data: dict[str, Any], where: str) -> FlowDocument:
    """The document that JSON data describes: nodes and edges as lists, the looks of the nodes in `layout.nodes`.

    Looks of nodes that are not there are dropped. `where` names the data in errors.

    Raises:
        FlowFileError: a field of the wrong type (names it), a node id twice, an edge twice or without one of its ends.
    """
    try:
        data = to_json_value(data)
    except errors.EditError as error:
        raise errors.FlowFileError(f"{where}: {error.what}", hint="Mend the value by hand.") from error
    nodes = [_read(Node, one, f"{where}, node {at}") for at, one in enumerate(_list(data, "nodes", where), 1)]
    edges = [_read(Edge, one, f"{where}, edge {at}") for at, one in enumerate(_list(data, "edges", where), 1)]
    by_id = {node.id: node for node in nodes}
    _check_nodes(nodes, where)
    _check_edges(edges, by_id, where)
    layout = _read(Layout, data.get("layout", {}), f"{where}, layout")
    layout.nodes = {node_id: look for node_id, look in layout.nodes.items() if node_id in by_id}
    return _read(FlowDocument, {**data, "nodes": by_id, "edges": edges, "layout": layout}, where)


def _read(form: type[_Form], data: Any, where: str) -> _Form:  # noqa: ANN401 - whatever was written
    try:
        return form.model_validate(data)
    except ValidationError as error:
        first = error.errors()[0]
        at = ".".join(str(part) for part in first["loc"])
        field = f" field {at}:" if at else ""
        raise errors.FlowFileError(f"{where}:{field} {first['msg']}.", hint="Mend it by hand.") from error


def _list(data: dict[str, Any], name: str, where: str) -> list[Any]:
    found = data.get(name, [])
    if not isinstance(found, list):
        raise errors.FlowFileError(f"{where}: {name} is no list.", hint="Mend it by hand.")
    return found


def _check_nodes(nodes: list[Node], where: str) -> None:
    twice = [node_id for node_id, count in Counter(node.id for node in nodes).items() if count > 1]
    if twice:
        raise errors.FlowFileError(f"{where} has two nodes called {', '.join(twice)}.", hint="Give each its own id.")


def _check_edges(edges: list[Edge], nodes: dict[str, Node], where: str) -> None:
    for edge in edges:
        for end in (edge.source, edge.target):
            if end not in nodes:
                raise errors.FlowFileError(
                    f"{where}: the edge {edge.id} ends at {end!r}, which is not there.", hint="Remove the edge."
                )
    for key, count in Counter(edge.key for edge in edges).items():
        if count > 1:
            raise errors.FlowFileError(
                f"{where}: the edge {key[0]}.{key[1]}->{key[2]}.{key[3]} is there {count} times.",
                hint="Keep one of them.",
            )
