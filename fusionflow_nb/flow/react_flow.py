"""The graph in React Flow's format, as the canvas and `projects.graph_state` use it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from fusionflow_nb import errors
from fusionflow_nb.flow.document import NodeLayout
from fusionflow_nb.flow.validate import read_document

if TYPE_CHECKING:
    from fusionflow_nb.flow.document import FlowDocument

_UNPLACED = NodeLayout()


def to_wire(document: FlowDocument) -> dict[str, Any]:
    """The graph in React Flow's format: `{nodes, edges, layout}`, without id, name and variables.

    A node is `{id, type, position, width?, height?, data: {params?, take?, ...}, look?: {title?, color?, ...}}`;
    `is_unplaced` marks a node without a position, which is drawn at the origin until it is moved.
    """
    nodes = []
    for node in document.nodes.values():
        look = document.layout.nodes.get(node.id, _UNPLACED)
        fields = look.model_dump(mode="json", exclude_defaults=True, exclude={"x", "y"})
        wired: dict[str, Any] = {"id": node.id, "type": node.type, "position": {"x": look.x, "y": look.y}}
        wired.update({name: fields.pop(name) for name in ("width", "height") if name in fields})
        wired["data"] = node.model_dump(mode="json", exclude_defaults=True, exclude={"id", "type"})
        if fields:
            wired["look"] = fields
        if look is _UNPLACED:
            wired["is_unplaced"] = True
        nodes.append(wired)
    edges = [{**edge.model_dump(mode="json", by_alias=True), "id": edge.id} for edge in document.edges]
    rest = document.layout.model_dump(mode="json", exclude_defaults=True, exclude={"nodes"})
    return {"nodes": nodes, "edges": edges, "layout": rest}


def from_wire(wire: dict[str, Any], *, id: str, name: str, variables: dict[str, Any]) -> FlowDocument:  # noqa: A002 - the document's field
    """The document of a graph in React Flow's format.

    Raises:
        FlowFileError: the graph does not have this format.
    """
    looks: dict[str, Any] = {}
    nodes = []
    try:
        for wired in wire["nodes"]:
            nodes.append({**wired.get("data", {}), "id": wired["id"], "type": wired["type"]})
            if wired.get("is_unplaced"):
                continue
            sizes = {side: wired[side] for side in ("width", "height") if side in wired}
            looks[wired["id"]] = {**wired.get("look", {}), **sizes, **wired["position"]}
        layout = {**wire.get("layout", {}), "nodes": looks}
        edges = wire["edges"]
    except (KeyError, TypeError, AttributeError) as error:
        raise errors.FlowFileError(
            f"The graph is not in React Flow's format: {error}.", hint="Reload the canvas."
        ) from error
    data = {"id": id, "name": name, "variables": variables, "nodes": nodes, "edges": edges, "layout": layout}
    return read_document(data, "The graph")
