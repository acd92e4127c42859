"""`@node`: a Python function as a node type. `catalog.source` computes the digest of the function for content keys."""

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
        name: the node type's name; the function's name by default.
        version: used in the key instead of the source; change it when results should change.
        cache: False: run every time.
        record: False: do not log generations.
        timeout_s: seconds after which a job fails.
        title: shown on the node.
        category: the section of the palette.

    Raises:
        PortError: a type hint that no port can carry.
    """
    if version is None:
        digest = source.digest_of(function)
    else:
        digest = source.version_digest(f"{name or function.__name__} {version!r}")
    return declare(
        function,
        kind=Kind.LOCAL,
        name=name,
        run=function,
        title=title,
        category=category,
        source_digest=digest.digest,
        volatile=digest.volatile if cache else "cache=False",
        reads=digest.reads if cache else (),
        is_recorded=record,
        timeout_s=timeout_s,
        version=version if version is not None else 1,
    )


def refresh_digest(node_type: NodeType) -> NodeType:
    """The node type with its current digest; the same object if no outer name of its function has changed.

    When another cell redefines a helper function, results of the old helper must not be cache hits any more.
    """
    if not node_type.reads or not callable(node_type.run) or source.is_unchanged(node_type.reads):
        return node_type
    digest = source.digest_of(node_type.run)
    return replace(node_type, source_digest=digest.digest, volatile=digest.volatile, reads=digest.reads)


class PythonNode:
    """The object that `@node` returns: the function, which can also be placed on a flow.

    A call with an output of a flow places a node and returns it. Any other call calls the function.
    """

    def __init__(self, function: Callable[..., Any], node_type: NodeType, place: Callable[..., Any]) -> None:
        self.function = function
        self.node_type = node_type
        self._place = place
        self.__name__ = node_type.name
        self.__doc__ = function.__doc__
        self.__wrapped__ = function

    def __call__(self, *args: Any, **kwargs: Any) -> Any:  # noqa: ANN401 - the function's own
        """Place a node if an argument is an output of a flow; else call the function."""
        placed = self._place(self.node_type, args, kwargs)
        return self.function(*args, **kwargs) if placed is None else placed

    def __repr__(self) -> str:
        return f"<node {self.node_type.name}>"
