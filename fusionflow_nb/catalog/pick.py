"""Choosing one cell of a batch, to pass it on alone.

A cell is named by its labels, one per axis, in the order of the axes: `7` on one axis, `dawn / 7` on two.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from fusionflow_nb import errors
from fusionflow_nb.catalog.declare import declare
from fusionflow_nb.catalog.node_type import Kind, NodeType, OutputPort
from fusionflow_nb.media.batch import Batch, Cell
from fusionflow_nb.media.handles import Audio, Image, Video  # noqa: TC001 - the hints are read when the nodes are declared
from fusionflow_nb.media.ports import PortType

if TYPE_CHECKING:
    from collections.abc import Callable

_NAMED = 20
"""Labels that an error lists."""


def pick_image(items: Batch[Image], label: str = "") -> Any:  # noqa: ANN401 - an asset: structural nodes see no handles
    """One picture of a batch, by its label: `7`, or `dawn / 7` on two axes. Without a label, the first there is."""
    return _picked(items, label)


def pick_video(items: Batch[Video], label: str = "") -> Any:  # noqa: ANN401
    """One video of a batch, by its label: `7`, or `dawn / 7` on two axes. Without a label, the first there is."""
    return _picked(items, label)


def pick_audio(items: Batch[Audio], label: str = "") -> Any:  # noqa: ANN401
    """One sound of a batch, by its label: `7`, or `dawn / 7` on two axes. Without a label, the first there is."""
    return _picked(items, label)


def pick_text(items: Batch[str], label: str = "") -> Any:  # noqa: ANN401
    """One text of a batch, by its label: `7`, or `dawn / 7` on two axes. Without a label, the first there is."""
    return _picked(items, label)


def label_of(cell: Cell[Any]) -> str:
    """The name of a cell: its labels in the order of its axes.

    >>> label_of(Cell((("prompt", "dawn"), ("seed", "7")), None))
    'dawn / 7'
    """
    return " / ".join(label for _, label in cell.labels)


def _picked(items: Batch[Any] | list[Any], label: str) -> Any:  # noqa: ANN401 - an asset or a text
    cells = _cells(items)
    there = [cell for cell in cells if cell.value is not None]
    if not label:
        if not there:
            raise errors.ParameterError("Nothing is there to pick: every cell is a hole.", hint="Run what is above.")
        return there[0].value
    for cell in cells:
        if label_of(cell) == label:
            if cell.value is None:
                raise errors.ParameterError(
                    f"The cell {label!r} is a hole ({cell.note or 'missing'}).", hint=_choice(there)
                )
            return cell.value
    raise errors.ParameterError(f"There is no cell {label!r}.", hint=_choice(there))


def _cells(items: Batch[Any] | list[Any]) -> list[Cell[Any]]:
    """The cells of what came over edges; a list typed into the form is a batch along its positions."""
    if isinstance(items, Batch):
        return items.cells
    return [Cell((("item", str(index + 1)),), value) for index, value in enumerate(items)]


def _choice(there: list[Cell[Any]]) -> str:
    names = [label_of(cell) for cell in there]
    if names == [""]:
        return "What is connected is no batch: leave the label empty."
    more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
    return f"Its labels: {', '.join(names[:_NAMED]) or 'none'}{more}."


def node_types() -> list[NodeType]:
    """The declarations of this family."""
    picks: list[tuple[Callable[..., Any], PortType]] = [
        (pick_image, PortType.IMAGE),
        (pick_video, PortType.VIDEO),
        (pick_audio, PortType.AUDIO),
        (pick_text, PortType.TEXT),
    ]
    return [
        declare(function, run=function, kind=Kind.STRUCTURAL, category="Sweep", outputs=(OutputPort(str(kind), kind),))
        for function, kind in picks
    ]
