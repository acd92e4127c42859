"""How batches meet: equal axes are zipped by label, different ones multiplied."""

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
"""Origin of an axis that several lists set explicitly."""
MAX_CELLS = 100_000
"""A node is not planned for more: two long lists that nobody meant to multiply must not fill the memory."""


def combine(
    sources: Iterable[tuple[str, Sequence[Axis]]],
    *,
    node_id: str,
    maker: Callable[[str, Axis], str] = lambda source, _axis: source,
) -> tuple[Axis, ...]:
    """The axes of a node that maps over inputs with these axes, in order of first appearance.

    The same axis met twice keeps the labels of both (a label one side lacks makes a missing cell). Labels of a shared
    axis (`axis=` set on several lists) must agree.

    Args:
        sources: (id of the node connected, axes of what it gives).
        node_id: the node that maps, for errors.
        maker: which node above a source (or itself) made an axis, for errors.

    Raises:
        AxisError: two lists on one shared axis have other labels (names both), or there are too many cells.
    """
    found: dict[tuple[str, str], tuple[str, Axis]] = {}
    for source, axes in sources:
        for axis in axes:
            known = found.get(axis.identity)
            if known is None:
                found[axis.identity] = (source, axis)
            elif known[1].labels != axis.labels:
                if axis.origin == SHARED:
                    first, first_axis = known
                    raise errors.AxisError(
                        f"{maker(first, first_axis)} and {maker(source, axis)} share the axis {axis.name!r} "
                        f"but not its labels: {_say(first_axis.labels)} and {_say(axis.labels)}.",
                        node_id=node_id,
                        hint="Give both lists the same labels, or take axis= off one of them to multiply them.",
                    )
                labels = tuple(dict.fromkeys((*known[1].labels, *axis.labels)))
                found[axis.identity] = (known[0], Axis(axis.name, axis.origin, labels))
    axes = tuple(axis for _, axis in found.values())
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
    """Every combination of labels, the last axis fastest; one empty tuple where there is no axis."""
    return itertools.product(*(axis.labels for axis in axes))


def names(axes: Sequence[Axis]) -> tuple[str, ...]:
    """The names as shown: a second axis of the same name is `prompt_2`."""
    counts: dict[str, int] = {}
    shown = []
    for axis in axes:
        counts[axis.name] = counts.get(axis.name, 0) + 1
        shown.append(axis.name if counts[axis.name] == 1 else f"{axis.name}_{counts[axis.name]}")
    return tuple(shown)


def coordinate(axes: Sequence[Axis], labels: Sequence[str]) -> Coordinate:
    """A cell as it is written down: (axis name, label) pairs."""
    return tuple(zip(names(axes), labels, strict=True)) if axes else ()


def _say(labels: Sequence[str], most: int = 4) -> str:
    shown = ", ".join(repr(label) for label in labels[:most])
    return f"{shown}, ... ({len(labels)})" if len(labels) > most else shown
