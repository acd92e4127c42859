"""Map the arguments of a call to inputs by name; resolve its model and its seed."""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from fusionflow_nb import errors
from fusionflow_nb.api.random import random
from fusionflow_nb.catalog.node_type import Kind
from fusionflow_nb.flow.document import Node
from fusionflow_nb.plan.keys import SEED_BITS, derived_seed
from fusionflow_nb.plan.prepare import task_of
from fusionflow_nb.session import current_session

if TYPE_CHECKING:
    from fusionflow_nb.catalog.node_type import NodeType

_NODE_FIELDS = {
    "take": "Use a whole number >= 0.",
    "is_muted": "Use True or False.",
    "locked": "Use the id of a generation.",
}


def by_name(declared: NodeType, args: tuple[Any, ...], params: dict[str, Any]) -> dict[str, Any]:
    """Map arguments to input names. Unknown names of a provider node become settings of its model.

    Raises:
        PortError: too many arguments, a duplicate, or an unknown name.
    """
    names = [port.name for port in declared.inputs]
    if len(args) > len(names):
        raise errors.PortError(
            f"{declared.name} takes {len(names)} inputs, got {len(args)}.", hint=f"Inputs: {', '.join(names)}."
        )
    inputs = dict(zip(names, args, strict=False))
    duplicates = sorted(inputs.keys() & params.keys())
    if duplicates:
        raise errors.PortError(f"{declared.name} got {', '.join(duplicates)} twice.", hint="Pass each input once.")
    inputs.update(params)
    settings = {}
    for name in list(inputs):
        if name not in declared.by_name and declared.extra_inputs is None:
            if declared.kind is not Kind.PROVIDER:
                declared.input(name)  # raises, and lists the inputs
            settings[name] = inputs.pop(name)
    if settings:
        inputs["settings"] = {**(inputs.get("settings") or {}), **settings}
    return inputs


def pin(declared: NodeType, values: dict[str, Any], node_id: str, connected: frozenset[str], take: int) -> None:
    """Resolve the model and write its id into `values`; derive a seed if the model takes one and none is set."""
    if values.get("seed") is random:
        values["seed"] = secrets.randbits(SEED_BITS)
    if "model" in connected:
        return
    registry = current_session().registry
    entry = registry.resolve(values.get("model") or registry.default_for(task_of(declared, connected)))
    values["model"] = entry.id
    seed = entry.parameters.get("seed")
    is_set = "seed" in connected or values.get("seed") is not None or "seed" in (values.get("settings") or {})
    if seed is not None and "seed" in declared.by_name and not is_set:
        values["seed"] = derived_seed(node_id, *([take] if take else []), maximum=seed.maximum)


def new_node(**fields: Any) -> Node:  # noqa: ANN401 - the fields of a node
    """Create a node from the user's arguments.

    Raises:
        EditError: invalid name, take or lock.
    """
    try:
        return Node(**fields)
    except ValidationError as error:
        name = error.errors()[0]["loc"][0]
        if name == "id":
            raise errors.EditError(
                f"Invalid node name {fields['id']!r}.", hint="Use letters, digits and _, starting with a letter."
            ) from None
        raise errors.EditError(
            f"{name} cannot be {fields[str(name)]!r}.", node_id=fields["id"], hint=_NODE_FIELDS.get(str(name))
        ) from None


def plain(value: Any) -> Any:  # noqa: ANN401 - any parameter
    """Convert tuples and ranges to lists, as JSON has no others."""
    return list(value) if isinstance(value, tuple | range) else value
