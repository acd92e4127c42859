"""Open jobs, and what the user or a policy can do about them: cancel, forget, reconcile. Nothing here submits.

Jobs that another live kernel follows are left to it.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal

from fusionflow_nb import errors
from fusionflow_nb.engine.context import ask_user
from fusionflow_nb.engine.resume import call_for
from fusionflow_nb.journal.protocol import Inherited, Stored, Unknown
from fusionflow_nb.providers.protocol import LostSubmit, Operation

if TYPE_CHECKING:
    from fusionflow_nb.engine.context import EngineState, UnknownPolicy
    from fusionflow_nb.engine.provider_call import ProviderCall
    from fusionflow_nb.journal.protocol import OpenJob

SURE_AFTER_S = 60.0
"""A service that does not list a submission this long after it was sent did not accept it."""
FORGOTTEN, NOT_TAKEN, SENT_AGAIN = "forgotten", "not_taken", "sent_again"
OpenJobStatus = Literal["open", "stuck", "unknown"]
"""`open`: a kernel follows it. `stuck`: no kernel does; resume fetches it. `unknown`: the user decides."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """The end of one job."""

    job_id: str
    status: str
    """As on the tape, or `unknown` if it is still unknown."""
    cost_micro_usd: int
    says: str


def open_job_status(job: OpenJob, engine: EngineState) -> OpenJobStatus:
    """The status of an open job as users see it."""
    if job.state == "unknown":
        return "unknown"
    is_followed = job.is_held and job.job_id not in engine.detached_ops
    return "open" if is_followed else "stuck"


async def cancel(job: OpenJob, engine: EngineState) -> Outcome:
    """Ask the service to cancel the job; what it may still bill counts as spent.

    Raises:
        OpenWorkError: its outcome is unknown, or another kernel follows it.
        ModelError: its provider is not installed here.
    """
    match open_job_status(job, engine):
        case "unknown":
            raise errors.OpenWorkError(
                "It is unknown whether the service accepted it, so there is nothing to cancel.",
                node_id=job.draft.node_id,
                hint=_hint_for_unknown(job),
            )
        case "open":
            flight = engine.flights.get(job.draft.content_key or b"")
            if flight is None:
                raise _followed_elsewhere(job)
            await flight.cancel()
            return await _outcome(job, engine, "It was cancelled; its run continues without it.")
    call, operation = await _adopt(job, engine)
    if operation is None:
        return await _outcome(job, engine, "It has ended in the meantime.")
    await call.cancel(operation)
    return await _outcome(job, engine, "The service was asked to cancel it.")


async def forget(job: OpenJob, engine: EngineState, cost_micro_usd: int | None) -> Outcome:
    """Write a job off: it ends as cancelled at the cost that the user names, and its key is free again.

    Args:
        job: unknown or stuck.
        engine: shared state of the kernel.
        cost_micro_usd: what was billed; by default nothing for a job of unknown outcome, and the estimate for an
            accepted job.

    Raises:
        OpenWorkError: a kernel follows it.
    """
    if open_job_status(job, engine) == "open":
        raise _followed_elsewhere(job)
    journal = engine.context.journal
    default = job.reserve_micro_usd if job.state == "accepted" else 0
    cost = default if cost_micro_usd is None else cost_micro_usd
    ended = replace(
        job.draft,
        status="cancelled",
        cost_micro_usd=cost,
        finished_at_us=engine.context.clock(),
        error_code=FORGOTTEN,
        error_message="The user wrote it off.",
    )
    if job.state != "unknown":
        detached = engine.detached_ops.pop(job.job_id, None)
        claim = None if detached is not None else await journal.adopt(job.job_id)
        epoch = detached.epoch if detached is not None else claim.epoch if isinstance(claim, Inherited) else None
        if epoch is not None:
            ended = replace(ended, operation=job.operation)
            await journal.finish(job.job_id, epoch, ended)
        elif isinstance(claim, Unknown):
            await journal.resolve(job.job_id, ended)
    else:
        await engine.context.journal.resolve(job.job_id, ended)
    return await _outcome(job, engine, "It is written off; the next run that needs it submits again.")


async def reconcile(job: OpenJob, engine: EngineState) -> Outcome:
    """Ask the service for a job of unknown outcome; fetch it if the service has it, else free its key.

    Raises:
        OpenWorkError: its outcome is not unknown, or the answer of the service is not conclusive.
        ProviderError: the service cannot be reached.
    """
    if open_job_status(job, engine) != "unknown":
        raise errors.OpenWorkError(
            "Its outcome is not unknown: the service has accepted it.",
            node_id=job.draft.node_id,
            hint="ff.operations().resume() fetches it.",
        )
    journal = engine.context.journal
    call = call_for(job, engine)
    if not call.provider.reconciles_by:
        raise errors.OpenWorkError(
            f"{call.provider.name} cannot list jobs whose submit was not answered.",
            node_id=job.draft.node_id,
            hint=f"Check your account there, then write it off with what it shows: {_forget(job)}.",
        )
    sent_at_us = job.draft.started_at_us or job.draft.queued_at_us or 0
    listed = await call.provider.find_candidates(LostSubmit(call.rebuild_request(), job.job_id, sent_at_us))
    candidates = [candidate for candidate in listed if not await journal.is_known(candidate.name)]
    if len(candidates) > 1:
        names = ", ".join(candidate.name for candidate in candidates)
        raise errors.OpenWorkError(
            f"{len(candidates)} calls at {call.provider.name} look the same: {names}.",
            node_id=job.draft.node_id,
            hint=f"They cannot be distinguished: write it off with what your account shows, {_forget(job)}.",
        )
    if not candidates:
        return await _settle_not_accepted(job, engine, sent_at_us)
    inherited = await journal.reconcile(job.job_id, candidates[0].operation.data)
    if inherited is None:
        return await _outcome(job, engine, "Another kernel has resolved it.")
    try:
        await call.resume(inherited.job_id, inherited.epoch, inherited.operation)
    except errors.JobError as error:
        return await _outcome(job, engine, f"The service has it: {error}")
    return await _outcome(job, engine, f"The service has it as {candidates[0].name}; its result was fetched.")


async def _resend(unknown: Unknown, engine: EngineState) -> bool:
    """Count the unconfirmed cost as spent and free the key: recorded spending is never below what may be billed."""
    context = engine.context
    job = await _find(unknown, engine)
    if job is None:
        return True
    ended = replace(
        job.draft,
        status="failed",
        cost_micro_usd=job.reserve_micro_usd,
        finished_at_us=context.clock(),
        error_code=SENT_AGAIN,
        error_message="Its outcome is unknown; it is sent again, because FUSIONFLOW_UNKNOWN=resend is set.",
    )
    is_resolved: bool = await context.journal.resolve(job.job_id, ended)
    return is_resolved


async def _reconcile_first(unknown: Unknown, engine: EngineState) -> bool:
    """Ask the service; the key is free if that resolves the job."""
    job = await _find(unknown, engine)
    if job is None:
        return True
    try:
        return (await reconcile(job, engine)).status != "unknown"
    except (errors.OpenWorkError, errors.ProviderError, errors.ModelError):
        return False


async def _find(unknown: Unknown, engine: EngineState) -> OpenJob | None:
    open_jobs = await engine.context.journal.open_jobs()
    return next((job for job in open_jobs if job.job_id == unknown.job_id), None)


UNKNOWN_POLICIES: dict[str, UnknownPolicy] = {"ask": ask_user, "reconcile": _reconcile_first, "resend": _resend}
"""By the value of FUSIONFLOW_UNKNOWN: how a claim handles a job of unknown outcome."""


async def _settle_not_accepted(job: OpenJob, engine: EngineState, sent_at_us: int) -> Outcome:
    if engine.context.clock() - sent_at_us < SURE_AFTER_S * 1e6:
        raise errors.OpenWorkError(
            "The service does not list it yet: it was sent less than a minute ago.",
            node_id=job.draft.node_id,
            hint="Try again in a minute.",
        )
    ended = replace(
        job.draft,
        status="failed",
        cost_micro_usd=0,
        cost_is_exact=True,
        finished_at_us=engine.context.clock(),
        error_code=NOT_TAKEN,
        error_message="The service does not list it: the request never arrived.",
    )
    await engine.context.journal.resolve(job.job_id, ended)
    return await _outcome(job, engine, "The service does not list it: nothing was accepted. Its node can run again.")


async def _adopt(job: OpenJob, engine: EngineState) -> tuple[ProviderCall, Operation | None]:
    """Take over a stuck job; without an Operation if it has ended or is unknown."""
    call = call_for(job, engine)
    detached = engine.detached_ops.pop(job.job_id, None)
    if detached is not None:
        call.adopt(job.job_id, detached.epoch)
        return call, Operation(detached.operation)
    claim = await engine.context.journal.adopt(job.job_id)
    match claim:
        case Inherited():
            call.adopt(claim.job_id, claim.epoch)
            return call, Operation(claim.operation)
        case Stored() | Unknown():
            return call, None
        case _:
            raise _followed_elsewhere(job)


async def _outcome(job: OpenJob, engine: EngineState, says: str) -> Outcome:
    end = await engine.context.journal.ended(job.job_id)
    if end is None:
        return Outcome(job.job_id, "unknown", job.reserve_micro_usd, says)
    return Outcome(job.job_id, end.status, end.generation.cost_micro_usd or 0, says)


def _followed_elsewhere(job: OpenJob) -> errors.OpenWorkError:
    where = f" ({job.notebook})" if job.notebook else ""
    return errors.OpenWorkError(
        f"A live kernel{where} follows it.",
        node_id=job.draft.node_id,
        hint="Cancel its run there, or stop that kernel first.",
    )


def _hint_for_unknown(job: OpenJob) -> str:
    ask = f'ff.operations().reconcile("{job.job_id[-8:]}")'
    return f"{ask} asks the service if possible, {_forget(job)} writes it off."


def _forget(job: OpenJob) -> str:
    return f'ff.operations().forget("{job.job_id[-8:]}", cost_usd=...)'
