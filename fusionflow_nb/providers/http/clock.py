"""The time at a service: signatures and dates must not depend on the local clock."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from fusionflow_nb.providers.http.retry_after import response_date

if TYPE_CHECKING:
    from collections.abc import Mapping

MAX_SKEW_S = 300.0
"""Services accept signatures that are minutes old, not hours."""


class ServiceClock:
    """Clock of one service, set from the `Date` header of its answers; the local clock until the first answer."""

    def __init__(self) -> None:
        self._ahead_s = 0.0

    def update(self, headers: Mapping[str, str]) -> None:
        """Set the clock from the headers of an answer."""
        service_time = response_date(headers)
        if service_time is not None:
            self._ahead_s = service_time.timestamp() - time.time()

    def now(self) -> float:
        """Seconds since 1970 by the service's clock, for signed keys."""
        return time.time() + self._ahead_s

    @property
    def is_skewed(self) -> bool:
        """Whether the local clock is too far off for signatures."""
        return abs(self._ahead_s) > MAX_SKEW_S

    def hint(self) -> str:
        """A sentence for key errors that the local clock may cause; empty otherwise."""
        return f" This machine's clock is {abs(self._ahead_s) / 60:,.0f} minutes off: set it." if self.is_skewed else ""
