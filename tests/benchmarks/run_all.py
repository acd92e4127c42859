"""Every benchmark in turn, each in a process of its own. `--quick` is passed through; `--only import tape` runs some.

What is measured is printed, never asserted: a figure says something about this machine at this moment.
"""

from __future__ import annotations

import argparse
import os
import platform
import subprocess
import sys
import time
from pathlib import Path

FOLDER = Path(__file__).resolve().parent
ORDER = ("engine", "plan", "import", "http", "journal", "tape", "canvas", "channel")
"""Those of the design's table first; any other beside them comes after, by name."""


def found() -> dict[str, Path]:
    """The benchmarks that are there, by name, in order."""
    there = {path.stem.removeprefix("bench_"): path for path in sorted(FOLDER.glob("bench_*.py"))}
    return {name: there[name] for name in dict.fromkeys((*ORDER, *there)) if name in there}


def main() -> int:
    """Run them; all, even where one fails."""
    benchmarks = found()
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--quick", action="store_true", help="fewer and shorter rounds: a look, not a figure")
    parser.add_argument("--only", nargs="+", choices=benchmarks, default=list(benchmarks))
    given = parser.parse_args()
    print(f"Python {platform.python_version()}, {platform.system()} {platform.machine()}, {os.cpu_count()} cores")
    failed = []
    for name in given.only:
        began = time.monotonic()
        print(f"\n== {name}", flush=True)
        words = [sys.executable, str(benchmarks[name]), *(["--quick"] if given.quick else [])]
        if subprocess.run(words, cwd=FOLDER.parent.parent, check=False).returncode:
            failed.append(name)
        print(f"   took {time.monotonic() - began:.0f} s", flush=True)
    if failed:
        print(f"\nfailed: {', '.join(failed)}")
    return 1 if failed else 0


if __name__ == "__main__":
    raise SystemExit(main())
