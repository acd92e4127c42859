"""A run, one line per node: what terminal and cell both show."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Sequence

    from fusionflow_nb.api.run import RunHandle
    from fusionflow_nb.engine.run import JobStatus

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
# Of several states of one node, the first of these speaks for it; failures come before, what is well after.
_LOUDEST = ("running", "waiting", "queued", "unknown", "cancelled", "skipped")


class Line(NamedTuple):
    """One node of a run."""

    node_id: str
    state: str
    done: float
    """0..1, over all its jobs."""
    words: str
    """Counts and what it waits for; short."""
    said: str
    """Why it failed, in full; empty where it did not."""
    elapsed: str
    cost: str
    statuses: Sequence[JobStatus]
    jobs: int
    """How many it has, as far as is known."""

    @property
    def mark(self) -> str:
        """One sign for the state."""
        return MARKS.get(self.state, FAILED_MARK)

    @property
    def is_moving(self) -> bool:
        """Whether a bar tells something: work is under way, or stopped half-way."""
        return self.state in {"running", "waiting"} or (0 < self.done < 1)


def lines(run: RunHandle) -> list[Line]:
    """How each node stands, in the flow's order."""
    now_us = time.time_ns() // 1000
    return [_line(node_id, statuses, run.job_count(node_id), now_us) for node_id, statuses in run.node_states().items()]


def _line(node_id: str, statuses: Sequence[JobStatus], count: int, now_us: int) -> Line:
    count = max(count, len(statuses), 1)
    state = _state(statuses, count)
    well = sum(status.state in WELL for status in statuses)
    done = sum(fraction(status, now_us) for status in statuses) / count
    return Line(
        node_id,
        state,
        min(done, 1.0),
        " · ".join(_words(statuses, state, well, count, now_us)),
        _said(statuses),
        _elapsed(statuses, now_us),
        _cost(statuses),
        statuses,
        count,
    )


def _state(statuses: Sequence[JobStatus], count: int) -> str:
    states = {status.state for status in statuses}
    if not states:
        return "queued"
    under_way = states & {"running", "waiting"}
    if not under_way:
        # Between two jobs of a batch it is still under way.
        if "queued" in states or len(statuses) < count:
            return "queued" if states == {"queued"} else "running"
        failed = [status.state for status in statuses if status.state not in WELL and status.state not in _LOUDEST]
        if failed:
            return failed[0]
    for state in _LOUDEST:
        if state in states:
            return state
    return "cached" if states == {"cached"} else "succeeded"


def fraction(status: JobStatus, now_us: int) -> float:
    """How far a job is, 0..1: as its service says, else about as far as such a call usually is by now."""
    if status.state in WELL:
        return 1.0
    if status.progress is not None or not _is_estimated(status):
        return status.progress or 0.0
    assert status.expected is not None  # noqa: S101 - or there is no estimate
    return status.expected.fraction(now_us)


def _is_estimated(status: JobStatus) -> bool:
    """Whether all that is known of how far it is, is how long such a call usually takes."""
    return (
        status.state == "running"
        and status.progress is None
        and status.expected is not None
        and not status.queue_position
    )


def _words(statuses: Sequence[JobStatus], state: str, well: int, count: int, now_us: int) -> list[str]:
    found = [f"{well}/{count}"] if count > 1 else []
    if count > 1:
        others: dict[str, int] = {}
        for status in statuses:
            if status.state not in (*WELL, "running", "waiting", "queued"):
                others[status.state] = others.get(status.state, 0) + 1
        found += [f"{number} {other}" for other, number in others.items()]
    elif state == "running" and statuses[0].progress:
        found.append(f"{statuses[0].progress:.0%}")
    elif statuses and _is_estimated(statuses[0]):
        found.append(f"~{fraction(statuses[0], now_us):.0%}")
    reasons = {_WAITS_FOR.get(status.waits_for, status.waits_for) for status in statuses if status.state == "waiting"}
    if state == "waiting" and any(reasons):
        found.append(f"for {', '.join(sorted(filter(None, reasons)))}")
    found += [_served(status) for status in statuses[:1] if status.served_by and state in WELL]
    places = [status.queue_position for status in statuses if status.queue_position]
    if state in {"running", "waiting"} and places:
        found.append(f"{min(places)} ahead in the queue")
    return found


def _said(statuses: Sequence[JobStatus]) -> str:
    """The first reason; what was skipped only repeats another node's, and who cancelled knows why."""
    found = dict.fromkeys(
        status.error.what
        for status in statuses
        if status.error is not None and status.state not in {"skipped", "cancelled", *WELL}
    )
    more = f" (and {len(found) - 1} other reason{'s' if len(found) > 2 else ''})" if len(found) > 1 else ""  # noqa: PLR2004
    return next(iter(found)) + more if found else ""


def _served(status: JobStatus) -> str:
    """Who stood in for the model that was asked for."""
    return f"by {status.served_by}{'' if status.is_same_model else ', another model'}"


def _cost(statuses: Sequence[JobStatus]) -> str:
    """What was paid; `~` in front where a service has not said what it charged."""
    micro = sum(status.cost_micro_usd for status in statuses)
    return dollars(micro) if all(status.cost_is_exact for status in statuses) else f"~{dollars(micro)}"


def dollars(micro_usd: int) -> str:
    """Money as people read it: whole cents, and more digits only where there would be none.

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
    """A length of time as people read it.

    >>> seconds(2.34), seconds(75), seconds(7300)
    ('2.3 s', '1:15 min', '2:01 h')
    """
    whole = round(elapsed_s)
    if whole < 60:  # noqa: PLR2004 - a minute
        return f"{max(0.0, elapsed_s):.1f} s"
    if whole < 3600:  # noqa: PLR2004 - an hour
        return f"{whole // 60}:{whole % 60:02} min"
    return f"{whole // 3600}:{whole % 3600 // 60:02} h"
