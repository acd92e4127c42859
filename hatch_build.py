"""Build the canvas before a wheel or a source archive is packed, if it is missing or older than its sources.

An editable install needs no Node.js: it has no canvas, and the error of `ff.Canvas` explains how to build it.
"""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

STATIC = Path("fusionflow_nb", "canvas", "static")
BUILT = ("canvas.js", "canvas.css", "licenses.txt")
SOURCES = ("src", "build.mjs", "package.json", "package-lock.json")


class CanvasHook(BuildHookInterface[Any]):
    """The hook that hatchling calls before it packs."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:  # noqa: ARG002 - hatchling's signature
        """Build the canvas unless `version` is `editable`."""
        if version != "editable":
            build_canvas(Path(self.root))


def build_canvas(root: Path) -> None:
    """Build the canvas in this tree if it is older than its sources.

    Raises:
        SystemExit: it cannot be built; the message gives the reason.
    """
    if _is_new(root):
        return
    npm = shutil.which("npm")
    if npm is None:
        raise SystemExit(
            f"{root / STATIC} contains no current canvas, and npm is not installed to build it. "
            "Install Node.js 20.19 or newer, or install a released wheel, which contains the canvas."
        )
    for step in (("ci", "--no-audit", "--no-fund"), ("run", "build")):
        process = subprocess.run([npm, *step], cwd=root / "js", check=False)  # noqa: S603 - npm with fixed arguments
        if process.returncode:
            raise SystemExit(
                f"The canvas could not be built: `npm {' '.join(step)}` failed in {root / 'js'}, see above."
            )
    if not _is_new(root):
        raise SystemExit(f"The canvas was built, but {root / STATIC} lacks one of {', '.join(BUILT)}.")


def _is_new(root: Path) -> bool:
    built = [root / STATIC / name for name in BUILT]
    if not all(path.is_file() for path in built):
        return False
    # Folders count too: removing a source changes only its folder.
    sources = [root / "js" / name for name in SOURCES]
    sources += [path for source in sources for path in source.rglob("*")]
    newest = max((path.stat().st_mtime for path in sources if path.exists()), default=0.0)
    return min(path.stat().st_mtime for path in built) >= newest
