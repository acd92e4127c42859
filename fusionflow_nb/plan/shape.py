"""The shape of a node: its axes, which upstream cell each edge reads, and the axis that the node adds."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fusionflow_nb import errors
from fusionflow_nb.catalog.node_type import Collects, Kind
from fusionflow_nb.media.batch import Axis
from fusionflow_nb.media.values import Series
from fusionflow_nb.plan import axes as axes_of
from fusionflow_nb.plan.job import FIRST_LABEL, JobState

if TYPE_CHECKING:
    from fusionflow_nb.plan.job import NodePlan

VARIANT = "variant"
"""Axis of the outputs of a call with several outputs."""


def own_axes(node: NodePlan) -> tuple[Axis, ...]:
    """The axes of a node whose sources have known output axes. Sets in each link which labels select its cell.

    Raises:
        AxisError: the axes of its inputs cannot be combined.
    """
    mapped = [link.source for link in node.links if link.port.collects is Collects.NO]
    with_axes = {source.id: source for source in mapped if source.out_axes}
    axes: tuple[Axis, ...] = ()
    if with_axes:
        axes = axes_of.combine(
            ((source.id, source.out_axes or ()) for source in with_axes.values()),
            node_id=node.id,
            origin_of=lambda source_id, axis: _axis_origin(with_axes[source_id], axis).id,
        )
    indices = {axis.identity: index for index, axis in enumerate(axes)}
    for link in node.links:
        own, out = link.source.axes or (), link.source.out_axes or ()
        link.picks, link.series_pick, link.shared = (), None, ()
        if not indices:
            continue
        if link.port.collects is not Collects.NO:
            link.shared = tuple(
                (source_index, indices[axis.identity])
                for source_index, axis in enumerate(out)
                if axis.identity in indices
            )
        else:
            link.picks = tuple(indices[axis.identity] for axis in own)
            link.series_pick = indices[out[-1].identity] if len(out) > len(own) else None
    return axes


def early_axis(node: NodePlan) -> tuple[Axis, ...] | None:
    """The axis that a node adds, if it is known before the node runs; None if only its results determine it."""
    if node.has_late_axis:
        return None
    if node.prepared is None or node.type is None or node.type.kind is not Kind.PROVIDER:
        return ()
    count = int(node.prepared.params.get("count") or 1)
    return (Axis(VARIANT, node.id, tuple(str(index + 1) for index in range(count))),) if count > 1 else ()


def late_axis(node: NodePlan) -> tuple[Axis, ...]:
    """The axis that a node's results add: the labels of all its jobs, in order of appearance.

    Raises:
        AxisError: the node already has that axis.
    """
    labels: dict[str, None] = {}
    name, is_shared, has_series = (VARIANT if node.has_variable_count else "item"), False, False
    done = [job for job in node.jobs.values() if job.state is JobState.DONE]
    for job in done:
        for value in (job.outputs or {}).values():
            if isinstance(value, Series):
                has_series, name, is_shared = True, value.axis, value.is_shared
                labels.update(dict.fromkeys(value.labels))
    if ((node.has_variable_count or node.is_locked) and not has_series) or (node.jobs and not done):
        return ()  # one picture per job; or no result, which makes the descendants unreachable
    if node.has_variable_count:
        labels = {FIRST_LABEL: None, **labels}
    axis = Axis(name, axes_of.SHARED if is_shared else node.id, tuple(labels))
    if any(own.identity == axis.identity for own in node.axes or ()):
        raise errors.AxisError(
            f"It adds the axis {name!r}, which its inputs already have.",
            node_id=node.id,
            hint="Set a different axis= on it.",
        )
    return (axis,)


def _axis_origin(node: NodePlan, axis: Axis) -> NodePlan:
    """The node that created an axis of `node`: the first ancestor whose sources do not have it."""
    while True:
        sources = [
            source for source in node.sources if any(other.identity == axis.identity for other in source.out_axes or ())
        ]
        if not sources:
            return node
        node = sources[0]
