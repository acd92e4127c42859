"""Rate limits of a service for one key, shared by all kernels of a user.

A strict token bucket: in any minute no more starts than the service allows, at most a tenth of them in one burst.
Slots limit the concurrent calls of all kernels. A pause requested by the service (429, Retry-After) applies to all
kernels. All functions run inside the transaction that grants a claim.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Callable

    from fusionflow_nb.journal.protocol import RateLimit

MINUTE_S = 60.0
LONGEST_BLOCK_US = 3_600_000_000
"""Longer blocks are ignored: they were stored before a clock was set back."""
SLOT_POLL_US = 250_000
"""Poll interval for a free slot: the end of a running call cannot be predicted."""
_BURST_SHARE = 10
_ALMOST = 1e-9  # of a token, against the rounding of floats


def wait_us(cursor: sqlite3.Cursor, limit: RateLimit, now_us: int, is_alive: Callable[[str], bool]) -> int:
    """Return the microseconds until a start may be tried (0: now), without taking a token."""
    tokens, blocked_until = _bucket(cursor, limit, now_us)
    if blocked_until > now_us:
        return blocked_until - now_us
    if limit.concurrent is not None and _in_use(cursor, limit.name, now_us, is_alive) >= limit.concurrent:
        return SLOT_POLL_US
    if limit.per_minute is None or tokens >= 1 - _ALMOST:
        return 0
    _, per_second = shape(limit.per_minute)
    return int((1 - tokens) / per_second * 1e6) + 1


def take(cursor: sqlite3.Cursor, limit: RateLimit, now_us: int, job_id: str | None) -> None:
    """Take a token, and a slot for the job until it ends (None: the job has a slot)."""
    if limit.per_minute is not None:
        tokens, blocked_until = _bucket(cursor, limit, now_us)
        cursor.execute(
            "INSERT OR REPLACE INTO buckets (name, tokens, refilled_at_us, blocked_until_us) VALUES (?, ?, ?, ?)",
            (limit.name, max(0.0, tokens - 1), now_us, blocked_until),
        )
    if limit.concurrent is not None and job_id is not None:
        cursor.execute(
            "INSERT OR REPLACE INTO slots (job_id, name, until_us) VALUES (?, ?, ?)",
            (job_id, limit.name, now_us + limit.slot_timeout_us),
        )


def block(cursor: sqlite3.Cursor, name: str, until_us: int, now_us: int) -> None:
    """Block a service until a time; an earlier, longer block stays in force."""
    until_us = min(until_us, now_us + LONGEST_BLOCK_US)
    # `refilled_at_us` 0 marks a full bucket that has not been used.
    cursor.execute(
        """
        INSERT INTO buckets (name, tokens, refilled_at_us, blocked_until_us) VALUES (:name, 0, 0, :until)
        ON CONFLICT (name) DO UPDATE SET blocked_until_us =
            CASE WHEN blocked_until_us > :until AND blocked_until_us <= :most THEN blocked_until_us ELSE :until END
        """,
        {"name": name, "until": until_us, "most": now_us + LONGEST_BLOCK_US},
    )


def blocked_until_us(cursor: sqlite3.Cursor, name: str, now_us: int) -> int:
    """Return until when a service is blocked; 0 if it is not."""
    row = cursor.execute("SELECT blocked_until_us FROM buckets WHERE name = ?", (name,)).fetchone()
    return row[0] if row is not None and now_us < row[0] <= now_us + LONGEST_BLOCK_US else 0


def shape(per_minute: int) -> tuple[int, float]:
    """Return (bucket size, tokens per second) such that no minute has more than `per_minute` starts.

    >>> shape(600)
    (60, 9.0)
    >>> shape(6)
    (1, 0.1)
    """
    burst = max(1, per_minute // _BURST_SHARE)
    # A bucket of one token spaces the starts evenly; a larger burst is deducted from the rate of its minute.
    return burst, (per_minute if burst == 1 else per_minute - burst) / MINUTE_S


def _bucket(cursor: sqlite3.Cursor, limit: RateLimit, now_us: int) -> tuple[float, int]:
    """Return (tokens now, blocked until). A clock set back neither adds nor removes tokens."""
    row = cursor.execute(
        "SELECT tokens, refilled_at_us, blocked_until_us FROM buckets WHERE name = ?", (limit.name,)
    ).fetchone()
    burst, per_second = shape(limit.per_minute) if limit.per_minute is not None else (1, 0.0)
    if row is None:
        return float(burst), 0
    tokens, refilled_at_us, blocked_until = row
    since_s = max(0, now_us - refilled_at_us) / 1e6
    if not now_us < blocked_until <= now_us + LONGEST_BLOCK_US:
        blocked_until = 0
    return min(float(burst), tokens + since_s * per_second), blocked_until


def _in_use(cursor: sqlite3.Cursor, name: str, now_us: int, is_alive: Callable[[str], bool]) -> int:
    """Count the running calls: accepted jobs, and submits of live kernels."""
    cursor.execute(
        """
        DELETE FROM slots WHERE name = ? AND (until_us <= ? OR NOT EXISTS (
            SELECT 1 FROM jobs WHERE jobs.job_id = slots.job_id AND jobs.state IN ('intent', 'accepted')))
        """,
        (name, now_us),
    )
    rows = cursor.execute(
        "SELECT jobs.state, jobs.kernel_id FROM slots JOIN jobs USING (job_id) WHERE slots.name = ?", (name,)
    ).fetchall()
    return sum(state == "accepted" or is_alive(kernel_id) for state, kernel_id in rows)
