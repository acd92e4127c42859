"""Our canvas against plain React Flow with the same nodes, in turn in one browser; and what the bundle weighs.

The other arm is React Flow on React itself, its settings at their defaults, its state in the nodes array: once with our
own nodes, and once with React Flow's default node, a label and two handles, less than which cannot be drawn. Both begin
with all nodes in view, where ours paints its overview instead of mounting nodes: that is its way, and what a person
sees. Both hear of progress in the bundles of the kernel's coalescer. CPU is that of the page's main thread; frames are
the browser's, at most 60 a second, drawn in software where there is no GPU.

    python tests/benchmarks/bench_canvas.py [--quick]
"""

from __future__ import annotations

import argparse
import gzip
import json
import os
import shutil
import statistics
import subprocess
import sys
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

ROOT = Path(__file__).resolve().parent.parent.parent
STATIC = ROOT / "fusionflow_nb" / "canvas" / "static"
CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
ARMS = {"ours": "ours", "card": "React Flow, same nodes", "label": "React Flow, labels"}
VIEWS = {"near": "eight in view", "far": "all in view"}


def measured(*options: str) -> list[dict[str, Any]]:
    """What the browser found, one fact each."""
    environment = {**os.environ, **({"CHROMIUM": CHROMIUM} if CHROMIUM else {})}
    words = ["node", "dev/measure.mjs", *options]
    done = subprocess.run(
        words, cwd=ROOT / "js", env=environment, stdout=subprocess.PIPE, text=True, check=True, timeout=1800
    )
    return [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]


def weight() -> None:
    """Print what a browser loads."""
    table = Table("the bundle", "bytes", "gzip", "target", title="what a browser loads")
    total = 0
    for name in ("canvas.js", "canvas.css"):
        data = (STATIC / name).read_bytes()
        zipped = len(gzip.compress(data, 9))
        total += zipped
        table.add_row(name, f"{len(data) / 1e3:.1f} kB", f"{zipped / 1e3:.1f} kB", "")
    table.add_row("together", "", f"{total / 1e3:.1f} kB", "<= 160 kB")
    Console(width=100).print(table)


def main() -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--quick", action="store_true", help="500 nodes, one short round")
    quick = parser.parse_args().quick
    if not (STATIC / "canvas.js").is_file() or shutil.which("node") is None:
        print("The canvas is not built, or there is no Node.js: run `make js`.")
        return 1
    weight()
    if CHROMIUM is None:
        print("There is no Chromium: nothing is drawn. `make browser` as root, or `sudo apt-get install chromium`.")
        return 0
    rounds, seconds = (1, 1) if quick else (3, 3)
    facts = measured("--count", "500" if quick else "5000", "--rounds", str(rounds), "--seconds", str(seconds))
    setting, console = facts[0], Console(width=100)

    def of(arm: str, what: str, field: str, view: str | None = None) -> float:
        return statistics.median(
            fact[field] for fact in facts if (fact.get("arm"), fact["what"], fact.get("view")) == (arm, what, view)
        )

    title = f"first render of {setting['count']:,} nodes, data to painted; medians of {rounds}"
    first = Table("", "time", "of ours", "CPU", "of ours", "target", title=title)
    for arm, name in ARMS.items():
        spent, used = of(arm, "first", "ms"), of(arm, "first", "cpu_ms")
        first.add_row(
            name,
            f"{spent:,.0f} ms",
            f"{spent / of('ours', 'first', 'ms'):.1f}x",
            f"{used:,.0f} ms",
            f"{used / of('ours', 'first', 'cpu_ms'):.1f}x",
            ">= 15x" if arm == "card" else "",
        )
    console.print(first)
    title = f"100 progress updates/s on {setting['count']:,} nodes, a hundred of them at work; medians of {rounds}"
    updates = Table("", "", "frames/s", "main thread", "at rest", "target", title=title)
    for view, seen in VIEWS.items():
        for arm, name in ARMS.items():
            updates.add_row(
                seen if arm == "ours" else "",
                name,
                f"{of(arm, 'updates', 'fps', view):.0f}",
                f"{of(arm, 'updates', 'busy', view):.0%}",
                f"{of(arm, 'updates', 'idle', view):.0%}",
                ">= 50, <= 15 %" if arm == "ours" else "",
            )
    console.print(updates)
    print(f"Chromium {setting['browser']}, {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
