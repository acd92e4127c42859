"""The upstream jobs of a link, and the items of their outputs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fusionflow_nb import errors
from fusionflow_nb.catalog.node_type import Collects, Kind
from fusionflow_nb.plan.job import JobState

if TYPE_CHECKING:
    from collections.abc import Iterator

    from fusionflow_nb.media.values import Item
    from fusionflow_nb.plan.job import Job, Link


def upstream_jobs(link: Link, job: Job) -> Iterator[Job]:
    """The jobs of a link's source that a job depends on."""
    if link.port.collects is Collects.NO:
        source = link.source.jobs.get(_mapped_labels(link, job))
        if source is not None:
            yield source
        return
    own_axes = len(link.source.axes or ())
    shared = [(source_index, job.labels[index]) for source_index, index in link.shared if source_index < own_axes]
    if not shared:
        yield from link.source.jobs.values()
        return
    for labels, source in link.source.jobs.items():
        if all(labels[index] == label for index, label in shared):
            yield source


def mapped_item(job: Job, link: Link) -> tuple[Item, Job] | None:
    """The item that a mapped port receives and its upstream job; None if the cell is missing.

    Raises:
        PortError: the upstream job is done and has no output on that port.
    """
    source = link.source.jobs.get(_mapped_labels(link, job))
    if source is None or source.outputs is None:
        return None
    label = job.labels[link.series_pick] if link.series_pick is not None else None
    item = port_item(source, link, label, node_id=job.node.id)
    return None if item is None else (item, source)


def _mapped_labels(link: Link, job: Job) -> tuple[str, ...]:
    return tuple([job.labels[index] for index in link.picks]) if link.picks else ()


def port_item(source: Job, link: Link, label: str | None, *, node_id: str) -> Item | None:
    """The item of a done job on a link's port, at a label of the axis it added; None if the cell is missing.

    Raises:
        PortError: the job has no output on that port.
    """
    outputs = source.outputs or {}
    if link.source_port not in outputs:
        raise errors.PortError(
            f"{source.node.id} gave no {link.source_port!r} (it gave {', '.join(outputs) or 'nothing'}).",
            node_id=node_id,
            hint="Choose a model with that output, or connect another output.",
        )
    return source.item(link.source_port, label)


def generation_of(job: Job, item: Item) -> str | None:
    """The id of the generation that produced an item of a job; a structural node passes on items from upstream."""
    if job.generation_id or job.node.type is None or job.node.type.kind is not Kind.STRUCTURAL:
        return job.generation_id
    return next((source_id for _, _, digest, source_id in job.digests if digest == item.digest and source_id), None)


def root_error_code(job: Job) -> str:
    """The code of the error that made a job unreachable, traced upstream along the first unreachable inputs."""
    while isinstance(job.error, errors.UpstreamError):
        sources = (source for link in job.node.links for source in upstream_jobs(link, job))
        cause = next((source for source in sources if source.state is JobState.UNREACHABLE), None)
        if cause is None:
            return job.error.root_code
        job = cause
    return job.error.code if job.error is not None else "missing"
