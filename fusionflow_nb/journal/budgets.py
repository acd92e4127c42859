"""The caps a person has set, kept in the journal so that every kernel of theirs goes by the same ones.

A scope is a kind (`run`, `day`, `month`, `project`: one cap for each of its kind), one project (`project:<id>`), or
`unpriced`: what a call to a model without a known price may cost. What is not set here is as the kernel was told.
All functions run inside the caller's transaction.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from fusionflow_nb.journal import codec, event_log

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Mapping

RUN, DAY, MONTH, PROJECT = "run", "day", "month", "project"
UNPRICED = "unpriced"
BY_DEFAULT = "default"
"""In place of an amount: forget what was set."""


def read(cursor: sqlite3.Cursor) -> dict[str, int | None]:
    """What was set, scope -> micro-dollars; None where a person wants no cap."""
    return dict(cursor.execute("SELECT scope, micro_usd FROM budgets"))


def write(cursor: sqlite3.Cursor, stamp: event_log.Stamp, changes: Mapping[str, int | str | None]) -> None:
    """Set some (`BY_DEFAULT` forgets one), and log who was allowed what from when on."""
    for scope, amount in changes.items():
        if amount == BY_DEFAULT:
            cursor.execute("DELETE FROM budgets WHERE scope = ?", (scope,))
        else:
            cursor.execute("INSERT OR REPLACE INTO budgets (scope, micro_usd) VALUES (?, ?)", (scope, amount))
    event_log.append(cursor, stamp, "budget", stamp.event_id, codec.dumps(dict(changes)))


def cap_of(scope: str, stored: Mapping[str, int | None], given: Mapping[str, int]) -> int | None:
    """The cap of a scope in micro-dollars: what was set for exactly it, then for its kind, then what the kernel says.

    >>> cap_of("day:2026-11-23", {"day": 7_000_000}, {"day": 5_000_000})
    7000000
    >>> cap_of("project:a", {"project:a": None, "project": 1_000_000}, {}) is None
    True
    """
    kind = scope.partition(":")[0]
    for name in (scope, kind):
        if name in stored:
            return stored[name]
    return given.get(scope, given.get(kind))
