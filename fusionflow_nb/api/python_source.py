"""Properties of node types that `flow.to_python` needs."""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING, Any

from fusionflow_nb import errors
from fusionflow_nb.api.flow_builder import FlowBuilder
from fusionflow_nb.api.placed_node import PlacedNode
from fusionflow_nb.catalog.node_type import Kind
from fusionflow_nb.flow.document import Node
from fusionflow_nb.flow.variables import variables_used
from fusionflow_nb.media.ports import accepts
from fusionflow_nb.plan.prepare import prepare
from fusionflow_nb.session import current_session

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from fusionflow_nb.catalog.node_type import NodeType

_ADD_WORDS = frozenset(inspect.signature(FlowBuilder.add).parameters)
_OUTPUT_WORDS = frozenset({*dir(PlacedNode), "flow", "node_id", "port"})


class PythonSource:
    """A node type as `to_python` sees it."""

    def __init__(self, node_type: NodeType) -> None:
        self._node_type = node_type
        self.inputs = tuple(port.name for port in node_type.inputs)
        self.first_output = node_type.first_output

    def collects(self, name: str) -> bool:
        """Whether this input accepts several edges."""
        return self._node_type.collects(name)

    def takes_keyword(self, name: str) -> bool:
        """Whether the call that places the node accepts this input as a keyword argument."""
        is_declared = name in self._node_type.by_name or self._node_type.extra_inputs is not None
        return is_declared and name not in _ADD_WORDS

    def has_output(self, name: str) -> bool:
        """Whether this output can be written as an attribute of the placed node."""
        node_type = self._node_type
        is_declared = node_type.extra_outputs is not None or name in {port.name for port in node_type.outputs}
        return is_declared and not name.startswith("_") and name not in _OUTPUT_WORDS

    def accepts_output(self, name: str, source: PythonSource, output: str) -> bool:
        """Whether an output of another node type may be connected to this input."""
        ports = [port for port in source._node_type.outputs if port.name == output]
        port_type = ports[0].type if ports else source._node_type.extra_outputs
        return port_type is not None and accepts(self._node_type.input(name).type, port_type)

    def keeps_params(self, params: Mapping[str, Any], connected: Collection[str]) -> bool:
        """Whether placing the node with these parameters succeeds and stores exactly these parameters."""
        return self._is_valid(params, connected) and self._is_stored_unchanged(params, connected)

    def _is_valid(self, params: Mapping[str, Any], connected: Collection[str]) -> bool:
        if variables_used(dict(params)):
            return True  # the plan checks the values of variables
        node = Node(id="node", type=self._node_type.name, params=dict(params))
        try:
            prepare(
                node,
                self._node_type,
                connected=frozenset(connected),
                variables={},
                models=current_session().registry,
                require_inputs=False,
            )
        except errors.FusionFlowError:
            return False
        return True

    def _is_stored_unchanged(self, params: Mapping[str, Any], connected: Collection[str]) -> bool:
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
