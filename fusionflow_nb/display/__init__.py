"""How runs and flows look: bars in a terminal, a card in a cell, human file names."""

from __future__ import annotations

from fusionflow_nb.display.file_names import distinct, extension, file_stem
from fusionflow_nb.display.html import bundle, flow_html, run_html
from fusionflow_nb.display.run_rows import Line, dollars, lines
from fusionflow_nb.display.terminal import harmless, is_watched, terminal_table, watch

__all__ = [
    "Line",
    "bundle",
    "distinct",
    "dollars",
    "extension",
    "file_stem",
    "flow_html",
    "harmless",
    "is_watched",
    "lines",
    "run_html",
    "terminal_table",
    "watch",
]
