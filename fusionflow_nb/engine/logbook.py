"""From a job to the generation that the tape will keep: snapshots of everything as it was at that moment."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from fusionflow_nb.journal.records import Generation, InputRecord
from fusionflow_nb.media.values import assets_of
from fusionflow_nb.plan.price import ingredients

if TYPE_CHECKING:
    from fusionflow_nb import errors
    from fusionflow_nb.engine.run import Facts
    from fusionflow_nb.engine.services import Services
    from fusionflow_nb.media.values import Outputs
    from fusionflow_nb.plan.job import Job


def draft_of(job: Job, facts: Facts, services: Services, at_us: int) -> Generation:
    """A generation as far as it is known before the work is done."""
    node_type, bound = job.node.type, job.bound
    assert node_type is not None  # noqa: S101 - keyed jobs are typed and bound
    assert bound is not None  # noqa: S101
    entry = bound.entry
    made_of = ingredients(job)
    settings: dict[str, Any] = {name: value for name, value in made_of["params"].items() if name != "prompt"}
    prompt = bound.values.get("prompt")
    seed = bound.values.get("seed")
    return Generation(
        id=services.ids(),
        project_id=facts.project_id,
        run_id=facts.run_id,
        node_id=job.node.id,
        node_type=node_type.name,
        status="running",
        content_key=None if node_type.volatile else job.key,
        provider=entry.provider if entry else None,
        model=entry.id if entry else None,
        served_by=entry.id if entry else None,
        prompt_snapshot=prompt if isinstance(prompt, str) else None,
        settings_snapshot=settings,
        seed=seed if isinstance(seed, int) else None,
        take=job.node.take,
        coordinate=job.coordinate,
        inputs=tuple(InputRecord(port, index, digest, source or None) for port, index, digest, source in job.digests),
        estimate_micro_usd=job.estimate.high_micro_usd if job.estimate else None,
        queued_at_us=at_us,
        started_at_us=at_us,
        flow_hash=facts.flow_hash,
        ingredients=made_of,
    )


def finished(
    draft: Generation, outputs: Outputs | None, services: Services, error: errors.FusionFlowError | None = None
) -> Generation:
    """The generation of local work that has ended."""
    assets = assets_of(outputs) if outputs else []
    return replace(
        draft,
        status="failed" if error else "succeeded",
        outputs=outputs,
        output_url=services.store.uri(assets[0]) if assets else None,
        cost_micro_usd=0,
        cost_is_exact=True,
        finished_at_us=services.clock(),
        error_code=error.code if error else None,
        error_message=str(error) if error else None,
    )
