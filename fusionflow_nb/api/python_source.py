"""What the Python form of a flow needs to know of node types."""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING, Any

from fusionflow_nb import errors
from fusionflow_nb.api.flow_builder import FlowBuilder
from fusionflow_nb.api.placed_node import PlacedNode
from fusionflow_nb.catalog.node_type import Kind
from fusionflow_nb.flow import checks
from fusionflow_nb.flow.document import Node
from fusionflow_nb.media.ports import accepts
from fusionflow_nb.plan.prepare import prepare
from fusionflow_nb.session import current_session

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from fusionflow_nb.catalog.node_type import NodeType

_ADD_WORDS = frozenset(inspect.signature(FlowBuilder.add).parameters)
_OUTPUT_WORDS = frozenset({*dir(PlacedNode), "flow", "node_id", "port"})


class PythonSource:
    """What `to_python` needs to know of a node type."""

    def __init__(self, node_type: NodeType) -> None:
        self._node_type = node_type
        self.inputs = tuple(port.name for port in node_type.inputs)
        self.first_output = node_type.first_output

    def collects(self, name: str) -> bool:
        """Whether several edges may end in this input."""
        return self._node_type.collects(name)

    def takes(self, name: str) -> bool:
        """Whether the call that places the node can take this input by name."""
        is_declared = name in self._node_type.by_name or self._node_type.extra_inputs is not None
        return is_declared and name not in _ADD_WORDS

    def gives(self, name: str) -> bool:
        """Whether this output can be written as an attribute of the placed node."""
        node_type = self._node_type
        is_declared = node_type.extra_outputs is not None or name in {port.name for port in node_type.outputs}
        return is_declared and not name.startswith("_") and name not in _OUTPUT_WORDS

    def joins(self, name: str, source: PythonSource, output: str) -> bool:
        """Whether what an output of another node type gives may go into this input."""
        given = [port for port in source._node_type.outputs if port.name == output]
        port_type = given[0].type if given else source._node_type.extra_outputs
        return port_type is not None and accepts(self._node_type.input(name).type, port_type)

    def keeps(self, params: Mapping[str, Any], connected: Collection[str]) -> bool:
        """Whether placing the node with these parameters writes down exactly these, and is not refused."""
        return self._is_taken(params, connected) and self._is_written_as_is(params, connected)

    def _is_taken(self, params: Mapping[str, Any], connected: Collection[str]) -> bool:
        if checks.variables_used(dict(params)):
            return True  # what the variables hold is for the plan to judge
        node = Node(id="node", type=self._node_type.name, params=dict(params))
        try:
            prepare(
                node,
                self._node_type,
                connected=frozenset(connected),
                variables={},
                models=current_session().registry,
                is_whole=False,
            )
        except errors.FusionFlowError:
            return False
        return True

    def _is_written_as_is(self, params: Mapping[str, Any], connected: Collection[str]) -> bool:
        if any(self._node_type.by_name[name].type.is_media for name in params if name in self._node_type.by_name):
            return False  # a path would be loaded
        if self._node_type.kind is not Kind.PROVIDER or "model" in connected:
            return True
        try:
            entry = current_session().registry.resolve(params.get("model") or "")
        except errors.ModelError:
            return False
        is_seeded = "seed" in connected or params.get("seed") is not None or "seed" in (params.get("settings") or {})
        return entry.id == params["model"] and (is_seeded or "seed" not in entry.parameters)
