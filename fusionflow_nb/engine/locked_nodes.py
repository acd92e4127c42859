"""Locked nodes: their results are read by generation id, whatever their settings are now."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fusionflow_nb import errors

if TYPE_CHECKING:
    from collections.abc import Sequence

    from fusionflow_nb.engine.context import EngineState
    from fusionflow_nb.journal.records import Generation
    from fusionflow_nb.plan.job import Job, NodePlan
    from fusionflow_nb.plan.plan import Plan

_UNLOCK = "Unlock the node to generate it again."


async def fill_locked(jobs: Sequence[Job], plan: Plan, engine: EngineState) -> None:
    """Give the jobs of locked nodes their stored outputs; a generation that does not fit makes its node invalid."""
    locked = {job.node.locked for job in jobs if job.node.locked is not None}
    if not locked:
        return
    if engine.records:
        await engine.flush()  # a very recent result may not be in the journal yet
    generations = await engine.context.journal.generations(list(locked))
    for job in jobs:
        generation = generations.get(job.node.locked or "")
        error = _check(job.node, generation)
        if generation is not None and generation.outputs is not None and error is None:
            plan.succeed(job, generation.outputs, generation.id)
        else:
            plan.refuse(job, error or _unknown(job.node))


def _check(node: NodePlan, generation: Generation | None) -> errors.FusionFlowError | None:
    """The error of a node that cannot show its locked generation, or None."""
    if generation is None:
        return _unknown(node)
    if not generation.outputs:
        return errors.EditError(
            f"It is locked to generation {generation.id}, which has no result ({generation.status}).",
            node_id=node.id,
            hint=_UNLOCK,
        )
    if generation.coordinate:
        cell = ", ".join(f"{axis} {label}" for axis, label in generation.coordinate)
        return errors.EditError(
            f"It is locked to one cell of a batch ({cell}); only a node with one result can be locked.",
            node_id=node.id,
            hint="Unlock it, and choose the cell with a pick node downstream.",
        )
    ports = [port.name for port in node.type.outputs] if node.type is not None else []
    if not generation.outputs.keys() & set(ports):
        return errors.EditError(
            f"It is locked to a result of {generation.node_type}, whose outputs are {', '.join(generation.outputs)}, "
            f"not {' or '.join(ports) or 'its own'}.",
            node_id=node.id,
            hint=_UNLOCK,
        )
    return None


def _unknown(node: NodePlan) -> errors.FusionFlowError:
    return errors.LostAssetError(
        f"It is locked to generation {node.locked}, which is not on this machine's tape.",
        node_id=node.id,
        hint=f"{_UNLOCK[:-1]}, or open the flow on the machine that generated it.",
    )
