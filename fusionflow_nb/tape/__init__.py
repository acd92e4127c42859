"""SQL over everything that was generated: `ff.tape.sql("SELECT ...")`, always fresh, reads only.

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

_NO_SESSION = "There is no tape yet, because there is no session."
_provider: Callable[[], Tape] | None = None


def bind(provider: Callable[[], Tape]) -> None:
    """Say where the current tape comes from. The session does this; the tape knows no session."""
    global _provider  # noqa: PLW0603 - the one place that knows
    _provider = provider


def current() -> Tape:
    """The tape of the current session.

    Raises:
        TapeError: there is no session.
    """
    if _provider is None:
        raise errors.TapeError(_NO_SESSION, hint="Import fusionflow_nb first: it opens one.")
    return _provider()


def sql(query: str, params: Mapping[str, Any] | Sequence[Any] | None = None, /, **named: Any) -> Result:  # noqa: ANN401
    """Ask the tape: `ff.tape.sql("SELECT * FROM generations WHERE model = $model", model="local/landscape")`.

    Args:
        query: one DuckDB statement that only reads. Tables: projects, runs, generations, outputs, inputs, assets;
            views: cost_by_day, cost_by_model, lineage.
        params: values for `?` (a sequence) or `$name` (a mapping).
        named: values for `$name`.

    Raises:
        TapeError: the query is wrong, or is not a read; in DuckDB's own words.
    """
    return current().sql(query, params, **named)


def export(path: str | Path) -> Path:
    """Write the whole tape to `x.duckdb`, or the generations to `x.parquet`; whole or not at all.

    Raises:
        TapeError: another suffix, or the file cannot be written.
    """
    return current().export(path)


def lineage(generation_id: str) -> Result:
    """What a generation was made of (`step` < 0) and what was made of it (`step` > 0), nearest first.

    Raises:
        TapeError: there is no such generation.
    """
    return current().lineage(generation_id)
