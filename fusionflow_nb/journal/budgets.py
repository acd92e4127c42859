"""Caps set by the user, stored in the journal so that all kernels apply the same caps.

A scope is a kind (`run`, `day`, `month`, `project`: one cap for each scope of that kind), one project
(`project:<id>`), or `unpriced`: the most that a call to a model without a known price may cost. The kernel's defaults
apply to scopes without a stored cap. All functions run inside the caller's transaction.
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
"""Instead of an amount: delete the stored cap."""


def read(cursor: sqlite3.Cursor) -> dict[str, int | None]:
    """Return the stored caps, scope -> micro-dollars; None means no cap."""
    return dict(cursor.execute("SELECT scope, micro_usd FROM budgets"))


def write(cursor: sqlite3.Cursor, stamp: event_log.Stamp, changes: Mapping[str, int | str | None]) -> None:
    """Store caps (`BY_DEFAULT` deletes one) and log the change."""
    for scope, amount in changes.items():
        if amount == BY_DEFAULT:
            cursor.execute("DELETE FROM budgets WHERE scope = ?", (scope,))
        else:
            cursor.execute("INSERT OR REPLACE INTO budgets (scope, micro_usd) VALUES (?, ?)", (scope, amount))
    event_log.append(cursor, stamp, "budget", stamp.event_id, codec.dumps(dict(changes)))


def cap_of(scope: str, stored: Mapping[str, int | None], defaults: Mapping[str, int]) -> int | None:
    """Return the cap of a scope in micro-dollars: stored for the scope, else for its kind, else the default.

    >>> cap_of("day:2026-11-23", {"day": 7_000_000}, {"day": 5_000_000})
    7000000
    >>> cap_of("project:a", {"project:a": None, "project": 1_000_000}, {}) is None
    True
    """
    kind = scope.partition(":")[0]
    for name in (scope, kind):
        if name in stored:
            return stored[name]
    return defaults.get(scope, defaults.get(kind))
