"""What a question to the tape gives back: rows, and the frames people use; in a notebook a table with pictures."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any, cast

from fusionflow_nb import errors
from fusionflow_nb.tape import display
from fusionflow_nb.tape.duckdb_errors import translate_errors

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    import duckdb
    import pandas as pd  # type: ignore[import-untyped]
    import polars as pl
    import pyarrow as pa  # type: ignore[import-untyped]

Row = tuple[Any, ...]
_TABLE = "this_result"


class Result:
    """A snapshot: later events do not change it. Keeps its types whichever form is asked for, as often as one likes.

    A value that has no such form is a TapeError.

    >>> import fusionflow_nb as ff
    >>> ff.tape.sql("SELECT 1 AS one, 'x' AS letter").rows()
    [(1, 'x')]
    """

    def __init__(self, cursor: duckdb.DuckDBPyConnection, *, preview: Callable[[str], bytes | None] | None) -> None:
        """Hold the table `this_result` of a connection that nobody else uses."""
        self._cursor = cursor
        self._preview = preview
        self._lock = threading.Lock()
        relation = cursor.table(_TABLE)
        self.columns: list[str] = list(relation.columns)
        self.types: list[str] = [str(kind) for kind in relation.types]
        self._length = int(self._head("SELECT count(*) FROM this_result", [])[0][0])

    def rows(self) -> list[Row]:
        """All rows as tuples of Python values."""
        with self._lock, translate_errors():
            return list(self._cursor.table(_TABLE).fetchall())

    def df(self) -> pd.DataFrame:
        """As a pandas DataFrame."""
        _need("pandas", "A pandas DataFrame")
        with self._lock, translate_errors():
            return self._cursor.table(_TABLE).df()

    def pl(self) -> pl.DataFrame:
        """As a polars DataFrame."""
        _need("polars", "A polars DataFrame")
        _need("pyarrow", "A polars DataFrame")
        from polars.exceptions import PolarsError  # noqa: PLC0415

        with self._lock, translate_errors():
            try:
                return cast("pl.DataFrame", self._cursor.table(_TABLE).pl())
            except PolarsError as error:
                message = f"Polars has no form for this result: {error}."
                raise errors.TapeError(message, hint="Cast the column to text: SELECT x::VARCHAR.") from None

    def arrow(self) -> pa.Table:
        """As a pyarrow Table."""
        _need("pyarrow", "An Arrow table")
        with self._lock, translate_errors():
            return self._cursor.table(_TABLE).to_arrow_table()

    def __len__(self) -> int:
        """How many rows."""
        return self._length

    def __iter__(self) -> Iterator[Row]:
        """Row by row."""
        return iter(self.rows())

    def __repr__(self) -> str:
        """The table as text."""
        return display.as_text(self._shown(display.TEXT_ROWS))

    def _repr_mimebundle_(self, **_: object) -> dict[str, str]:
        """Static HTML and plain text: a saved notebook stays readable without a kernel."""
        shown = self._shown(display.HTML_ROWS)
        return {"text/html": display.as_html(shown, self._preview), "text/plain": repr(self)}

    def _shown(self, limit: int) -> display.Shown:
        return display.Shown(self.columns, self.types, self._head("FROM this_result LIMIT ?", [limit]), self._length)

    def _head(self, query: str, values: list[int]) -> list[Row]:
        with self._lock, translate_errors():
            return list(self._cursor.execute(query, values).fetchall())


def _need(package: str, what: str) -> None:
    """Say which package is missing before DuckDB does."""
    import importlib.util  # noqa: PLC0415

    if importlib.util.find_spec(package) is None:
        message = f"{what} needs the package {package}, which is not installed."
        raise errors.TapeError(message, hint=f"Install it with: pip install {package}; .rows() needs none.")
