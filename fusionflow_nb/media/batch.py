"""Axes, and the batch that a collecting port receives: labelled cells, holes included."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import Iterator

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Axis:
    """A named dimension of a batch. Its identity is (name, origin node); labels are unique, in order.

    An axis that several nodes set explicitly (`axis=`) has the origin `""`: such lists are zipped by label.
    """

    name: str
    origin: str
    labels: tuple[str, ...]

    @property
    def identity(self) -> tuple[str, str]:
        """Name and origin, which identify an axis."""
        return (self.name, self.origin)


@dataclass(frozen=True, slots=True)
class Cell(Generic[T]):
    """One cell of a batch: its label per axis and its value (None in a hole, which `note` explains)."""

    labels: tuple[tuple[str, str], ...]
    value: T | None
    note: str = ""


class Batch(Generic[T]):
    """Several values along named axes, as a collecting port receives them.

    Iteration yields the values; `cells` includes the holes.

    >>> batch = Batch(("seed",), [Cell((("seed", "7"),), "a"), Cell((("seed", "9"),), None, "refused")])
    >>> list(batch), len(batch.cells), batch.holes[0].note
    (['a'], 2, 'refused')
    """

    def __init__(self, axes: tuple[str, ...], cells: list[Cell[T]]) -> None:
        self.axes = axes
        self.cells = cells

    def __iter__(self) -> Iterator[T]:
        return (cell.value for cell in self.cells if cell.value is not None)

    def __len__(self) -> int:
        return sum(1 for cell in self.cells if cell.value is not None)

    @property
    def holes(self) -> list[Cell[T]]:
        """The cells without a value."""
        return [cell for cell in self.cells if cell.value is None]
