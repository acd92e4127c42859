"""What a call that gave no result is called, and what its reader can do next: one sentence each, in one place."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from fusionflow_nb import errors

if TYPE_CHECKING:
    from fusionflow_nb.journal.protocol import OverBudget
    from fusionflow_nb.providers.protocol import Failed


_CENT = 10_000


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
        hint="It is not sent again by itself. ff.operations() lists it, asks the service where that is possible, or "
        "writes it off; a new take asks for another.",
    )


def over_budget(claim: OverBudget, node_id: str) -> errors.OverBudgetError:
    """The reservation would pass a cap: what it asks for, what is left, and the word that raises it."""
    used = claim.spent_micro_usd + claim.reserved_micro_usd
    kind, _, which = claim.scope.partition(":")
    whose = {"run": "a run", "project": "this project"}.get(kind, f"the {kind} ({which}, UTC)")
    held = f", {_usd(claim.reserved_micro_usd)} held by calls under way" if claim.reserved_micro_usd else ""
    enough = f"{math.ceil((used + claim.asked_micro_usd) / _CENT) * _CENT / 1e6:.2f}"
    in_python = f'ff.budget("{which}", project={enough})' if kind == "project" else f"ff.budget({kind}={enough})"
    in_shell = f"--of {which} --project {enough}" if kind == "project" else f"--{kind} {enough}"
    return errors.OverBudgetError(
        f"This job may cost {_usd(claim.asked_micro_usd)}, and {_usd(max(0, claim.cap_micro_usd - used))} of the "
        f"{_usd(claim.cap_micro_usd)} for {whose} is left ({_usd(claim.spent_micro_usd)} spent{held}). "
        "Nothing was sent.",
        node_id=node_id,
        hint=f"Raise it, to this at least: {in_python} or `fusionflow budget {in_shell}`.",
    )


def taken_over(node_id: str, provider: str) -> errors.JobError:
    """Another kernel took this one for dead (its lock file was removed), and works on the job, or has ended it."""
    return errors.JobError(
        "Another kernel has taken this job over; nothing of ours was booked.",
        node_id=node_id,
        provider=provider,
        hint="Run again: the result comes from there.",
        is_retryable=True,
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


def outage(status: Failed, node_id: str, provider: str) -> errors.OutageError:
    """The service took nothing, however often it was asked."""
    return errors.OutageError(
        status.message,
        node_id=node_id,
        provider=provider,
        hint="Nothing was started. Run again later, or name models that may stand in: fallback=[...].",
        is_retryable=True,
        retry_after_s=status.retry_after_s,
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


def _usd(micro_usd: int) -> str:
    """Whole cents; more digits only where there would be none."""
    return f"${micro_usd / 1e6:.4f}" if 0 < micro_usd < _CENT else f"${micro_usd / 1e6:.2f}"
