"""Rows of a run, one per node: shared by terminal and cell."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Sequence

    from fusionflow_nb.display.run_view import RunView
    from fusionflow_nb.engine.status import JobStatus

WELL = ("succeeded", "cached")
MARKS = {
    "succeeded": "✓",
    "cached": "✓",
    "running": "●",
    "waiting": "…",
    "queued": "·",
    "skipped": "–",
    "cancelled": "–",
    "unknown": "?",
}
FAILED_MARK = "✗"
_WAITS_FOR = {"lease": "another kernel", "rate_limit": "the rate limit", "upload": "an upload", "slot": "a free slot"}
# The state of a node with several jobs is the first of these that occurs; failures rank higher, successes lower.
_PRECEDENCE = ("running", "waiting", "queued", "unknown", "cancelled", "skipped")


class Row(NamedTuple):
    """One node of a run."""

    node_id: str
    state: str
    done: float
    """Completed share of all its jobs, 0 to 1."""
    details: str
    """Counts, progress and what it waits for; short."""
    reason: str
    """Why it failed; empty if it did not."""
    elapsed: str
    cost: str
    statuses: Sequence[JobStatus]
    jobs: int
    """Number of jobs, as far as it is known."""

    @property
    def mark(self) -> str:
        """A symbol for the state."""
        return MARKS.get(self.state, FAILED_MARK)

    @property
    def is_moving(self) -> bool:
        """Whether to show a bar: work is in progress, or stopped part-way."""
        return self.state in {"running", "waiting"} or (0 < self.done < 1)


def rows(run: RunView) -> list[Row]:
    """One row per node, in the order of the flow."""
    now_us = time.time_ns() // 1000
    return [_row(node_id, statuses, run.job_count(node_id), now_us) for node_id, statuses in run.node_states().items()]


def _row(node_id: str, statuses: Sequence[JobStatus], count: int, now_us: int) -> Row:
    count = max(count, len(statuses), 1)
    state = _state(statuses, count)
    succeeded = sum(status.state in WELL for status in statuses)
    done = sum(fraction(status, now_us) for status in statuses) / count
    return Row(
        node_id,
        state,
        min(done, 1.0),
        " · ".join(_details(statuses, state, succeeded, count, now_us)),
        _reason(statuses),
        _elapsed(statuses, now_us),
        _cost(statuses),
        statuses,
        count,
    )


def _state(statuses: Sequence[JobStatus], count: int) -> str:
    states = {status.state for status in statuses}
    if not states:
        return "queued"
    if not states & {"running", "waiting"}:
        # Between two jobs of a batch the node is still running.
        if "queued" in states or len(statuses) < count:
            return "queued" if states == {"queued"} else "running"
        failed = [status.state for status in statuses if status.state not in WELL and status.state not in _PRECEDENCE]
        if failed:
            return failed[0]
    for state in _PRECEDENCE:
        if state in states:
            return state
    return "cached" if states == {"cached"} else "succeeded"


def fraction(status: JobStatus, now_us: int) -> float:
    """Progress of a job, 0 to 1: as reported by the service, else estimated from the usual duration of such calls."""
    if status.state in WELL:
        return 1.0
    if status.progress is not None or not _is_estimated(status):
        return status.progress or 0.0
    assert status.expected is not None  # noqa: S101 - checked by `_is_estimated`
    return status.expected.fraction(now_us)


def _is_estimated(status: JobStatus) -> bool:
    """Whether the progress can only be estimated from the usual duration."""
    return (
        status.state == "running"
        and status.progress is None
        and status.expected is not None
        and not status.queue_position
    )


def _details(statuses: Sequence[JobStatus], state: str, succeeded: int, count: int, now_us: int) -> list[str]:
    parts = [f"{succeeded}/{count}"] if count > 1 else []
    if count > 1:
        others: dict[str, int] = {}
        for status in statuses:
            if status.state not in (*WELL, "running", "waiting", "queued"):
                others[status.state] = others.get(status.state, 0) + 1
        parts += [f"{number} {other}" for other, number in others.items()]
    elif state == "running" and statuses[0].progress:
        parts.append(f"{statuses[0].progress:.0%}")
    elif statuses and _is_estimated(statuses[0]):
        parts.append(f"~{fraction(statuses[0], now_us):.0%}")
    reasons = {_WAITS_FOR.get(status.waits_for, status.waits_for) for status in statuses if status.state == "waiting"}
    if state == "waiting" and any(reasons):
        parts.append(f"for {', '.join(sorted(filter(None, reasons)))}")
    parts += [_served_by(status) for status in statuses[:1] if status.served_by and state in WELL]
    places = [status.queue_position for status in statuses if status.queue_position]
    if state in {"running", "waiting"} and places:
        parts.append(f"{min(places)} ahead in the queue")
    return parts


def _reason(statuses: Sequence[JobStatus]) -> str:
    """The first error; skipped jobs repeat the error of another node, cancelled jobs need none."""
    reasons = dict.fromkeys(
        status.error.what
        for status in statuses
        if status.error is not None and status.state not in {"skipped", "cancelled", *WELL}
    )
    count = len(reasons)
    more = f" (and {count - 1} other reason{'s' if count > 2 else ''})" if count > 1 else ""  # noqa: PLR2004
    return next(iter(reasons)) + more if reasons else ""


def _served_by(status: JobStatus) -> str:
    """The fallback model that produced the result."""
    return f"by {status.served_by}{'' if status.is_same_model else ', another model'}"


def _cost(statuses: Sequence[JobStatus]) -> str:
    """The cost, with `~` in front if the service did not report it."""
    micro = sum(status.cost_micro_usd for status in statuses)
    return dollars(micro) if all(status.cost_is_exact for status in statuses) else f"~{dollars(micro)}"


def dollars(micro_usd: int) -> str:
    """Format an amount in whole cents, with more digits only below a cent.

    >>> dollars(40_000), dollars(0), dollars(1_300)
    ('$0.04', '$0', '$0.0013')
    """
    if 0 < micro_usd < 10_000:  # noqa: PLR2004 - a cent
        return f"${micro_usd / 1e6:.4f}"
    return f"${micro_usd / 1e6:.2f}" if micro_usd else "$0"


def _elapsed(statuses: Sequence[JobStatus], now_us: int) -> str:
    started = [status.started_at_us for status in statuses if status.started_at_us]
    if not started:
        return ""
    ended = max((status.finished_at_us or now_us) for status in statuses if status.started_at_us)
    return seconds((ended - min(started)) / 1e6)


def seconds(elapsed_s: float) -> str:
    """Format a duration.

    >>> seconds(2.34), seconds(75), seconds(7300)
    ('2.3 s', '1:15 min', '2:01 h')
    """
    whole = round(elapsed_s)
    if whole < 60:  # noqa: PLR2004 - a minute
        return f"{max(0.0, elapsed_s):.1f} s"
    if whole < 3600:  # noqa: PLR2004 - an hour
        return f"{whole // 60}:{whole % 60:02} min"
    return f"{whole // 3600}:{whole % 3600 // 60:02} h"
