"""What a collecting port receives: every cell of its sources on the job's own coordinate, as a list or as a batch."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING

from fusionflow_nb.media.batch import Batch, Cell
from fusionflow_nb.media.values import Item, json_digest
from fusionflow_nb.plan import axes as axes_of
from fusionflow_nb.plan.input_checks import carried
from fusionflow_nb.plan.upstream import maker_of, port_item, root_code

if TYPE_CHECKING:
    from collections.abc import Iterator

    from fusionflow_nb.plan.job import Job, Link

_INPUT = "input"
"""Axis over the edges of a port in which several end."""


def listed(job: Job, links: list[Link]) -> list[Item] | None:
    """The items of all cells, in the order of the edges, then of their axes; None where one is a hole."""
    items: list[Item] = []
    for link in links:
        for _, source, item, _ in _cells(job, link):
            if item is None or source is None:
                return None
            item = carried(item, link, node_id=job.node.id)  # noqa: PLW2901 - the same item in the port's form
            job.digests.append((link.port.name, len(items), item.digest, maker_of(source, item)))
            items.append(item)
    return items


def batched(job: Job, links: list[Link]) -> Batch[Item]:
    """Every cell with its labels, holes included; several edges are an axis of their own."""
    cells: list[Cell[Item]] = []
    axis_names: dict[str, None] = {}
    is_one_each = len({link.source for link in links}) == len(links)
    for link in links:
        edge: tuple[tuple[str, str], ...] = ()
        if len(links) > 1:
            edge = ((_INPUT, link.source.id if is_one_each else f"{link.source.id}.{link.source_port}"),)
        for labels, source, item, note in _cells(job, link):
            if item is not None and source is not None:
                item = carried(item, link, node_id=job.node.id)  # noqa: PLW2901
                job.digests.append((link.port.name, len(cells), item.digest, maker_of(source, item)))
            cells.append(Cell((*edge, *labels), item, note))
            axis_names.update(dict.fromkeys(name for name, _ in cells[-1].labels))
    return Batch(tuple(axis_names), cells)


def batch_digest(batch: Batch[Item]) -> str:
    """What a key takes of a batch: its items with their places, so that a hole filled later makes another key."""
    laid_out = [
        [list(map(list, cell.labels)), cell.value.digest if cell.value is not None else None, cell.note]
        for cell in batch.cells
    ]
    return f"json:{json_digest(laid_out)}"


def _cells(job: Job, link: Link) -> Iterator[tuple[tuple[tuple[str, str], ...], Job | None, Item | None, str]]:
    """(labels, upstream job, item, why there is none) of each cell of a source that lies on the job's coordinate."""
    axes = link.source.out_axes or ()
    if not axes:  # one cell, as almost always: none of what follows is needed
        source = link.source.jobs.get(())
        if source is not None and source.outputs is not None:
            yield (), source, port_item(source, link, None, node_id=job.node.id), ""
        else:
            yield (), source, None, root_code(source) if source is not None and source.error is not None else "missing"
        return
    own = len(link.source.axes or ())
    fixed = {there: job.labels[here] for there, here in link.shared}
    free = [at for at in range(len(axes)) if at not in fixed]
    shown = axes_of.names([axes[at] for at in free])
    ranges = ((fixed[at],) if at in fixed else axis.labels for at, axis in enumerate(axes))
    for picked in itertools.product(*ranges):
        source = link.source.jobs.get(picked[:own])
        labels = tuple((name, picked[at]) for name, at in zip(shown, free, strict=True))
        item, note = None, "missing"
        if source is not None and source.outputs is not None:
            item = port_item(source, link, picked[own] if len(picked) > own else None, node_id=job.node.id)
        elif source is not None and source.error is not None:
            note = root_code(source)
        yield labels, source, item, note if item is None else ""
