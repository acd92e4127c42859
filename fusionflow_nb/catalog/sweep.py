"""Lists and sweeps: nodes that give a batch, and the one that turns a batch into a value."""

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
    """Several texts; what follows runs once for each."""
    return series("prompt", values, axis=axis, labels=labels)


def seeds(
    values: list[int] | None = None,
    count: Annotated[int, Field(ge=1, le=MAX_ITEMS)] = 4,
    start: Annotated[int, Field(ge=0)] = 1,
    axis: str | None = None,
    labels: list[str] | None = None,
) -> Series:
    """Several seeds: those listed, or `count` of them from `start` on."""
    return series("seed", values or list(range(start, start + count)), axis=axis, labels=labels)


def number_range(start: float = 0.0, stop: float = 1.0, steps: int = 5, axis: str | None = None) -> Series:
    """Evenly spaced numbers from start to stop, both included."""
    if not 1 <= steps <= MAX_ITEMS:
        raise errors.ParameterError(f"steps is {steps}.", hint=f"Use 1 to {MAX_ITEMS}.")
    gap = (stop - start) / (steps - 1) if steps > 1 else 0.0
    # Rounded so that 0.1 + 0.2 reads 0.3 in labels and keys alike.
    return series("value", [round(start + gap * index, 10) for index in range(steps)], axis=axis)


def table(rows: list[dict[str, Any]], label: str | None = None, axis: str | None = None) -> dict[str, Series]:
    """A table: one output per column, and what follows runs once per row. `label` names the column of labels."""
    if not rows:
        raise errors.ParameterError("The table has no rows.", hint="Give at least one row.")
    columns = list(dict.fromkeys(name for row in rows for name in row))
    if label is not None and label not in columns:
        raise errors.ParameterError(f"The table has no column {label!r}.", hint=f"Its columns: {', '.join(columns)}.")
    labels = [str(row.get(label)) for row in rows] if label else [str(index + 1) for index in range(len(rows))]
    made = {"row": series("row", rows, axis=axis, labels=labels)}
    for column in columns:
        made[column] = series("row", [row.get(column) for row in rows], axis=axis, labels=labels)
    return made


def collect(items: list[Any]) -> list[Any]:
    """A batch of values as one list."""
    return list(items)


def series(name: str, values: Sequence[Any], *, axis: str | None = None, labels: Sequence[str] | None = None) -> Series:
    """A series of values; labels are the values themselves, or positions on an axis that several lists share.

    Raises:
        ParameterError: no values, too many, or another number of labels.
    """
    if not values:
        raise errors.ParameterError(f"The list of {name}s is empty.", hint="Give at least one.")
    if len(values) > MAX_ITEMS:
        raise errors.ParameterError(f"The list has {len(values)} items.", hint=f"Use at most {MAX_ITEMS}.")
    if labels is None:
        labels = [str(index + 1) for index in range(len(values))] if axis else [_label(value) for value in values]
    if len(labels) != len(values):
        raise errors.ParameterError(
            f"There are {len(values)} values and {len(labels)} labels.", hint="Give one label for each value."
        )
    return Series(
        axis or name, tuple(_unique(labels)), tuple(Value.of(value) for value in values), is_shared=axis is not None
    )


def _label(value: Any) -> str:  # noqa: ANN401 - any JSON value
    return number_text(value) if isinstance(value, int | float) and not isinstance(value, bool) else str(value)


def _unique(labels: Sequence[str]) -> list[str]:
    """Equal labels get a number, so that each names one cell."""
    seen: dict[str, int] = {}
    unique = []
    for label in labels:
        seen[label] = seen.get(label, 0) + 1
        unique.append(label if seen[label] == 1 else f"{label} ({seen[label]})")
    return unique


def node_types() -> list[NodeType]:
    """The declarations of this family."""

    def gives(name: str, port_type: PortType) -> tuple[OutputPort, ...]:
        return (OutputPort(name, port_type, is_series=True),)

    structural: dict[str, Any] = {"kind": Kind.STRUCTURAL, "category": "Sweep"}
    return [
        declare(prompts, run=prompts, outputs=gives("text", PortType.TEXT), title="Prompts", **structural),
        declare(seeds, run=seeds, outputs=gives("seed", PortType.NUMBER), **structural),
        declare(number_range, name="range", run=number_range, outputs=gives("value", PortType.NUMBER), **structural),
        declare(table, run=table, outputs=gives("row", PortType.JSON), extra_outputs=PortType.JSON, **structural),
        declare(collect, run=collect, outputs=(OutputPort("list", PortType.JSON),), **structural),
    ]
