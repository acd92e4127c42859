"""The adapter template: installed as a package it serves a model and passes the contract tests."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import fusionflow_nb

TEMPLATE = Path(fusionflow_nb.__file__).parent / "testing" / "template"
FLOW = """
import asyncio, os, threading
import fusionflow_nb as ff
from fusionflow_nb.settings import credentials
from fusionflow_nb.settings.environment import SIMULATOR_VARIABLE
from fusionflow_nb.simulator import Simulator
from test_acme_pictures import SimulatedAcme

assert "acme" in credentials.services()
ff.connect("acme", "not-a-real-key")
assert credentials.where("acme") == "file"

loop = asyncio.new_event_loop()
threading.Thread(target=loop.run_forever, daemon=True).start()
simulator = Simulator(extra_services={"acme": SimulatedAcme})
asyncio.run_coroutine_threadsafe(simulator.__aenter__(), loop).result()
os.environ[SIMULATOR_VARIABLE] = simulator.base

flow = ff.Flow("Strangers")
flow.generate_image("hills at dawn", model="dawn", aspect_ratio="16:9")
flow.run().wait(60)
[sent] = [each for each in simulator.world.requests if each.method == "POST"]
print(sent.body.decode())
print(ff.tape.sql("SELECT provider, model, status, cost_computation FROM generations").rows())
"""


@pytest.fixture(scope="module")
def beside(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the template, installed with its entry points."""
    folder = tmp_path_factory.mktemp("stranger")
    copy = folder / "acme"
    shutil.copytree(TEMPLATE, copy)
    quiet = ["--quiet", "--no-index", "--no-deps", "--no-build-isolation", "--disable-pip-version-check"]
    target = ["--target", str(folder / "site"), str(copy)]
    subprocess.run([sys.executable, "-m", "pip", "install", *quiet, *target], check=True, capture_output=True)
    (copy / "acme_pictures.py").unlink()  # what is imported is what was installed
    return folder


def run(beside: Path, *words: str) -> subprocess.CompletedProcess[str]:
    paths = os.pathsep.join([str(beside / "site"), str(beside / "acme")])
    environment = {**os.environ, "PYTHONPATH": paths, "PYTHONDONTWRITEBYTECODE": "1", "NO_COLOR": "1"}
    return subprocess.run(
        [sys.executable, *words], cwd=beside / "acme", env=environment, capture_output=True, text=True, check=False
    )


def test_the_template_passes_its_own_tests(beside: Path) -> None:
    """The package's own tests, run with its own configuration."""
    done = run(beside, "-m", "pytest", "-q", "-p", "no:cacheprovider")
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-1000:]
    assert " failed" not in done.stdout
    assert int(done.stdout.rsplit(" passed", 1)[0].split()[-1]) >= 14


def test_a_flow_runs_with_its_model(beside: Path) -> None:
    """By alias and common names, priced by its rule, recorded on the tape; its key is stored."""
    done = run(beside, "-c", FLOW)
    assert done.returncode == 0, done.stderr[-3000:]
    sent, row = done.stdout.splitlines()[-2:]
    assert '"shape":"16:9"' in sent
    assert row == "[('acme', 'acme/dawn-1', 'succeeded', 0.02)]"


def test_the_template_is_listed_with_price_and_key(beside: Path) -> None:
    """`fusionflow models` and `fusionflow doctor` list it."""
    models, doctor = run(beside, "-m", "fusionflow_nb", "models"), run(beside, "-m", "fusionflow_nb", "doctor")
    assert "acme/dawn-1" in models.stdout, models.stderr
    assert 'ff.connect("acme")' in " ".join(doctor.stdout.split()), doctor.stdout


def test_the_template_is_short() -> None:
    """One module, about 60 lines of code beside its imports."""
    source = (TEMPLATE / "acme_pictures.py").read_text()
    code = re.sub(r"(?m)^from [^(\n]+(\([^)]*\))?$", "", source)
    lines = [line.strip() for line in code.splitlines()]
    assert len([line for line in lines if line and not line.startswith(("#", '"""'))]) <= 65


def test_the_template_imports_from_one_place() -> None:
    """An adapter needs no internal module of the package."""
    source = (TEMPLATE / "acme_pictures.py").read_text()
    assert set(re.findall(r"fusionflow_nb[\w.]*", source)) == {"fusionflow_nb.providers"}
