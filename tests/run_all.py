"""Run every check, and say how long each part took. `--only PART ...` runs some."""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PARTS = {
    "ruff": ["-m", "ruff", "check", "."],
    "format": ["-m", "ruff", "format", "--check", "."],
    "mypy": ["-m", "mypy"],
    "doctest": ["-m", "pytest", "-q", "--doctest-modules", "fusionflow_nb"],
    "tests": ["-m", "pytest", "-q", "--durations=12"],
}


def main() -> int:
    """Run the parts in order; all of them, even where one fails."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", nargs="+", choices=PARTS, default=list(PARTS))
    chosen = parser.parse_args().only
    took: dict[str, tuple[float, int]] = {}
    for part in chosen:
        print(f"== {part}", flush=True)
        began = time.monotonic()
        # A folder of its own: what a killed run left behind in the shared one is not this run's to clear away.
        with tempfile.TemporaryDirectory(prefix="fusionflow-tests-", ignore_cleanup_errors=True) as folder:
            own = ["--basetemp", str(Path(folder) / "t")] if "pytest" in PARTS[part] else []
            code = subprocess.run([sys.executable, *PARTS[part], *own], cwd=ROOT, check=False).returncode
        took[part] = (time.monotonic() - began, code)
    print("\npart       seconds  result")
    for part, (seconds, code) in took.items():
        print(f"{part:<9} {seconds:8.1f}  {'ok' if code == 0 else f'failed ({code})'}")
    failed = sum(1 for _, code in took.values() if code)
    print(f"\n{len(took) - failed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    raise SystemExit(main())
