"""Parse how long a service asks clients to wait before a retry."""

from __future__ import annotations

import datetime as dt
import email.utils
import math
import re
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

MAX_RETRY_AFTER_S = 120.0
"""Longest delay that is waited for within a run."""

_DURATION = re.compile(r"\s*(\d+(?:\.\d+)?)\s*s\s*")


def retry_after_s(headers: Mapping[str, str], body: Any = None, *, now: dt.datetime | None = None) -> float | None:  # noqa: ANN401 - JSON
    """Seconds to wait; None if the answer states no delay in a known form.

    `retry-after-ms` is the most precise and wins; then `Retry-After` in seconds or as a date; then Google's
    `error.details[].retryDelay`. Dates are relative to the `Date` header, because the local clock may be wrong.

    Args:
        headers: of the answer, in lower case.
        body: parsed JSON.
        now: for answers without `Date`; default: the local clock.

    >>> retry_after_s({"retry-after": "2"})
    2.0
    >>> retry_after_s({"retry-after": "2", "retry-after-ms": "350"})
    0.35
    >>> retry_after_s({}, {"error": {"details": [{"retryDelay": "17s"}]}})
    17.0
    >>> headers = {"date": "Mon, 01 Jan 2001 00:00:00 GMT", "retry-after": "Mon, 01 Jan 2001 00:00:09 GMT"}
    >>> retry_after_s(headers)
    9.0
    """
    seconds = _number(headers.get("retry-after-ms"), per=1000)
    if seconds is None:
        seconds = _number(headers.get("retry-after"))
    if seconds is None:
        seconds = _until(headers.get("retry-after"), response_date(headers) or now or dt.datetime.now(dt.UTC))
    return seconds if seconds is not None else _delay(body)


def _number(text: str | None, *, per: int = 1) -> float | None:
    try:
        number = float(text or "") / per
    except ValueError:
        return None
    return max(0.0, number) if math.isfinite(number) else None


def response_date(headers: Mapping[str, str]) -> dt.datetime | None:
    """The service's time from the `Date` header, if present."""
    return _date(headers.get("date"))


def _until(text: str | None, now: dt.datetime) -> float | None:
    at = _date(text)
    return None if at is None else max(0.0, (at - now).total_seconds())


def _date(text: str | None) -> dt.datetime | None:
    try:
        at = email.utils.parsedate_to_datetime(text or "")
    except ValueError:
        return None
    return at if at.tzinfo else at.replace(tzinfo=dt.UTC)  # without a zone, the standard means GMT


def _delay(body: Any) -> float | None:  # noqa: ANN401 - JSON
    error = body.get("error") if isinstance(body, dict) else None
    details = error.get("details") if isinstance(error, dict) else None
    for detail in details if isinstance(details, list) else ():
        text = detail.get("retryDelay") if isinstance(detail, dict) else None
        match = _DURATION.fullmatch(text) if isinstance(text, str) else None
        if match:
            return float(match[1])
    return None
