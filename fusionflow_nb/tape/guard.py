"""Reads only, decided by DuckDB itself: its parser says what a statement is, its planner what it would do.

Three fences: the kind of statement, no step of the plan that writes a file, and (in `query`) a read-only transaction.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import duckdb

from fusionflow_nb import errors

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    Params = Sequence[Any] | dict[str, Any] | None

_ONLY_READS = "The tape can only be read"
_HINT = "Use SELECT; ff.tape.export writes a copy that you may change."
# A pivot without a fixed list of columns is several statements to DuckDB, and a read all the same.
_READS = frozenset({duckdb.StatementType.SELECT, duckdb.StatementType.MULTI})
_EXPLAIN = re.compile(r"\s*explain\s+(?:analyze\s+)?(?:\((?:format|analyze)[^)]*\)\s*)?(?=\S)", re.IGNORECASE)


def only_read(connection: duckdb.DuckDBPyConnection, query: str) -> duckdb.Statement:
    """The one statement of a query, if it reads.

    Raises:
        TapeError: it is none, several, or one that is not a read.
        duckdb.Error: it cannot be parsed.
    """
    statements = connection.extract_statements(query)
    if len(statements) != 1:
        message = f"A query is one statement; this text has {len(statements)}."
        raise errors.TapeError(message, hint="Ask one thing at a time.")
    (statement,) = statements
    if statement.type == duckdb.StatementType.EXPLAIN:
        explained = _EXPLAIN.sub("", query, count=1)
        if explained != query:
            only_read(connection, explained)
            return statement
    if statement.type not in _READS:
        message = f"{_ONLY_READS}, and this is {_name(statement)}."
        raise errors.TapeError(message, hint=_HINT)
    return statement


def refuse_file_writes(connection: duckdb.DuckDBPyConnection, query: str, params: Params) -> None:
    """Look at the plan: a COPY may hide inside a SELECT, where no kind of statement gives it away.

    Raises:
        TapeError: a step of the plan writes a file.
        duckdb.Error: it cannot be planned.
    """
    rows = connection.execute("EXPLAIN (FORMAT JSON) " + _EXPLAIN.sub("", query, count=1), params).fetchall()
    if any("COPY" in step for _, plan in rows for step in re.findall(r'"name":\s*"([^"]*)"', plan)):
        message = f"{_ONLY_READS}, and this would write a file."
        raise errors.TapeError(message, hint=_HINT)


def params_for(statement: duckdb.Statement, params: Mapping[str, Any] | Sequence[Any] | None) -> Params:
    """Of a mapping only what the query names; a sequence as it is.

    Raises:
        TapeError: a name has no value.
    """
    names = statement.named_parameters
    if params is None:
        params = {}
    if not hasattr(params, "keys"):
        return list(params)
    missing = sorted(name for name in names if name not in params and not name.isdigit())
    if missing:
        message = f"The query names ${missing[0]}, which has no value."
        raise errors.TapeError(message, hint=f"Pass {missing[0]}=..., or define a variable of that name.")
    return {name: params[name] for name in names if name in params} or None  # type: ignore[call-overload]


def _name(statement: duckdb.Statement) -> str:
    kind = statement.type.name
    return f"an {kind}" if kind[0] in "AEIOU" else f"a {kind}"
