"""How often, and how many at once, a service may be asked with one key, by all kernels of a user together.

A strict token bucket: over any minute no more starts than the service allows, a tenth of them at once. Slots count the
calls that a service works on, whoever begins or follows them. And what a service asks for itself (429, Retry-After)
holds for everybody. All functions run inside the caller's transaction, which is the one that grants a claim.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Callable

    from fusionflow_nb.journal.protocol import Gate

MINUTE_S = 60.0
LONGEST_BLOCK_US = 3_600_000_000
"""No service asks for more; a time beyond it was written before a clock was set back."""
SLOT_LOOK_US = 250_000
"""How soon to look again for a call that ends: nobody can say when."""
_BURST_SHARE = 10
_ALMOST = 1e-9  # of a token, against the rounding of floats


def wait_us(cursor: sqlite3.Cursor, gate: Gate, now_us: int, is_alive: Callable[[str], bool]) -> int:
    """How long from now until a start may be tried; 0: now. Takes nothing."""
    tokens, blocked_until = _bucket(cursor, gate, now_us)
    if blocked_until > now_us:
        return blocked_until - now_us
    if gate.concurrent is not None and _in_use(cursor, gate.name, now_us, is_alive) >= gate.concurrent:
        return SLOT_LOOK_US
    if gate.per_minute is None or tokens >= 1 - _ALMOST:
        return 0
    _, per_second = shape(gate.per_minute)
    return int((1 - tokens) / per_second * 1e6) + 1


def take(cursor: sqlite3.Cursor, gate: Gate, now_us: int, job_id: str | None) -> None:
    """One start: a token of the rate, and a slot for the job until it has ended (None: it has one already)."""
    if gate.per_minute is not None:
        tokens, blocked_until = _bucket(cursor, gate, now_us)
        cursor.execute(
            "INSERT OR REPLACE INTO buckets (name, tokens, refilled_at_us, blocked_until_us) VALUES (?, ?, ?, ?)",
            (gate.name, max(0.0, tokens - 1), now_us, blocked_until),
        )
    if gate.concurrent is not None and job_id is not None:
        cursor.execute(
            "INSERT OR REPLACE INTO slots (job_id, name, until_us) VALUES (?, ?, ?)",
            (job_id, gate.name, now_us + gate.longest_us),
        )


def block(cursor: sqlite3.Cursor, name: str, until_us: int, now_us: int) -> None:
    """The service asked to be left alone; a longer wish of before stays."""
    until_us = min(until_us, now_us + LONGEST_BLOCK_US)
    # A bucket that nobody has used is full: `refilled_at_us` 0 says so.
    cursor.execute(
        """
        INSERT INTO buckets (name, tokens, refilled_at_us, blocked_until_us) VALUES (:name, 0, 0, :until)
        ON CONFLICT (name) DO UPDATE SET blocked_until_us =
            CASE WHEN blocked_until_us > :until AND blocked_until_us <= :most THEN blocked_until_us ELSE :until END
        """,
        {"name": name, "until": until_us, "most": now_us + LONGEST_BLOCK_US},
    )


def blocked_until_us(cursor: sqlite3.Cursor, name: str, now_us: int) -> int:
    """Until when a service wants to be left alone; 0 where it does not."""
    row = cursor.execute("SELECT blocked_until_us FROM buckets WHERE name = ?", (name,)).fetchone()
    return row[0] if row is not None and now_us < row[0] <= now_us + LONGEST_BLOCK_US else 0


def shape(per_minute: int) -> tuple[int, float]:
    """(tokens at most, tokens per second) so that no minute sees more than `per_minute` starts.

    >>> shape(600)
    (60, 9.0)
    >>> shape(6)
    (1, 0.1)
    """
    burst = max(1, per_minute // _BURST_SHARE)
    # A single token, refilled each n-th of a minute, spaces starts by themselves; a burst takes its part of the minute.
    return burst, (per_minute if burst == 1 else per_minute - burst) / MINUTE_S


def _bucket(cursor: sqlite3.Cursor, gate: Gate, now_us: int) -> tuple[float, int]:
    """(tokens as of now, until when it is blocked). A clock set back neither gives tokens nor takes any."""
    row = cursor.execute(
        "SELECT tokens, refilled_at_us, blocked_until_us FROM buckets WHERE name = ?", (gate.name,)
    ).fetchone()
    burst, per_second = shape(gate.per_minute) if gate.per_minute is not None else (1, 0.0)
    if row is None:
        return float(burst), 0
    tokens, refilled_at_us, blocked_until = row
    since_s = max(0, now_us - refilled_at_us) / 1e6
    if not now_us < blocked_until <= now_us + LONGEST_BLOCK_US:
        blocked_until = 0
    return min(float(burst), tokens + since_s * per_second), blocked_until


def _in_use(cursor: sqlite3.Cursor, name: str, now_us: int, is_alive: Callable[[str], bool]) -> int:
    """Calls that the service works on, or may be about to: what it has accepted, and submits of living kernels."""
    cursor.execute(
        """
        DELETE FROM slots WHERE name = ? AND (until_us <= ? OR NOT EXISTS (
            SELECT 1 FROM jobs WHERE jobs.job_id = slots.job_id AND jobs.state IN ('intent', 'accepted')))
        """,
        (name, now_us),
    )
    found = cursor.execute(
        "SELECT jobs.state, jobs.kernel_id FROM slots JOIN jobs USING (job_id) WHERE slots.name = ?", (name,)
    ).fetchall()
    return sum(state == "accepted" or is_alive(kernel_id) for state, kernel_id in found)
