"""Look-ups of a plan that run nothing: its scope, and the results that exist."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fusionflow_nb.engine.locked_nodes import fill_locked
from fusionflow_nb.plan.graph import reachable

if TYPE_CHECKING:
    from collections.abc import Iterable

    from fusionflow_nb.engine.context import EngineState
    from fusionflow_nb.plan.plan import Plan


def scope_of(plan: Plan, targets: Iterable[str]) -> frozenset[str]:
    """The targets and everything upstream that they need; a locked node needs nothing."""
    roots = [plan.nodes[node_id] for node_id in targets]
    needed = reachable(roots, lambda node: [] if node.is_locked else [link.source for link in node.links])
    return frozenset(node.id for node in needed)


def runnable(plan: Plan) -> list[str]:
    """The nodes that can run if some cannot; nodes downstream of those cannot either. Empty if all can, or none."""
    broken = reachable((node for node in plan.nodes.values() if node.problem is not None), lambda node: node.children)
    if not broken:
        return []
    return [node.id for node in plan.nodes.values() if node not in broken and not node.is_muted]


async def look_up(plan: Plan, engine: EngineState) -> None:
    """Fill the plan with stored results: look keys up in batches, hit by hit downstream."""
    while ready := plan.take_ready():
        await fill_locked([job for job in ready if job.node.is_locked], plan, engine)
        keyed = {
            job.key: job
            for job in ready
            if job.key is not None and job.node.type is not None and not job.node.type.volatile
        }
        results = await engine.lookup(list(keyed))
        for job in ready:
            result = results.get(job.key) if job.key in keyed else None
            if result is not None and not job.is_lost:
                plan.succeed(job, result.outputs, result.generation_id or None)
