"""Node types that pick one cell of a batch.

A cell is identified by its labels, one per axis, in the order of the axes: `7` on one axis, `dawn / 7` on two.
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

_MAX_LISTED = 20
"""Number of labels that an error lists."""


def pick_image(items: Batch[Image], label: str = "") -> Any:  # noqa: ANN401 - an asset: structural nodes get no handles
    """A picture of a batch, by label: `7`, or `dawn / 7` on two axes. Without a label, the first available cell."""
    return _pick(items, label)


def pick_video(items: Batch[Video], label: str = "") -> Any:  # noqa: ANN401
    """A video of a batch, by label: `7`, or `dawn / 7` on two axes. Without a label, the first available cell."""
    return _pick(items, label)


def pick_audio(items: Batch[Audio], label: str = "") -> Any:  # noqa: ANN401
    """A sound of a batch, by label: `7`, or `dawn / 7` on two axes. Without a label, the first available cell."""
    return _pick(items, label)


def pick_text(items: Batch[str], label: str = "") -> Any:  # noqa: ANN401
    """A text of a batch, by label: `7`, or `dawn / 7` on two axes. Without a label, the first available cell."""
    return _pick(items, label)


def label_of(cell: Cell[Any]) -> str:
    """The labels of a cell in the order of its axes.

    >>> label_of(Cell((("prompt", "dawn"), ("seed", "7")), None))
    'dawn / 7'
    """
    return " / ".join(label for _, label in cell.labels)


def _pick(items: Batch[Any] | list[Any], label: str) -> Any:  # noqa: ANN401 - an asset or a text
    cells = _cells(items)
    available = [cell for cell in cells if cell.value is not None]
    if not label:
        if not available:
            raise errors.ParameterError(
                "There is nothing to pick: every cell is missing.", hint="Run the upstream nodes."
            )
        return available[0].value
    for cell in cells:
        if label_of(cell) == label:
            if cell.value is None:
                raise errors.ParameterError(
                    f"The cell {label!r} has no result ({cell.note or 'missing'}).", hint=_choices(available)
                )
            return cell.value
    raise errors.ParameterError(f"There is no cell {label!r}.", hint=_choices(available))


def _cells(items: Batch[Any] | list[Any]) -> list[Cell[Any]]:
    """The cells of a connected batch; a typed-in list is a batch with its positions as labels."""
    if isinstance(items, Batch):
        return items.cells
    return [Cell((("item", str(index + 1)),), value) for index, value in enumerate(items)]


def _choices(cells: list[Cell[Any]]) -> str:
    names = [label_of(cell) for cell in cells]
    if names == [""]:
        return "The input is not a batch: leave the label empty."
    more = f" and {len(names) - _MAX_LISTED} more" if len(names) > _MAX_LISTED else ""
    return f"Its labels: {', '.join(names[:_MAX_LISTED]) or 'none'}{more}."


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
