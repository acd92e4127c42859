"""A copy of the tape for other tools: a DuckDB file with every table, or the generations as Parquet. Whole or not."""

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
    """Write beside the target first, then put it in place in one step.

    Raises:
        TapeError: another suffix, or the folder does not exist.
        duckdb.Error, OSError: it cannot be written; what was there before is untouched.
    """
    target = Path(path).expanduser()
    write = _WRITERS.get(target.suffix)
    if write is None:
        message = f"{target.name} has no suffix that tells the format."
        raise errors.TapeError(message, hint=f"Use one of: {', '.join(_WRITERS)}.")
    if not target.parent.is_dir():
        message = f"There is no folder {target.parent}."
        raise errors.TapeError(message, hint="Make it first.")
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
            cursor.execute(f"CREATE TABLE copy.{table} AS FROM memory.main.{table}")  # names of our own
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
