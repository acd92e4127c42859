"""The generation that the tape stores for a job: snapshots of prompt, settings and inputs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from fusionflow_nb.journal.records import Generation, InputRecord
from fusionflow_nb.media.values import assets_of
from fusionflow_nb.plan.reasons import ingredients

if TYPE_CHECKING:
    from fusionflow_nb import errors
    from fusionflow_nb.engine.context import RunContext
    from fusionflow_nb.engine.status import Facts
    from fusionflow_nb.media.values import Outputs
    from fusionflow_nb.plan.job import Job
    from fusionflow_nb.providers.model import Estimate


def draft_of(job: Job, facts: Facts, context: RunContext, at_us: int) -> Generation:
    """The generation of a provider call, as far as it is known before the call."""
    return _generation(job, facts, context, at_us, status="running", estimate=job.estimate)


def finished_generation(
    job: Job,
    facts: Facts,
    context: RunContext,
    at_us: int,
    *,
    outputs: Outputs | None = None,
    error: errors.FusionFlowError | None = None,
) -> Generation:
    """The generation of local work that began at `at_us` and has just ended. Thousands end per second."""
    assets = assets_of(outputs) if outputs else None
    return _generation(
        job,
        facts,
        context,
        at_us,
        status="failed" if error else "succeeded",
        outputs=outputs,
        output_url=context.store.uri(assets[0]) if assets else None,
        cost_micro_usd=0,
        finished_at_us=context.clock(),
        error=error,
    )


def _generation(
    job: Job,
    facts: Facts,
    context: RunContext,
    at_us: int,
    *,
    status: str,
    estimate: Estimate | None = None,
    outputs: Outputs | None = None,
    output_url: str | None = None,
    cost_micro_usd: int | None = None,
    finished_at_us: int | None = None,
    error: errors.FusionFlowError | None = None,
) -> Generation:
    node, bound = job.node, job.bound
    node_type = node.type
    assert node_type is not None  # noqa: S101 - keyed jobs are typed and bound
    assert bound is not None  # noqa: S101
    model = bound.entry.id if bound.entry else None
    snapshot = ingredients(job)
    settings: dict[str, Any] = snapshot["params"]
    prompt = bound.values.get("prompt")
    if "prompt" in settings:
        settings = {name: value for name, value in settings.items() if name != "prompt"}
    seed = bound.values.get("seed")
    return Generation(
        id=context.ids(),
        project_id=facts.project_id,
        run_id=facts.run_id,
        node_id=node.id,
        node_type=node_type.name,
        status=status,
        content_key=None if node_type.volatile else job.key,
        provider=bound.entry.provider if bound.entry else None,
        model=model,
        served_by=model,
        prompt_snapshot=prompt if isinstance(prompt, str) else None,
        settings_snapshot=settings,
        seed=seed if isinstance(seed, int) else None,
        take=node.take,
        coordinate=job.coordinate,
        outputs=outputs,
        output_url=output_url,
        inputs=tuple([InputRecord(port, index, digest, source or None) for port, index, digest, source in job.digests]),
        cost_micro_usd=cost_micro_usd,
        cost_is_exact=cost_micro_usd is not None,
        estimate_micro_usd=estimate.high_micro_usd if estimate else None,
        estimate_low_micro_usd=estimate.low_micro_usd if estimate else None,
        queued_at_us=at_us,
        started_at_us=at_us,
        finished_at_us=finished_at_us,
        error_code=error.code if error else None,
        error_message=str(error) if error else None,
        flow_hash=facts.flow_hash,
        ingredients=snapshot,
    )
