"""How far a call may be where its service does not say: the time it has taken against the time it usually takes.

An estimate is never stored as progress: it has a field of its own all the way to the view, which marks it, and it never
reaches the end by itself.
"""

from __future__ import annotations

import math
from statistics import median
from typing import TYPE_CHECKING, NamedTuple

from fusionflow_nb import errors

if TYPE_CHECKING:
    from fusionflow_nb.engine.context import Services
    from fusionflow_nb.providers.model import ModelEntry

SEEN = 9
"""How many of a person's own last calls of a model say how long one usually takes."""
AT_TYPICAL, MOST = 0.9, 0.99


class Eta(NamedTuple):
    """Since when a service works on a call (UTC microseconds), and how long that usually takes."""

    since_us: int
    typical_s: float

    def fraction(self, now_us: int) -> float:
        """About how far it is; less than 1, however long it takes.

        >>> Expected(0, 10.0).fraction(5_000_000)
        0.45
        >>> Expected(0, 10.0).fraction(10**12)
        0.99
        """
        share = max(0.0, (now_us - self.since_us) / 1e6) / self.typical_s
        if share <= 1:
            return AT_TYPICAL * share
        return min(MOST, 1 - (1 - AT_TYPICAL) * math.exp(1 - share))


async def median_duration_s(entry: ModelEntry, services: Services) -> float | None:
    """How long a call of a model usually takes: as its entry says, else as it did here; None where nobody knows."""
    if entry.typical_s is not None:
        return entry.typical_s
    if services.took_s is None:
        async with services.door("took_s"):  # a thousand calls begin together, and one of them looks
            if services.took_s is None:
                services.took_s = await _seen(services)
    seen = services.took_s.get(entry.id)
    return median(seen[-SEEN:]) if seen else None


async def _seen(services: Services) -> dict[str, list[float]]:
    try:
        return await services.journal.took_s()
    except errors.JournalError:  # an estimate is not worth a call; what matters asks again, and says so
        return {}


def record_duration(entry: ModelEntry, seconds: float, services: Services) -> None:
    """A call of a model has ended well, after so long."""
    if seconds > 0 and services.took_s is not None:
        services.took_s.setdefault(entry.id, []).append(seconds)
        del services.took_s[entry.id][:-SEEN]
