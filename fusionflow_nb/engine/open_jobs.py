"""What a person, or a policy of theirs, may do with paid work that has not ended: cancel, forget, reconcile.

Nothing here submits. Work that another living kernel follows is left to it.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal

from fusionflow_nb import errors
from fusionflow_nb.engine.resume import call_for
from fusionflow_nb.journal.protocol import Inherited, Stored, Unknown
from fusionflow_nb.providers.protocol import LostSubmit, Operation

if TYPE_CHECKING:
    from fusionflow_nb.engine.context import Services
    from fusionflow_nb.engine.provider_call import ProviderCall
    from fusionflow_nb.journal.protocol import OpenJob

SURE_AFTER_S = 60.0
"""A service that does not list a submission so long after it was sent did not take it."""
FORGOTTEN, NOT_TAKEN, SENT_AGAIN = "forgotten", "not_taken", "sent_again"
OpenJobStatus = Literal["open", "stuck", "unknown"]
"""`open`: a kernel follows it. `stuck`: nobody does; resuming brings it home. `unknown`: a person decides."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one job."""

    job_id: str
    status: str
    """As on the tape, or `unknown` where nothing could be found out."""
    cost_micro_usd: int
    says: str


def open_job_statuses(job: OpenJob, services: Services) -> OpenJobStatus:
    """How a job stands for a person."""
    if job.state == "unknown":
        return "unknown"
    is_followed = job.is_held and job.job_id not in services.parked
    return "open" if is_followed else "stuck"


async def cancel(job: OpenJob, services: Services) -> Outcome:
    """Ask the service to stop; what it may bill all the same counts as spent.

    Raises:
        OpenWorkError: nobody knows whether there is anything to stop, or another kernel follows it.
        ModelError: its provider is not installed here.
    """
    match open_job_statuses(job, services):
        case "unknown":
            raise errors.OpenWorkError(
                "Nobody knows whether the service took it, so there is nothing to cancel.",
                node_id=job.draft.node_id,
                hint=_hint_for_unknown(job),
            )
        case "open":
            flight = services.flights.get(job.draft.content_key or b"")
            if flight is None:
                raise _followed_elsewhere(job)
            await flight.cancel()
            return await _outcome(job, services, "It was stopped; its run goes on without it.")
    call, operation = await _taken(job, services)
    if operation is None:
        return await _outcome(job, services, "It had ended meanwhile.")
    await call.stop(operation)
    return await _outcome(job, services, "The service was asked to stop it.")


async def forget(job: OpenJob, services: Services, cost_micro_usd: int | None) -> Outcome:
    """Let go of a job: it ends as cancelled, at the cost that the person names, and its key is free again.

    Args:
        job: unknown or stuck.
        services: the engine's living parts.
        cost_micro_usd: what was billed; by default nothing for a job of unknown outcome, and the estimate for one that
            the service had accepted.

    Raises:
        OpenWorkError: a kernel follows it.
    """
    if open_job_statuses(job, services) == "open":
        raise _followed_elsewhere(job)
    by_default = job.reserve_micro_usd if job.state == "accepted" else 0
    cost = by_default if cost_micro_usd is None else cost_micro_usd
    ended = replace(
        job.draft,
        status="cancelled",
        cost_micro_usd=cost,
        finished_at_us=services.clock(),
        error_code=FORGOTTEN,
        error_message="A person let go of it.",
    )
    if job.state != "unknown":
        parked = services.parked.pop(job.job_id, None)
        claim = None if parked is not None else await services.journal.adopt(job.job_id)
        epoch = parked.epoch if parked is not None else claim.epoch if isinstance(claim, Inherited) else None
        if epoch is not None:
            ended = replace(ended, operation=job.operation)
            await services.journal.finish(job.job_id, epoch, ended)
        elif isinstance(claim, Unknown):
            await services.journal.resolve(job.job_id, ended)
    else:
        await services.journal.resolve(job.job_id, ended)
    return await _outcome(job, services, "It is let go of; the next run that needs it submits anew.")


