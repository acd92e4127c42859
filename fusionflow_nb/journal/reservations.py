"""Caps and what counts against them: reserved before a submit, settled after. Integer micro-dollars throughout.

A job has one row per scope: `run:<id>`, `project:<id>`, `day:<YYYY-MM-DD>` and `month:<YYYY-MM>` of its claim, in UTC.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

from fusionflow_nb.journal import budgets
from fusionflow_nb.journal.protocol import OverBudget, Spending

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Mapping

RESERVED = "reserved"
SETTLED = "settled"
AT_STAKE = "at_stake"


def day_of(at_us: int) -> str:
    """The UTC day of a time in microseconds.

    >>> day_of(0)
    '1970-01-01'
    """
    return datetime.fromtimestamp(at_us // 1_000_000, tz=UTC).strftime("%Y-%m-%d")


def scopes_of(run_id: str, project_id: str, day: str) -> tuple[str, ...]:
    """Every scope a job counts in.

    >>> scopes_of("r", "p", "2026-11-23")
    ('run:r', 'day:2026-11-23', 'month:2026-11', 'project:p')
    """
    return (f"run:{run_id}", f"day:{day}", f"month:{day[:7]}", f"project:{project_id}")


def spending_in(cursor: sqlite3.Cursor, scope: str, today: str) -> Spending:
    """What a scope has spent, holds back and has at stake; an `at_stake` row of today still counts as reserved."""
    spent, reserved, at_stake = cursor.execute(
        """
        SELECT coalesce(sum(micro_usd) FILTER (WHERE state = 'settled'), 0),
               coalesce(sum(micro_usd) FILTER (WHERE state = 'reserved' OR (state = 'at_stake' AND day = :today)), 0),
               coalesce(sum(micro_usd) FILTER (WHERE state = 'at_stake' AND day <> :today), 0)
        FROM reservations WHERE scope = :scope
        """,
        {"scope": scope, "today": today},
    ).fetchone()
    return Spending(spent, reserved, at_stake)


class BudgetCheck:
    """The caps during one claim call: each scope is summed once, then kept up to date as reservations are made."""

    def __init__(self, cursor: sqlite3.Cursor, caps: Mapping[str, int], today: str) -> None:
        """Take the kernel's caps (scope or kind of scope -> micro-dollars) and the UTC day of the claim.

        What a person has set counts before them; it is read here, in the transaction that reserves.
        """
        self._cursor = cursor
        self._given = caps
        self._stored = budgets.read(cursor)
        self._today = today
        self._used: dict[str, tuple[int, int]] = {}

    def reserve(self, job_id: str, scopes: tuple[str, ...], micro_usd: int) -> OverBudget | None:
        """Hold an amount in all scopes, or say which cap it would pass; what costs nothing always fits."""
        if micro_usd <= 0:
            return None
        for scope in scopes:
            cap = budgets.cap_of(scope, self._stored, self._given)
            if cap is not None and (over := self._over(scope, cap, micro_usd)):
                return over
        _write(self._cursor, job_id, scopes, micro_usd, RESERVED, self._today)
        for scope, (spent, reserved) in self._used.items():
            if scope in scopes:
                self._used[scope] = (spent, reserved + micro_usd)
        return None

    def _over(self, scope: str, cap: int, asked: int) -> OverBudget | None:
        if scope not in self._used:
            found = spending_in(self._cursor, scope, self._today)
            self._used[scope] = (found.spent_micro_usd, found.reserved_micro_usd)
        spent, reserved = self._used[scope]
        return OverBudget(scope, cap, spent, reserved, asked) if spent + reserved + asked > cap else None


def settle(cursor: sqlite3.Cursor, job_id: str, scopes: tuple[str, ...], micro_usd: int, day: str) -> None:
    """Replace what a job holds by what it cost (nothing: only release). Also for a cost that was never reserved."""
    release(cursor, job_id)
    if micro_usd > 0:
        _write(cursor, job_id, scopes, micro_usd, SETTLED, day)


def release(cursor: sqlite3.Cursor, job_id: str) -> None:
    """Forget what a job holds."""
    cursor.execute("DELETE FROM reservations WHERE job_id = ?", (job_id,))


def put_at_stake(cursor: sqlite3.Cursor, job_id: str) -> None:
    """Nobody knows whether the money is gone: held for its day, shown afterwards."""
    cursor.execute("UPDATE reservations SET state = 'at_stake' WHERE job_id = ? AND state = 'reserved'", (job_id,))


def hold_again(cursor: sqlite3.Cursor, job_id: str) -> None:
    """The service does know the job after all: its reservation counts again."""
    cursor.execute("UPDATE reservations SET state = 'reserved' WHERE job_id = ? AND state = 'at_stake'", (job_id,))


def _write(  # noqa: PLR0917 - one row's columns
    cursor: sqlite3.Cursor, job_id: str, scopes: tuple[str, ...], micro_usd: int, state: str, day: str
) -> None:
    cursor.executemany(
        "INSERT OR REPLACE INTO reservations (job_id, scope, micro_usd, state, day) VALUES (?, ?, ?, ?, ?)",
        [(job_id, scope, micro_usd, state, day) for scope in scopes],
    )
