"""Rate limits of services: the documented ones and the pauses that services request, for all kernels together."""

from __future__ import annotations

import contextlib
import logging
from typing import TYPE_CHECKING

from fusionflow_nb import errors
from fusionflow_nb.assets.backoff import with_jitter
from fusionflow_nb.journal.protocol import RateLimit, Throttled

if TYPE_CHECKING:
    from collections.abc import Callable

    from fusionflow_nb.engine.context import EngineState
    from fusionflow_nb.journal.protocol import Claim, Intent
    from fusionflow_nb.providers.model import ModelEntry
    from fusionflow_nb.providers.protocol import Provider

_log = logging.getLogger("fusionflow_nb.engine")

MAX_WAIT_S = 120.0
"""A service that requests a longer pause counts as unavailable for this run."""


async def rate_limit_of(provider: Provider, entry: ModelEntry, engine: EngineState) -> RateLimit:
    """The rate limit of a service for the API key in use."""
    account = await engine.account(provider.name)
    limits = provider.limits
    name = f"{provider.name}:{account}" if account else provider.name
    return RateLimit(name, limits.per_minute, limits.concurrent, int(entry.timeout_s * 1e6))


async def claim_when_allowed(intent: Intent, engine: EngineState, on_wait: Callable[[], None]) -> Claim:
    """Claim a job once the service may be called. Callers of one kernel wait in one queue, in order.

    Args:
        intent: with its rate limit.
        engine: shared state of the kernel.
        on_wait: called if the claim has to wait.

    Raises:
        OutageError: the service requested a longer pause than a run waits; nothing was sent.
    """
    context = engine.context
    [claim] = await context.journal.claim([intent], context.caps_micro_usd)
    if not isinstance(claim, Throttled) or intent.rate_limit is None:
        return claim
    on_wait()
    async with engine.lock(intent.rate_limit.name):
        while isinstance(claim, Throttled):
            wait_s = claim.wait_us / 1e6
            if claim.is_by_service and wait_s > MAX_WAIT_S:
                raise _paused(intent, wait_s)
            await context.sleep(with_jitter(wait_s))
            [claim] = await context.journal.claim([intent], context.caps_micro_usd)
    return claim


async def acquire_slot(limit: RateLimit, engine: EngineState) -> None:
    """Wait until a claimed job may send another request."""
    async with engine.lock(limit.name):
        while wait_us := await engine.context.journal.acquire_start(limit):
            await engine.context.sleep(with_jitter(wait_us / 1e6))


async def pause_service(limit: RateLimit, wait_s: float | None, engine: EngineState) -> None:
    """Record a pause that the service requested, so that every kernel of the user respects it."""
    if wait_s is None:
        return
    _log.info("%s requested a pause of %.1f s", limit.name.partition(":")[0], wait_s)
    # If it cannot be recorded, only this kernel respects it.
    with contextlib.suppress(errors.JournalError):
        await engine.context.journal.block(limit.name, engine.context.clock() + int(wait_s * 1e6))


async def wait_while_paused(limit: RateLimit, engine: EngineState) -> None:
    """Wait while the service is paused, whichever kernel recorded the pause."""
    context = engine.context
    while until_us := context.journal.blocked_until_us(limit.name):
        await context.sleep(with_jitter(max(0.0, (until_us - context.clock()) / 1e6)))


def _paused(intent: Intent, wait_s: float) -> errors.OutageError:
    minutes = round(wait_s / 60)
    return errors.OutageError(
        f"{intent.provider} requested a pause of {minutes} more minutes. Nothing was sent.",
        node_id=intent.node_id,
        provider=intent.provider,
        hint="Run again after that: only what is missing is submitted.",
        is_retryable=True,
        retry_after_s=wait_s,
    )
