"""Node types and models in wire form."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fusionflow_nb.api.models import price_text

if TYPE_CHECKING:
    from fusionflow_nb.canvas import wire
    from fusionflow_nb.catalog.node_type import NodeType
    from fusionflow_nb.providers.model import ModelEntry, Parameter


def node_type_facts(node_type: NodeType) -> wire.NodeType:
    """A node type, complete enough that a view can draw any node and its form."""
    return {
        "name": node_type.name,
        "title": node_type.title,
        "category": node_type.category,
        "summary": node_type.summary,
        "kind": node_type.kind.value,
        "task": node_type.task,
        "inputs": [
            {
                "name": port.name,
                "type": port.type.value,
                "collects": port.collects.value,
                "is_required": port.is_required,
                "is_parameter": port.is_parameter,
                "default": port.default,
            }
            for port in node_type.inputs
        ],
        "outputs": [
            {"name": port.name, "type": port.type.value, "is_series": port.is_series} for port in node_type.outputs
        ],
        "extra_inputs": node_type.extra_inputs.value if node_type.extra_inputs else None,
        "extra_outputs": node_type.extra_outputs.value if node_type.extra_outputs else None,
        "params_schema": node_type.params.model_json_schema(),
        "volatile": node_type.volatile,
    }


def model_facts(entry: ModelEntry, *, has_key: bool) -> wire.Model:
    """A model for the picker; `has_key`: whether its service can be called."""
    return {
        "id": entry.id,
        "provider": entry.provider,
        "title": entry.title,
        "tasks": list(entry.tasks),
        "method": entry.method,
        "says_how": entry.says_how,
        "parameters": {name: _parameter(parameter) for name, parameter in entry.parameters.items()},
        "is_free": entry.is_free,
        "price_text": price_text(entry),
        "retires_on": None if entry.retires_on is None else entry.retires_on.isoformat(),
        "successor": entry.successor,
        "has_key": has_key,
    }


def _parameter(parameter: Parameter) -> wire.ModelParameter:
    return parameter.model_dump(mode="json")  # type: ignore[return-value] # the same keys
