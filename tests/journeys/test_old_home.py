"""A home folder and a notebook of an older version: same rows, same keys, nothing is submitted again.

The fixture and the functions that read it are in tests/fixtures/home-2026-11-23. The older version also stored what it
read, and this version must read the same.
"""

from __future__ import annotations

import base64
import gzip
import importlib.util
import io
import json
import os
import re
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import nbformat
import pytest
from nbclient import NotebookClient
from PIL import Image

import fusionflow_nb as ff
from fusionflow_nb.settings.environment import HOME_VARIABLE, RESUME_VARIABLE, SIMULATOR_VARIABLE
from fusionflow_nb.testing.fake import FOLDER_VARIABLE

FIXTURE = Path(__file__).resolve().parent.parent / "fixtures" / "home-2026-11-23"
NO_SERVER = "http://127.0.0.1:1"
FLOWS = ("old-city", "old-film")
SAVED = ("film.webp", "printed.png", "sheet.jpg", "sound.wav", "still.webp")
UNKNOWN, ACCEPTED = "a lamp, unknown", "a lamp, accepted"
INLINE = "data:image/webp"
COUNT_PICTURES = """# The canvas looks results up in the background.
import time

deadline = time.monotonic() + 60
while canvas.snapshot().count("data:image/webp") < {pictures} and time.monotonic() < deadline:
    time.sleep(0.05)
print(canvas.snapshot().count("data:image/webp"))"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of the old home, its fake service, saved files and notebook; automatic resume is off."""
    with zipfile.ZipFile(FIXTURE / "home.zip") as archive:
        archive.extractall(tmp_path)
    shutil.copytree(FIXTURE / "notebook", tmp_path / "notebook")
    assert os.environ[HOME_VARIABLE] == str(tmp_path / "home")
    monkeypatch.setenv(FOLDER_VARIABLE, str(tmp_path / "service"))
    monkeypatch.setenv(RESUME_VARIABLE, "ask")
    return tmp_path


@pytest.fixture
def nodes(folder: Path) -> None:
    """Declare the Python nodes of the old flow, whose source is part of their keys."""
    load_module("nodes")


@pytest.fixture(scope="module")
def expected() -> Any:
    return json.loads(gzip.decompress((FIXTURE / "expected.json.gz").read_bytes()))


@pytest.fixture(scope="module")
def reader() -> Any:
    """The functions that wrote the expected values."""
    return load_module("write_home")


@pytest.fixture(scope="module")
def stored() -> Any:
    return nbformat.read(FIXTURE / "notebook" / "old-city.ipynb", as_version=4)


