"""Whether what arrives over an edge fits its port, and its form there: the same that a value typed in would take."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from fusionflow_nb import errors
from fusionflow_nb.catalog.number_text import number_text
from fusionflow_nb.media.ports import PortType
from fusionflow_nb.media.values import Asset, Item, Value

if TYPE_CHECKING:
    from collections.abc import Sequence

    from fusionflow_nb.catalog.node_type import InputPort, NodeType
    from fusionflow_nb.plan.job import Link

_SCALARS = (str, int, float, bool, type(None))


def fitted(item: Item, link: Link, node_type: NodeType, *, node_id: str) -> Item:
    """One item as a mapped port takes it.

    Raises:
        PortError: another type than the port's.
        ParameterError: a value that the form would refuse, too.
    """
    item = carried(item, link, node_id=node_id)
    if isinstance(item, Asset):
        return item
    try:
        return _kept(item, node_type.coerced(link.port.name, item.data))
    except ValidationError as error:
        raise parameter_error(error, node_type, name=link.port.name, node_id=node_id) from error


def fitted_list(items: Sequence[Item], port: InputPort, node_type: NodeType, *, node_id: str) -> list[Item]:
    """Items, each carried already, as a `list[...]` port takes them.

    Raises:
        ParameterError: a list that the form would refuse, too.
    """
    if port.type.is_media:
        return list(items)
    values = [item for item in items if isinstance(item, Value)]
    try:
        checked = node_type.coerced(port.name, [value.data for value in values])
    except ValidationError as error:
        raise parameter_error(error, node_type, name=port.name, node_id=node_id) from error
    return [_kept(value, data) for value, data in zip(values, checked, strict=True)]


def carried(item: Item, link: Link, *, node_id: str) -> Item:
    """The item, once it is sure that the port can carry it: numbers become text, text never becomes a number.

    Raises:
        PortError: another type than the port's.
    """
    port = link.port
    if isinstance(item, Asset) != port.type.is_media:
        gave = item.media_type if isinstance(item, Asset) else f"a value ({type(item.data).__name__})"
        raise errors.PortError(
            f"{link.source.id} gave {gave} where {port.name!r} needs {port.type.value}.",
            node_id=node_id,
            hint="Connect another output.",
        )
    if isinstance(item, Asset):
        return item
    data, kind = item.data, type(item.data)
    if port.type is PortType.TEXT and kind is not str:
        if kind not in (int, float):
            raise errors.PortError(
                f"{link.source.id} gave {_named(data)} where {port.name!r} needs text.",
                node_id=node_id,
                hint="Choose a column or an output that holds text.",
            )
        return Value.of(number_text(data))
    if port.type is PortType.NUMBER and kind not in (int, float):
        raise errors.PortError(
            f"{link.source.id} gave {_named(data)} where {port.name!r} needs a number.",
            node_id=node_id,
            hint="Choose a column or an output that holds numbers.",
        )
    return item


def parameter_error(
    error: ValidationError, node_type: NodeType, *, node_id: str, name: str | None = None
) -> errors.ParameterError:
    """What pydantic found, as a sentence about the parameter.

    Args:
        error: of the whole form, or of one parameter.
        node_type: whose form it is.
        node_id: the node it concerns.
        name: the parameter, where `error` is of one alone.
    """
    first = error.errors()[0]
    top = name or (str(first["loc"][0]) if first["loc"] else "")
    if first["type"] == "extra_forbidden":
        has = ", ".join(node_type.params.model_fields) or "none"
        return errors.ParameterError(
            f"{node_type.name} has no parameter {top!r}.", node_id=node_id, hint=f"Its parameters: {has}."
        )
    within = first["loc"] if name else first["loc"][1:]
    place = "".join(f"[{part}]" for part in within if isinstance(part, int))
    message = first["msg"][:1].lower() + first["msg"][1:]
    return errors.ParameterError(
        f"{top}{place} = {_shown(first['input'])}: {message}.", node_id=node_id, hint="Change the value."
    )


def _kept(value: Value, data: Any) -> Value:  # noqa: ANN401 - a checked parameter
    """The value itself where checking changed nothing, so that its digest is not taken twice."""
    if data is value.data or (type(data) is type(value.data) and isinstance(data, _SCALARS) and data == value.data):
        return value
    return Value.of(list(data) if isinstance(data, tuple) else data)


def _named(data: Any) -> str:  # noqa: ANN401 - any JSON value
    return "nothing" if data is None else f"{_shown(data)} ({type(data).__name__})"


def _shown(data: Any, most: int = 60) -> str:  # noqa: ANN401 - any value
    text = repr(data)
    return text if len(text) <= most else text[: most - 1] + "…"
