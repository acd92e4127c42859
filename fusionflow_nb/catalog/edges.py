"""Check that an edge fits two node types: its ports exist and their types match."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fusionflow_nb import errors
from fusionflow_nb.media.ports import accepts

if TYPE_CHECKING:
    from fusionflow_nb.catalog.node_type import InputPort, NodeType
    from fusionflow_nb.flow.document import Edge


def check_edge(edge: Edge, source_type: NodeType, target_type: NodeType) -> InputPort:
    """The input port of an edge.

    Raises:
        PortError: a port does not exist, or the types do not match; the hint names a port that matches.
    """
    port = target_type.input(edge.target_port, node_id=edge.target)
    output = source_type.output(edge.source_port, node_id=edge.target)
    if not accepts(port.type, output.type):
        matching = [other.name for other in source_type.outputs if accepts(port.type, other.type)]
        raise errors.PortError(
            f"{edge.source}.{output.name} is {output.type.value}, but {port.name!r} takes {port.type.value}.",
            node_id=edge.target,
            hint=f"Connect {edge.source}.{matching[0]}." if matching else "Connect another node.",
        )
    return port
