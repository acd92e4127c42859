"""Bringing home what a dead kernel had begun: polling and fetching only, never a submit."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from fusionflow_nb import errors
from fusionflow_nb.engine.dispatch import Call
from fusionflow_nb.journal.protocol import Inherited
from fusionflow_nb.plan.job import Bound

if TYPE_CHECKING:
    from fusionflow_nb.engine.services import Services
    from fusionflow_nb.journal.protocol import OpenJob


async def resume_open_jobs(services: Services) -> list[str]:
    """Finish every open operation whose kernel is dead.

    Returns:
        Ids of the generations that succeeded. Failures are written down like any other; work without an Operation
        becomes `unknown` and waits for a person.
    """
    open_jobs = [job for job in await services.journal.open_jobs() if not job.is_held and job.state != "unknown"]
    ended = await asyncio.gather(*(_resumed(job, services) for job in open_jobs))
    return [generation_id for generation_id in ended if generation_id is not None]


async def _resumed(job: OpenJob, services: Services) -> str | None:
    draft = job.draft
    entry = services.providers.entry(draft.model or "")
    if entry is None:
        return None  # its provider is not installed here: another kernel may have it
    try:
        claim = await services.journal.adopt(job.job_id)
        if not isinstance(claim, Inherited):
            return None
        values = {**draft.settings_snapshot, "prompt": draft.prompt_snapshot}
        call = Call(
            Bound({}, values, entry),
            entry.tasks[0],
            draft,
            reserve_micro_usd=job.reserve_micro_usd,
            services=services,
            tell=lambda _news: None,
        )
        answer = await call.resume(claim.job_id, claim.epoch, claim.operation)
    except errors.FusionFlowError:
        return None  # its end stands in the journal; the next run of its node says it to the person
    return answer.generation_id
