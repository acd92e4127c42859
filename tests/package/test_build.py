"""The canvas is built into what is packed, or packing stops and says why; an editable install asks for nothing."""

from __future__ import annotations

import importlib.util
import os
import sys
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("hatchling", reason="packs")

ROOT = Path(__file__).resolve().parents[2]
_spec = importlib.util.spec_from_file_location("hatch_build", ROOT / "hatch_build.py")
hatch_build: Any = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(hatch_build)
OLD, NEW = 1_000_000_000, 1_000_000_100

NPM = """#!{python}
import pathlib, sys
asked = pathlib.Path("asked.txt")
asked.write_text((asked.read_text() if asked.exists() else "") + sys.argv[1] + "\\n")
if sys.argv[1] == "run":
    static = pathlib.Path("..", "fusionflow_nb", "canvas", "static")
    static.mkdir(parents=True, exist_ok=True)
    for name in {writes!r}:
        (static / name).write_text("built")
sys.exit({code})
"""


@pytest.fixture
def tree(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A checkout with sources of a canvas, and no npm on the machine."""
    (tmp_path / "js" / "src").mkdir(parents=True)
    (tmp_path / "js" / "src" / "index.tsx").write_text("")
    (tmp_path / "bin").mkdir()
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    date(tmp_path, OLD)
    return tmp_path


def npm(tree: Path, *, writes: tuple[str, ...] = hatch_build.BUILT, code: int = 0) -> None:
    """Put an npm on the machine that notes what it is asked, writes files when it builds, and ends with a code."""
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


def asked(tree: Path) -> list[str]:
    found = tree / "js" / "asked.txt"
    return found.read_text().split() if found.exists() else []


def test_an_editable_install_needs_no_canvas(tree: Path) -> None:
    """An editable install neither builds nor complains: it has to work where there is no Node.js."""
    npm(tree)
    hook = hatch_build.CanvasHook(str(tree), {}, None, None, str(tree), "wheel")
    hook.initialize("editable", {})
    assert asked(tree) == []
    hook.initialize("standard", {})
    assert asked(tree) == ["ci", "run"]


def test_a_canvas_as_new_as_its_sources_is_packed_as_it_is(tree: Path) -> None:
    """A source archive brings the canvas along, all of one date: building a wheel from it needs no npm."""
    build(tree)
    hatch_build.build_canvas(tree)


def test_nothing_is_packed_without_the_canvas(tree: Path) -> None:
    """Where it is missing and cannot be built, packing stops and says what to install."""
    with pytest.raises(SystemExit, match=r"npm is not installed .* Install Node\.js"):
        hatch_build.build_canvas(tree)


@pytest.mark.parametrize("changed", ["js/src/index.tsx", "js/src"], ids=["a source written", "a source taken away"])
def test_an_old_canvas_is_built_again(tree: Path, changed: str) -> None:
    """A canvas older than any of its sources is not packed."""
    build(tree)
    npm(tree)
    os.utime(tree / changed, (NEW, NEW))
    hatch_build.build_canvas(tree)
    assert asked(tree) == ["ci", "run"]


def test_a_build_that_fails_stops_packing(tree: Path) -> None:
    """What npm could not do is named, and the steps after it are not tried."""
    npm(tree, code=3)
    with pytest.raises(SystemExit, match="`npm ci --no-audit --no-fund` failed"):
        hatch_build.build_canvas(tree)
    assert asked(tree) == ["ci"]


def test_a_build_that_forgets_a_file_stops_packing(tree: Path) -> None:
    """A canvas without its style or its licences is none."""
    npm(tree, writes=hatch_build.BUILT[:1])
    with pytest.raises(SystemExit, match="lacks one of"):
        hatch_build.build_canvas(tree)
