"""Compile requirements/*.txt from pyproject.toml; `make requirements` calls it.

Pinned versions stay as they are unless pyproject.toml excludes them. `--upgrade` moves all to the newest allowed
versions, `--upgrade-package NAME` moves one.
"""

from __future__ import annotations

import argparse
import re
import subprocess
import sys
import tempfile
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
FOLDER = ROOT / "requirements"
HEADER = "# Compiled from pyproject.toml by `make requirements`. Do not edit.\n"
OLDEST_PYTHON = "3.11"
_PIN = re.compile(r"^([A-Za-z0-9._-]+)==([^\s;\\]+)", re.MULTILINE)

# One file per row: its sources, and whether to resolve dependencies. Later files take the versions of earlier ones.
FILES: dict[str, tuple[str, ...]] = {
    "test.txt": ("pyproject.toml", "--extra=test"),
    "all.txt": ("pyproject.toml", "--extra=all"),
    "build.txt": ("--group=build",),
    "no-deps.txt": ("--group=no-deps", "--no-deps"),
    "tools.txt": ("--group=tools",),
}


def pins(text: str) -> dict[str, set[str]]:
    """Return the pinned versions in a requirements file, by normalized package name.

    A package has more than one where they differ by platform or Python version.
    """
    versions: dict[str, set[str]] = {}
    for name, version in _PIN.findall(text):
        versions.setdefault(normalize(name), set()).add(version)
    return versions


def normalize(name: str) -> str:
    """Return a package name as the packaging specification compares it."""
    return re.sub(r"[-_.]+", "-", name).lower()


def compile_file(sources: tuple[str, ...], target: Path, *options: str, universal: bool = True) -> None:
    """Resolve `sources` into `target`: for every supported platform and Python version, or only for those in use."""
    command = [sys.executable, "-m", "uv", "pip", "compile", *sources, *options, "--quiet"]
    command += ["--universal", "--python-version", OLDEST_PYTHON] if universal else ["--python", sys.executable]
    command += ["--output-file", str(target)]
    command += ["--no-header", "--no-annotate", "--no-emit-index-url", "--no-emit-find-links"]
    subprocess.run(command, cwd=ROOT, check=True)


def main() -> None:
    """Compile every file, then the file of the lowest versions."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--upgrade", action="store_true", help="move every pin to the newest version allowed")
    parser.add_argument("--upgrade-package", action="append", default=[], metavar="NAME", help="move one pin")
    parser.add_argument("--only", nargs="+", choices=(*FILES, "floors.txt"), help="compile some files")
    arguments = parser.parse_args()
    names = arguments.only or [*FILES, "floors.txt"]
    moves = ["--upgrade"] if arguments.upgrade else [f"--upgrade-package={name}" for name in arguments.upgrade_package]
    for name, sources in FILES.items():
        if name in names:
            compile_pinned(name, sources, moves)
    if "floors.txt" in names:
        compile_floors(FOLDER / "floors.txt")


def compile_pinned(name: str, sources: tuple[str, ...], moves: list[str]) -> None:
    """Compile one of FILES in place, with hashes."""
    target = FOLDER / name
    constraints = [] if name in {"test.txt", "no-deps.txt"} else [f"--constraint={FOLDER / 'test.txt'}"]
    compile_file(sources, target, "--generate-hashes", *constraints, *moves)
    target.write_text(HEADER + target.read_text(encoding="utf-8"), encoding="utf-8")


def compile_floors(target: Path) -> None:
    """Write the lowest versions that pyproject.toml allows for what it names, and the pinned ones for the rest."""
    named = direct_names()
    pinned = (FOLDER / "test.txt").read_text(encoding="utf-8")
    with tempfile.TemporaryDirectory() as folder:
        output = Path(folder) / "floors.txt"
        # uv prefers the versions in an existing output file.
        rest = [f"{name}=={version}\n" for name, version in _PIN.findall(pinned) if normalize(name) not in named]
        output.write_text("".join(rest), encoding="utf-8")
        compile_file(FILES["test.txt"], output, "--resolution=lowest-direct")
        target.write_text(HEADER + output.read_text(encoding="utf-8"), encoding="utf-8")


def direct_names() -> set[str]:
    """Return the normalized names of the packages that pyproject.toml names."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    groups = [project["dependencies"], *project["optional-dependencies"].values()]
    return {normalize(re.split(r"[^A-Za-z0-9._-]", entry, maxsplit=1)[0]) for group in groups for entry in group}


if __name__ == "__main__":
    main()
