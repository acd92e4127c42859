"""Read-only checks, based on DuckDB's own parser and planner.

Three checks: the statement type, no step of the plan writes a file, and (in `query`) a read-only transaction.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import duckdb

from fusionflow_nb import errors

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    Params = Sequence[Any] | dict[str, Any] | None

_READ_ONLY = "The tape is read-only"
_HINT = "Use SELECT; ff.tape.export writes a copy that you can change."
# For DuckDB, a pivot without a fixed list of columns is several statements (MULTI); it only reads.
_READS = frozenset({duckdb.StatementType.SELECT, duckdb.StatementType.MULTI})
_EXPLAIN = re.compile(r"\s*explain\s+(?:analyze\s+)?(?:\((?:format|analyze)[^)]*\)\s*)?(?=\S)", re.IGNORECASE)


def only_read(connection: duckdb.DuckDBPyConnection, query: str) -> duckdb.Statement:
    """Return the single statement of a query, if it is a read.

    Raises:
        TapeError: the query is empty, has several statements, or is not a read.
        duckdb.Error: it cannot be parsed.
    """
    statements = connection.extract_statements(query)
    if len(statements) != 1:
        message = f"A query must be a single statement; this text has {len(statements)}."
        raise errors.TapeError(message, hint="Run one statement at a time.")
    (statement,) = statements
    if statement.type == duckdb.StatementType.EXPLAIN:
        explained = _EXPLAIN.sub("", query, count=1)
        if explained != query:
            only_read(connection, explained)
            return statement
    if statement.type not in _READS:
        message = f"{_READ_ONLY}; this is {_name(statement)} statement."
        raise errors.TapeError(message, hint=_HINT)
    return statement


def refuse_file_writes(connection: duckdb.DuckDBPyConnection, query: str, params: Params) -> None:
    """Check the query plan: a SELECT may contain a COPY that the statement type does not show.

    Raises:
        TapeError: a step of the plan writes a file.
        duckdb.Error: it cannot be planned.
    """
    rows = connection.execute("EXPLAIN (FORMAT JSON) " + _EXPLAIN.sub("", query, count=1), params).fetchall()
    if any("COPY" in step for _, plan in rows for step in re.findall(r'"name":\s*"([^"]*)"', plan)):
        message = f"{_READ_ONLY}; this query would write a file."
        raise errors.TapeError(message, hint=_HINT)


def params_for(statement: duckdb.Statement, params: Mapping[str, Any] | Sequence[Any] | None) -> Params:
    """Return the parameters that the query names; a sequence unchanged.

    Raises:
        TapeError: a named parameter has no value.
    """
    names = statement.named_parameters
    if params is None:
        params = {}
    if not hasattr(params, "keys"):
        return list(params)
    missing = sorted(name for name in names if name not in params and not name.isdigit())
    if missing:
        message = f"The query uses ${missing[0]}, which has no value."
        raise errors.TapeError(message, hint=f"Pass {missing[0]}=..., or define a variable of that name.")
    return {name: params[name] for name in names if name in params} or None  # type: ignore[call-overload]


def _name(statement: duckdb.Statement) -> str:
    kind = statement.type.name
    return f"an {kind}" if kind[0] in "AEIOU" else f"a {kind}"
