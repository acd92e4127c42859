"""A batch as a contact sheet: axes become rows and columns; holes show their reason."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fusionflow_nb import errors
from fusionflow_nb.transforms.contact_sheet import SheetCell, contact_sheet

if TYPE_CHECKING:
    from PIL import Image

    from fusionflow_nb.media.batch import Batch
    from fusionflow_nb.transforms.contact_sheet import Theme

_SAYS = {
    "refused": "refused by the model",
    "no_funds": "no funds",
    "over_budget": "over budget",
    "unknown": "outcome unknown",
    "cancelled": "cancelled",
    "timeout": "timed out",
    "missing": "no such cell",
}


def batch_sheet(
    images: Batch[Image.Image] | None = None,
    videos: Batch[Image.Image] | None = None,
    *,
    columns: int | None = None,
    title: str = "",
    cell_px: int = 256,
    theme: Theme = "dark",
) -> Image.Image:
    """Arrange a batch: the last axis in columns, the other axes in rows; a single axis is wrapped after `columns`.

    Raises:
        ParameterError: the batch is empty.
    """
    batch = images if images is not None else videos
    if batch is None or not batch.cells:
        raise errors.ParameterError("A contact sheet needs images.", hint="Connect a batch to images or videos.")
    axes = batch.axes
    is_grid = len(axes) > 1
    cells = [
        SheetCell(
            cell.value,
            row=" · ".join(label for _, label in cell.labels[:-1]) if is_grid else "",
            column=cell.labels[-1][1] if cell.labels else "",
            note="" if cell.value is not None else _SAYS.get(cell.note, cell.note or "missing"),
        )
        for cell in batch.cells
    ]
    return contact_sheet(
        cells,
        columns=None if is_grid else columns,
        title=title,
        cell_px=cell_px,
        theme=theme,
        row_axis=" · ".join(axes[:-1]) if is_grid else "",
        column_axis=axes[-1] if axes else "",
    )
