"""Convert tables to rows of plain values."""

from __future__ import annotations

from typing import Any

from fusionflow_nb import errors


def rows_of(rows: Any) -> list[dict[str, Any]]:  # noqa: ANN401 - anything table-like
    """Convert a list of dicts, a DataFrame or a result of `ff.tape.sql` to a list of dicts."""
    if isinstance(rows, list):
        return rows
    if hasattr(rows, "rows") and hasattr(rows, "columns"):
        return [dict(zip(rows.columns, row, strict=True)) for row in rows.rows()]
    if hasattr(rows, "to_dict"):
        return [{str(name): _scalar(value) for name, value in row.items()} for row in rows.to_dict(orient="records")]
    if hasattr(rows, "to_dicts"):
        return list(rows.to_dicts())
    raise errors.ParameterError(
        f"Expected a table, got {type(rows).__name__}.",
        hint="Pass a list of dicts, a DataFrame, or a result of ff.tape.sql.",
    )


def _scalar(value: Any) -> Any:  # noqa: ANN401 - any cell, numpy scalars included
    return value.item() if hasattr(value, "item") else value
