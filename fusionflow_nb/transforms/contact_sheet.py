"""Draw images on a labelled sheet, in rows and columns by two axes, with holes for missing images."""

from __future__ import annotations

import math
from dataclasses import dataclass
from statistics import median
from typing import TYPE_CHECKING, Final, Literal, TypeAlias

from PIL import Image

from fusionflow_nb import errors
from fusionflow_nb.media.rgb import MAX_PIXELS, flatten, to_rgb
from fusionflow_nb.transforms import frames, text_layout
from fusionflow_nb.transforms.checks import in_range, one_of

if TYPE_CHECKING:
    from collections.abc import Sequence

Theme: TypeAlias = Literal["dark", "light"]


@dataclass(frozen=True, slots=True)
class SheetCell:
    """One cell of the sheet.

    Args:
        image: the image, or None for a hole.
        row: label along the first axis; "" without such an axis.
        column: label along the second axis; "" without such an axis.
        note: short text: the reason of a hole, or a caption on the image (a seed, a price).
    """

    image: Image.Image | None
    row: str = ""
    column: str = ""
    note: str = ""


@dataclass(frozen=True, slots=True)
class _Colours:
    ground: str
    panel: str
    line: str
    dash: str
    ink: str
    soft: str
    muted: str


# The canvas's palette.
_THEMES: Final = {
    "dark": _Colours("#0f1115", "#161a21", "#2a313d", "#39424f", "#e8ebf0", "#a3adbb", "#8590a2"),
    "light": _Colours("#f6f7f9", "#ffffff", "#dde1e8", "#c4cad4", "#1a1f28", "#4c5767", "#667183"),
}
_OVERSAMPLING: Final = 4  # of small letters, see text_layout.TextStyle


@dataclass(frozen=True, slots=True)
class _Grid:
    """The cells in a grid; `None` is an empty place of an unfinished last row."""

    rows: tuple[str, ...]
    columns: tuple[str, ...]
    places: tuple[tuple[SheetCell | None, ...], ...]
    captions: tuple[tuple[str, ...], ...]


def contact_sheet(
    cells: Sequence[SheetCell],
    *,
    columns: int | None = None,
    title: str = "",
    cell_px: int = 256,
    theme: Theme = "dark",
    row_axis: str = "",
    column_axis: str = "",
) -> Image.Image:
    """Draw the sheet (RGB): each image is complete and at most as large as its cell.

    Cells with both row and column labels form a table, labels in order of appearance; a missing combination is a
    hole. Other cells follow one another, `columns` in a row (None: about as wide as high), each above its label.

    Args:
        cells: one or more cells.
        columns: cells in a row, 1..100; ignored for a table of two axes.
        title: above the sheet; may be empty.
        cell_px: the longer side of a cell in px, 48..2048; text and lines scale with it.
        theme: dark or light.
        row_axis: name of the row axis ("prompt"); may be empty.
        column_axis: name of the column axis ("seed"), or of the list; may be empty.

    Raises:
        ParameterError: there are no cells, a value is out of range, or the sheet has too many pixels.

    >>> contact_sheet([SheetCell(Image.new("RGB", (8, 8)), "dawn", "7")], cell_px=64).mode
    'RGB'
    """
    if not cells:
        message = "cells is empty."
        raise errors.ParameterError(message, hint="Connect at least one image.")
    in_range("cell_px", cell_px, 48, 2048)
    if columns is not None:
        in_range("columns", columns, 1, 100)
    one_of("theme", theme, _THEMES)
    grid = _arranged(cells, columns)
    sheet = _Sheet(grid, _cell_size(cells, cell_px), _THEMES[theme], title, (row_axis, column_axis))
    return sheet.drawn()


def _arranged(cells: Sequence[SheetCell], columns: int | None) -> _Grid:
    """A table if all cells have two labels and no combination occurs twice, else a list in rows."""
    rows = tuple(dict.fromkeys(cell.row for cell in cells))
    names = tuple(dict.fromkeys(cell.column for cell in cells))
    by_place = {(cell.row, cell.column): cell for cell in cells}
    if all(cell.row and cell.column for cell in cells) and len(by_place) == len(cells):
        table = tuple(tuple(by_place.get((row, name), SheetCell(None, row, name)) for name in names) for row in rows)
        return _Grid(rows, names, table, tuple(("",) * len(names) for _ in rows))
    wide = min(columns or math.ceil(math.sqrt(len(cells) * 1.4)), len(cells))
    in_rows = [tuple(cells[start : start + wide]) for start in range(0, len(cells), wide)]
    captions = tuple(tuple(_caption(cell) for cell in row) + ("",) * (wide - len(row)) for row in in_rows)
    return _Grid((), (), tuple(row + (None,) * (wide - len(row)) for row in in_rows), captions)


def _caption(cell: SheetCell) -> str:
    return " · ".join(label for label in (cell.row, cell.column) if label)


