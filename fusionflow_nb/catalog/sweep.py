"""Node types for lists and sweeps: they output a batch, or collect a batch into a value."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

from pydantic import Field

from fusionflow_nb import errors
from fusionflow_nb.catalog.declare import declare
from fusionflow_nb.catalog.node_type import Kind, NodeType, OutputPort
from fusionflow_nb.catalog.number_text import number_text
from fusionflow_nb.media.ports import PortType
from fusionflow_nb.media.values import Series, Value

if TYPE_CHECKING:
    from collections.abc import Sequence

MAX_ITEMS = 10_000


def prompts(values: list[str], axis: str | None = None, labels: list[str] | None = None) -> Series:
    """Several texts; downstream nodes run once per text."""
    return series("prompt", values, axis=axis, labels=labels)


def seeds(
    values: list[int] | None = None,
    count: Annotated[int, Field(ge=1, le=MAX_ITEMS)] = 4,
    start: Annotated[int, Field(ge=0)] = 1,
    axis: str | None = None,
    labels: list[str] | None = None,
) -> Series:
    """Several seeds: the listed values, or `count` seeds from `start`."""
    return series("seed", values or list(range(start, start + count)), axis=axis, labels=labels)


def number_range(start: float = 0.0, stop: float = 1.0, steps: int = 5, axis: str | None = None) -> Series:
    """Evenly spaced numbers from start to stop, both included."""
    if not 1 <= steps <= MAX_ITEMS:
        raise errors.ParameterError(f"steps is {steps}.", hint=f"Use 1 to {MAX_ITEMS}.")
    gap = (stop - start) / (steps - 1) if steps > 1 else 0.0
    # Rounded, so that 0.1 + 0.2 is 0.3 in labels and keys.
    return series("value", [round(start + gap * index, 10) for index in range(steps)], axis=axis)


def table(rows: list[dict[str, Any]], label: str | None = None, axis: str | None = None) -> dict[str, Series]:
    """A table with an output per column; downstream nodes run once per row. `label` is the column with the labels."""
    if not rows:
        raise errors.ParameterError("The table has no rows.", hint="Add at least one row.")
    columns = list(dict.fromkeys(name for row in rows for name in row))
    if label is not None and label not in columns:
        raise errors.ParameterError(f"The table has no column {label!r}.", hint=f"Its columns: {', '.join(columns)}.")
    labels = [str(row.get(label)) for row in rows] if label else [str(index + 1) for index in range(len(rows))]
    columns_by_name = {"row": series("row", rows, axis=axis, labels=labels)}
    for column in columns:
        columns_by_name[column] = series("row", [row.get(column) for row in rows], axis=axis, labels=labels)
    return columns_by_name


def collect(items: list[Any]) -> list[Any]:
    """A batch of values as a list."""
    return list(items)


def series(name: str, values: Sequence[Any], *, axis: str | None = None, labels: Sequence[str] | None = None) -> Series:
    """A series of values. Labels default to the values, or to their positions on an axis that several lists share.

    Raises:
        ParameterError: no values, too many values, or a different number of labels.
    """
    if not values:
        raise errors.ParameterError(f"The list of {name}s is empty.", hint="Add at least one.")
    if len(values) > MAX_ITEMS:
        raise errors.ParameterError(f"The list has {len(values)} items.", hint=f"Use at most {MAX_ITEMS}.")
    if labels is None:
        labels = [str(index + 1) for index in range(len(values))] if axis else [_label(value) for value in values]
    if len(labels) != len(values):
        raise errors.ParameterError(
            f"There are {len(values)} values and {len(labels)} labels.", hint="Set one label per value."
        )
    return Series(
        axis or name, tuple(_unique(labels)), tuple(Value.of(value) for value in values), is_shared=axis is not None
    )


def _label(value: Any) -> str:  # noqa: ANN401 - any JSON value
    return number_text(value) if isinstance(value, int | float) and not isinstance(value, bool) else str(value)


def _unique(labels: Sequence[str]) -> list[str]:
    """The labels, with a number added to repeated labels, so that each is unique."""
    counts: dict[str, int] = {}
    unique = []
    for label in labels:
        counts[label] = counts.get(label, 0) + 1
        unique.append(label if counts[label] == 1 else f"{label} ({counts[label]})")
    return unique


def node_types() -> list[NodeType]:
    """The declarations of this family."""

    def output(name: str, port_type: PortType) -> tuple[OutputPort, ...]:
        return (OutputPort(name, port_type, is_series=True),)

    structural: dict[str, Any] = {"kind": Kind.STRUCTURAL, "category": "Sweep"}
    return [
        declare(prompts, run=prompts, outputs=output("text", PortType.TEXT), title="Prompts", **structural),
        declare(seeds, run=seeds, outputs=output("seed", PortType.NUMBER), **structural),
        declare(number_range, name="range", run=number_range, outputs=output("value", PortType.NUMBER), **structural),
        declare(table, run=table, outputs=output("row", PortType.JSON), extra_outputs=PortType.JSON, **structural),
        declare(collect, run=collect, outputs=(OutputPort("list", PortType.JSON),), **structural),
    ]
