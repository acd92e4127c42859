"""The catalog of node types: built-in families, one module each, and functions declared in the notebook."""

from __future__ import annotations

import difflib
from typing import TYPE_CHECKING

from fusionflow_nb import errors

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from fusionflow_nb.catalog.node_type import NodeType


class Catalog:
    """Node types by name. A notebook can redefine its own node types, but not built-in ones."""

    def __init__(self) -> None:
        from fusionflow_nb.catalog import audio, files, image, pick, sweep, text, transform, video  # noqa: PLC0415

        families = (text, image, video, audio, transform, sweep, pick, files)
        self._built_in = {node.name: node for family in families for node in family.node_types()}
        self._declared: dict[str, NodeType] = {}
        self.rev = 0
        """Incremented by each declaration, so that plans know when to look node types up again."""
        self._listeners: list[Callable[[], None]] = []

    def subscribe(self, listener: Callable[[], None]) -> Callable[[], None]:
        """Call `listener` after each declaration, on the declaring thread. Returns a function that unsubscribes."""
        self._listeners.append(listener)
        return lambda: self._listeners.remove(listener)

    def declare(self, node_type: NodeType) -> None:
        """Add a notebook's node type, or replace one.

        Raises:
            ParameterError: the name belongs to a built-in node.
        """
        if node_type.name in self._built_in:
            raise errors.ParameterError(
                f"{node_type.name!r} is a built-in node.", hint="Rename the function, or set another name=."
            )
        self._declared[node_type.name] = node_type
        self.rev += 1
        for listener in tuple(self._listeners):
            listener()

    def refresh(self) -> None:
        """Update the digests of Python nodes whose outer names were redefined by other cells."""
        from fusionflow_nb.catalog.python import refresh_digest  # noqa: PLC0415

        for name, node_type in self._declared.items():
            now = refresh_digest(node_type)
            self._declared[name] = now
            self.rev += (now.source_digest, now.volatile) != (node_type.source_digest, node_type.volatile)

    def find(self, name: str) -> NodeType | None:
        """The node type of a name, or None."""
        return self._declared.get(name) or self._built_in.get(name)

    def get(self, name: str, *, node_id: str | None = None) -> NodeType:
        """The node type of a name.

        Raises:
            UnknownNodeTypeError: no such node type; lists similar names.
        """
        node_type = self.find(name)
        if node_type is None:
            near = difflib.get_close_matches(name, list(self), n=3, cutoff=0.5)
            hint = f"Did you mean {', '.join(near)}?" if near else "Run the cell that defines it with @ff.node first."
            raise errors.UnknownNodeTypeError(f"There is no node type {name!r}.", node_id=node_id, hint=hint)
        return node_type

    def __iter__(self) -> Iterator[str]:
        yield from self._built_in
        yield from self._declared
