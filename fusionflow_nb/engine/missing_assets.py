"""Finding results whose bytes no store holds any more, where a run would need them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fusionflow_nb.catalog.node_type import Kind
from fusionflow_nb.media.values import Asset, assets_of
from fusionflow_nb.plan.job import Job, JobState
from fusionflow_nb.plan.upstream import upstream_jobs

if TYPE_CHECKING:
    from collections.abc import Iterable

    from fusionflow_nb.assets.protocol import AssetStore
    from fusionflow_nb.plan.job import NodePlan
    from fusionflow_nb.plan.plan import Plan


def mark_lost(plan: Plan, scope: Iterable[str], store: AssetStore) -> list[Job]:
    """Mark exactly the results whose bytes a run in this scope would need and nobody has; returns their jobs.

    What was marked for another scope, or has come back since, counts as known again.
    """
    marked = [job for node_id in plan.not_fresh for job in plan.nodes[node_id].jobs.values() if job.is_lost]
    for job in marked:
        plan.succeed(job, job.outputs or {}, job.generation_id)
    lost = lost_jobs(plan, scope, store)
    for job in lost:
        plan.mark_lost(job)
    return lost


def lost_jobs(plan: Plan, scope: Iterable[str], store: AssetStore) -> list[Job]:
    """Jobs above something that would run whose outputs are gone, each above before those it needs itself.

    Results that nobody would read again are not looked for: a hit needs digests only.
    """
    found: dict[Job, None] = {}
    # Only what stands right below a known result can miss its bytes.
    waiting = [
        job
        for node_id in plan.not_fresh.intersection(scope)
        if any(_has_result(link.source) for link in plan.nodes[node_id].links)
        for job in plan.nodes[node_id].jobs.values()
        if job.state in (JobState.READY, JobState.PENDING)
    ]
    seen = set(waiting)
    while waiting:
        job = waiting.pop()
        for link in job.node.links:
            for source in upstream_jobs(link, job):
                if source in seen or source.state is not JobState.DONE or _is_whole(source, store):
                    continue
                seen.add(source)
                found[source] = None
                waiting.append(source)
    return list(found)


def _has_result(node: NodePlan) -> bool:
    return any(job.state is JobState.DONE for job in node.jobs.values())


def _is_whole(job: Job, store: AssetStore) -> bool:
    """Whether the bytes of a result are there, or are no concern of this job (a file that was put in)."""
    assets: list[Asset] = assets_of(job.outputs or {})
    if job.node.type is None or job.node.type.kind is Kind.STRUCTURAL:
        # What a pick node passes on is made above it: it waits until that is there again.
        passed_on = {digest for _, _, digest, _ in job.digests}
        assets = [asset for asset in assets if asset.digest in passed_on]
    return all(store.has(asset.sha256) for asset in assets)
