"""Run every check and print how long each part took. `--only PART ...` runs some.

`--quick` leaves out what needs a browser or starts processes: it checks types and style beside the tests.
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections import deque
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
_PYTHON = (sys.executable, "-m")
_JS = ("npx", "--no-install")  # what is in js/node_modules, or nothing
PARTS: dict[str, tuple[str, ...]] = {
    "ruff": (*_PYTHON, "ruff", "check", "."),
    "format": (*_PYTHON, "ruff", "format", "--check", "."),
    "mypy": (*_PYTHON, "mypy"),
    "js types": (*_JS, "tsc", "--noEmit"),
    "js lint": (*_JS, "biome", "check", "."),
    "js tests": (*_JS, "vitest", "run"),
    # The template's tests import its own package; tests/providers/test_template.py runs them where it is installed.
    "doctest": (*_PYTHON, "pytest", "-q", "--doctest-modules", "fusionflow_nb", "--ignore-glob=*/template/*"),
    "tests": (*_PYTHON, "pytest", "-q", "--durations=12"),
}
QUICK_PARTS: dict[str, tuple[str, ...]] = {
    **PARTS,
    "js tests": (*PARTS["js tests"], "--exclude", "test/page/**"),
    "tests": (*_PYTHON, "pytest", "-q", "--quick", "--hypothesis-profile=quick", "--numprocesses=2"),
}
"""The same parts without browsers and other processes."""
QUICK = ("tests", *(part for part in PARTS if part not in {"tests", "doctest"}))
CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)


LAST_LINES = 100
"""How much of a failed part is said again at the end, where the reader of a long log looks first."""


def spoken(
    command: list[str], folder: Path, environment: dict[str, str], *, aloud: bool = True
) -> tuple[int, list[str]]:
    """Run a command, print its output if `aloud`, and return its exit code and last lines."""
    last: deque[str] = deque(maxlen=LAST_LINES)
    with subprocess.Popen(
        command,
        cwd=folder,
        env=environment,
        text=True,
        errors="replace",
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    ) as process:
        for line in process.stdout or ():
            if aloud:
                print(line, end="", flush=True)
            last.append(line.rstrip())
    return process.returncode, list(last)


def run(part: str, *, quick: bool = False) -> tuple[int, list[str]]:
    """Run one part in its folder; return its exit code and its last lines."""
    command, environment = list((QUICK_PARTS if quick else PARTS)[part]), dict(os.environ)
    if not part.startswith("js "):
        # A folder of its own: what a killed run left behind in the shared one is not this run's to clear away.
        with tempfile.TemporaryDirectory(prefix="fusionflow-tests-", ignore_cleanup_errors=True) as folder:
            command += ["--basetemp", str(Path(folder) / "t")] if "pytest" in command else []
            return spoken(command, ROOT, environment, aloud=not quick or part == "tests")
    if not (ROOT / "js" / "node_modules").is_dir() or shutil.which("npx") is None:
        missing = "What the canvas is checked with is not installed: run `make js` (it needs Node.js 20.19 and npm)."
        print(missing)
        return 1, [missing]
    if CHROMIUM:
        environment.setdefault("CHROMIUM", CHROMIUM)
    elif part == "js tests" and not quick:
        print("There is no Chromium: the canvas's journeys in a browser are skipped.", flush=True)
    return spoken(command, ROOT / "js", environment, aloud=not quick)


def failed_test(line: str) -> str | None:
    """The test that a line of pytest's or vitest's summary says has failed."""
    found = re.match(r"\s*(?:FAIL|FAILED|ERROR)\s+(\S.*)", re.sub(r"\x1b\[[0-9;]*m", "", line))
    return found[1].split(" - ")[0] if found else None


def main() -> int:
    """Run the parts in order; all of them, even where one fails."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", nargs="+", choices=PARTS)
    parser.add_argument("--quick", action="store_true", help="no browser, no other process, no slow test")
    arguments = parser.parse_args()
    took: dict[str, tuple[float, int]] = {}
    said: dict[str, list[str]] = {}

    def measure(part: str) -> None:
        print(f"== {part}", flush=True)
        began = time.monotonic()
        code, last = run(part, quick=arguments.quick)
        took[part] = (time.monotonic() - began, code)
        if code:
            said[part] = last

    began = time.monotonic()
    if arguments.quick:
        first, *rest = arguments.only or QUICK
        with ThreadPoolExecutor(1) as beside:  # the checks print nothing unless they fail
            tests = beside.submit(measure, first)
            for part in rest:
                measure(part)
            tests.result()
    else:
        for part in arguments.only or PARTS:
            measure(part)
    for part, lines in said.items():
        print(f"\n== {part} failed; its last lines:", *lines, sep="\n")
    print("\npart       seconds  result")
    for part, (seconds, code) in took.items():
        print(f"{part:<9} {seconds:8.1f}  {'ok' if code == 0 else f'failed ({code})'}")
    for name in dict.fromkeys(name for lines in said.values() for name in map(failed_test, lines) if name):
        print(f"failed: {name}")
    print(f"{'total':<9} {time.monotonic() - began:8.1f}")
    failed = sum(1 for _, code in took.values() if code)
    print(f"\n{len(took) - failed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    raise SystemExit(main())