def _cell_size(cells: Sequence[SheetCell], cell_px: int) -> tuple[int, int]:
    """Width and height of every cell: the median aspect ratio, within 1:2 and 2:1."""
    shapes = [cell.image.width / max(1, cell.image.height) for cell in cells if cell.image is not None]
    shape = min(2.0, max(0.5, median(shapes))) if shapes else 1.0
    return (cell_px, round(cell_px / shape)) if shape >= 1 else (round(cell_px * shape), cell_px)


class _Sheet:
    """The layout of one sheet, in px, and its drawing."""

    def __init__(
        self, grid: _Grid, cell: tuple[int, int], colours: _Colours, title: str, axes: tuple[str, str]
    ) -> None:
        self.grid, self.cell, self.colours, self.axes = grid, cell, colours, axes
        # One unit: 1 px at the default cell of 256 px. Text stays readable on small cells.
        self.unit = unit = max(0.72, max(cell) / 256)
        self.margin, self.gap, self.radius = round(28 * unit), round(10 * unit), round(6 * unit)
        self.label_style = self._label_style()
        self.row_width = self._row_width()
        count = max(len(grid.columns), len(grid.places[0]))
        width = 2 * self.margin + self.row_width + count * (cell[0] + self.gap) - self.gap
        self.title_style = text_layout.text_style(title, 24 * unit, _OVERSAMPLING)
        self.title_lines = (
            text_layout.wrap(
                text_layout.readable_text(title, self.title_style), self.title_style, width - 2 * self.margin, 2
            )
            if title.strip()
            else []
        )
        self.head = [self._set(name, cell[0], 2) for name in grid.columns]
        self.captions = [[self._set(text, cell[0], 2) for text in row] for row in grid.captions]
        self.top = self.margin + self._title_height() + self._head_height()
        self.row_heights = [cell[1] + self._caption_height(row) + self.gap for row in self.captions]
        self.size = (width, self.top + sum(self.row_heights) - self.gap + self.margin)
        if self.size[0] * self.size[1] > MAX_PIXELS:
            message = f"cell_px is {max(cell)}, which makes a sheet of {self.size[0]} x {self.size[1]} pixels."
            raise errors.ParameterError(message, hint="Choose smaller cells, or fewer of them.")

    def drawn(self) -> Image.Image:
        """Draw the sheet."""
        sheet = Image.new("RGB", self.size, self.colours.ground)
        self._lines(sheet, (self.margin, self.margin), self.title_lines, self.title_style, self.colours.ink)
        self._draw_head(sheet)
        parts = self._parts()
        y = self.top
        for row, places in enumerate(self.grid.places):
            if self.grid.rows:
                self._draw_row_label(sheet, row, y)
            for column, cell in enumerate(places):
                if cell is not None:
                    x = self.margin + self.row_width + column * (self.cell[0] + self.gap)
                    self._draw_cell(sheet, (x, y), cell, parts)
                    below = (x, y + self.cell[1] + round(7 * self.unit))
                    self._lines(sheet, below, self.captions[row][column], self.label_style, self.colours.soft)
            y += self.row_heights[row]
        return sheet

    # Positions.

    def _label_style(self) -> text_layout.TextStyle:
        """One text style for all labels."""
        labels = "".join([*self.grid.rows, *self.grid.columns, *(text for row in self.grid.captions for text in row)])
        return text_layout.text_style(labels, 14 * self.unit, _OVERSAMPLING)

    def _set(self, text: str, width: int, max_lines: int) -> list[str]:
        """A label in lines of the style's characters."""
        style = self.label_style
        return text_layout.wrap(text_layout.readable_text(text, style), style, width, max_lines) if text else []

    def _row_width(self) -> int:
        """Width of the row labels, up to two thirds of a cell, with the gap to the images."""
        if not self.grid.rows:
            return 0
        widest = max(
            self.label_style.length(text_layout.readable_text(row, self.label_style)) for row in self.grid.rows
        )
        most = max(self.cell[0] * 0.66, 90 * self.unit)
        return math.ceil(min(widest, most)) + round(18 * self.unit)

    def _title_height(self) -> int:
        tall = self.title_style.line_height * len(self.title_lines)
        return tall + round(16 * self.unit) if self.title_lines else 0

    def _head_height(self) -> int:
        lines = max((len(lines) for lines in self.head), default=0)
        axis = self._small("").line_height if any(self.axes) else 0
        return lines * self.label_style.line_height + axis + round(10 * self.unit) if lines or axis else 0

    def _caption_height(self, captions: list[list[str]]) -> int:
        lines = max(len(lines) for lines in captions)
        return lines * self.label_style.line_height + round(12 * self.unit) if lines else 0

    def _small(self, text: str) -> text_layout.TextStyle:
        return text_layout.text_style(text, 12 * self.unit, _OVERSAMPLING)

    # Drawing.

    def _draw_head(self, sheet: Image.Image) -> None:
        """Column labels above their cells, aligned at the last line; axis names above and beside them."""
        small, step = self._small("").line_height, self.label_style.line_height
        bottom, left = self.top - round(9 * self.unit), self.margin + self.row_width
        for column, lines in enumerate(self.head):
            at = (left + column * (self.cell[0] + self.gap), bottom - step * len(lines))
            self._lines(sheet, at, lines, self.label_style, self.colours.soft)
        if self.grid.columns:
            above = bottom - step * max(len(lines) for lines in self.head) - small
            names = [
                (self.axes[1], (left, above), self.cell[0]),
                (self.axes[0], (self.margin, bottom - small), self.row_width - self.gap),
            ]
        else:
            both = " · ".join(name for name in self.axes if name)
            names = [(both, (self.margin, bottom - small), self.size[0] - 2 * self.margin)]
        for name, at, room in names:
            style = self._small(name)
            self._lines(
                sheet,
                at,
                [text_layout.cut(text_layout.readable_text(name, style), style, room)],
                style,
                self.colours.muted,
            )

    def _draw_row_label(self, sheet: Image.Image, row: int, y: int) -> None:
        most = max(1, self.cell[1] // self.label_style.line_height)
        lines = self._set(self.grid.rows[row], self.row_width - round(18 * self.unit), min(6, most))
        self._lines(sheet, (self.margin, y + round(2 * self.unit)), lines, self.label_style, self.colours.soft)

    def _parts(self) -> tuple[Image.Image, Image.Image, Image.Image]:
        """The parts of all cells: an empty frame, the mask of an image, and the mask of its hairline."""
        thick = max(1, round(self.unit))
        colours = (self.colours.ground, self.colours.panel, self.colours.dash)
        return (
            frames.dashed_box(self.cell, self.radius, thick, round(5 * self.unit), colours),
            frames.rounded_box(self.cell, self.radius),
            frames.hairline(self.cell, self.radius, thick, 0.7),
        )

    def _draw_cell(
        self, sheet: Image.Image, at: tuple[int, int], cell: SheetCell, parts: tuple[Image.Image, ...]
    ) -> None:
        hole, corners, hairline = parts
        if cell.image is None:
            sheet.paste(hole, at)
            self._draw_reason(sheet, at, cell.note)
            return
        panel = Image.new("RGB", self.cell, self.colours.panel)
        picture = self._fitted(cell.image)
        inner = ((self.cell[0] - picture.width) // 2, (self.cell[1] - picture.height) // 2)
        panel.paste(picture, inner)
        sheet.paste(panel, at, corners)
        # A hairline separates an image from a background of the same colour.
        sheet.paste(Image.new("RGB", self.cell, self.colours.line), at, hairline)
        if cell.note:
            self._draw_chip(sheet, at, cell.note)

    def _fitted(self, image: Image.Image) -> Image.Image:
        """The complete image within the cell, never enlarged; transparent parts show the panel."""
        plain = to_rgb(image)
        scale = min(1.0, self.cell[0] / plain.width, self.cell[1] / plain.height)
        size = (max(1, round(plain.width * scale)), max(1, round(plain.height * scale)))
        # Images that nearly fit are stretched by a pixel, so that no line of the panel shows.
        size = tuple(full if 0 < full - own <= 2 else own for own, full in zip(size, self.cell, strict=True))  # type: ignore[assignment]  # noqa: PLR2004 - px
        small = plain.resize(size, Image.Resampling.LANCZOS, reducing_gap=3.0) if size != plain.size else plain
        panel = tuple(int(self.colours.panel[at : at + 2], 16) for at in (1, 3, 5))
        return flatten(small, panel).convert("RGB")  # type: ignore[arg-type]  # three of them

    def _draw_reason(self, sheet: Image.Image, at: tuple[int, int], note: str) -> None:
        """Draw the reason of a hole in the middle of its cell."""
        if not note:
            return
        style = self._small(note)
        room = self.cell[0] - round(28 * self.unit)
        most = max(1, min(4, self.cell[1] // style.line_height - 1))
        lines = text_layout.wrap(text_layout.readable_text(note, style), style, room, most)
        top = at[1] + (self.cell[1] - style.line_height * len(lines)) / 2
        for row, line in enumerate(lines):
            middle = (at[0] + self.cell[0] / 2, top + row * style.line_height)
            style.draw(sheet, middle, line, self.colours.muted, 0.5)

    def _draw_chip(self, sheet: Image.Image, at: tuple[int, int], note: str) -> None:
        """Draw a caption in the lower left corner of the image, readable on any background."""
        style = self._small(note)
        pad, inset = round(5 * self.unit), round(7 * self.unit)
        text = text_layout.cut(text_layout.readable_text(note, style), style, self.cell[0] - 2 * (inset + pad))
        size = (math.ceil(style.length(text)) + 2 * pad, style.height + round(2 * self.unit))
        place = (at[0] + inset, at[1] + self.cell[1] - inset - size[1])
        shade = frames.rounded_box(size, round(4 * self.unit), 0.62)
        sheet.paste(Image.new("RGB", size, "black"), place, shade)
        style.draw(sheet, (place[0] + pad, place[1] + round(self.unit)), text, "white")

    @staticmethod
    def _lines(
        sheet: Image.Image, at: tuple[float, float], lines: list[str], style: text_layout.TextStyle, fill: str
    ) -> None:
        for row, line in enumerate(lines):
            style.draw(sheet, (at[0], at[1] + row * style.line_height), line, fill)
