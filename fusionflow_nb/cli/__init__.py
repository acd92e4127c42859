"""The command line: `fusionflow demo | run | tape | models | budget | doctor ...`, or `python -m fusionflow_nb`."""

from __future__ import annotations

from fusionflow_nb.cli import budget as _budget  # noqa: F401 - registers its commands on `main`
from fusionflow_nb.cli.commands import main

__all__ = ["main"]
