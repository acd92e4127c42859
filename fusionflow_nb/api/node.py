"""`@ff.node`: a Python function as a node type of this session."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, overload

from fusionflow_nb.api.placed_node import Output, PlacedNode
from fusionflow_nb.catalog.python import DEFAULT_TIMEOUT_S, PythonNode, python_node_type
from fusionflow_nb.session import current_session

if TYPE_CHECKING:
    from collections.abc import Callable

    from fusionflow_nb.catalog.node_type import NodeType


@overload
def node(function: Callable[..., Any], /) -> PythonNode: ...


@overload
def node(
    *,
    name: str | None = None,
    version: int | str | None = None,
    cache: bool = True,
    record: bool = True,
    timeout_s: float | None = DEFAULT_TIMEOUT_S,
    title: str | None = None,
) -> Callable[[Callable[..., Any]], PythonNode]: ...


def node(function: Callable[..., Any] | None = None, /, **facts: Any) -> Any:
    """Make a Python function a node type; redefining it updates the nodes placed already.

    Type hints say what it takes and gives: `ff.Image`, `ff.Mask`, `ff.Video`, `ff.Audio`, str, numbers, lists, dicts;
    `list[...]` collects a batch. It may return a handle, a PIL image, a uint8 array (height, width, 3 or 4), a path or
    bytes where the hint is a medium, plain values otherwise. A parameter of type `ff.Context` reports progress.

    Args:
        function: sync (runs in a worker thread) or async.
        name: the node type's name; the function's own by default.
        version: stands for the source in the content key: results change when it does.
        cache: False: always run.
        record: False: no generation is logged.
        timeout_s: seconds after which a job counts as failed.
        title: shown on the node.
        facts: these, where it is used with parentheses.

    Raises:
        PortError: a hint that no port can carry.
        ParameterError: the name belongs to a built-in node.

    >>> @node
    ... def shout(text: str) -> str:
    ...     return text.upper() + "!"
    >>> shout("dawn")
    'DAWN!'
    """

    def declared(function: Callable[..., Any]) -> PythonNode:
        made = PythonNode(function, python_node_type(function, **facts), _place)
        current_session().catalog.declare(made.node_type)
        return made

    return declared if function is None else declared(function)


def _place(node_type: NodeType, args: tuple[Any, ...], params: dict[str, Any]) -> PlacedNode | None:
    """Place a node on the flow that one of the arguments belongs to; None where none of them does."""
    for value in (*args, *params.values()):
        for one in value if isinstance(value, list | tuple) else (value,):
            if isinstance(one, Output):
                return one.flow.add(node_type.name, *args, **params)
    return None
