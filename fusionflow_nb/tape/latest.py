"""Keeping the latest row per id after a pull appended new rows; runs inside the pull's transaction.

The end of a generation supersedes its intent in either order; of several ends the last counts. A separate Operation
is copied to its generation until the end, which carries its own.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import duckdb

_ORDER = {
    "generations": "is_final DESC, rowid DESC",
    "runs": "rowid DESC",
    "projects": "seq DESC",
    "operations": "rowid DESC",
}


def end_positions(target: duckdb.DuckDBPyConnection) -> dict[str, int]:
    """Return the next rowid of each table: later rows are new."""
    return {table: _end(target, table) for table in _ORDER}


def keep_latest(target: duckdb.DuckDBPyConnection, before: dict[str, int]) -> None:
    """Remove superseded rows among the rows since `end_positions`, and the rows that those supersede."""
    target.execute("""
        UPDATE internal.projects AS project SET created_at_us = earliest.at_us
        FROM (SELECT id, min(created_at_us) AS at_us FROM internal.projects GROUP BY id HAVING count(*) > 1) AS earliest
        WHERE project.id = earliest.id
        """)
    for table, order in _ORDER.items():
        target.execute(
            f"""
            DELETE FROM internal.{table} WHERE rowid IN (
                SELECT unnest(list(rowid ORDER BY {order})[2:]) FROM internal.{table}
                WHERE id IN (SELECT id FROM internal.{table}
                             WHERE $first = 0 OR id IN (SELECT id FROM internal.{table} WHERE rowid >= $first)
                             GROUP BY id HAVING count(*) > 1)
                GROUP BY id)
            """,  # noqa: S608 - table and order are constants
            {"first": before[table]},
        )
    (has_operations,) = target.execute("SELECT count(*) > 0 FROM internal.operations").fetchone() or (False,)
    if has_operations:
        _merge_operations(target)


def _merge_operations(target: duckdb.DuckDBPyConnection) -> None:
    target.execute("""
        UPDATE internal.generations AS generation SET operation = newest.operation
        FROM internal.operations AS newest
        WHERE generation.id = newest.id AND (generation.operation IS NULL OR NOT generation.is_final)
          AND generation.operation IS DISTINCT FROM newest.operation
        """)
    target.execute("""
        DELETE FROM internal.operations WHERE id IN
            (SELECT id FROM internal.generations WHERE is_final AND id IN (SELECT id FROM internal.operations))
        """)


def _end(target: duckdb.DuckDBPyConnection, table: str) -> int:
    row = target.execute(
        f"SELECT coalesce(max(rowid) + 1, 0) FROM internal.{table}"  # noqa: S608 - the table is a constant
    ).fetchone()
    return int(row[0]) if row else 0
