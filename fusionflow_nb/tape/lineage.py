"""Who was made of whom, step by step. Ids and edges are materialised first, then followed.

A recursive query would scan all edges once per step. Here the bulk lies in sorted arrays, where a step is one binary
search, and what came since lies in a dict; so a walk costs the same whether there are a thousand or a million.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    import duckdb
    from numpy.typing import NDArray

_RECENT_LIMIT = 50_000  # edges in the dicts before everything is sorted into arrays anew


class Lineage:
    """The edges between generations: child -> what it was made of, and back. Used under the tape's lock."""

    def __init__(self, connection: duckdb.DuckDBPyConnection) -> None:
        """Build nothing yet: the first question does."""
        self._connection = connection
        self._rows_seen: int | None = None
        self._ids: NDArray[np.bytes_] = np.array([], dtype="S1")
        self._parents = _Edges.none()
        self._children = _Edges.none()
        self._recent = 0
        self._recent_parents: dict[str, set[str]] = {}
        self._recent_children: dict[str, set[str]] = {}

    def ancestors(self, generation_id: str) -> list[tuple[int, str]]:
        """(-steps, id) of all it was made of, nearest first, each once at its shortest distance."""
        self._catch_up()
        return [(-step, found) for step, found in _walk(generation_id, self._parents_of)]

    def descendants(self, generation_id: str) -> list[tuple[int, str]]:
        """(steps, id) of all that was made of it, nearest first, each once at its shortest distance."""
        self._catch_up()
        return list(_walk(generation_id, self._children_of))

    def _parents_of(self, generation_id: str) -> set[str]:
        return self._at(self._parents, generation_id) | self._recent_parents.get(generation_id, set())

    def _children_of(self, generation_id: str) -> set[str]:
        return self._at(self._children, generation_id) | self._recent_children.get(generation_id, set())

    def _at(self, edges: _Edges, generation_id: str) -> set[str]:
        key = generation_id.encode()
        place = int(np.searchsorted(self._ids, np.bytes_(key))) if len(self._ids) else 0
        if place >= len(self._ids) or self._ids[place] != key:
            return set()
        return {bytes(self._ids[other]).decode() for other in edges.of(place)}

    def _catch_up(self) -> None:
        end = self._number("SELECT coalesce(max(rowid) + 1, 0) FROM internal.generations")
        if self._rows_seen is None or self._recent > _RECENT_LIMIT:
            self._sort_all()
        elif end != self._rows_seen:
            self._add_recent(self._rows_seen)
        self._rows_seen = end

    def _sort_all(self) -> None:
        cursor = self._connection.cursor()
        cursor.execute("""
            CREATE TEMPORARY TABLE edges AS
            SELECT DISTINCT generation_id AS child, source_generation_id AS parent
            FROM inputs WHERE source_generation_id IS NOT NULL""")
        cursor.execute("""
            CREATE TEMPORARY TABLE nodes AS
            SELECT id, row_number() OVER (ORDER BY id) - 1 AS place
            FROM (SELECT child AS id FROM edges UNION SELECT parent FROM edges)""")
        ids = cursor.execute("SELECT id FROM nodes ORDER BY place").fetchall()
        self._ids = np.array([found.encode() for (found,) in ids] or [b""])
        pairs = cursor.execute("""
            SELECT children.place AS child, parents.place AS parent FROM edges
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
    """Edges between places, sorted by where they begin."""

    def __init__(self, begins: NDArray[np.int64], ends: NDArray[np.int64]) -> None:
        self._begins = begins
        self._ends = ends

    @staticmethod
    def none() -> _Edges:
        return _Edges(np.array([], dtype=np.int64), np.array([], dtype=np.int64))

    @staticmethod
    def sorted(begins: NDArray[np.int64], ends: NDArray[np.int64]) -> _Edges:
        order = np.argsort(begins, kind="stable")
        return _Edges(np.asarray(begins)[order], np.asarray(ends)[order])

    def of(self, place: int) -> NDArray[np.int64]:
        """Where the edges that begin at a place end."""
        low, high = np.searchsorted(self._begins, [place, place + 1])
        return self._ends[low:high]


def _walk(start: str, neighbours: Callable[[str], set[str]]) -> Iterator[tuple[int, str]]:
    """Breadth first; the start itself is not among the found, even if it is its own ancestor by a forged record."""
    seen = {start}
    front = [start]
    step = 0
    while front:
        step += 1
        front = sorted({found for one in front for found in neighbours(one)} - seen)
        seen.update(front)
        yield from ((step, found) for found in front)
