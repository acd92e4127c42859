"""`@node`: a Python function as a node type. What stands for the function in a content key is told in `source`."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from fusionflow_nb.catalog import source
from fusionflow_nb.catalog.declare import declare
from fusionflow_nb.catalog.node_type import Kind, NodeType

if TYPE_CHECKING:
    from collections.abc import Callable

DEFAULT_TIMEOUT_S = 3600.0


def python_node_type(
    function: Callable[..., Any],
    *,
    name: str | None = None,
    version: int | str | None = None,
    cache: bool = True,
    record: bool = True,
    timeout_s: float | None = DEFAULT_TIMEOUT_S,
    title: str | None = None,
    category: str = "Python",
) -> NodeType:
    """The node type of a Python function.

    Args:
        function: sync (runs in a worker thread) or async (must not block).
        name: the node type's name; the function's own by default.
        version: takes the place of the source in the key: raise it when results should change.
        cache: False: always run again.
        record: False: no generation is logged.
        timeout_s: seconds after which a job counts as failed.
        title: shown on the node.
        category: where the palette lists it.

    Raises:
        PortError: a type hint that no port can carry.
    """
    if version is None:
        digested = source.digest_of(function)
    else:
        digested = source.stated(f"{name or function.__name__} {version!r}")
    return declare(
        function,
        kind=Kind.LOCAL,
        name=name,
        run=function,
        title=title,
        category=category,
        source_digest=digested.digest,
        volatile=digested.volatile if cache else "cache=False",
        reads=digested.reads if cache else (),
        is_recorded=record,
        timeout_s=timeout_s,
        version=version if version is not None else 1,
    )


def refreshed(node_type: NodeType) -> NodeType:
    """The node type as it is now: itself, unless something that its function reads from outside has changed.

    A helper that another cell redefined acts from then on, so results of the old one must not be found any more.
    """
    if not node_type.reads or not callable(node_type.run) or source.is_unchanged(node_type.reads):
        return node_type
    digested = source.digest_of(node_type.run)
    return replace(node_type, source_digest=digested.digest, volatile=digested.volatile, reads=digested.reads)


class PythonNode:
    """What `@node` leaves behind: still the function, and a way to place it on a flow.

    Called with an output of a flow it places a node and returns it; called with anything else it is the function.
    """

    def __init__(self, function: Callable[..., Any], node_type: NodeType, place: Callable[..., Any]) -> None:
        self.function = function
        self.node_type = node_type
        self._place = place
        self.__name__ = node_type.name
        self.__doc__ = function.__doc__
        self.__wrapped__ = function

    def __call__(self, *args: Any, **kwargs: Any) -> Any:  # noqa: ANN401 - the function's own
        """Place a node, or be the function."""
        placed = self._place(self.node_type, args, kwargs)
        return self.function(*args, **kwargs) if placed is None else placed

    def __repr__(self) -> str:
        return f"<node {self.node_type.name}>"
