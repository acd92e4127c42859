"""Ancestors of a node and the shortest cycle of a flow's graph."""

from __future__ import annotations

from itertools import pairwise

import networkx as nx
from hypothesis import given
from hypothesis import strategies as st
from support.flow import documents

from fusionflow_nb.flow.topology import ancestors, shortest_cycle

edges_of_eight_nodes = st.lists(
    st.tuples(st.sampled_from("abcdefgh"), st.sampled_from("abcdefgh")), max_size=16, unique=True
)


@given(edges_of_eight_nodes)
def test_a_shortest_cycle_is_found(edges):
    """The result is a cycle in edge direction, no cycle is shorter, and it is empty without cycles."""
    graph = nx.DiGraph(edges)
    lengths = [len(cycle) for cycle in nx.simple_cycles(graph)]
    cycle = shortest_cycle(edges)
    assert len(cycle) == min(lengths, default=0)
    assert all(graph.has_edge(*ends) for ends in pairwise([*cycle, *cycle[:1]]))


def test_a_cycle_of_thousands_of_nodes_is_found():
    """The search is bounded, and the only cycle is returned from its first node on."""
    nodes = [f"n{index}" for index in range(1500)]
    assert shortest_cycle(pairwise([*nodes, nodes[0]])) == nodes


@given(documents())
def test_ancestors_are_all_nodes_upstream(document):
    """A node upstream of an ancestor is an ancestor; the node itself is not, even in a cycle."""
    for node_id in document.nodes:
        found_ids = ancestors(document, node_id)
        sources = {edge.source for edge in document.edges if edge.target in {node_id, *found_ids}}
        assert found_ids == sources - {node_id}
