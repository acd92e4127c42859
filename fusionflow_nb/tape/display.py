"""How a result looks: plain text by rich, and one static HTML table with thumbnails, in the colours around it."""

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
_PICTURES = 48  # embedded thumbnails of a result: a saved notebook must stay small
_CELL_CHARACTERS = 300
_FALLBACK_SIZE = (120, 40)  # where there is no terminal to ask

_PICTURE_COLUMNS = re.compile(r"(^|_)(sha256|url)$|^store_key$")
_CONTROLS = {code: "\N{REPLACEMENT CHARACTER}" for code in (*range(32), *range(127, 160)) if chr(code) not in "\t\n"}
_DIGEST = re.compile(r"(?<![0-9a-fA-F])[0-9a-f]{64}(?![0-9a-fA-F])")
_NUMBERS = ("INT", "DOUBLE", "FLOAT", "DECIMAL", "HUGE")

# Said twice, a class outweighs what JupyterLab and nbconvert say about tables.
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

# On the cells and pictures themselves: a notebook that is not trusted yet loses the style sheet.
_LEFT = ' style="text-align:left"'
_THUMBNAIL = "display:block;max-width:128px;max-height:96px;margin:0;border-radius:4px"


@dataclass(frozen=True, slots=True)
class Shown:
    """The part of a result that is shown."""

    columns: list[str]
    types: list[str]
    rows: list[tuple[Any, ...]]
    total: int

    @property
    def caption(self) -> str:
        """How many rows there are, and whether these are all."""
        all_of_them = f"{self.total:,} row{'' if self.total == 1 else 's'}"
        return all_of_them if self.total == len(self.rows) else f"the first {len(self.rows)} of {all_of_them}"

    def is_number(self, place: int) -> bool:
        """Whether a column is set flush right."""
        return self.types[place].startswith(_NUMBERS) or "INT" in self.types[place].partition("(")[0]


def as_text(shown: Shown) -> str:
    """A table for terminals; no character of a cell is taken for markup or a control code."""
    from rich.console import Console  # noqa: PLC0415 - only when something is shown
    from rich.table import Table  # noqa: PLC0415
    from rich.text import Text  # noqa: PLC0415

    table = Table()
    for place, column in enumerate(shown.columns):
        table.add_column(Text(column), justify="right" if shown.is_number(place) else "left", overflow="fold")
    for row in shown.rows:
        table.add_row(*(Text(_shortened("NULL" if value is None else _plain(value))) for value in row))
    target = io.StringIO()
    Console(
        file=target,
        width=shutil.get_terminal_size(_FALLBACK_SIZE).columns,
        force_terminal=False,
        force_jupyter=False,  # else rich would display it in the cell instead of writing it
        color_system=None,
    ).print(table)
    return "\n".join([*(line.rstrip() for line in target.getvalue().split("\n") if line), shown.caption])


def as_html(shown: Shown, preview: Callable[[str], bytes | None] | None) -> str:
    """A static table: every value escaped, thumbnails inside, nothing fetched, no script."""
    thumbnails = _Thumbnails(preview)
    head = "".join(f"<th{_look(shown, place)}>{html.escape(column)}</th>" for place, column in enumerate(shown.columns))
    body = "".join(
        "<tr>" + "".join(_cell(shown, place, value, thumbnails) for place, value in enumerate(row)) + "</tr>"
        for row in shown.rows
    )
    return (
        f'{_STYLE}<div class="ff-tape"><table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>'
        f"<p>{shown.caption}</p></div>"
    )


class _Thumbnails:
    """Pictures as data URIs, at most so many, each asked for once."""

    def __init__(self, preview: Callable[[str], bytes | None] | None) -> None:
        self._preview = preview
        self._known: dict[str, str | None] = {}
        self._left = _PICTURES

    def of(self, value: str) -> str | None:
        """The picture that a value names by its digest, if there is one and there is room for it."""
        found = _DIGEST.search(value)
        if found is None or self._preview is None or not self._left:
            return None
        digest = found[0]
        if digest not in self._known:
            data = self._preview(digest)
            self._known[digest] = None if data is None else base64.b64encode(data).decode()
        encoded = self._known[digest]
        if encoded is None:
            return None
        self._left -= 1
        return f'<img style="{_THUMBNAIL}" src="data:image/webp;base64,{encoded}" alt="" title="{html.escape(value)}">'


def _cell(shown: Shown, place: int, value: Any, thumbnails: _Thumbnails) -> str:  # noqa: ANN401 - any SQL value
    if value is None:
        return f'<td{_look(shown, place)}><span class="null">NULL</span></td>'
    text = _plain(value)
    if isinstance(value, str) and _PICTURE_COLUMNS.search(shown.columns[place].lower()):
        picture = thumbnails.of(text)
        if picture is not None:
            return f"<td{_LEFT}>{picture}</td>"
    return f"<td{_look(shown, place)}>{html.escape(_shortened(text))}</td>"


def _look(shown: Shown, place: int) -> str:
    """Which side a cell's text stands on, said on the cell itself: without a sheet, Lab sets all flush right."""
    return ' class="n" style="text-align:right"' if shown.is_number(place) else _LEFT


def _plain(value: Any) -> str:  # noqa: ANN401 - any SQL value
    if isinstance(value, float):
        return f"{value:.6g}" if abs(value) < 1e6 else f"{value:,.2f}"  # noqa: PLR2004 - where digits stop being read
    return str(value).translate(_CONTROLS)


def _shortened(text: str) -> str:
    return text if len(text) <= _CELL_CHARACTERS else text[: _CELL_CHARACTERS - 1] + "…"
