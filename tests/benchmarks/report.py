"""Rows of a benchmark: each has a figure, its target and a verdict. Errors fail the command.

A benchmark makes a `Report`, adds rows and ends with `raise SystemExit(report.finish())`. Figures are printed and never
asserted: a missed target is not an error. An arm in which something failed is: its kinds of error are listed, one line
each, and the exit code is 1.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import re
from collections import Counter
from dataclasses import asdict, dataclass, field
from pathlib import Path

from rich.console import Console
from rich.table import Table

NUMBER = re.compile(r"\d[\d,.]*")


@dataclass
class Row:
    """One figure.

    Args:
        name: what is measured.
        value: the figure; None where it was not measured here.
        unit: `x` (ratio to the baseline of the same run), `ms`, `us/node`, `rows/s`, ...
        target: `<= 2` or `>= 15`, in the same unit; empty without a target.
        detail: the baseline and the spread, as text.
    """

    name: str
    value: float | None
    unit: str = ""
    target: str = ""
    detail: str = ""

    @property
    def verdict(self) -> str:
        """`met`, `missed`, `not measured`, or nothing without a target."""
        if self.value is None:
            return "not measured"
        if not self.target:
            return ""
        relation, bound = self.target.split()
        is_met = self.value <= float(bound) if relation == "<=" else self.value >= float(bound)
        return "met" if is_met else "missed"


@dataclass
class Report:
    """The rows of one benchmark and the errors of its arms."""

    title: str
    rows: list[Row] = field(default_factory=list)
    errors: Counter[str] = field(default_factory=Counter)

    def add(self, name: str, value: float, unit: str, target: str = "", detail: str = "") -> None:
        """Add a figure."""
        self.rows.append(Row(name, value, unit, target, detail))

    def skip(self, name: str, reason: str, target: str = "") -> None:
        """Add a row that is not measured on this machine, with the reason."""
        self.rows.append(Row(name, None, "", target, reason))

    def fail(self, arm: str, error: BaseException | str) -> None:
        """Count an error of an arm. Errors that differ in numbers only are one kind."""
        text = error if isinstance(error, str) else f"{type(error).__name__}: {str(error)[:160]}"
        self.errors[f"{arm}: {NUMBER.sub('N', text)}"] += 1

    def finish(self, path: Path | None) -> int:
        """Print the table and the errors, write JSON if a path is set, and return the exit code."""
        table = Table("what", "figure", "target", "", "detail", title=self.title)
        for row in self.rows:
            target = f"{row.target} {row.unit}".strip() if row.target else ""
            table.add_row(row.name, shown(row.value, row.unit), target, row.verdict, row.detail)
        Console(width=None if os.environ.get("COLUMNS") else 120).print(table)
        for kind, count in self.errors.most_common():
            print(f"error, {count:,} times: {kind}")
        print(f"Python {platform.python_version()}, {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}")
        if path is not None:
            rows = [{**asdict(row), "verdict": row.verdict} for row in self.rows]
            path.write_text(json.dumps({"title": self.title, "rows": rows, "errors": self.errors}, indent=1))
        return 1 if self.errors else 0


def shown(value: float | None, unit: str) -> str:
    """A figure with its unit, in about three digits.

    >>> shown(2.345, "x"), shown(12345.6, "rows/s"), shown(None, "")
    ('2.35 x', '12,346 rows/s', '')
    """
    if value is None:
        return ""
    digits = 0 if abs(value) >= 100 else 1 if abs(value) >= 10 else 2 if abs(value) >= 0.1 else 3
    return f"{value:,.{digits}f} {unit}".strip()


def options(description: str | None, quick: str) -> argparse.ArgumentParser:
    """The options of every benchmark: `--quick` and `--json`."""
    parser = argparse.ArgumentParser(description=(description or "").partition("\n")[0])
    parser.add_argument("--quick", action="store_true", help=quick)
    parser.add_argument("--json", type=Path, help="write the rows to this file")
    return parser
