"""The results that locked nodes keep: found by their generation's id, whatever would be made now."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fusionflow_nb import errors

if TYPE_CHECKING:
    from collections.abc import Sequence

    from fusionflow_nb.engine.context import Services
    from fusionflow_nb.journal.records import Generation
    from fusionflow_nb.plan.job import Job, NodePlan
    from fusionflow_nb.plan.plan import Plan

_UNLOCK = "Unlock the node to make it anew."


async def fill_locked(jobs: Sequence[Job], plan: Plan, services: Services) -> None:
    """Give the jobs of locked nodes the outputs they keep; one whose generation will not do makes its node invalid."""
    wanted = {job.node.locked for job in jobs if job.node.locked is not None}
    if not wanted:
        return
    if services.records:
        await services.flush()  # a result of a moment ago may still be on its way to the log
    known = await services.journal.generations(list(wanted))
    for job in jobs:
        generation = known.get(job.node.locked or "")
        unfit = _why_not(job.node, generation)
        if generation is not None and generation.outputs is not None and unfit is None:
            plan.succeed(job, generation.outputs, generation.id)
        else:
            plan.refuse(job, unfit or _unknown(job.node))


def _why_not(node: NodePlan, generation: Generation | None) -> errors.FusionFlowError | None:
    """Why a node cannot keep a generation; None where it can."""
    if generation is None:
        return _unknown(node)
    if not generation.outputs:
        return errors.EditError(
            f"It keeps the generation {generation.id}, which gave no result ({generation.status}).",
            node_id=node.id,
            hint=_UNLOCK,
        )
    if generation.coordinate:
        cell = ", ".join(f"{axis} {label}" for axis, label in generation.coordinate)
        return errors.EditError(
            f"It keeps one cell of a batch ({cell}); only a node with one result can be locked.",
            node_id=node.id,
            hint="Unlock it, and choose the cell with a pick node below it.",
        )
    ports = [port.name for port in node.type.outputs] if node.type is not None else []
    if not generation.outputs.keys() & set(ports):
        return errors.EditError(
            f"It keeps a result of {generation.node_type}, which gave {', '.join(generation.outputs)} "
            f"and not {' or '.join(ports) or 'what it gives'}.",
            node_id=node.id,
            hint=_UNLOCK,
        )
    return None


def _unknown(node: NodePlan) -> errors.FusionFlowError:
    return errors.LostAssetError(
        f"It keeps the generation {node.locked}, which is not on this machine's tape.",
        node_id=node.id,
        hint=f"{_UNLOCK[:-1]}, or open the flow where that was made.",
    )
