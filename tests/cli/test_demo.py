"""`fusionflow demo`: the installed command, run once in a child process."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image as Pillow

from fusionflow_nb.api.flow import Flow
from fusionflow_nb.api.recipe import recipe
from fusionflow_nb.cli import demo_flow
from fusionflow_nb.media.video import video_facts
from fusionflow_nb.settings.environment import HOME_VARIABLE

PATIENCE_S = 400.0
"""Time-out for hangs; not a measurement."""


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> tuple[subprocess.CompletedProcess[str], Path]:
    """The installed command, run once."""
    folder = tmp_path_factory.mktemp("demo")
    environment = {**os.environ, HOME_VARIABLE: str(folder / "home")}
    done = subprocess.run(
        [Path(sys.executable).with_name("fusionflow"), "demo", "--folder", folder / "out"],
        env=environment,
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
        check=False,
    )
    return done, folder


def test_the_demo_saves_its_results(demo: tuple[subprocess.CompletedProcess[str], Path]) -> None:
    """The demo saves an upscaled still, a video, a contact sheet and the flow."""
    done, folder = demo
    assert (done.returncode, done.stderr) == (0, "")
    out = folder / "out"
    for name in ("still.png", "sheet.png"):
        with Pillow.open(out / name) as picture:
            picture.load()
            assert min(picture.size) >= 300
    [film] = out.glob("film.*")
    facts = video_facts(film)
    assert facts.duration_s == pytest.approx(3, abs=0.2)
    assert {str(path) for path in (out / "still.png", out / "sheet.png", film)} <= set(done.stdout.splitlines())
    assert len(list((out / "all").iterdir())) >= 12
    assert recipe(out / "still.png").document.nodes.keys() == {"prompt", "still", "moody", "large", "titled"}
    assert Flow.load(out / "neon-city.flow.json").name == "Neon city"


def test_the_demo_queries_results_and_hits_the_cache(demo: tuple[subprocess.CompletedProcess[str], Path]) -> None:
    """The SQL query lists every generation, and all jobs of the second run are cached."""
    lines = demo[0].stdout.splitlines()
    table = lines[lines.index("--- SQL query") : lines.index("--- second run")]
    assert sum(line.startswith("sweep ") for line in table) == 6
    assert any(line.startswith("large ") and "local/upscale" in line for line in table)
    assert "all jobs: cached; paid: $0.00" in lines


def test_the_demo_does_not_create_the_users_home(demo: tuple[subprocess.CompletedProcess[str], Path]) -> None:
    """The user's tape gets no rows of the demo."""
    assert not (demo[1] / "home").exists()


def test_the_demo_query_fits_80_columns(demo: tuple[subprocess.CompletedProcess[str], Path]) -> None:
    """The query and its result are at most 80 columns wide."""
    lines = demo[0].stdout.splitlines()
    table = lines[lines.index("--- SQL query") + 1 : lines.index("--- second run")]
    assert max(map(len, table)) <= 80


def test_the_next_command_of_the_demo_works(demo: tuple[subprocess.CompletedProcess[str], Path]) -> None:
    """The printed command runs without errors."""
    out = demo[0].stdout.splitlines()
    command = out[out.index("--- next command") + 1].split()
    done = subprocess.run(
        [*command, "--to", "still"],
        env={**os.environ, HOME_VARIABLE: str(demo[1] / "next")},
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert (demo[1] / "out" / "dawn" / "still.png").exists()


def test_saving_again_removes_former_results(flow: Flow, tmp_path: Path) -> None:
    """`all/` contains only the results of the latest demo."""
    for name in ("titled", "film", "sheet"):
        flow.generate_image(name, model="fake/free", name=name)
    run = flow.run().wait()
    (tmp_path / "all").mkdir()
    (tmp_path / "all" / "old.png").write_text("old")
    saved = demo_flow.save(run, tmp_path)
    assert sorted(path.name for path in (tmp_path / "all").iterdir()) == ["film.png", "sheet.png", "titled.png"]
    assert (saved.still, saved.film.suffix) == (tmp_path / "still.png", ".png")
