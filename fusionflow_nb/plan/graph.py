"""Reading nodes and edges of a document into a plan's nodes, and walking down from them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fusionflow_nb import errors
from fusionflow_nb.catalog.edges import check_edge
from fusionflow_nb.catalog.node_type import Collects
from fusionflow_nb.plan.job import Link, NodePlan
from fusionflow_nb.plan.prepare import prepare

if TYPE_CHECKING:
    from collections.abc import Container, Iterable, Mapping

    from fusionflow_nb.catalog import Catalog
    from fusionflow_nb.catalog.node_type import InputPort, NodeType
    from fusionflow_nb.flow.document import Edge, FlowDocument
    from fusionflow_nb.plan.prepare import Models


def incoming(document: FlowDocument, wanted: Container[str]) -> dict[str, list[Edge]]:
    """The edges into each wanted node, in the order of the document: one pass over all edges."""
    found: dict[str, list[Edge]] = {}
    for edge in document.edges:
        if edge.target in wanted:
            found.setdefault(edge.target, []).append(edge)
    return found


def wire(node: NodePlan, edges: Iterable[Edge], nodes: Mapping[str, NodePlan], catalog: Catalog) -> None:
    """Give a node, unwired so far, its type and edges; what is wrong with them becomes its `misfit`.

    Every edge binds the two nodes together, so that mending the upper one is noticed below. `nodes` know their types.
    """
    node.misfit = None
    edges = list(edges)
    for edge in edges:
        source = nodes[edge.source]
        node.sources[source] = None
        source.children[node] = None
    try:
        # Asked again only where there is none, for the sentence that lists the nearest names.
        node_type = node.type or catalog.get(node.type_name, node_id=node.id)
        by_port: dict[str, tuple[InputPort, list[Link]]] = {}
        for edge in edges:
            port = _fitting(edge, nodes[edge.source].type, node_type)
            links = by_port.setdefault(port.name, (port, []))[1]
            if links and port.collects is Collects.NO:
                raise errors.PortError(
                    f"{edge.source} and {links[0].source.id} both feed {port.name!r}, which takes one edge.",
                    node_id=node.id,
                    hint="Remove one of the edges.",
                )
            links.append(Link(port, nodes[edge.source], edge.source_port))
    except errors.FusionFlowError as error:
        node.misfit = error.at(node.id)
        return
    node.inputs = [by_port[name] for name in sorted(by_port)]
    node.links = [link for _, links in node.inputs for link in links]
    node.connected = frozenset(by_port)


def unwire(node: NodePlan) -> None:
    """Take a node's edges from above away."""
    for source in node.sources:
        source.children.pop(node, None)
    node.sources, node.links, node.inputs, node.connected = {}, [], [], frozenset()


def read_form(node: NodePlan, document: FlowDocument, models: Models) -> None:
    """Read a wired node's parameters again; what is wrong with them becomes its `fault`."""
    placed = document.nodes[node.id]
    node.prepared = node.fault = None
    node.is_muted, node.take, node.locked = placed.is_muted, placed.take, placed.locked
    if node.misfit is not None or node.type is None or node.is_locked:
        return
    try:
        node.prepared = prepare(
            placed, node.type, connected=node.connected, variables=document.variables, models=models
        )
    except errors.FusionFlowError as error:
        node.fault = error.at(node.id)


def below(roots: Iterable[NodePlan]) -> list[NodePlan]:
    """The nodes and everything below them, upstream first.

    Raises:
        CycleError: edges form a circle.
    """
    waits: dict[NodePlan, int] = {}
    stack = list(roots)
    while stack:
        node = stack.pop()
        if node not in waits:
            waits[node] = 0
            stack.extend(node.children)
    for node in waits:
        for child in node.children:
            waits[child] += 1
    order = [node for node, count in waits.items() if count == 0]
    for node in order:  # grows while we walk: Kahn's algorithm
        for child in node.children:
            waits[child] -= 1
            if waits[child] == 0:
                order.append(child)
    if len(order) < len(waits):
        raise errors.CycleError(_circle({node for node, count in waits.items() if count > 0}))
    return order


def _circle(among: set[NodePlan]) -> list[str]:
    """Ids along one circle, in edge direction, among nodes on or below one: walk up until a node comes twice."""
    path: dict[NodePlan, None] = {}
    current = min(among, key=lambda node: node.id)
    while current not in path:
        path[current] = None
        current = next(source for source in current.sources if source in among)
    walked = list(path)
    return [node.id for node in reversed(walked[walked.index(current) :])]


def _fitting(edge: Edge, source_type: NodeType | None, target_type: NodeType) -> InputPort:
    """The port an edge ends in. Of a source of unknown type nothing is known to be wrong here."""
    if source_type is None:
        return target_type.input(edge.target_port, node_id=edge.target)
    return check_edge(edge, source_type, target_type)
