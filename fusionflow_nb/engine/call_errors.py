"""Errors of provider calls without a result: what happened and what the user can do next."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from fusionflow_nb import errors

if TYPE_CHECKING:
    from fusionflow_nb.journal.protocol import OverBudget
    from fusionflow_nb.providers.protocol import Failed


_CENT = 10_000


def final(status: str, message: str, node_id: str, provider: str) -> errors.JobError:
    """The error for a final status, which is the same for every job that waits for the key."""
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
    """It is unknown whether the service accepted the job."""
    return errors.UnknownOutcomeError(
        f"It is unknown whether {provider} accepted this job (${at_stake_micro_usd / 1e6:.2f} at stake).",
        node_id=node_id,
        provider=provider,
        hint="It is not sent again automatically. ff.operations() lists it, asks the service if possible, or writes it "
        "off; a new take requests another result.",
    )


def over_budget(claim: OverBudget, node_id: str) -> errors.OverBudgetError:
    """The reservation would exceed a cap: the amount, what is left, and how to raise the cap."""
    used = claim.spent_micro_usd + claim.reserved_micro_usd
    kind, _, which = claim.scope.partition(":")
    whose = {"run": "a run", "project": "this project"}.get(kind, f"the {kind} ({which}, UTC)")
    held = f", {_usd(claim.reserved_micro_usd)} reserved by running calls" if claim.reserved_micro_usd else ""
    enough = f"{math.ceil((used + claim.requested_micro_usd) / _CENT) * _CENT / 1e6:.2f}"
    in_python = f'ff.budget("{which}", project={enough})' if kind == "project" else f"ff.budget({kind}={enough})"
    in_shell = f"--of {which} --project {enough}" if kind == "project" else f"--{kind} {enough}"
    return errors.OverBudgetError(
        f"This job may cost {_usd(claim.requested_micro_usd)}, and {_usd(max(0, claim.cap_micro_usd - used))} of the "
        f"{_usd(claim.cap_micro_usd)} for {whose} is left ({_usd(claim.spent_micro_usd)} spent{held}). "
        "Nothing was sent.",
        node_id=node_id,
        hint=f"Raise it to at least this: {in_python} or `fusionflow budget {in_shell}`.",
    )


def taken_over(node_id: str, provider: str) -> errors.JobError:
    """Another kernel considered this kernel dead (its lock file was removed) and took the job over."""
    return errors.JobError(
        "Another kernel has taken this job over; this kernel recorded nothing.",
        node_id=node_id,
        provider=provider,
        hint="Run again: the result comes from that kernel.",
        is_retryable=True,
    )


def failed(status: Failed, node_id: str, provider: str) -> errors.ProviderError:
    """The service reported a failure."""
    return errors.ProviderError(
        status.message,
        node_id=node_id,
        provider=provider,
        hint="Run again: only what failed is submitted.",
        is_retryable=status.is_retryable,
    )


def outage(status: Failed, node_id: str, provider: str) -> errors.OutageError:
    """The service accepted nothing within all tries."""
    return errors.OutageError(
        status.message,
        node_id=node_id,
        provider=provider,
        hint="Nothing was started. Run again later, or name fallback models: fallback=[...].",
        is_retryable=True,
        retry_after_s=status.retry_after_s,
    )


def timed_out(message: str, node_id: str, provider: str) -> errors.JobTimeoutError:
    """The call exceeded the timeout of its model."""
    hint = "The service may still work on it: run again to fetch the result; it is not submitted again."
    return errors.JobTimeoutError(message, node_id=node_id, provider=provider, hint=hint)


def adapter_broke(error: BaseException, node_id: str, provider: str) -> errors.ProviderError:
    """An adapter raised an unexpected exception; accepted work is not lost."""
    return errors.ProviderError(
        f"The adapter failed: {type(error).__name__}: {error}.",
        node_id=node_id,
        provider=provider,
        hint="Run again: work the service had accepted is fetched, not submitted again.",
    )


def _usd(micro_usd: int) -> str:
    """Dollars with two digits; four below a cent."""
    return f"${micro_usd / 1e6:.4f}" if 0 < micro_usd < _CENT else f"${micro_usd / 1e6:.2f}"
