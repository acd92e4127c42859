"""Import time of `fusionflow_nb`, relative to `import anywidget`.

Each figure is the median CPU time of nine fresh processes, minus that of an interpreter that imports nothing. The arms
take turns, so that other load affects all of them. A first round fills the caches and is not counted.

    python tests/benchmarks/bench_import.py [--quick] [--json FILE]
"""

from __future__ import annotations

import statistics
import subprocess
import sys

from report import Report, options

MODULES = ("", "anywidget", "fusionflow_nb", "fusionflow_nb.api.flow", "fusionflow_nb.cli")
FLOOR = "anywidget"
TARGETS = {"fusionflow_nb": "<= 1.3"}
_CODE = "import time, {module}; print(time.process_time())"


def cpu_s(module: str) -> float:
    """CPU seconds a fresh interpreter has used once it has imported a module."""
    code = _CODE.format(module=module or "sys")
    return float(subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout)


def main() -> int:
    """Measure and print."""
    chosen = options(__doc__, "three rounds instead of nine").parse_args()
    rounds = 3 if chosen.quick else 9
    measured: dict[str, list[float]] = {module: [] for module in MODULES}
    for number in range(rounds + 1):
        for module in MODULES:
            seconds = cpu_s(module)
            if number:
                measured[module].append(seconds)
    medians = {module: statistics.median(times) for module, times in measured.items()}
    interpreter = medians.pop("")
    baseline = medians[FLOOR] - interpreter
    report = Report(f"CPU time of an import in a fresh process, relative to {FLOOR}; medians of {rounds} rounds")
    for module, seconds in medians.items():
        detail = f"{(seconds - interpreter) * 1e3:.0f} ms; the process {seconds * 1e3:.0f} ms"
        report.add(f"import {module}", (seconds - interpreter) / baseline, "x", TARGETS.get(module, ""), detail)
    return report.finish(chosen.json)


if __name__ == "__main__":
    raise SystemExit(main())
