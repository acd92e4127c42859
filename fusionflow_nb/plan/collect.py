"""Collect the items of a collecting port, as a list or a batch: all cells of its sources at the job's coordinate."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING

from fusionflow_nb.media.batch import Batch, Cell
from fusionflow_nb.media.values import Item, json_digest
from fusionflow_nb.plan import axes as axes_of
from fusionflow_nb.plan.input_checks import to_port_type
from fusionflow_nb.plan.upstream import generation_of, port_item, root_error_code

if TYPE_CHECKING:
    from collections.abc import Iterator

    from fusionflow_nb.plan.job import Job, Link

_INPUT = "input"
"""Axis over the edges of a port with several edges."""


def list_items(job: Job, links: list[Link]) -> list[Item] | None:
    """The items of all cells, in the order of the edges, then of their axes; None if a cell is missing."""
    items: list[Item] = []
    for link in links:
        for _, source, item, _ in _cells(job, link):
            if item is None or source is None:
                return None
            item = to_port_type(item, link, node_id=job.node.id)  # noqa: PLW2901 - the same item, converted
            job.digests.append((link.port.name, len(items), item.digest, generation_of(source, item)))
            items.append(item)
    return items


def batch_items(job: Job, links: list[Link]) -> Batch[Item]:
    """All cells with their labels, including missing cells; several edges form an axis `input`."""
    cells: list[Cell[Item]] = []
    axis_names: dict[str, None] = {}
    has_distinct_sources = len({link.source for link in links}) == len(links)
    for link in links:
        edge: tuple[tuple[str, str], ...] = ()
        if len(links) > 1:
            edge = ((_INPUT, link.source.id if has_distinct_sources else f"{link.source.id}.{link.source_port}"),)
        for labels, source, item, note in _cells(job, link):
            if item is not None and source is not None:
                item = to_port_type(item, link, node_id=job.node.id)  # noqa: PLW2901
                job.digests.append((link.port.name, len(cells), item.digest, generation_of(source, item)))
            cells.append(Cell((*edge, *labels), item, note))
            axis_names.update(dict.fromkeys(name for name, _ in cells[-1].labels))
    return Batch(tuple(axis_names), cells)


def batch_digest(batch: Batch[Item]) -> str:
    """The digest of a batch for a key: items with labels, so that filling a missing cell changes the key."""
    rows = [
        [list(map(list, cell.labels)), cell.value.digest if cell.value is not None else None, cell.note]
        for cell in batch.cells
    ]
    return f"json:{json_digest(rows)}"


def _cells(job: Job, link: Link) -> Iterator[tuple[tuple[tuple[str, str], ...], Job | None, Item | None, str]]:
    """(labels, upstream job, item, note on a missing item) of each cell of a source at the job's coordinate."""
    axes = link.source.out_axes or ()
    if not axes:  # the usual case: one cell
        source = link.source.jobs.get(())
        if source is not None and source.outputs is not None:
            yield (), source, port_item(source, link, None, node_id=job.node.id), ""
        else:
            yield (
                (),
                source,
                None,
                root_error_code(source) if source is not None and source.error is not None else "missing",
            )
        return
    own_count = len(link.source.axes or ())
    fixed = {source_index: job.labels[index] for source_index, index in link.shared}
    free = [index for index in range(len(axes)) if index not in fixed]
    names = axes_of.names([axes[index] for index in free])
    ranges = ((fixed[index],) if index in fixed else axis.labels for index, axis in enumerate(axes))
    for cell in itertools.product(*ranges):
        source = link.source.jobs.get(cell[:own_count])
        labels = tuple((name, cell[index]) for name, index in zip(names, free, strict=True))
        item, note = None, "missing"
        if source is not None and source.outputs is not None:
            item = port_item(source, link, cell[own_count] if len(cell) > own_count else None, node_id=job.node.id)
        elif source is not None and source.error is not None:
            note = root_error_code(source)
        yield labels, source, item, note if item is None else ""
