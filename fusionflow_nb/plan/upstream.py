"""Which upstream jobs an edge brings to a job, and what they gave."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fusionflow_nb import errors
from fusionflow_nb.catalog.node_type import Collects, Kind
from fusionflow_nb.plan.job import JobState

if TYPE_CHECKING:
    from collections.abc import Iterator

    from fusionflow_nb.media.values import Item
    from fusionflow_nb.plan.job import Job, Link


def upstream(link: Link, job: Job) -> Iterator[Job]:
    """The jobs of a link's source that a job waits for."""
    if link.port.collects is Collects.NO:
        source = link.source.jobs.get(_picked(link, job))
        if source is not None:
            yield source
        return
    own_axes = len(link.source.axes or ())
    shared = [(there, job.labels[here]) for there, here in link.shared if there < own_axes]
    if not shared:
        yield from link.source.jobs.values()
        return
    for labels, source in link.source.jobs.items():
        if all(labels[there] == label for there, label in shared):
            yield source


def mapped_item(job: Job, link: Link) -> tuple[Item, Job] | None:
    """What a mapped port receives, and the job that made it; None where there is a hole.

    Raises:
        PortError: the upstream job has ended, and gave nothing on that port.
    """
    source = link.source.jobs.get(_picked(link, job))
    if source is None or source.outputs is None:
        return None
    label = job.labels[link.series_pick] if link.series_pick is not None else None
    item = port_item(source, link, label, node_id=job.node.id)
    return None if item is None else (item, source)


def _picked(link: Link, job: Job) -> tuple[str, ...]:
    return tuple([job.labels[at] for at in link.picks]) if link.picks else ()


def port_item(source: Job, link: Link, label: str | None, *, node_id: str) -> Item | None:
    """What a job that has outputs gave on a link's port, at a label of the axis it added; None in a hole.

    Raises:
        PortError: it gave nothing on that port at all.
    """
    outputs = source.outputs or {}
    if link.source_port not in outputs:
        raise errors.PortError(
            f"{source.node.id} gave no {link.source_port!r} (it gave {', '.join(outputs) or 'nothing'}).",
            node_id=node_id,
            hint="Choose a model that gives it, or connect another output.",
        )
    return source.item(link.source_port, label)


def maker_of(job: Job, item: Item) -> str | None:
    """The generation that made what a job gave; a structural node only passes on what was made above it."""
    if job.generation_id or job.node.type is None or job.node.type.kind is not Kind.STRUCTURAL:
        return job.generation_id
    return next((made_by for _, _, digest, made_by in job.digests if digest == item.digest and made_by), None)


def root_code(job: Job) -> str:
    """The code of the error that a hole began with, however far above: of several, the first in the order of inputs."""
    while isinstance(job.error, errors.UpstreamError):
        above = (source for link in job.node.links for source in upstream(link, job))
        cause = next((source for source in above if source.state is JobState.HOLE), None)
        if cause is None:
            return job.error.root_code
        job = cause
    return job.error.code if job.error is not None else "missing"
