"""Ancestors of a node and the shortest cycle of a flow's graph, by networkx.

networkx takes about 0.1 s to import, so it is imported on first use. A plan walks its own adjacency instead
(`plan.graph`): building a networkx graph of 10,000 nodes takes longer than the whole walk.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable

    from fusionflow_nb.flow.document import FlowDocument

_MAX_EDGE_VISITS = 200_000
"""Bound on the search for a shortest cycle: about 0.2 s."""


def ancestors(document: FlowDocument, node_id: str) -> set[str]:
    """Ids of all nodes upstream of a node, without the node itself."""
    import networkx as nx  # noqa: PLC0415 - slow to import

    graph = nx.DiGraph((edge.source, edge.target) for edge in document.edges)
    graph.add_node(node_id)
    return set(nx.ancestors(graph, node_id))


def shortest_cycle(edges: Iterable[tuple[str, str]]) -> list[str]:
    """Node ids of a shortest cycle in edge direction, or an empty list if the edges form none.

    Equal edges in equal order give the same cycle. In a large cyclic part (nodes times edges above 200,000) only the
    first nodes are searched, so the cycle may be longer than the shortest.

    >>> shortest_cycle([("a", "b"), ("b", "c"), ("c", "a"), ("c", "b")])
    ['b', 'c']
    """
    import networkx as nx  # noqa: PLC0415 - slow to import

    graph = nx.DiGraph(edges)
    cyclic: set[str] = {node for node in graph if graph.has_edge(node, node)}
    for component in nx.strongly_connected_components(graph):
        if len(component) > 1:
            cyclic |= component
    graph = nx.DiGraph(graph.subgraph(node for node in graph if node in cyclic))
    starts = list(graph)[: max(1, _MAX_EDGE_VISITS // max(1, graph.number_of_edges()))]
    cycles = [_shortest_through(graph, start) for start in starts]
    return min(cycles, key=len, default=[])


def _shortest_through(graph: Any, node: str) -> list[str]:  # noqa: ANN401 - networkx has no types
    """A shortest cycle through a node of a cycle: the shortest path to a copy of the node that only receives edges."""
    import networkx as nx  # noqa: PLC0415 - slow to import

    copy = object()
    graph.add_edges_from((source, copy) for source in list(graph.predecessors(node)))
    path: list[str] = nx.shortest_path(graph, node, copy)[:-1]
    graph.remove_node(copy)
    return path
