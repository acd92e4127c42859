"""From the arguments of a call to inputs by name, with the model pinned and the seed settled."""

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
    "take": "Use a whole number from 0 on.",
    "is_muted": "Use True or False.",
    "locked": "Use the id of a generation.",
}


def by_name(declared: NodeType, args: tuple[Any, ...], params: dict[str, Any]) -> dict[str, Any]:
    """Arguments by input name; what a provider node does not know itself is a setting of its model.

    Raises:
        PortError: too many, the same twice, or a name that the node does not have.
    """
    names = [port.name for port in declared.inputs]
    if len(args) > len(names):
        raise errors.PortError(
            f"{declared.name} takes {len(names)} inputs, not {len(args)}.", hint=f"They are: {', '.join(names)}."
        )
    given = dict(zip(names, args, strict=False))
    twice = sorted(given.keys() & params.keys())
    if twice:
        raise errors.PortError(f"{declared.name} got {', '.join(twice)} twice.", hint="Give it once.")
    given.update(params)
    settings = {}
    for name in list(given):
        if name not in declared.by_name and declared.extra_inputs is None:
            if declared.kind is not Kind.PROVIDER:
                declared.input(name)  # raises, and lists what there is
            settings[name] = given.pop(name)  # a setting of the model, checked against it
    if settings:
        given["settings"] = {**(given.get("settings") or {}), **settings}
    return given


def pin(declared: NodeType, values: dict[str, Any], node_id: str, connected: frozenset[str], take: int) -> None:
    """Resolve the model once and write it into the node; settle its seed where it takes one."""
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
    """A node made of what a person gave.

    Raises:
        EditError: a name that is none, a take below 0.
    """
    try:
        return Node(**fields)
    except ValidationError as error:
        name = error.errors()[0]["loc"][0]
        if name == "id":
            raise errors.EditError(
                f"{fields['id']!r} is no name for a node.", hint="Use letters, digits and _, a letter first."
            ) from None
        raise errors.EditError(
            f"{name} cannot be {fields[str(name)]!r}.", node_id=fields["id"], hint=_NODE_FIELDS.get(str(name))
        ) from None


def plain(value: Any) -> Any:  # noqa: ANN401 - a parameter as a person gives it
    """The value as JSON has it: tuples and ranges are lists."""
    return list(value) if isinstance(value, tuple | range) else value
