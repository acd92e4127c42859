"""Combine the axes of batches: equal axes are zipped by label, different axes are multiplied."""

from __future__ import annotations

import itertools
import math
from typing import TYPE_CHECKING

from fusionflow_nb import errors
from fusionflow_nb.media.batch import Axis

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from fusionflow_nb.journal.records import Coordinate

SHARED = ""
"""Origin of an axis that several lists name with `axis=`."""
MAX_CELLS = 100_000
"""Limit per node, so that multiplying two long lists by mistake does not exhaust the memory."""


def combine(
    sources: Iterable[tuple[str, Sequence[Axis]]],
    *,
    node_id: str,
    origin_of: Callable[[str, Axis], str] = lambda source, _axis: source,
) -> tuple[Axis, ...]:
    """The axes of a node that maps over inputs with these axes, in order of first appearance.

    An axis that occurs twice gets the labels of both; a label missing on either side makes a missing cell. The labels
    of a shared axis (`axis=` on several lists) must be equal.

    Args:
        sources: (id of the connected node, axes of its outputs).
        node_id: the node that maps, for errors.
        origin_of: the id of the node that created an axis of a source, for errors.

    Raises:
        AxisError: two lists on a shared axis have different labels (names both), or there are too many cells.
    """
    combined: dict[tuple[str, str], tuple[str, Axis]] = {}
    for source, axes in sources:
        for axis in axes:
            entry = combined.get(axis.identity)
            if entry is None:
                combined[axis.identity] = (source, axis)
            elif entry[1].labels != axis.labels:
                if axis.origin == SHARED:
                    first, first_axis = entry
                    raise errors.AxisError(
                        f"{origin_of(first, first_axis)} and {origin_of(source, axis)} share the axis {axis.name!r} "
                        f"but have different labels: {_format(first_axis.labels)} and {_format(axis.labels)}.",
                        node_id=node_id,
                        hint="Give both lists the same labels, or remove axis= from one of them to multiply them.",
                    )
                labels = tuple(dict.fromkeys((*entry[1].labels, *axis.labels)))
                combined[axis.identity] = (entry[0], Axis(axis.name, axis.origin, labels))
    axes = tuple(axis for _, axis in combined.values())
    count = math.prod(len(axis.labels) for axis in axes)
    if count > MAX_CELLS:
        sizes = " x ".join(f"{len(axis.labels):,} {name}" for name, axis in zip(names(axes), axes, strict=True))
        raise errors.AxisError(
            f"{sizes} would be {count:,} cells; the limit is {MAX_CELLS:,}.",
            node_id=node_id,
            hint="Use shorter lists, or set the same axis= on lists that belong together.",
        )
    return axes


def cells(axes: Sequence[Axis]) -> Iterator[tuple[str, ...]]:
    """Every combination of labels, the last axis fastest; one empty tuple without axes."""
    return itertools.product(*(axis.labels for axis in axes))


def names(axes: Sequence[Axis]) -> tuple[str, ...]:
    """The displayed names: a second axis of the same name is `prompt_2`."""
    counts: dict[str, int] = {}
    shown = []
    for axis in axes:
        counts[axis.name] = counts.get(axis.name, 0) + 1
        shown.append(axis.name if counts[axis.name] == 1 else f"{axis.name}_{counts[axis.name]}")
    return tuple(shown)


def coordinate(axes: Sequence[Axis], labels: Sequence[str]) -> Coordinate:
    """The coordinate of a cell: (axis name, label) pairs."""
    return tuple(zip(names(axes), labels, strict=True)) if axes else ()


def _format(labels: Sequence[str], maximum: int = 4) -> str:
    shown = ", ".join(repr(label) for label in labels[:maximum])
    return f"{shown}, ... ({len(labels)})" if len(labels) > maximum else shown
