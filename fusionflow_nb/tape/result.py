"""Result of a query: rows, pandas, polars or Arrow; in a notebook an HTML table with thumbnails."""

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
    """A snapshot that later events do not change; it can be converted repeatedly, keeping its types.

    A value that cannot be converted raises TapeError.

    >>> import fusionflow_nb as ff
    >>> ff.tape.sql("SELECT 1 AS one, 'x' AS letter").rows()
    [(1, 'x')]
    """

    def __init__(self, cursor: duckdb.DuckDBPyConnection, *, preview: Callable[[str], bytes | None] | None) -> None:
        """Use the table `this_result` of a connection that is not shared."""
        self._cursor = cursor
        self._preview = preview
        self._lock = threading.Lock()
        relation = cursor.table(_TABLE)
        self.columns: list[str] = list(relation.columns)
        self.types: list[str] = [str(kind) for kind in relation.types]
        self._length = int(self._head("SELECT count(*) FROM this_result", [])[0][0])

    def rows(self) -> list[Row]:
        """Return all rows as tuples of Python values."""
        with self._lock, translate_errors():
            return list(self._cursor.table(_TABLE).fetchall())

    def df(self) -> pd.DataFrame:
        """Return a pandas DataFrame."""
        _need("pandas", "A pandas DataFrame")
        with self._lock, translate_errors():
            return self._cursor.table(_TABLE).df()

    def pl(self) -> pl.DataFrame:
        """Return a polars DataFrame."""
        _need("polars", "A polars DataFrame")
        _need("pyarrow", "A polars DataFrame")
        from polars.exceptions import PolarsError  # noqa: PLC0415

        with self._lock, translate_errors():
            try:
                return cast("pl.DataFrame", self._cursor.table(_TABLE).pl())
            except PolarsError as error:
                message = f"Polars cannot represent this result: {error}."
                raise errors.TapeError(message, hint="Cast the column to text: SELECT x::VARCHAR.") from None

    def arrow(self) -> pa.Table:
        """Return a pyarrow Table."""
        _need("pyarrow", "An Arrow table")
        with self._lock, translate_errors():
            return self._cursor.table(_TABLE).to_arrow_table()

    def __len__(self) -> int:
        """Return the number of rows."""
        return self._length

    def __iter__(self) -> Iterator[Row]:
        """Iterate over the rows."""
        return iter(self.rows())

    def __repr__(self) -> str:
        """Return the table as text."""
        return display.as_text(self._page(display.TEXT_ROWS))

    def _repr_mimebundle_(self, **_: object) -> dict[str, str]:
        """Return static HTML and plain text, readable without a kernel."""
        page = self._page(display.HTML_ROWS)
        return {"text/html": display.as_html(page, self._preview), "text/plain": repr(self)}

    def _page(self, limit: int) -> display.Page:
        return display.Page(self.columns, self.types, self._head("FROM this_result LIMIT ?", [limit]), self._length)

    def _head(self, query: str, values: list[int]) -> list[Row]:
        with self._lock, translate_errors():
            return list(self._cursor.execute(query, values).fetchall())


def _need(package: str, what: str) -> None:
    """Raise TapeError if a package is missing, before DuckDB fails."""
    import importlib.util  # noqa: PLC0415

    if importlib.util.find_spec(package) is None:
        message = f"{what} needs the package {package}, which is not installed."
        raise errors.TapeError(message, hint=f"Install it with: pip install {package}; .rows() needs no package.")
