"""Atomic export for other tools: a DuckDB file with all tables, or the generations as Parquet."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from fusionflow_nb import errors
from fusionflow_nb.tape import schema

if TYPE_CHECKING:
    from collections.abc import Callable

    import duckdb


def export_to(cursor: duckdb.DuckDBPyConnection, path: str | Path) -> Path:
    """Write a temporary file in the same folder, then rename it; returns the path.

    Raises:
        TapeError: the suffix is not supported, or the folder does not exist.
        duckdb.Error, OSError: the file cannot be written; an existing file is unchanged.
    """
    target = Path(path).expanduser()
    write = _WRITERS.get(target.suffix)
    if write is None:
        message = f"The suffix of {target.name} is not a supported format."
        raise errors.TapeError(message, hint=f"Use one of: {', '.join(_WRITERS)}.")
    if not target.parent.is_dir():
        message = f"The folder {target.parent} does not exist."
        raise errors.TapeError(message, hint="Create it first.")
    draft = target.with_name(f".{target.name}.{os.getpid()}.tmp{target.suffix}")
    try:
        write(cursor, draft)
        _sync(draft)
        draft.replace(target)
    finally:
        draft.unlink(missing_ok=True)
        draft.with_name(f"{draft.name}.wal").unlink(missing_ok=True)
    return target


def _write_database(cursor: duckdb.DuckDBPyConnection, path: Path) -> None:
    cursor.execute("ATTACH ? AS copy", [str(path)])
    try:
        for table in schema.TABLES:
            cursor.execute(f"CREATE TABLE copy.{table} AS FROM memory.main.{table}")  # not user input
        cursor.execute("USE copy")
        for view in schema.DERIVED_VIEWS:
            cursor.execute(view)
        cursor.execute("USE memory")
    finally:
        cursor.execute("USE memory")
        cursor.execute("DETACH copy")


def _write_parquet(cursor: duckdb.DuckDBPyConnection, path: Path) -> None:
    cursor.execute("COPY generations TO ? (FORMAT parquet, COMPRESSION zstd)", [str(path)])


_WRITERS: dict[str, Callable[[duckdb.DuckDBPyConnection, Path], None]] = {
    ".duckdb": _write_database,
    ".parquet": _write_parquet,
}


def _sync(path: Path) -> None:
    with path.open("rb+") as file:
        os.fsync(file.fileno())
