"""Reservations against caps: reserved before a submit, settled after it. Amounts are integer micro-dollars.

A job has one row per scope: `run:<id>`, `project:<id>`, and the UTC `day:<YYYY-MM-DD>` and `month:<YYYY-MM>` of its
claim.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

from fusionflow_nb.journal import budgets, event_log
from fusionflow_nb.journal.protocol import OverBudget, Spending

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Mapping

    from fusionflow_nb.journal.records import Generation

RESERVED = "reserved"
SETTLED = "settled"
AT_STAKE = "at_stake"


def day_of(at_us: int) -> str:
    """Return the UTC day of a time in microseconds.

    >>> day_of(0)
    '1970-01-01'
    """
    return datetime.fromtimestamp(at_us // 1_000_000, tz=UTC).strftime("%Y-%m-%d")


def scopes_of(run_id: str, project_id: str, day: str) -> tuple[str, ...]:
    """Return all scopes of a job.

    >>> scopes_of("r", "p", "2026-11-23")
    ('run:r', 'day:2026-11-23', 'month:2026-11', 'project:p')
    """
    return (f"run:{run_id}", f"day:{day}", f"month:{day[:7]}", f"project:{project_id}")


def spending_in(cursor: sqlite3.Cursor, scope: str, today: str) -> Spending:
    """Return the spent, reserved and at-stake sums of a scope; an `at_stake` row of today counts as reserved."""
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
    """Cap check of one claim call: sums each scope once, then updates the sums with each reservation."""

    def __init__(self, cursor: sqlite3.Cursor, caps: Mapping[str, int], today: str) -> None:
        """Read the stored caps; they take precedence over the kernel's.

        Args:
            cursor: of the transaction that reserves.
            caps: the kernel's caps: scope or kind of scope -> micro-dollars.
            today: the UTC day of the claim.
        """
        self._cursor = cursor
        self._defaults = caps
        self._stored = budgets.read(cursor)
        self._today = today
        self._used: dict[str, tuple[int, int]] = {}

    def reserve(self, job_id: str, scopes: tuple[str, ...], micro_usd: int) -> OverBudget | None:
        """Reserve an amount in all scopes, or return the cap that it would exceed. Zero always fits."""
        if micro_usd <= 0:
            return None
        for scope in scopes:
            cap = budgets.cap_of(scope, self._stored, self._defaults)
            if cap is not None and (over := self._over(scope, cap, micro_usd)):
                return over
        _write(self._cursor, job_id, scopes, micro_usd, RESERVED, self._today)
        for scope, (spent, reserved) in self._used.items():
            if scope in scopes:
                self._used[scope] = (spent, reserved + micro_usd)
        return None

    def _over(self, scope: str, cap: int, requested: int) -> OverBudget | None:
        if scope not in self._used:
            spending = spending_in(self._cursor, scope, self._today)
            self._used[scope] = (spending.spent_micro_usd, spending.reserved_micro_usd)
        spent, reserved = self._used[scope]
        return OverBudget(scope, cap, spent, reserved, requested) if spent + reserved + requested > cap else None


def record_generation(cursor: sqlite3.Cursor, stamp: event_log.Stamp, generation: Generation, payload: str) -> None:
    """Log a call that needs no write-ahead; its cost counts against caps."""
    seq = event_log.log_generation(cursor, stamp, generation, payload)
    if seq is not None and generation.cost_micro_usd:
        day = day_of(stamp.at_us)
        scopes = scopes_of(generation.run_id, generation.project_id, day)
        settle(cursor, generation.id, scopes, generation.cost_micro_usd, day)


def settle(cursor: sqlite3.Cursor, job_id: str, scopes: tuple[str, ...], micro_usd: int, day: str) -> None:
    """Replace a job's reservation by its cost (zero only releases). Also valid without a reservation."""
    release(cursor, job_id)
    if micro_usd > 0:
        _write(cursor, job_id, scopes, micro_usd, SETTLED, day)


def release(cursor: sqlite3.Cursor, job_id: str) -> None:
    """Delete the reservation of a job."""
    cursor.execute("DELETE FROM reservations WHERE job_id = ?", (job_id,))


def mark_at_stake(cursor: sqlite3.Cursor, job_id: str) -> None:
    """Mark a reservation as of unknown outcome: it counts on its day and is shown as at stake afterwards."""
    cursor.execute("UPDATE reservations SET state = 'at_stake' WHERE job_id = ? AND state = 'reserved'", (job_id,))


def restore(cursor: sqlite3.Cursor, job_id: str) -> None:
    """Turn an at-stake reservation into a normal one: the service knows the job."""
    cursor.execute("UPDATE reservations SET state = 'reserved' WHERE job_id = ? AND state = 'at_stake'", (job_id,))


def _write(  # noqa: PLR0917 - the columns of a row
    cursor: sqlite3.Cursor, job_id: str, scopes: tuple[str, ...], micro_usd: int, state: str, day: str
) -> None:
    cursor.executemany(
        "INSERT OR REPLACE INTO reservations (job_id, scope, micro_usd, state, day) VALUES (?, ?, ?, ?, ?)",
        [(job_id, scope, micro_usd, state, day) for scope in scopes],
    )
