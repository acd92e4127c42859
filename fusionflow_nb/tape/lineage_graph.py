"""Lineage of generations: ancestors and descendants by breadth-first search over materialised edges.

A recursive query would scan all edges once per step. Here most edges are in sorted arrays, where a step is a binary
search, and recent edges in dicts, so the cost of a search hardly depends on the number of generations.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    import duckdb
    from numpy.typing import NDArray

_RECENT_LIMIT = 50_000  # edges in the dicts before the arrays are rebuilt


class Lineage:
    """Edges between generations in both directions. The caller holds the tape's lock."""

    def __init__(self, connection: duckdb.DuckDBPyConnection) -> None:
        """Create an empty index; the first search builds it."""
        self._connection = connection
        self._row_end: int | None = None
        self._ids: NDArray[np.bytes_] = np.array([], dtype="S1")
        self._parents = _Edges.none()
        self._children = _Edges.none()
        self._recent = 0
        self._recent_parents: dict[str, set[str]] = {}
        self._recent_children: dict[str, set[str]] = {}

    def ancestors(self, generation_id: str) -> list[tuple[int, str]]:
        """Return (-steps, id) of all ancestors, nearest first, each at its shortest distance."""
        self._catch_up()
        return [(-step, ancestor) for step, ancestor in _breadth_first(generation_id, self._parents_of)]

    def descendants(self, generation_id: str) -> list[tuple[int, str]]:
        """Return (steps, id) of all descendants, nearest first, each at its shortest distance."""
        self._catch_up()
        return list(_breadth_first(generation_id, self._children_of))

    def _parents_of(self, generation_id: str) -> set[str]:
        return self._at(self._parents, generation_id) | self._recent_parents.get(generation_id, set())

    def _children_of(self, generation_id: str) -> set[str]:
        return self._at(self._children, generation_id) | self._recent_children.get(generation_id, set())

    def _at(self, edges: _Edges, generation_id: str) -> set[str]:
        key = generation_id.encode()
        position = int(np.searchsorted(self._ids, np.bytes_(key))) if len(self._ids) else 0
        if position >= len(self._ids) or self._ids[position] != key:
            return set()
        return {bytes(self._ids[other]).decode() for other in edges.of(position)}

    def _catch_up(self) -> None:
        end = self._number("SELECT coalesce(max(rowid) + 1, 0) FROM internal.generations")
        if self._row_end is None or self._recent > _RECENT_LIMIT:
            self._sort_all()
        elif end != self._row_end:
            self._add_recent(self._row_end)
        self._row_end = end

    def _sort_all(self) -> None:
        cursor = self._connection.cursor()
        cursor.execute("""
            CREATE TEMPORARY TABLE edges AS
            SELECT DISTINCT generation_id AS child, source_generation_id AS parent
            FROM inputs WHERE source_generation_id IS NOT NULL""")
        cursor.execute("""
            CREATE TEMPORARY TABLE nodes AS
            SELECT id, row_number() OVER (ORDER BY id) - 1 AS position
            FROM (SELECT child AS id FROM edges UNION SELECT parent FROM edges)""")
        ids = cursor.execute("SELECT id FROM nodes ORDER BY position").fetchall()
        self._ids = np.array([generation_id.encode() for (generation_id,) in ids] or [b""])
        pairs = cursor.execute("""
            SELECT children.position AS child, parents.position AS parent FROM edges
            JOIN nodes AS children ON children.id = edges.child JOIN nodes AS parents ON parents.id = edges.parent
            """).fetchnumpy()
        cursor.close()
        self._parents = _Edges.sorted(pairs["child"], pairs["parent"])
        self._children = _Edges.sorted(pairs["parent"], pairs["child"])
        self._recent = 0
        self._recent_parents.clear()
        self._recent_children.clear()

    def _add_recent(self, since: int) -> None:
        rows = self._connection.execute(
            "SELECT id, entry.source_generation_id FROM "
            "(SELECT id, unnest(inputs) AS entry FROM internal.generations WHERE rowid >= ?) "
            "WHERE entry.source_generation_id IS NOT NULL",
            [since],
        ).fetchall()
        for child, parent in rows:
            self._recent_parents.setdefault(child, set()).add(parent)
            self._recent_children.setdefault(parent, set()).add(child)
        self._recent += len(rows)

    def _number(self, query: str) -> int:
        row = self._connection.execute(query).fetchone()
        return int(row[0]) if row else 0


class _Edges:
    """Edges between positions of the id array, sorted by their start."""

    def __init__(self, starts: NDArray[np.int64], ends: NDArray[np.int64]) -> None:
        self._starts = starts
        self._ends = ends

    @staticmethod
    def none() -> _Edges:
        return _Edges(np.array([], dtype=np.int64), np.array([], dtype=np.int64))

    @staticmethod
    def sorted(starts: NDArray[np.int64], ends: NDArray[np.int64]) -> _Edges:
        order = np.argsort(starts, kind="stable")
        return _Edges(np.asarray(starts)[order], np.asarray(ends)[order])

    def of(self, position: int) -> NDArray[np.int64]:
        """Return the ends of the edges that start at a position."""
        low, high = np.searchsorted(self._starts, [position, position + 1])
        return self._ends[low:high]


def _breadth_first(start: str, neighbours: Callable[[str], set[str]]) -> Iterator[tuple[int, str]]:
    """Yield (step, id) without the start, even if a forged record makes it its own ancestor."""
    visited = {start}
    front = [start]
    step = 0
    while front:
        step += 1
        front = sorted({neighbour for generation_id in front for neighbour in neighbours(generation_id)} - visited)
        visited.update(front)
        yield from ((step, generation_id) for generation_id in front)
