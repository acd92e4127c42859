"""A table of text for cells, terminals and files."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence


class TextTable:
    """Columns and rows of text.

    Args:
        columns: headings.
        numbers: indexes of right-aligned columns.
    """

    def __init__(self, columns: Sequence[str], *, numbers: Sequence[int] = ()) -> None:
        self.columns = tuple(columns)
        self.numbers = frozenset(numbers)

    def rows(self) -> list[tuple[str, ...]]:
        """The texts of each row."""
        raise NotImplementedError

    def note(self) -> str:
        """A line below the table; empty for none."""
        return ""

    def _repr_html_(self) -> str:
        def line(cells: tuple[str, ...], tag: str) -> str:
            sides = ("right" if at in self.numbers else "left" for at in range(len(cells)))
            inner = (
                f'<{tag} style="text-align:{side}">{escape(cell)}</{tag}>'
                for side, cell in zip(sides, cells, strict=True)
            )
            return f"<tr>{''.join(inner)}</tr>"

        body = "".join(line(row, "td") for row in self.rows())
        below = f"<p>{escape(self.note())}</p>" if self.note() else ""
        return f"<table>{line(self.columns, 'th')}{body}</table>{below}"

    def __repr__(self) -> str:
        all_rows = [self.columns, *self.rows()]
        widths = [max(len(row[at]) for row in all_rows) for at in range(len(self.columns))]
        lines = [
            "  ".join(
                cell.rjust(width) if at in self.numbers else cell.ljust(width)
                for at, (cell, width) in enumerate(zip(row, widths, strict=True))
            ).rstrip()
            for row in all_rows
        ]
        return "\n".join([*lines, self.note()] if self.note() else lines)
