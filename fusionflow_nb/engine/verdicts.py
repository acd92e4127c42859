"""What a call that gave no result is called, and what its reader can do next: one sentence each, in one place."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fusionflow_nb import errors

if TYPE_CHECKING:
    from fusionflow_nb.journal.protocol import OverBudget
    from fusionflow_nb.providers.protocol import Failed


def final(status: str, message: str, node_id: str, provider: str) -> errors.JobError:
    """A final answer that is the same for everybody who waits for the key."""
    match status:
        case "refused":
            return errors.RefusedError(
                message or "Refused.", node_id=node_id, provider=provider, hint="Change the prompt or the picture."
            )
        case "no_funds":
            return errors.NoFundsError(
                message or "No funds.", node_id=node_id, provider=provider, hint="Add credit at the service."
            )
        case "cancelled":
            return errors.JobCancelledError(message or "Cancelled.", node_id=node_id, provider=provider)
        case _:
            return errors.UnknownOutcomeError(message or "Unknown.", node_id=node_id, provider=provider)


def unknown(at_stake_micro_usd: int, node_id: str, provider: str) -> errors.UnknownOutcomeError:
    """Nobody can say whether the service took it."""
    return errors.UnknownOutcomeError(
        f"Nobody knows whether {provider} took this job (${at_stake_micro_usd / 1e6:.2f} at stake).",
        node_id=node_id,
        provider=provider,
        hint="Look at your account there; it is not sent again by itself. A new take asks for another.",
    )


def over_budget(claim: OverBudget, node_id: str) -> errors.OverBudgetError:
    """The reservation would pass a cap."""
    left = claim.cap_micro_usd - claim.spent_micro_usd - claim.reserved_micro_usd
    return errors.OverBudgetError(
        f"This job may cost ${claim.asked_micro_usd / 1e6:.2f}, and ${max(0, left) / 1e6:.2f} of the "
        f"${claim.cap_micro_usd / 1e6:.2f} for {claim.scope.replace(':', ' ')} is left.",
        node_id=node_id,
        hint=f"Raise it with ff.budget({claim.scope.partition(':')[0]}=...).",
    )


def failed(status: Failed, node_id: str, provider: str) -> errors.ProviderError:
    """The service said that it went wrong."""
    return errors.ProviderError(
        status.message,
        node_id=node_id,
        provider=provider,
        hint="Run again: only what failed is submitted.",
        is_retryable=status.is_retryable,
    )


def timed_out(message: str, node_id: str, provider: str) -> errors.JobTimeoutError:
    """It took longer than its model allows."""
    hint = "The service may still be at it: run again to look for the result, which is not submitted a second time."
    return errors.JobTimeoutError(message, node_id=node_id, provider=provider, hint=hint)


def adapter_broke(error: BaseException, node_id: str, provider: str) -> errors.ProviderError:
    """Our side of the service raised what it never should; accepted work is not lost by it."""
    return errors.ProviderError(
        f"The adapter failed: {type(error).__name__}: {error}.",
        node_id=node_id,
        provider=provider,
        hint="Run again: work the service had accepted is fetched, not submitted again.",
    )
