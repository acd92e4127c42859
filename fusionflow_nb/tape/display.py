"""Display of results: plain text by rich, and a static HTML table with thumbnails in the colours of the page."""

from __future__ import annotations

import base64
import html
import io
import re
import shutil
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

HTML_ROWS = 100
TEXT_ROWS = 40
_MAX_THUMBNAILS = 48  # per result: a saved notebook must stay small
_CELL_CHARACTERS = 300
_FALLBACK_SIZE = (120, 40)  # without a terminal

_ASSET_COLUMNS = re.compile(r"(^|_)(sha256|url)$|^store_key$")
_CONTROLS = {code: "\N{REPLACEMENT CHARACTER}" for code in (*range(32), *range(127, 160)) if chr(code) not in "\t\n"}
_DIGEST = re.compile(r"(?<![0-9a-fA-F])[0-9a-f]{64}(?![0-9a-fA-F])")
_NUMBERS = ("INT", "DOUBLE", "FLOAT", "DECIMAL", "HUGE")

# A repeated class has a higher specificity than the table styles of JupyterLab and nbconvert.
_STYLE = """<style>
.ff-tape{overflow-x:auto;max-width:100%}
.ff-tape table{border-collapse:collapse;color:inherit;background:transparent;font-size:12px;line-height:1.4}
.ff-tape.ff-tape tbody tr{background:transparent}
.ff-tape.ff-tape table th,.ff-tape.ff-tape table td{padding:4px 10px;text-align:left;vertical-align:top}
.ff-tape.ff-tape table td{border-bottom:1px solid rgba(128,128,128,.25)}
.ff-tape.ff-tape table th{font-weight:600;white-space:nowrap;border-bottom:1px solid rgba(128,128,128,.6)}
.ff-tape.ff-tape table td{max-width:32em;overflow-wrap:anywhere;white-space:pre-wrap}
.ff-tape.ff-tape table .n{text-align:right;font-variant-numeric:tabular-nums;white-space:nowrap}
.ff-tape .null{opacity:.45}
.ff-tape p{margin:4px 0;opacity:.65;font-size:11px}
</style>"""

# Inline, because an untrusted notebook loses the style sheet.
_ALIGN_LEFT = ' style="text-align:left"'
_THUMBNAIL = "display:block;max-width:128px;max-height:96px;margin:0;border-radius:4px"


@dataclass(frozen=True, slots=True)
class Page:
    """The displayed part of a result."""

    columns: list[str]
    types: list[str]
    rows: list[tuple[Any, ...]]
    total: int

    @property
    def caption(self) -> str:
        """The number of rows, and how many are displayed."""
        total = f"{self.total:,} row{'' if self.total == 1 else 's'}"
        return total if self.total == len(self.rows) else f"the first {len(self.rows)} of {total}"

    def is_number(self, index: int) -> bool:
        """Return whether a column is numeric, and therefore right-aligned."""
        return self.types[index].startswith(_NUMBERS) or "INT" in self.types[index].partition("(")[0]


def as_text(page: Page) -> str:
    """Return a table for terminals; markup and control codes in cells are inert."""
    from rich.console import Console  # noqa: PLC0415 - only when a result is displayed
    from rich.table import Table  # noqa: PLC0415
    from rich.text import Text  # noqa: PLC0415

    table = Table()
    for index, column in enumerate(page.columns):
        table.add_column(Text(column), justify="right" if page.is_number(index) else "left", overflow="fold")
    for row in page.rows:
        table.add_row(*(Text(_shortened("NULL" if value is None else _plain(value))) for value in row))
    target = io.StringIO()
    Console(
        file=target,
        width=shutil.get_terminal_size(_FALLBACK_SIZE).columns,
        force_terminal=False,
        force_jupyter=False,  # otherwise rich displays the table in the cell
        color_system=None,
    ).print(table)
    return "\n".join([*(line.rstrip() for line in target.getvalue().split("\n") if line), page.caption])


def as_html(page: Page, preview: Callable[[str], bytes | None] | None) -> str:
    """Return a static table: values escaped, thumbnails embedded, no script and no request."""
    thumbnails = _Thumbnails(preview)
    head = "".join(
        f"<th{_alignment(page, index)}>{html.escape(column)}</th>" for index, column in enumerate(page.columns)
    )
    body = "".join(
        "<tr>" + "".join(_cell(page, index, value, thumbnails) for index, value in enumerate(row)) + "</tr>"
        for row in page.rows
    )
    return (
        f'{_STYLE}<div class="ff-tape"><table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>'
        f"<p>{page.caption}</p></div>"
    )


class _Thumbnails:
    """Thumbnails as data URIs, at most `_MAX_THUMBNAILS`, each loaded once."""

    def __init__(self, preview: Callable[[str], bytes | None] | None) -> None:
        self._preview = preview
        self._encoded: dict[str, str | None] = {}
        self._left = _MAX_THUMBNAILS

    def of(self, value: str) -> str | None:
        """Return an `<img>` for the digest in a value, or None if there is no preview or the limit is reached."""
        match = _DIGEST.search(value)
        if match is None or self._preview is None or not self._left:
            return None
        digest = match[0]
        if digest not in self._encoded:
            data = self._preview(digest)
            self._encoded[digest] = None if data is None else base64.b64encode(data).decode()
        encoded = self._encoded[digest]
        if encoded is None:
            return None
        self._left -= 1
        return f'<img style="{_THUMBNAIL}" src="data:image/webp;base64,{encoded}" alt="" title="{html.escape(value)}">'


def _cell(page: Page, index: int, value: Any, thumbnails: _Thumbnails) -> str:  # noqa: ANN401 - any SQL value
    if value is None:
        return f'<td{_alignment(page, index)}><span class="null">NULL</span></td>'
    text = _plain(value)
    if isinstance(value, str) and _ASSET_COLUMNS.search(page.columns[index].lower()):
        picture = thumbnails.of(text)
        if picture is not None:
            return f"<td{_ALIGN_LEFT}>{picture}</td>"
    return f"<td{_alignment(page, index)}>{html.escape(_shortened(text))}</td>"


def _alignment(page: Page, index: int) -> str:
    """Return the inline alignment of a cell: without a style sheet, JupyterLab right-aligns all cells."""
    return ' class="n" style="text-align:right"' if page.is_number(index) else _ALIGN_LEFT


def _plain(value: Any) -> str:  # noqa: ANN401 - any SQL value
    if isinstance(value, float):
        return f"{value:.6g}" if abs(value) < 1e6 else f"{value:,.2f}"  # noqa: PLR2004 - six significant digits suffice below
    return str(value).translate(_CONTROLS)


def _shortened(text: str) -> str:
    return text if len(text) <= _CELL_CHARACTERS else text[: _CELL_CHARACTERS - 1] + "…"
