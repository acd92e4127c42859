"""The canvas, relative to plain React Flow with the same nodes in one browser; and the size of the bundle.

The other arm is React Flow on React with default settings and its state in the nodes array: once with the canvas's own
nodes, and once with React Flow's default node, a label and two handles, the least that can be drawn. Both start with
all nodes in view, where the canvas paints its overview instead of mounting nodes. Both receive progress in the batches
of the kernel. CPU is that of the page's main thread; frames are the browser's, at most 60 a second, drawn in software
where there is no GPU.

    python tests/benchmarks/bench_canvas.py [--quick] [--json FILE]
"""

from __future__ import annotations

import gzip
import json
import os
import shutil
import statistics
import subprocess
import sys
from pathlib import Path
from typing import Any

from report import Report, options

ROOT = Path(__file__).resolve().parent.parent.parent
STATIC = ROOT / "fusionflow_nb" / "canvas" / "static"
CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
ARMS = {"ours": "canvas", "card": "React Flow, same nodes", "label": "React Flow, labels"}
VIEWS = {"near": "eight in view", "far": "all in view"}


def measured(*options: str) -> list[dict[str, Any]]:
    """The figures that the browser measured."""
    environment = {**os.environ, **({"CHROMIUM": CHROMIUM} if CHROMIUM else {})}
    words = ["node", "dev/measure.mjs", *options]
    done = subprocess.run(
        words, cwd=ROOT / "js", env=environment, stdout=subprocess.PIPE, text=True, check=True, timeout=1800
    )
    return [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]


def add_sizes(report: Report) -> None:
    """Add the size of the bundle."""
    sizes = {name: len(gzip.compress((STATIC / name).read_bytes(), 9)) / 1e3 for name in ("canvas.js", "canvas.css")}
    detail = ", ".join(f"{name} {size:.1f}" for name, size in sizes.items())
    report.add("bundle, gzip", sum(sizes.values()), "kB", "<= 165", detail)


def main() -> int:
    """Measure and print."""
    chosen = options(__doc__, "500 nodes, one short round").parse_args()
    report = Report("canvas, relative to plain React Flow (medians)")
    if not (STATIC / "canvas.js").is_file() or shutil.which("node") is None:
        report.skip("bundle", "the canvas is not built, or Node.js is missing: run `make js`", "<= 165")
        return report.finish(chosen.json)
    add_sizes(report)
    if CHROMIUM is None:
        report.skip("first render", "no Chromium: `make browser` as root, or `sudo apt-get install chromium`", ">= 15")
        return report.finish(chosen.json)
    rounds, seconds = (1, 1) if chosen.quick else (3, 2)
    facts = measured("--count", "500" if chosen.quick else "5000", "--rounds", str(rounds), "--seconds", str(seconds))
    count = f"{facts[0]['count']:,} nodes"

    def of(arm: str, what: str, name: str, view: str | None = None) -> float:
        return statistics.median(
            fact[name] for fact in facts if (fact.get("arm"), fact["what"], fact.get("view")) == (arm, what, view)
        )

    for arm, name in ARMS.items():
        spent, used = of(arm, "first", "ms"), of(arm, "first", "cpu_ms")
        if arm == "ours":
            report.add(f"first render of {count}", spent, "ms", "", f"{used:,.0f} ms CPU")
        else:
            ratio, target = spent / of("ours", "first", "ms"), ">= 15" if arm == "card" else ""
            report.add(f"first render, {name}", ratio, "x", target, f"{spent:,.0f} ms, {used:,.0f} ms CPU")
    for view, visible in VIEWS.items():
        for arm, name in ARMS.items():
            is_ours = arm == "ours"
            row = f"100 updates/s, {visible}" + ("" if is_ours else f", {name}")
            idle = f"{of(arm, 'updates', 'idle', view):.0%} without updates"
            report.add(f"{row}: frames", of(arm, "updates", "fps", view), "frames/s", ">= 50" if is_ours else "")
            busy = 100 * of(arm, "updates", "busy", view)
            report.add(f"{row}: main thread", busy, "%", "<= 15" if is_ours else "", idle)
    return report.finish(chosen.json)


if __name__ == "__main__":
    sys.exit(main())
