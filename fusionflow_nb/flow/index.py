"""What is kept beside a document so that an edit need not walk it: numbers given to nodes, and which edges there are.

An index is derived, never saved, and no part of what makes two documents equal.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Iterable

    from fusionflow_nb.flow.document import Edge

EdgeKey: TypeAlias = tuple[str, str, str, str]

_NUMBERED = re.compile(r"(.+)_([0-9]{1,15})", re.ASCII | re.DOTALL)


def edge_key(edge: Edge) -> EdgeKey:
    """What makes an edge this edge: its two ends."""
    return edge.source, edge.source_port, edge.target, edge.target_port


class Numbers:
    """The highest number that was ever given to a node of each type."""

    def __init__(self, ids: Iterable[str] = ()) -> None:
        self._highest: dict[str, int] = {}
        for node_id in ids:
            self.count(node_id)

    def count(self, node_id: str) -> None:
        """Take note of an id."""
        found = _NUMBERED.fullmatch(node_id)
        if found is not None:
            stem, number = found[1], int(found[2])
            self._highest[stem] = max(number, self._highest.get(stem, 0))

    def next(self, node_type: str) -> str:
        """`<type>_<n>`, one more than the highest number so far.

        >>> Numbers(["text_2", "cut_9"]).next("text")
        'text_3'
        """
        stem = re.sub(r"\W", "_", node_type, flags=re.ASCII)
        stem = stem if stem and not stem[0].isdigit() else f"_{stem}"
        return f"{stem}_{self._highest.get(stem, 0) + 1}"


class Index:
    """The numbers and edges of one document, made when first asked for and kept up by edits."""

    def __init__(self) -> None:
        self._numbers: Numbers | None = None
        self._edges: set[EdgeKey] | None = None

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Index)

    __hash__ = None  # type: ignore[assignment]

    def numbers(self, ids: Iterable[str]) -> Numbers:
        """The numbers of a document with these nodes, those removed since the first call included."""
        if self._numbers is None:
            self._numbers = Numbers(ids)
        return self._numbers

    def note(self, node_id: str) -> None:
        """A node of this id was placed."""
        if self._numbers is not None:
            self._numbers.count(node_id)

    def edges(self, edges: list[Edge]) -> set[EdgeKey]:
        """The keys of a document's edges; the caller adds and discards as it edits."""
        if self._edges is None or len(self._edges) != len(edges):
            self._edges = {edge_key(edge) for edge in edges}
        return self._edges

    def forget_edges(self) -> None:
        """Many edges changed at once."""
        self._edges = None
