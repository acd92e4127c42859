"""The command line: `fusionflow demo | run | tape | models | resume | doctor`, also as `python -m fusionflow_nb`."""

from __future__ import annotations

from fusionflow_nb.cli.commands import main

__all__ = ["main"]
