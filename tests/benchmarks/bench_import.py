"""What importing costs: `import fusionflow_nb` against `import anywidget`, and the rooms a first cell needs.

Each figure is the median CPU time of nine fresh processes, taken in turn so that a busy moment hits all alike, less
that of an interpreter that imports nothing. The first round, which fills the caches of bytecode and disk, is left out.

    python tests/benchmarks/bench_import.py [--quick]
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys

from rich.console import Console
from rich.table import Table

MODULES = ("", "anywidget", "fusionflow_nb", "fusionflow_nb.api", "fusionflow_nb.cli")
FLOOR = "anywidget"
TARGETS = {"fusionflow_nb": "<= 1.3x"}
_CODE = "import time, {module}; print(time.process_time())"


def cpu_s(module: str) -> float:
    """CPU seconds a fresh interpreter has used once it has imported a module."""
    code = _CODE.format(module=module or "sys")
    return float(subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--quick", action="store_true", help="three rounds instead of nine")
    rounds = 3 if parser.parse_args().quick else 9
    measured: dict[str, list[float]] = {module: [] for module in MODULES}
    for taken in range(rounds + 1):
        for module in MODULES:
            seconds = cpu_s(module)
            if taken:
                measured[module].append(seconds)
    medians = {module: statistics.median(found) for module, found in measured.items()}
    bare = medians.pop("")
    table = Table(title=f"CPU time of an import in a fresh process; medians of {rounds} rounds")
    for heading in ("", "whole process", "import alone", "of anywidget's", "target"):
        table.add_column(heading, justify="left" if not heading else "right")
    table.add_row("python, nothing imported", f"{bare * 1e3:.0f} ms", "", "", "")
    for module, seconds in medians.items():
        table.add_row(
            f"import {module}",
            f"{seconds * 1e3:.0f} ms",
            f"{(seconds - bare) * 1e3:.0f} ms",
            f"{(seconds - bare) / (medians[FLOOR] - bare):.2f}x",
            TARGETS.get(module, ""),
        )
    Console(width=100).print(table)


if __name__ == "__main__":
    main()
