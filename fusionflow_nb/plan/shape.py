"""How many cells a node has: its axes, which upstream cell each of its edges takes, and the axis it adds itself."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fusionflow_nb import errors
from fusionflow_nb.catalog.node_type import Collects, Kind
from fusionflow_nb.media.batch import Axis
from fusionflow_nb.media.values import Series
from fusionflow_nb.plan import axes as axes_of
from fusionflow_nb.plan.job import FIRST, JobState

if TYPE_CHECKING:
    from fusionflow_nb.plan.job import NodePlan

VARIANT = "variant"
"""Axis of several outputs of one call."""


def own_axes(node: NodePlan) -> tuple[Axis, ...]:
    """The axes of a node whose sources all know what they give; notes in each edge which labels choose its cell.

    Raises:
        AxisError: its inputs do not go together.
    """
    mapped = [link.source for link in node.links if link.port.collects is Collects.NO]
    meeting = {source.id: source for source in mapped if source.out_axes}
    axes: tuple[Axis, ...] = ()
    if meeting:
        axes = axes_of.combine(
            ((source.id, source.out_axes or ()) for source in meeting.values()),
            node_id=node.id,
            maker=lambda source_id, axis: _maker(meeting[source_id], axis).id,
        )
    at = {axis.identity: index for index, axis in enumerate(axes)}
    for link in node.links:
        own, out = link.source.axes or (), link.source.out_axes or ()
        link.picks, link.series_pick, link.shared = (), None, ()
        if not at:
            continue
        if link.port.collects is not Collects.NO:
            link.shared = tuple((there, at[axis.identity]) for there, axis in enumerate(out) if axis.identity in at)
        else:
            link.picks = tuple(at[axis.identity] for axis in own)
            link.series_pick = at[out[-1].identity] if len(out) > len(own) else None
    return axes


def early_axis(node: NodePlan) -> tuple[Axis, ...] | None:
    """The axis that a node adds, as far as that is known before it runs; None where only its results will tell."""
    if node.grows:
        return None
    if node.prepared is None or node.type is None or node.type.kind is not Kind.PROVIDER:
        return ()
    count = int(node.prepared.params.get("count") or 1)
    return (Axis(VARIANT, node.id, tuple(str(index + 1) for index in range(count))),) if count > 1 else ()


def late_axis(node: NodePlan) -> tuple[Axis, ...]:
    """The axis that a node's results turned out to add: the labels of all its jobs, in order of appearance.

    Raises:
        AxisError: the node has that axis already.
    """
    labels: dict[str, None] = {}
    name, is_shared, found = (VARIANT if node.varies else "item"), False, False
    done = [job for job in node.jobs.values() if job.state is JobState.DONE]
    for job in done:
        for value in (job.outputs or {}).values():
            if isinstance(value, Series):
                found, name, is_shared = True, value.axis, value.is_shared
                labels.update(dict.fromkeys(value.labels))
    if ((node.varies or node.is_locked) and not found) or (node.jobs and not done):
        return ()  # one picture each after all; or nothing at all, and what lies below falls with it
    if node.varies:
        labels = {FIRST: None, **labels}
    axis = Axis(name, axes_of.SHARED if is_shared else node.id, tuple(labels))
    if any(own.identity == axis.identity for own in node.axes or ()):
        raise errors.AxisError(
            f"It adds the axis {name!r}, which its inputs have already.",
            node_id=node.id,
            hint="Give it an axis= of its own.",
        )
    return (axis,)


def _maker(node: NodePlan, axis: Axis) -> NodePlan:
    """The node that made an axis which `node` gives: the highest one above it that still has it."""
    while True:
        above = [
            source for source in node.sources if any(one.identity == axis.identity for one in source.out_axes or ())
        ]
        if not above:
            return node
        node = above[0]
