"""The main job on real input, as a person starts it: the installed command, run once in a process of its own."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image as Pillow

from fusionflow_nb.api.flow import Flow
from fusionflow_nb.api.recipe import recipe
from fusionflow_nb.cli import demo_flow as scene
from fusionflow_nb.media.video import video_facts
from fusionflow_nb.settings.environment import HOME_VARIABLE

PATIENCE_S = 400.0
"""Only a hang takes so long; nothing is measured by it."""


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


def test_the_demo_makes_what_it_says(demo: tuple[subprocess.CompletedProcess[str], Path]) -> None:
    """The demo ends well and leaves an upscaled still, a film, a contact sheet and the flow that made them."""
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


def test_the_demo_pays_once_and_asks_in_sql(demo: tuple[subprocess.CompletedProcess[str], Path]) -> None:
    """SQL lists every generation of the demo, and the second run takes all of it from what is known."""
    lines = demo[0].stdout.splitlines()
    answer = lines[lines.index("--- what SQL says") : lines.index("--- second run")]
    assert sum(line.startswith("sweep ") for line in answer) == 6
    assert any(line.startswith("large ") and "local/upscale" in line for line in answer)
    assert "every job says: cached; paid: $0.00" in lines


def test_the_demo_leaves_the_home_of_the_user_alone(demo: tuple[subprocess.CompletedProcess[str], Path]) -> None:
    """Nobody's tape gets demo rows."""
    assert not (demo[1] / "home").exists()


def test_the_question_fits_a_terminal(demo: tuple[subprocess.CompletedProcess[str], Path]) -> None:
    """Question and answer are no wider than 80 columns."""
    lines = demo[0].stdout.splitlines()
    answer = lines[lines.index("--- what SQL says") + 1 : lines.index("--- second run")]
    assert max(map(len, answer)) <= 80


def test_the_next_step_that_it_names_works(demo: tuple[subprocess.CompletedProcess[str], Path]) -> None:
    """The command it ends with is one that can be typed."""
    out = demo[0].stdout.splitlines()
    command = out[out.index("--- go on with") + 1].split()
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


def test_saving_again_leaves_nothing_of_before(flow: Flow, tmp_path: Path) -> None:
    """`all/` holds this run's results, not those of a demo before."""
    for name in ("titled", "film", "sheet"):
        flow.generate_image(name, model="fake/free", name=name)
    run = flow.run().wait()
    (tmp_path / "all").mkdir()
    (tmp_path / "all" / "old.png").write_text("old")
    saved = scene.save(run, tmp_path)
    assert sorted(path.name for path in (tmp_path / "all").iterdir()) == ["film.png", "sheet.png", "titled.png"]
    assert (saved.still, saved.film.suffix) == (tmp_path / "still.png", ".png")
