"""Turn a pydantic validation error into a ParameterError that names the parameter and the value."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from fusionflow_nb import errors

if TYPE_CHECKING:
    from pydantic import ValidationError

    from fusionflow_nb.catalog.node_type import NodeType


def parameter_error(
    error: ValidationError, node_type: NodeType, *, node_id: str, name: str | None = None
) -> errors.ParameterError:
    """The ParameterError for a pydantic validation error.

    Args:
        error: raised by the whole parameter model, or by one parameter.
        node_type: the node type of the parameters.
        node_id: the node whose parameters failed.
        name: the parameter, if `error` was raised by one parameter alone.
    """
    first = error.errors()[0]
    top = name or (str(first["loc"][0]) if first["loc"] else "")
    if first["type"] == "extra_forbidden":
        names = ", ".join(node_type.params.model_fields) or "none"
        return errors.ParameterError(
            f"{node_type.name} has no parameter {top!r}.", node_id=node_id, hint=f"Its parameters: {names}."
        )
    path = first["loc"] if name else first["loc"][1:]
    position = "".join(f"[{part}]" for part in path if isinstance(part, int))
    message = first["msg"][:1].lower() + first["msg"][1:]
    return errors.ParameterError(
        f"{top}{position} = {short_repr(first['input'])}: {message}.", node_id=node_id, hint="Change the value."
    )


def short_repr(data: Any, maximum: int = 60) -> str:  # noqa: ANN401 - any value
    """`repr` cut to a length."""
    text = repr(data)
    return text if len(text) <= maximum else text[: maximum - 1] + "…"
