"""Placed nodes and their outputs, as returned by calls on a flow. Passing one to another call draws an edge."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from fusionflow_nb.api.flow_builder import FlowBuilder


class Output:
    """An output port of a placed node: pass it to another node to draw an edge."""

    def __init__(self, flow: FlowBuilder, node_id: str, port: str) -> None:
        self.flow = flow
        self.node_id = node_id
        self.port = port

    def __repr__(self) -> str:
        return f"<{self.node_id}.{self.port}>"


class PlacedNode(Output):
    """A placed node, usable as its first output. Its other outputs are attributes: `still.depth`."""

    def __getattr__(self, port: str) -> Output:
        if port.startswith("_"):
            raise AttributeError(port)
        node_type = self.flow.node_type(self.node_id)
        return Output(self.flow, self.node_id, node_type.output(port, node_id=self.node_id).name)

    def __repr__(self) -> str:
        return f"<{self.flow.document.nodes[self.node_id].type} {self.node_id}>"


def id_of(node: Output | str) -> str:
    """The id of a placed node; accepts the id itself."""
    return node.node_id if isinstance(node, Output) else node
