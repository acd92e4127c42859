"""Run the suite on the newest versions that pyproject.toml allows, and say which package broke what.

`make newest` calls it. requirements/*.txt stay as they are; `make requirements UPGRADE=1` moves the pins.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from requirements import FILES, FOLDER, ROOT, compile_file, pins

VENV = ROOT / ".venv-newest"
PYTHON = VENV / ("Scripts/python.exe" if sys.platform == "win32" else "bin/python")
PARTS = ("ruff", "format", "mypy", "doctest", "tests")
BY_PYTEST = ("doctest", "tests")
_UV = (sys.executable, "-m", "uv", "--quiet")


@dataclass(frozen=True)
class Failures:
    """What failed in one run: test ids, and the names of other parts of tests/run_all.py."""

    tests: tuple[str, ...] = ()
    parts: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.tests or self.parts)

    def __str__(self) -> str:
        return ", ".join((*self.parts, *self.tests))


def main() -> int:
    """Compare the versions, run the suite and, where it fails, test each changed package alone."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--always", action="store_true", help="run the suite even if no version differs from the pins")
    parser.add_argument("--only", nargs="+", choices=PARTS, default=list(PARTS), help="run some parts of the suite")
    parser.add_argument("--minutes", type=float, default=30, help="longest time spent on testing packages alone")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="fusionflow-newest-") as name:
        folder = Path(name)
        pinned, newest = folder / "pinned.txt", folder / "newest.txt"
        compile_file((str(FOLDER / "test.txt"),), pinned, universal=False)
        compile_file(FILES["test.txt"], newest, universal=False)
        changes = differences(pinned, newest)
        version = ".".join(map(str, sys.version_info[:2]))
        title = f"Python {version}: {len(changes)} packages have a newer version than requirements/test.txt"
        print(title, *changes.values(), sep="\n  ", flush=True)
        if not changes and not arguments.always:
            print("Nothing to test: `make test` runs on these versions. --always runs the suite anyway.")
            return 0
        install(newest)
        failures = run_suite(arguments.only, folder)
        if not failures:
            print("\nThe suite passes on the newest versions. To pin them: make requirements UPGRADE=1")
            return 0
        print("\nFailed on the newest versions:", *failures.parts, *failures.tests, sep="\n  ")
        blame(failures, changes, folder, until=time.monotonic() + arguments.minutes * 60)
    return 1


def differences(pinned: Path, other: Path) -> dict[str, str]:
    """Return a line `name old -> new` for each package whose pin differs, by name."""
    before, after = (pins(path.read_text(encoding="utf-8")) for path in (pinned, other))
    return {
        name: f"{name} {_versions(before.get(name))} -> {_versions(after.get(name))}"
        for name in sorted({*before, *after})
        if before.get(name) != after.get(name)
    }


def _versions(versions: set[str] | None) -> str:
    return " and ".join(sorted(versions)) if versions else "(not installed)"


def install(requirements: Path) -> None:
    """Make the virtual environment hold these versions and the project, and nothing else."""
    if not PYTHON.exists():
        subprocess.run([*_UV, "venv", "--python", sys.executable, str(VENV)], check=True)
    into = (*_UV, "pip", "install", "--python", str(PYTHON))
    subprocess.run([*_UV, "pip", "sync", "--python", str(PYTHON), str(requirements)], check=True)
    # No resolver: what the first line installed stays, a newer build backend included.
    subprocess.run([*into, "--no-deps", "--requirement", str(FOLDER / "no-deps.txt")], check=True)
    subprocess.run([*into, "--no-deps", "editables", "pip"], check=True)
    subprocess.run([*into, "--no-deps", "--no-build-isolation", "--editable", str(ROOT)], check=True)


def run_suite(parts: list[str], folder: Path) -> Failures:
    """Run parts of tests/run_all.py and return what failed."""
    cache = folder / "cache"
    environment = {**os.environ, "PYTEST_ADDOPTS": f"-o cache_dir={cache}"}
    tests = [part for part in parts if part in BY_PYTEST]
    failed = [part for part in parts if part not in BY_PYTEST and _run_parts([part], environment)]
    failed += tests if tests and _run_parts(tests, environment) and not _last_failed(cache) else []
    return Failures(_last_failed(cache), tuple(failed))


def _run_parts(parts: list[str], environment: dict[str, str]) -> int:
    command = [str(PYTHON), "tests/run_all.py", "--only", *parts]
    return subprocess.run(command, cwd=ROOT, env=environment, check=False).returncode


def _last_failed(cache: Path) -> tuple[str, ...]:
    record = cache / "v" / "cache" / "lastfailed"
    return tuple(json.loads(record.read_text(encoding="utf-8"))) if record.is_file() else ()


def blame(failures: Failures, changes: dict[str, str], folder: Path, *, until: float) -> None:
    """Run only what failed: on the pins, then with one changed package at a time; print a line for each."""
    pinned, alone = folder / "pinned.txt", folder / "alone.txt"
    install(pinned)
    without_change = rerun(failures, folder)
    if without_change:
        print("\nFail on the pinned versions too:", *without_change.parts, *without_change.tests, sep="\n  ")
    failures = Failures(
        tuple(test for test in failures.tests if test not in without_change.tests),
        tuple(part for part in failures.parts if part not in without_change.parts),
    )
    print("\nOne package at a time:", flush=True)
    result, tried = Failures(), set[frozenset[str]]()
    for name in changes if failures else ():
        if time.monotonic() > until:
            print("  Time is up; the packages that follow were not tested alone.")
            break
        alone.write_text(pinned.read_text(encoding="utf-8"), encoding="utf-8")  # uv prefers an existing file's versions
        compile_file(FILES["test.txt"], alone, f"--upgrade-package={name}", universal=False)
        moved = differences(pinned, alone)
        if frozenset(moved.values()) in tried or name not in moved:
            continue
        tried.add(frozenset(moved.values()))
        install(alone)
        broken = rerun(failures, folder)
        print(f"  {', '.join(moved.values())}: {f'breaks {broken}' if broken else 'passes'}", flush=True)
        result = Failures((*result.tests, *broken.tests), (*result.parts, *broken.parts))
    unexplained = {*failures.tests, *failures.parts} - {*result.tests, *result.parts}
    if unexplained:
        print("\nNo package breaks these alone:", *sorted(unexplained), sep="\n  ")


def rerun(failures: Failures, folder: Path) -> Failures:
    """Run only what failed, in the virtual environment as it is, and return what fails again."""
    parts = [part for part in failures.parts if _run_parts([part], dict(os.environ))]
    if not failures.tests:
        return Failures(parts=tuple(parts))
    cache, names = folder / "cache-again", folder / "tests.txt"
    (cache / "v" / "cache" / "lastfailed").unlink(missing_ok=True)
    names.write_text("\n".join(failures.tests), encoding="utf-8")
    command = [str(PYTHON), "-m", "pytest", "-q", "--no-header", "--tb=line", "--doctest-modules"]
    subprocess.run([*command, "-o", f"cache_dir={cache}", f"@{names}"], cwd=ROOT, check=False)
    return Failures(_last_failed(cache), tuple(parts))


if __name__ == "__main__":
    raise SystemExit(main())
