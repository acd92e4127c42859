"""Delay before a retry: exponential back-off with jitter, for uploads, HTTP requests and submits."""

from __future__ import annotations

import random

BASE_S = 0.5
CAP_S = 8.0
_MAX_DOUBLINGS = 10


def backoff_s(tries: int, *, base_s: float = BASE_S, cap_s: float = CAP_S, retry_after_s: float | None = None) -> float:
    """Seconds to wait after `tries` failed tries.

    Args:
        tries: 1 after the first failure.
        base_s: delay after the first failure, before jitter; it doubles with each further one.
        cap_s: longest delay.
        retry_after_s: the delay that the service requests; it replaces the exponential one.

    >>> 0.25 <= backoff_s(1) <= 0.5
    True
    >>> 30 <= backoff_s(1, retry_after_s=30) <= 33
    True
    """
    if retry_after_s is not None:
        return with_jitter(retry_after_s)
    delay_s = min(cap_s, base_s * 2.0 ** min(tries - 1, _MAX_DOUBLINGS))
    return delay_s * random.uniform(0.5, 1.0)  # noqa: S311 - no secret


def with_jitter(wait_s: float) -> float:
    """`wait_s`, up to 10 % longer, so that callers who wait for the same instant do not retry together."""
    return wait_s * random.uniform(1.0, 1.1)  # noqa: S311 - no secret
