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


def node(function: Callable[..., Any] | None = None, /, **options: Any) -> Any:
    """Declare a Python function as a node type; redefining it updates the nodes that are already placed.

    Type hints declare inputs and outputs: `ff.Image`, `ff.Mask`, `ff.Video`, `ff.Audio`, str, numbers, lists, dicts;
    `list[...]` collects a batch. For a media type the function may return a handle, a PIL image, a uint8 array
    (height, width, 3 or 4), a path or bytes; otherwise it returns plain values. A parameter of type `ff.Context`
    reports progress.

    Args:
        function: sync (runs in a worker thread) or async.
        name: the node type's name; by default the name of the function.
        version: replaces the source in the content key, so that only a new version invalidates results.
        cache: if False, always run.
        record: if False, log no generations.
        timeout_s: seconds after which a job fails.
        title: shown on the node.
        options: the arguments above, when used with parentheses.

    Raises:
        PortError: a type hint that no port supports.
        ParameterError: the name belongs to a built-in node.

    >>> @node
    ... def shout(text: str) -> str:
    ...     return text.upper() + "!"
    >>> shout("dawn")
    'DAWN!'
    """

    def declared(function: Callable[..., Any]) -> PythonNode:
        python_node = PythonNode(function, python_node_type(function, **options), _place)
        current_session().catalog.declare(python_node.node_type)
        return python_node

    return declared if function is None else declared(function)


def _place(node_type: NodeType, args: tuple[Any, ...], params: dict[str, Any]) -> PlacedNode | None:
    """Place a node on the flow of the first argument that is an output; None without such an argument."""
    for value in (*args, *params.values()):
        for item in value if isinstance(value, list | tuple) else (value,):
            if isinstance(item, Output):
                return item.flow.add(node_type.name, *args, **params)
    return None
