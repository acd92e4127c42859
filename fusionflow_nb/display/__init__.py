"""How runs and flows are displayed: bars in a terminal, a card in a cell, readable file names."""

from __future__ import annotations

from fusionflow_nb.display.file_names import distinct, extension, file_stem
from fusionflow_nb.display.html import bundle, flow_html, run_html
from fusionflow_nb.display.run_rows import Row, dollars, rows
from fusionflow_nb.display.terminal import harmless, is_watched, terminal_table, watch

__all__ = [
    "Row",
    "bundle",
    "distinct",
    "dollars",
    "extension",
    "file_stem",
    "flow_html",
    "harmless",
    "is_watched",
    "rows",
    "run_html",
    "terminal_table",
    "watch",
]
