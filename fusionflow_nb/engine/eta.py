"""Estimated progress of calls whose service reports none: elapsed time relative to the usual duration.

An estimate is never stored as progress: it has its own field up to the view, which marks it, and it stays below 100 %.
"""

from __future__ import annotations

import math
from statistics import median
from typing import TYPE_CHECKING, NamedTuple

from fusionflow_nb import errors

if TYPE_CHECKING:
    from fusionflow_nb.engine.context import EngineState
    from fusionflow_nb.providers.model import ModelEntry

RECENT_CALLS = 9
"""The usual duration is the median of this many of the user's last calls of a model."""
AT_TYPICAL, MAX_FRACTION = 0.9, 0.99
"""The estimate at the usual duration, and its upper bound."""


class Eta(NamedTuple):
    """When a service started a call (UTC microseconds), and how many seconds that usually takes."""

    since_us: int
    typical_s: float

    def fraction(self, now_us: int) -> float:
        """The estimated fraction done; always less than 1.

        >>> Eta(0, 10.0).fraction(5_000_000)
        0.45
        >>> Eta(0, 10.0).fraction(10**12)
        0.99
        """
        share = max(0.0, (now_us - self.since_us) / 1e6) / self.typical_s
        if share <= 1:
            return AT_TYPICAL * share
        return min(MAX_FRACTION, 1 - (1 - AT_TYPICAL) * math.exp(1 - share))


async def median_duration_s(entry: ModelEntry, engine: EngineState) -> float | None:
    """The usual duration of a call of a model: from its entry, else from the journal; None if unknown."""
    if entry.typical_s is not None:
        return entry.typical_s
    if engine.durations_by_model is None:
        async with engine.lock("durations_by_model"):  # many calls begin together; one of them reads the journal
            if engine.durations_by_model is None:
                engine.durations_by_model = await _read_durations(engine)
    durations = engine.durations_by_model.get(entry.id)
    return median(durations[-RECENT_CALLS:]) if durations else None


async def _read_durations(engine: EngineState) -> dict[str, list[float]]:
    try:
        return await engine.context.journal.durations_by_model()
    except errors.JournalError:  # an estimate must not fail a call; the call's own writes report the error
        return {}


def record_duration(entry: ModelEntry, seconds: float, engine: EngineState) -> None:
    """Remember the duration of a successful call."""
    if seconds > 0 and engine.durations_by_model is not None:
        engine.durations_by_model.setdefault(entry.id, []).append(seconds)
        del engine.durations_by_model[entry.id][:-RECENT_CALLS]
