"""Resuming the jobs of dead kernels: polling and fetching only, never a submit."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, NamedTuple

from fusionflow_nb import errors
from fusionflow_nb.engine.provider_call import ProviderCall, serving_model
from fusionflow_nb.engine.single_flight import CallResult
from fusionflow_nb.journal.protocol import Inherited, Stored, Unknown
from fusionflow_nb.plan.job import Bound

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from fusionflow_nb.engine.context import EngineState
    from fusionflow_nb.journal.protocol import OpenJob

_log = logging.getLogger("fusionflow_nb.engine")


class RecoveredJob(NamedTuple):
    """The end of a job that another kernel began."""

    job: OpenJob
    result: CallResult | None = None
    """Its result, if it has one."""
    error: errors.FusionFlowError | None = None
    is_unknown: bool = False
    """It had no Operation yet: it is unknown whether the service accepted it."""

    @property
    def is_open(self) -> bool:
        """Whether it is still open: its service could not be reached, or another kernel took it over."""
        return self.result is None and not self.is_unknown and not isinstance(self.error, errors.JobError)


async def waiting_jobs(engine: EngineState) -> list[OpenJob]:
    """Open jobs that no call follows: those of dead kernels, and detached operations of this kernel."""
    return [
        job
        for job in await engine.context.journal.open_jobs()
        if job.state != "unknown" and (not job.is_held or job.job_id in engine.detached_ops)
    ]


async def resume_jobs(
    jobs: Sequence[OpenJob], engine: EngineState, on_end: Callable[[RecoveredJob], None] = lambda _job: None
) -> list[RecoveredJob]:
    """Finish open operations that no call follows.

    Failures are recorded like any other; a job without an Operation becomes `unknown` and waits for the user.

    Args:
        jobs: see `waiting_jobs`.
        engine: shared state of the kernel.
        on_end: called with each job as it ends.
    """

    async def resume_one(job: OpenJob) -> RecoveredJob:
        recovered = await _resume(job, engine)
        _log.info("resumed job %s: %s", job.job_id, "open" if recovered.is_open else "ended")
        on_end(recovered)
        return recovered

    return list(await asyncio.gather(*map(resume_one, jobs)))


def call_for(job: OpenJob, engine: EngineState) -> ProviderCall:
    """The call of a job that another kernel began, as far as following it needs.

    Raises:
        ModelError: its provider is not installed here; another kernel may have it.
    """
    draft = job.draft
    entry = serving_model(draft, engine.context)
    values = {**draft.settings_snapshot, "prompt": draft.prompt_snapshot}
    return ProviderCall(
        Bound({}, values, entry),
        entry.tasks[0],
        draft,
        requested_key=draft.content_key,
        reserve_micro_usd=job.reserve_micro_usd,
        engine=engine,
        report=lambda _progress: None,
    )


async def _resume(job: OpenJob, engine: EngineState) -> RecoveredJob:
    try:
        call = call_for(job, engine)
        detached = engine.detached_ops.pop(job.job_id, None)
        if detached is not None:
            return RecoveredJob(job, await call.resume(job.job_id, detached.epoch, detached.operation))
        claim = await engine.context.journal.adopt(job.job_id)
        match claim:
            case Inherited():
                return RecoveredJob(job, await call.resume(claim.job_id, claim.epoch, claim.operation))
            case Unknown():
                return RecoveredJob(job, is_unknown=True)
            case Stored():  # its end was in the dead kernel's outbox
                return RecoveredJob(job, CallResult(claim.outputs, claim.generation_id, is_hit=True))
            case _:  # another kernel took it over
                return RecoveredJob(job)
    except errors.FusionFlowError as error:
        return RecoveredJob(job, error=error)  # also in the journal; the next run of its node reports it
