"""Wheels and archives contain the built canvas, or the build stops; an editable install does not build it."""

from __future__ import annotations

import importlib.util
import os
import sys
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("hatchling", reason="builds packages")

ROOT = Path(__file__).resolve().parents[2]
_spec = importlib.util.spec_from_file_location("hatch_build", ROOT / "hatch_build.py")
hatch_build: Any = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(hatch_build)
OLD, NEW = 1_000_000_000, 1_000_000_100

NPM = """#!{python}
import pathlib, sys
log = pathlib.Path("commands.txt")
log.write_text((log.read_text() if log.exists() else "") + sys.argv[1] + "\\n")
if sys.argv[1] == "run":
    static = pathlib.Path("..", "fusionflow_nb", "canvas", "static")
    static.mkdir(parents=True, exist_ok=True)
    for name in {writes!r}:
        (static / name).write_text("built")
sys.exit({code})
"""


@pytest.fixture
def tree(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A checkout with the canvas's sources, without npm."""
    (tmp_path / "js" / "src").mkdir(parents=True)
    (tmp_path / "js" / "src" / "index.tsx").write_text("")
    (tmp_path / "bin").mkdir()
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    date(tmp_path, OLD)
    return tmp_path


def npm(tree: Path, *, writes: tuple[str, ...] = hatch_build.BUILT, code: int = 0) -> None:
    """Install a fake npm that records its commands, writes files on `run`, and exits with a code."""
    program = tree / "bin" / "npm"
    program.write_text(NPM.format(python=sys.executable, writes=writes, code=code))
    program.chmod(0o755)


def build(tree: Path, when: int = OLD) -> None:
    static = tree / hatch_build.STATIC
    static.mkdir(parents=True)
    for name in hatch_build.BUILT:
        (static / name).write_text("built")
        os.utime(static / name, (when, when))


def date(tree: Path, when: int) -> None:
    for path in [*(tree / "js").rglob("*"), tree / "js"]:
        os.utime(path, (when, when))


def commands(tree: Path) -> list[str]:
    log = tree / "js" / "commands.txt"
    return log.read_text().split() if log.exists() else []


def test_an_editable_install_needs_no_canvas(tree: Path) -> None:
    """An editable install does not build the canvas, so that it works without Node.js."""
    npm(tree)
    hook = hatch_build.CanvasHook(str(tree), {}, None, None, str(tree), "wheel")
    hook.initialize("editable", {})
    assert commands(tree) == []
    hook.initialize("standard", {})
    assert commands(tree) == ["ci", "run"]


def test_an_up_to_date_canvas_is_not_built_again(tree: Path) -> None:
    """A source archive contains the canvas, with equal dates: building a wheel from it needs no npm."""
    build(tree)
    hatch_build.build_canvas(tree)


def test_a_missing_canvas_stops_the_build(tree: Path) -> None:
    """If the canvas is missing and cannot be built, the build stops with the required tool."""
    with pytest.raises(SystemExit, match=r"npm is not installed .* Install Node\.js"):
        hatch_build.build_canvas(tree)


@pytest.mark.parametrize("changed", ["js/src/index.tsx", "js/src"], ids=["a changed source", "a deleted source"])
def test_an_outdated_canvas_is_built_again(tree: Path, changed: str) -> None:
    """A canvas older than any of its sources is built again."""
    build(tree)
    npm(tree)
    os.utime(tree / changed, (NEW, NEW))
    hatch_build.build_canvas(tree)
    assert commands(tree) == ["ci", "run"]


def test_a_failed_npm_command_stops_the_build(tree: Path) -> None:
    """The error names the npm command, and later commands are not run."""
    npm(tree, code=3)
    with pytest.raises(SystemExit, match="`npm ci --no-audit --no-fund` failed"):
        hatch_build.build_canvas(tree)
    assert commands(tree) == ["ci"]


def test_a_canvas_without_a_file_stops_the_build(tree: Path) -> None:
    """A canvas without its styles or licences is incomplete."""
    npm(tree, writes=hatch_build.BUILT[:1])
    with pytest.raises(SystemExit, match="lacks one of"):
        hatch_build.build_canvas(tree)
