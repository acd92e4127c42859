"""Find results whose bytes no store holds any more and that a run would need."""

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
    """Mark exactly the results whose bytes a run in this scope would need and no store holds; returns their jobs.

    Results that were marked for another scope, or whose bytes exist again, are unmarked.
    """
    marked = [job for node_id in plan.not_fresh for job in plan.nodes[node_id].jobs.values() if job.is_lost]
    for job in marked:
        plan.succeed(job, job.outputs or {}, job.generation_id)
    lost = lost_jobs(plan, scope, store)
    for job in lost:
        plan.mark_lost(job)
    return lost


def lost_jobs(plan: Plan, scope: Iterable[str], store: AssetStore) -> list[Job]:
    """Jobs upstream of a job that would run whose outputs are lost, downstream jobs first.

    Results that the run would not read are not checked: a cache hit needs digests only.
    """
    lost: dict[Job, None] = {}
    # Only jobs directly downstream of a stored result can miss its bytes.
    stack = [
        job
        for node_id in plan.not_fresh.intersection(scope)
        if any(_has_result(link.source) for link in plan.nodes[node_id].links)
        for job in plan.nodes[node_id].jobs.values()
        if job.state in (JobState.READY, JobState.PENDING)
    ]
    visited = set(stack)
    while stack:
        job = stack.pop()
        for link in job.node.links:
            for source in upstream_jobs(link, job):
                if source in visited or source.state is not JobState.DONE or _is_available(source, store):
                    continue
                visited.add(source)
                lost[source] = None
                stack.append(source)
    return list(lost)


def _has_result(node: NodePlan) -> bool:
    return any(job.state is JobState.DONE for job in node.jobs.values())


def _is_available(job: Job, store: AssetStore) -> bool:
    """Whether the bytes of a result exist, or do not come from this job (an uploaded file)."""
    assets: list[Asset] = assets_of(job.outputs or {})
    if job.node.type is None or job.node.type.kind is Kind.STRUCTURAL:
        # A pick node passes on results from upstream: it waits until these exist again.
        inputs = {digest for _, _, digest, _ in job.digests}
        assets = [asset for asset in assets if asset.digest in inputs]
    return all(store.has(asset.sha256) for asset in assets)
