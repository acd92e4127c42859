"""In front of each service: what its documentation allows, and what it asks for itself, for all kernels together."""

from __future__ import annotations

import contextlib
import random
from typing import TYPE_CHECKING

from fusionflow_nb import errors
from fusionflow_nb.journal.protocol import Gate, Later

if TYPE_CHECKING:
    from collections.abc import Callable

    from fusionflow_nb.engine.context import Services
    from fusionflow_nb.journal.protocol import Claim, Intent
    from fusionflow_nb.providers.model import ModelEntry
    from fusionflow_nb.providers.protocol import Provider

LONGEST_WAIT_S = 120.0
"""A service that asks for more before the next try has, for this run, said no."""
_JITTER = 1.1
"""Many who wait for the same instant do not come at the same instant."""


async def gate_of(provider: Provider, entry: ModelEntry, services: Services) -> Gate:
    """The gate of a service and the key in use."""
    account = services.accounts.get(provider.name)
    if account is None:  # a model that came over an edge, or a resumed job; a keyring may be slow
        account = await services.in_thread(services.account, provider.name)
        services.accounts[provider.name] = account
    limits = provider.limits
    name = f"{provider.name}:{account}" if account else provider.name
    return Gate(name, limits.per_minute, limits.concurrent, int(entry.timeout_s * 1e6))


async def claim_when_allowed(intent: Intent, services: Services, tell: Callable[[], None]) -> Claim:
    """The answer to a claim, when the service may be asked. Those who wait in one kernel ask one at a time, in order.

    Args:
        intent: with its gate.
        services: the engine's living parts.
        tell: called when there is something to wait for.

    Raises:
        OutageError: the service wants to be left alone for longer than a run waits; nothing was sent.
    """
    [claim] = await services.journal.claim([intent], services.caps_micro_usd)
    if not isinstance(claim, Later) or intent.gate is None:
        return claim
    tell()
    async with services.door(intent.gate.name):
        while isinstance(claim, Later):
            wait_s = claim.wait_us / 1e6
            if claim.is_asked_for and wait_s > LONGEST_WAIT_S:
                raise _left_alone(intent, wait_s)
            await services.sleep(_with_jitter(wait_s))
            [claim] = await services.journal.claim([intent], services.caps_micro_usd)
    return claim


async def acquire_slot(gate: Gate, services: Services) -> None:
    """Wait until a claimed job may ask once more."""
    async with services.door(gate.name):
        while wait_us := await services.journal.turn(gate):
            await services.sleep(_with_jitter(wait_us / 1e6))


async def pause_service(gate: Gate, wait_s: float | None, services: Services) -> None:
    """The service asked for a pause: write it down, so that every kernel of the user obeys."""
    if wait_s is None:
        return
    # Where it cannot be written this kernel obeys alone.
    with contextlib.suppress(errors.JournalError):
        await services.journal.block(gate.name, services.clock() + int(wait_s * 1e6))


async def wait_while_paused(gate: Gate, services: Services) -> None:
    """Wait while the service wants to be left alone, whoever heard it say so."""
    while until_us := services.journal.blocked_until_us(gate.name):
        await services.sleep(_with_jitter(max(0.0, (until_us - services.clock()) / 1e6)))


def _left_alone(intent: Intent, wait_s: float) -> errors.OutageError:
    minutes = round(wait_s / 60)
    return errors.OutageError(
        f"{intent.provider} asked to be left alone for {minutes} more minutes. Nothing was sent.",
        node_id=intent.node_id,
        provider=intent.provider,
        hint="Run again after that: only what is missing is submitted.",
        is_retryable=True,
        retry_after_s=wait_s,
    )


def _with_jitter(wait_s: float) -> float:
    return wait_s * random.uniform(1.0, _JITTER)  # noqa: S311 - no secret
