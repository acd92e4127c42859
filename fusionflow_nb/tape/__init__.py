"""Read-only SQL over all generations: `ff.tape.sql("SELECT ...")`, up to date at every query.

>>> import fusionflow_nb as ff
>>> ff.tape.sql("SELECT 6 * 7 AS answer").rows()
[(42,)]
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from fusionflow_nb import errors

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from fusionflow_nb.tape.query import Tape
    from fusionflow_nb.tape.result import Result

__all__ = ["bind", "current", "export", "lineage", "sql"]

_NO_SESSION = "There is no tape, because there is no session."
_provider: Callable[[], Tape] | None = None


def bind(provider: Callable[[], Tape]) -> None:
    """Set the function that returns the current tape. Called by the session; this room does not import it."""
    global _provider  # noqa: PLW0603 - set once per session
    _provider = provider


def current() -> Tape:
    """Return the tape of the current session.

    Raises:
        TapeError: there is no session.
    """
    if _provider is None:
        raise errors.TapeError(_NO_SESSION, hint="Import fusionflow_nb first: it opens a session.")
    return _provider()


def sql(query: str, params: Mapping[str, Any] | Sequence[Any] | None = None, /, **named: Any) -> Result:  # noqa: ANN401
    """Query the tape: `ff.tape.sql("SELECT * FROM generations WHERE model = $model", model="local/landscape")`.

    Args:
        query: a single DuckDB statement that only reads. Tables: projects, runs, generations, outputs, inputs, assets;
            views: cost_by_day, cost_by_model, lineage.
        params: values for `?` (a sequence) or `$name` (a mapping).
        named: values for `$name`.

    Raises:
        TapeError: the query is invalid or not a read; the message is DuckDB's.
    """
    return current().sql(query, params, **named)


def export(path: str | Path) -> Path:
    """Export all tables to `x.duckdb`, or the generations to `x.parquet`; atomic; returns the path.

    Raises:
        TapeError: the suffix is not supported, or the file cannot be written.
    """
    return current().export(path)


def lineage(generation_id: str) -> Result:
    """Return the ancestors (`step` < 0) and descendants (`step` > 0) of a generation, ordered by step.

    Raises:
        TapeError: there is no such generation.
    """
    return current().lineage(generation_id)
