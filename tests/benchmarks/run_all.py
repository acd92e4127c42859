"""Run every benchmark, each in a process of its own: `make bench`, or `make bench ROWS=journal,http` for some.

Figures are printed and compared with their targets, never asserted. Exit code 1 means that an arm had errors. All rows
are written to one JSON file.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
import sys
import tempfile
import time
from pathlib import Path

FOLDER = Path(__file__).resolve().parent
ROOT = FOLDER.parents[1]
ORDER = ("engine", "plan", "import", "http", "journal", "tape", "canvas", "channel")
"""The benchmarks of the design's table come first; others follow by name."""


def benchmarks() -> dict[str, Path]:
    """The benchmarks by name, in order."""
    paths = {path.stem.removeprefix("bench_"): path for path in sorted(FOLDER.glob("bench_*.py"))}
    return {name: paths[name] for name in dict.fromkeys((*ORDER, *paths)) if name in paths}


def names(text: str) -> list[str]:
    """`journal,http` as names; raises ArgumentTypeError for an unknown one."""
    chosen = [name for name in text.replace(",", " ").split() if name]
    unknown = [name for name in chosen if name not in benchmarks()]
    if unknown:
        raise argparse.ArgumentTypeError(f"no rows {', '.join(unknown)}; there are {', '.join(benchmarks())}")
    return chosen


def main() -> int:
    """Run the benchmarks; the others still run if one fails."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--quick", action="store_true", help="fewer and shorter rounds: a look, not a figure")
    parser.add_argument("--rows", type=names, default=[], help=f"some of {','.join(benchmarks())}")
    parser.add_argument("--json", type=Path, default=ROOT / "out" / "bench.json", help="where the rows are written")
    chosen = parser.parse_args()
    print(f"Python {platform.python_version()}, {platform.system()} {platform.machine()}, {os.cpu_count()} cores")
    results: dict[str, object] = {}
    failed = []
    began_all = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="fusionflow-bench-") as folder:
        for name in chosen.rows or benchmarks():
            began = time.monotonic()
            print(f"\n== {name}", flush=True)
            path = Path(folder) / f"{name}.json"
            command = [sys.executable, str(benchmarks()[name]), "--json", str(path)]
            command += ["--quick"] if chosen.quick else []
            if subprocess.run(command, cwd=ROOT, check=False).returncode:
                failed.append(name)
            results[name] = json.loads(path.read_text()) if path.is_file() else {"errors": {"no rows written": 1}}
            print(f"{name} took {time.monotonic() - began:.0f} s", flush=True)
    chosen.json.parent.mkdir(parents=True, exist_ok=True)
    chosen.json.write_text(json.dumps(results, indent=1))
    print(f"\nall of it took {time.monotonic() - began_all:.0f} s; rows as JSON: {chosen.json}")
    if failed:
        print(f"failed: {', '.join(failed)}")
    return 1 if failed else 0


if __name__ == "__main__":
    raise SystemExit(main())
