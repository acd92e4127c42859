"""From what was said to what is so: of all rows about one thing only the newest stays.

A generation's end supersedes its intent whichever came first; of several ends the later counts. An Operation belongs
to its generation until the end brings its own. Works on what a pull appended, inside the pull's transaction.
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
    """Where each table ends now: rows from there on are new."""
    return {table: _end(target, table) for table in _ORDER}


def keep_latest(target: duckdb.DuckDBPyConnection, before: dict[str, int]) -> None:
    """Remove what the rows since `mark` supersede, and what they are superseded by."""
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
            """,  # noqa: S608 - table and order are from the list above
            {"first": before[table]},
        )
    (has_operations,) = target.execute("SELECT count(*) > 0 FROM internal.operations").fetchone() or (False,)
    if has_operations:
        _merge_operations(target)


def _merge_operations(target: duckdb.DuckDBPyConnection) -> None:
    target.execute("""
        UPDATE internal.generations AS generation SET operation = told.operation
        FROM internal.operations AS told
        WHERE generation.id = told.id AND (generation.operation IS NULL OR NOT generation.is_final)
          AND generation.operation IS DISTINCT FROM told.operation
        """)
    target.execute("""
        DELETE FROM internal.operations WHERE id IN
            (SELECT id FROM internal.generations WHERE is_final AND id IN (SELECT id FROM internal.operations))
        """)


def _end(target: duckdb.DuckDBPyConnection, table: str) -> int:
    row = target.execute(
        f"SELECT coalesce(max(rowid) + 1, 0) FROM internal.{table}"  # noqa: S608 - one of our tables
    ).fetchone()
    return int(row[0]) if row else 0
