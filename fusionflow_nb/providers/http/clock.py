"""What time it is at a service: this machine's clock may be wrong, and signatures and dates must not be."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from fusionflow_nb.providers.http.retry_after import response_date

if TYPE_CHECKING:
    from collections.abc import Mapping

MAX_SKEW_S = 300.0
"""Services take signatures that are minutes old, not hours."""


class ServiceClock:
    """The time of one service, learned from the `Date` of its answers; this machine's until there was one."""

    def __init__(self) -> None:
        self._ahead_s = 0.0

    def update(self, headers: Mapping[str, str]) -> None:
        """Take the time out of an answer."""
        told = response_date(headers)
        if told is not None:
            self._ahead_s = told.timestamp() - time.time()

    def now(self) -> float:
        """Seconds since 1970, as the service counts them: what a signed key is dated by."""
        return time.time() + self._ahead_s

    @property
    def is_skewed(self) -> bool:
        """Whether this machine's clock is so wrong that what it signs is not taken."""
        return abs(self._ahead_s) > MAX_SKEW_S

    def hint(self) -> str:
        """A sentence for errors about keys where the clock may be why; else nothing."""
        return f" This machine's clock is {abs(self._ahead_s) / 60:,.0f} minutes off: set it." if self.is_skewed else ""
