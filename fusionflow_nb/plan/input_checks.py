"""Check an item that arrives over an edge and convert it to the port's type, as a typed-in value would be."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from fusionflow_nb import errors
from fusionflow_nb.catalog.number_text import number_text
from fusionflow_nb.media.ports import PortType
from fusionflow_nb.media.values import Asset, Item, Value
from fusionflow_nb.plan.param_errors import parameter_error, short_repr

if TYPE_CHECKING:
    from collections.abc import Sequence

    from fusionflow_nb.catalog.node_type import InputPort, NodeType
    from fusionflow_nb.plan.job import Link

_SCALARS = (str, int, float, bool, type(None))


def fit_item(item: Item, link: Link, node_type: NodeType, *, node_id: str) -> Item:
    """One item, converted for a mapped port.

    Raises:
        PortError: the item does not have the port's type.
        ParameterError: the value fails the parameter's validation.
    """
    item = to_port_type(item, link, node_id=node_id)
    if isinstance(item, Asset):
        return item
    try:
        return _reuse(item, node_type.coerce(link.port.name, item.data))
    except ValidationError as error:
        raise parameter_error(error, node_type, name=link.port.name, node_id=node_id) from error


def fit_list(items: Sequence[Item], port: InputPort, node_type: NodeType, *, node_id: str) -> list[Item]:
    """Items that already have the port's type, converted for a `list[...]` port.

    Raises:
        ParameterError: the list fails the parameter's validation.
    """
    if port.type.is_media:
        return list(items)
    values = [item for item in items if isinstance(item, Value)]
    try:
        checked = node_type.coerce(port.name, [value.data for value in values])
    except ValidationError as error:
        raise parameter_error(error, node_type, name=port.name, node_id=node_id) from error
    return [_reuse(value, data) for value, data in zip(values, checked, strict=True)]


def to_port_type(item: Item, link: Link, *, node_id: str) -> Item:
    """The item in the port's type: a number becomes text, text never becomes a number.

    Raises:
        PortError: the item does not have the port's type.
    """
    port = link.port
    if isinstance(item, Asset) != port.type.is_media:
        kind = item.media_type if isinstance(item, Asset) else f"a value ({type(item.data).__name__})"
        raise errors.PortError(
            f"{link.source.id} gave {kind} where {port.name!r} needs {port.type.value}.",
            node_id=node_id,
            hint="Connect another output.",
        )
    if isinstance(item, Asset):
        return item
    data, data_type = item.data, type(item.data)
    if port.type is PortType.TEXT and data_type is not str:
        if data_type not in (int, float):
            raise errors.PortError(
                f"{link.source.id} gave {_typed_repr(data)} where {port.name!r} needs text.",
                node_id=node_id,
                hint="Choose a column or an output that contains text.",
            )
        return Value.of(number_text(data))
    if port.type is PortType.NUMBER and data_type not in (int, float):
        raise errors.PortError(
            f"{link.source.id} gave {_typed_repr(data)} where {port.name!r} needs a number.",
            node_id=node_id,
            hint="Choose a column or an output that contains numbers.",
        )
    return item


def _reuse(value: Value, data: Any) -> Value:  # noqa: ANN401 - a checked parameter
    """The same value if validation changed nothing, so that its digest is not computed twice."""
    if data is value.data or (type(data) is type(value.data) and isinstance(data, _SCALARS) and data == value.data):
        return value
    return Value.of(list(data) if isinstance(data, tuple) else data)


def _typed_repr(data: Any) -> str:  # noqa: ANN401 - any JSON value
    return "nothing" if data is None else f"{short_repr(data)} ({type(data).__name__})"