def load_module(name: str) -> Any:
    """Import a module of the fixture."""
    spec = importlib.util.spec_from_file_location(f"old_home_{name}", FIXTURE / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def submissions(folder: Path) -> list[str]:
    """The prompts that the fake service has received."""
    lines = (folder / "service" / "submissions.jsonl").read_text().splitlines()
    return [json.loads(line)["prompt"] for line in lines]


def generations() -> list[Any]:
    return [row[0] for row in ff.tape.sql("SELECT id FROM generations ORDER BY id").rows()]


def cli(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    """Run the command line on the copied home."""
    command = [sys.executable, "-m", "fusionflow_nb", *words]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=120, check=False)


# --- reading ----------------------------------------------------------------------------------------------------------


def test_the_tape_has_the_same_rows(folder: Path, expected: Any, reader: Any) -> None:
    """Tables and cost views are equal, with the result from a dead kernel's outbox."""
    tables = reader.tables()
    assert list(tables) == list(expected["tables"])
    for name, rows in expected["tables"].items():
        assert tables[name] == rows, name
    [from_outbox] = [row for row in tables["generations"] if row["prompt_snapshot"] == reader.PUT_ASIDE]
    assert (from_outbox["status"], from_outbox["cost_computation"]) == ("succeeded", "0.04")


def test_simulated_results_are_the_same(
    folder: Path, expected: Any, reader: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Rows, costs, operations and keys are equal; a run of the same flow sends no request."""
    monkeypatch.setenv(SIMULATOR_VARIABLE, NO_SERVER)
    assert reader.tables() == expected["simulated"]["tables"]
    flow = ff.Flow.load(folder / "notebook" / "old-services.flow.json")
    assert reader.described(flow) == expected["simulated"]["flow"]
    run = flow.run().wait()
    assert {status.state for status in run.jobs.values()} == {"cached"}


def test_open_calls_and_caps_are_the_same(folder: Path, expected: Any, reader: Any) -> None:
    """The call of a killed kernel, a call of unknown outcome, and the stored caps."""
    assert reader.operations() == expected["operations"]
    assert {call["state"] for call in expected["operations"]} == {"stuck", "unknown"}
    assert reader.budget() == expected["budget"]


@pytest.mark.usefixtures("nodes")
@pytest.mark.parametrize("name", FLOWS)
def test_a_flow_file_has_the_same_hash_and_keys(folder: Path, expected: Any, reader: Any, name: str) -> None:
    """Hash, keys, Python code and node states are equal; saving writes the same bytes."""
    path = folder / "notebook" / f"{name}.flow.json"
    before = path.read_bytes()
    flow = ff.Flow.load(path)
    assert reader.described(flow) == expected["flows"][name]
    flow.save()
    assert path.read_bytes() == before


@pytest.mark.usefixtures("nodes")
@pytest.mark.parametrize("name", SAVED)
def test_a_saved_file_contains_the_same_recipe(folder: Path, expected: Any, reader: Any, name: str) -> None:
    """The recipe of a picture, a video and a sound is equal; running it submits nothing."""
    before = generations()
    flow = ff.recipe(folder / "saved" / name)
    assert reader.described(flow) == expected["recipes"][name]
    assert set(flow.states().values()) == {"fresh"}
    flow.run().result()
    assert generations() == before


def test_every_saved_file_is_tested(expected: Any) -> None:
    """The parameters of these tests cover all files of the fixture."""
    assert sorted(expected["recipes"]) == sorted(SAVED)
    assert sorted(expected["flows"]) == sorted(FLOWS)


def test_the_money_audit_passes(folder: Path) -> None:
    """Reservations, settlements and the log agree."""
    audit = cli(folder, "doctor", "--money")
    assert audit.returncode == 0, audit.stdout + audit.stderr


# --- using ------------------------------------------------------------------------------------------------------------


@pytest.mark.usefixtures("nodes")
def test_running_the_old_flows_again_submits_nothing(folder: Path) -> None:
    """Local, Python and paid nodes are cached; only refused jobs would be run again."""
    before, sent = generations(), submissions(folder)
    city = ff.Flow.load(folder / "notebook" / "old-city.flow.json").run().wait()
    film = ff.Flow.load(folder / "notebook" / "old-film.flow.json").run("film", "sound", "large").wait()
    assert (city.status, film.status) == ("succeeded", "succeeded")
    assert city.cost_usd == film.cost_usd == 0
    assert generations() == before
    assert submissions(folder) == sent


def test_single_calls_are_cached(folder: Path) -> None:
    """The same call returns the same picture, local or paid."""
    before, sent = generations(), submissions(folder)
    local = ff.generate_image("dawn over hills", width=64, height=64).result()
    paid = ff.generate_image("dawn over hills", model="fake/image").result()
    query = "SELECT sha256 FROM outputs JOIN generations ON generations.id = generation_id WHERE project_id = 'scratch'"
    assert {local.sha256, paid.sha256} <= {sha256 for (sha256,) in ff.tape.sql(query).rows()}
    assert generations() == before
    assert submissions(folder) == sent


def test_resume_finishes_the_accepted_job_by_polling(folder: Path) -> None:
    """The accepted call is polled and the unknown call is reconciled; neither is submitted again."""
    sent = submissions(folder)
    [resumed] = ff.resume()
    query = "SELECT prompt_snapshot, status, cost_computation FROM generations WHERE id = ?"
    assert ff.tape.sql(query, [resumed]).rows() == [(ACCEPTED, "succeeded", 0.04)]
    calls = ff.operations()
    assert [call.state for call in calls] == ["unknown"]
    assert calls.reconcile(next(iter(calls)).id).status == "succeeded"
    assert len(ff.operations()) == 0
    assert submissions(folder) == sent
    assert (sent.count(ACCEPTED), sent.count(UNKNOWN)) == (1, 1)
    again = ff.Flow("Old lamps", id="old-lamps")
    for prompt in (ACCEPTED, UNKNOWN):
        again.generate_image(prompt, model="fake/image", seed=1)
    run = again.run().wait()
    assert {status.state for status in run.jobs.values()} == {"cached"}


@pytest.mark.usefixtures("nodes")
def test_a_generation_is_restored_with_its_inputs(folder: Path) -> None:
    """The nodes that generated a picture are placed on another flow and are fresh."""
    query = "SELECT id FROM generations WHERE project_id = 'old-city' AND node_id = 'printed'"
    [(generation_id,)] = ff.tape.sql(query).rows()
    flow = ff.Flow("New")
    before = generations()
    node = flow.restore(generation_id)
    assert flow.states()[node.node_id] == "fresh"
    assert {"halftone", "caption", "grade", "generate_image"} <= {node.type for node in flow.document.nodes.values()}
    flow.run(node).result()
    assert generations() == before


# --- the notebook -----------------------------------------------------------------------------------------------------


def outputs_of(notebook: Any) -> list[Any]:
    return [output for cell in notebook.cells if cell.cell_type == "code" for output in cell.outputs]


def kinds_of(notebook: Any) -> list[list[str]]:
    """The media types of each output of each cell."""
    return [sorted(output.get("data", {output.output_type: ""})) for output in outputs_of(notebook)]


def test_the_stored_outputs_are_readable(stored: Any) -> None:
    """A run card, a picture, the widget and its snapshot, a tape table and the budget are readable without a kernel."""
    nbformat.validate(stored)
    card, picture, widget, snapshot, table, budget = (output.data for output in outputs_of(stored))
    assert card["text/plain"].startswith("<Run of 'Old city': succeeded")
    assert Image.open(io.BytesIO(base64.b64decode(picture["image/jpeg"]))).size == (64, 64)
    model_id = widget["application/vnd.jupyter.widget-view+json"]["model_id"]
    state = stored.metadata["widgets"]["application/vnd.jupyter.widget-state+json"]["state"]
    assert state[model_id]["state"]["snapshot_id"] in snapshot["text/html"]
    assert "fusionflow:" in table["text/plain"]
    assert "project Old film" in budget["text/plain"]
    inline = [
        base64.b64decode(encoded)
        for data in (card, snapshot, table)
        for encoded in re.findall(r"data:image/webp;base64,([A-Za-z0-9+/=]+)", data["text/html"])
    ]
    assert len(inline) > 5
    for data in inline:
        Image.open(io.BytesIO(data)).verify()


def test_running_the_cells_submits_nothing(folder: Path, stored: Any) -> None:
    """In a new kernel the outputs have the same kinds, the canvas shows all results, and nothing is submitted."""
    before, sent = generations(), submissions(folder)
    copy = nbformat.from_dict(json.loads(json.dumps(stored)))
    copy.metadata.pop("widgets")
    [old_card, old_picture, _, old_snapshot, old_table, _] = outputs_of(stored)
    pictures = old_snapshot.data["text/html"].count(INLINE)
    copy.cells.append(nbformat.v4.new_code_cell(COUNT_PICTURES.format(pictures=pictures)))
    resources = {"metadata": {"path": str(folder / "notebook")}}
    NotebookClient(copy, timeout=150, kernel_name="python3", resources=resources).execute()
    counted = copy.cells.pop().outputs
    assert counted[0].text == f"{pictures}\n"
    assert kinds_of(copy) == kinds_of(stored)
    [card, picture, _, snapshot, table, _] = outputs_of(copy)
    assert card.data["text/plain"] == old_card.data["text/plain"]
    assert picture.data["image/jpeg"] == old_picture.data["image/jpeg"]
    assert titles_of(snapshot) == titles_of(old_snapshot)
    assert table.data["text/plain"] == old_table.data["text/plain"]
    assert generations() == before
    assert submissions(folder) == sent


def titles_of(snapshot: Any) -> list[str]:
    """The titles and types of a snapshot's nodes."""
    return re.findall(r"^  (\w.* \(\w+\))", snapshot.data["text/plain"], re.MULTILINE)
