"""Bringing home what a dead kernel had begun: polling and fetching only, never a submit."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, NamedTuple

from fusionflow_nb import errors
from fusionflow_nb.engine.lease import serving
from fusionflow_nb.engine.provider_call import ProviderCall
from fusionflow_nb.engine.single_flight import CallResult
from fusionflow_nb.journal.protocol import Inherited, Stored, Unknown
from fusionflow_nb.plan.job import Bound

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from fusionflow_nb.engine.context import Services
    from fusionflow_nb.journal.protocol import OpenJob


class RecoveredJob(NamedTuple):
    """What became of one job that somebody else had begun."""

    job: OpenJob
    answer: CallResult | None = None
    """Its result, where it gave one."""
    error: errors.FusionFlowError | None = None
    is_unknown: bool = False
    """It had no Operation yet: nobody knows whether the service took it."""

    @property
    def is_open(self) -> bool:
        """Whether it waits on: its service could not be asked, or another kernel was faster."""
        return self.answer is None and not self.is_unknown and not isinstance(self.error, errors.JobError)


async def waiting_jobs(services: Services) -> list[OpenJob]:
    """Open jobs that nobody follows: those of dead kernels, and our own whose result could not be brought home."""
    return [
        job
        for job in await services.journal.open_jobs()
        if job.state != "unknown" and (not job.is_held or job.job_id in services.parked)
    ]


async def resume_jobs(
    jobs: Sequence[OpenJob], services: Services, told: Callable[[RecoveredJob], None] = lambda _one: None
) -> list[RecoveredJob]:
    """Finish open operations that nobody follows.

    Failures are written down like any other; work without an Operation becomes `unknown` and waits for a person.

    Args:
        jobs: see `waiting_jobs`.
        services: what they are finished with.
        told: hears of each as it ends.
    """

    async def one(job: OpenJob) -> RecoveredJob:
        ended = await _resumed(job, services)
        told(ended)
        return ended

    return list(await asyncio.gather(*map(one, jobs)))


def call_for(job: OpenJob, services: Services) -> ProviderCall:
    """The call of a job that somebody else had begun, as far as following it needs.

    Raises:
        ModelError: its provider is not installed here; another kernel may have it.
    """
    draft = job.draft
    entry = serving(draft, services)
    values = {**draft.settings_snapshot, "prompt": draft.prompt_snapshot}
    return ProviderCall(
        Bound({}, values, entry),
        entry.tasks[0],
        draft,
        asked_key=draft.content_key,
        reserve_micro_usd=job.reserve_micro_usd,
        services=services,
        tell=lambda _news: None,
    )


async def _resumed(job: OpenJob, services: Services) -> RecoveredJob:
    try:
        call = call_for(job, services)
        parked = services.parked.pop(job.job_id, None)
        if parked is not None:
            return RecoveredJob(job, await call.resume(job.job_id, parked.epoch, parked.operation))
        claim = await services.journal.adopt(job.job_id)
        match claim:
            case Inherited():
                return RecoveredJob(job, await call.resume(claim.job_id, claim.epoch, claim.operation))
            case Unknown():
                return RecoveredJob(job, is_unknown=True)
            case Stored():  # it had ended well in the dead kernel's outbox
                return RecoveredJob(job, CallResult(claim.outputs, claim.generation_id, is_hit=True))
            case _:  # another kernel was faster
                return RecoveredJob(job)
    except errors.FusionFlowError as error:
        return RecoveredJob(job, error=error)  # it stands in the journal, too; the next run of its node says it