async def reconcile(job: OpenJob, services: Services) -> Outcome:
    """Ask the service whether it knows a job of unknown outcome; follow it home if so, free its key if surely not.

    Raises:
        OpenWorkError: it is not of unknown outcome, or what the service says is not enough to tell.
        ProviderError: the service cannot be asked.
    """
    if open_job_statuses(job, services) != "unknown":
        raise errors.OpenWorkError(
            "Its outcome is not unknown: the service has accepted it.",
            node_id=job.draft.node_id,
            hint="ff.operations().resume() brings it home.",
        )
    call = call_for(job, services)
    if not call.provider.reconciles_by:
        raise errors.OpenWorkError(
            f"{call.provider.name} has no way to find work whose submit was not answered.",
            node_id=job.draft.node_id,
            hint=f"Look at your account there, then write it off with what it shows: {_forget(job)}.",
        )
    sent_at_us = job.draft.started_at_us or job.draft.queued_at_us or 0
    found = await call.provider.find_candidates(LostSubmit(call.request_again(), job.job_id, sent_at_us))
    ours = [one for one in found if not await services.journal.is_known(one.name)]
    if len(ours) > 1:
        names = ", ".join(one.name for one in ours)
        raise errors.OpenWorkError(
            f"{len(ours)} calls at {call.provider.name} look the same: {names}.",
            node_id=job.draft.node_id,
            hint=f"Nobody can say which one it is: write it off with what your account shows, {_forget(job)}.",
        )
    if not ours:
        return await _not_taken(job, services, sent_at_us)
    inherited = await services.journal.recognise(job.job_id, ours[0].operation.data)
    if inherited is None:
        return await _outcome(job, services, "Somebody else has decided meanwhile.")
    try:
        await call.resume(inherited.job_id, inherited.epoch, inherited.operation)
    except errors.JobError as error:
        return await _outcome(job, services, f"The service knew it: {error}")
    return await _outcome(job, services, f"The service knew it as {ours[0].name}: it came home.")


async def by_policy(unknown: Unknown, services: Services) -> bool:
    """Do with a job of unknown outcome what the person's policy says; whether its key may be claimed anew."""
    policy = services.unknown_policy
    job = next((job for job in await services.journal.open_jobs() if job.job_id == unknown.job_id), None)
    if job is None:
        return True
    if policy == "resend":
        # At stake becomes spent: the books never say less than what the service may bill.
        ended = replace(
            job.draft,
            status="failed",
            cost_micro_usd=job.reserve_micro_usd,
            finished_at_us=services.clock(),
            error_code=SENT_AGAIN,
            error_message="Nobody knows whether it was taken; it is sent again, as FUSIONFLOW_UNKNOWN=resend says.",
        )
        return await services.journal.resolve(job.job_id, ended)
    if policy == "reconcile":
        try:
            return (await reconcile(job, services)).status != "unknown"
        except (errors.OpenWorkError, errors.ProviderError, errors.ModelError):
            return False
    return False


async def _not_taken(job: OpenJob, services: Services, sent_at_us: int) -> Outcome:
    if services.clock() - sent_at_us < SURE_AFTER_S * 1e6:
        raise errors.OpenWorkError(
            "The service does not know it, or not yet: it was sent less than a minute ago.",
            node_id=job.draft.node_id,
            hint="Ask again in a minute.",
        )
    ended = replace(
        job.draft,
        status="failed",
        cost_micro_usd=0,
        cost_is_exact=True,
        finished_at_us=services.clock(),
        error_code=NOT_TAKEN,
        error_message="The service does not know it: the request never arrived.",
    )
    await services.journal.resolve(job.job_id, ended)
    return await _outcome(job, services, "The service does not know it: nothing was taken, and its node may run again.")


async def _taken(job: OpenJob, services: Services) -> tuple[ProviderCall, Operation | None]:
    """A stuck job in our hands; without its Operation where it has ended, or turned out to be unknown."""
    call = call_for(job, services)
    parked = services.parked.pop(job.job_id, None)
    if parked is not None:
        call.take_over(job.job_id, parked.epoch)
        return call, Operation(parked.operation)
    claim = await services.journal.adopt(job.job_id)
    match claim:
        case Inherited():
            call.take_over(claim.job_id, claim.epoch)
            return call, Operation(claim.operation)
        case Stored() | Unknown():
            return call, None
        case _:
            raise _followed_elsewhere(job)


async def _outcome(job: OpenJob, services: Services, says: str) -> Outcome:
    ended = await services.journal.ended(job.job_id)
    if ended is None:
        return Outcome(job.job_id, "unknown", job.reserve_micro_usd, says)
    return Outcome(job.job_id, ended.status, ended.generation.cost_micro_usd or 0, says)


def _followed_elsewhere(job: OpenJob) -> errors.OpenWorkError:
    where = f" ({job.notebook})" if job.notebook else ""
    return errors.OpenWorkError(
        f"A living kernel{where} follows it.",
        node_id=job.draft.node_id,
        hint="Cancel its run there, or end that kernel first.",
    )


def _hint_for_unknown(job: OpenJob) -> str:
    ask = f'ff.operations().reconcile("{job.job_id[-8:]}")'
    return f"{ask} asks the service where that is possible, {_forget(job)} writes it off."


def _forget(job: OpenJob) -> str:
    return f'ff.operations().forget("{job.job_id[-8:]}", cost_usd=...)'
