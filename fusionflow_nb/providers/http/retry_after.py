"""How long a service asks us to wait, in all the spellings there are."""

from __future__ import annotations

import datetime as dt
import email.utils
import math
import re
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

LONGEST_S = 120.0
"""A service that asks for more has, for this run, said no."""

_DURATION = re.compile(r"\s*(\d+(?:\.\d+)?)\s*s\s*")


def retry_after_s(headers: Mapping[str, str], body: Any = None, *, now: dt.datetime | None = None) -> float | None:  # noqa: ANN401 - JSON
    """Seconds to wait, or None where the service does not say, or not in a form that anybody sends.

    `retry-after-ms` is the finest and wins; then `Retry-After` as seconds or as a date; then Google's
    `error.details[].retryDelay`. A clock that is ahead of the service's makes a date of the past: that is 0, no error.

    >>> retry_after_s({"retry-after": "2"})
    2.0
    >>> retry_after_s({"retry-after": "2", "retry-after-ms": "350"})
    0.35
    >>> retry_after_s({}, {"error": {"details": [{"retryDelay": "17s"}]}})
    17.0
    """
    found = _number(headers.get("retry-after-ms"), per=1000)
    if found is None:
        found = _number(headers.get("retry-after"))
    if found is None:
        found = _until(headers.get("retry-after"), now or dt.datetime.now(dt.UTC))
    return found if found is not None else _delay(body)


def _number(text: str | None, *, per: int = 1) -> float | None:
    try:
        number = float(text or "") / per
    except ValueError:
        return None
    return max(0.0, number) if math.isfinite(number) else None


def _until(text: str | None, now: dt.datetime) -> float | None:
    try:
        at = email.utils.parsedate_to_datetime(text or "")
    except ValueError:
        return None
    # Without a zone the standard means GMT.
    at = at if at.tzinfo else at.replace(tzinfo=dt.UTC)
    return max(0.0, (at - now).total_seconds())


def _delay(body: Any) -> float | None:  # noqa: ANN401 - JSON
    error = body.get("error") if isinstance(body, dict) else None
    details = error.get("details") if isinstance(error, dict) else None
    for detail in details if isinstance(details, list) else ():
        said = detail.get("retryDelay") if isinstance(detail, dict) else None
        found = _DURATION.fullmatch(said) if isinstance(said, str) else None
        if found:
            return float(found[1])
    return None
