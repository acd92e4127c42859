"""How long a service asks us to wait, in all the spellings there are."""

from __future__ import annotations

import datetime as dt
import email.utils
import math
import re
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

MAX_RETRY_AFTER_S = 120.0
"""A service that asks for more has, for this run, said no."""

_DURATION = re.compile(r"\s*(\d+(?:\.\d+)?)\s*s\s*")


def retry_after_s(headers: Mapping[str, str], body: Any = None, *, now: dt.datetime | None = None) -> float | None:  # noqa: ANN401 - JSON
    """Seconds to wait, or None where the service does not say, or not in a form that anybody sends.

    `retry-after-ms` is the finest and wins; then `Retry-After` as seconds or as a date; then Google's
    `error.details[].retryDelay`. A date is counted from the answer's own `Date`: the clock here may be wrong by a day.

    Args:
        headers: of the answer, in lower case.
        body: as JSON.
        now: for answers without a `Date`; else the clock of this machine.

    >>> retry_after_s({"retry-after": "2"})
    2.0
    >>> retry_after_s({"retry-after": "2", "retry-after-ms": "350"})
    0.35
    >>> retry_after_s({}, {"error": {"details": [{"retryDelay": "17s"}]}})
    17.0
    >>> told = {"date": "Mon, 01 Jan 2001 00:00:00 GMT", "retry-after": "Mon, 01 Jan 2001 00:00:09 GMT"}
    >>> retry_after_s(told)
    9.0
    """
    found = _number(headers.get("retry-after-ms"), per=1000)
    if found is None:
        found = _number(headers.get("retry-after"))
    if found is None:
        found = _until(headers.get("retry-after"), response_date(headers) or now or dt.datetime.now(dt.UTC))
    return found if found is not None else _delay(body)


def _number(text: str | None, *, per: int = 1) -> float | None:
    try:
        number = float(text or "") / per
    except ValueError:
        return None
    return max(0.0, number) if math.isfinite(number) else None


def response_date(headers: Mapping[str, str]) -> dt.datetime | None:
    """The service's own time, where the answer says it."""
    return _date(headers.get("date"))


def _until(text: str | None, now: dt.datetime) -> float | None:
    at = _date(text)
    return None if at is None else max(0.0, (at - now).total_seconds())


def _date(text: str | None) -> dt.datetime | None:
    try:
        at = email.utils.parsedate_to_datetime(text or "")
    except ValueError:
        return None
    return at if at.tzinfo else at.replace(tzinfo=dt.UTC)  # without a zone the standard means GMT


def _delay(body: Any) -> float | None:  # noqa: ANN401 - JSON
    error = body.get("error") if isinstance(body, dict) else None
    details = error.get("details") if isinstance(error, dict) else None
    for detail in details if isinstance(details, list) else ():
        said = detail.get("retryDelay") if isinstance(detail, dict) else None
        found = _DURATION.fullmatch(said) if isinstance(said, str) else None
        if found:
            return float(found[1])
    return None
