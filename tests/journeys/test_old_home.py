"""A home folder and a notebook of an older tree open unchanged: same rows, same keys, nothing submitted again.

The fixture and the functions that read it are in tests/fixtures/home-2026-11-23; the tree that wrote it also wrote what
it read, and this tree must read the same.
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
    """A copy of the old home, its service, saved files and notebook; the session opens it, and resumes nothing."""
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
    loaded("nodes")


@pytest.fixture(scope="module")
def expected() -> Any:
    return json.loads(gzip.decompress((FIXTURE / "expected.json.gz").read_bytes()))


@pytest.fixture(scope="module")
def reader() -> Any:
    """The functions that wrote what is expected."""
    return loaded("write_home")


@pytest.fixture(scope="module")
def stored() -> Any:
    return nbformat.read(FIXTURE / "notebook" / "old-city.ipynb", as_version=4)


def loaded(name: str) -> Any:
    """A module of the fixture, as new."""
    spec = importlib.util.spec_from_file_location(f"old_home_{name}", FIXTURE / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def submissions(folder: Path) -> list[str]:
    """The prompts that the paid service has received."""
    lines = (folder / "service" / "submissions.jsonl").read_text().splitlines()
    return [json.loads(line)["prompt"] for line in lines]


def generations() -> list[Any]:
    return [row[0] for row in ff.tape.sql("SELECT id FROM generations ORDER BY id").rows()]


def cli(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    """Run the command line on the copied home."""
    command = [sys.executable, "-m", "fusionflow_nb", *words]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=120, check=False)


# --- what is read -----------------------------------------------------------------------------------------------------


def test_every_row_of_the_tape_is_as_before(folder: Path, expected: Any, reader: Any) -> None:
    """Tables and cost views are equal, the result that waited in a dead kernel's outbox among them."""
    tables = reader.tables()
    assert list(tables) == list(expected["tables"])
    for name, rows in expected["tables"].items():
        assert tables[name] == rows, name
    [put_aside] = [row for row in tables["generations"] if row["prompt_snapshot"] == reader.PUT_ASIDE]
    assert (put_aside["status"], put_aside["cost_computation"]) == ("succeeded", "0.04")


def test_results_of_simulated_services_are_as_before(
    folder: Path, expected: Any, reader: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Rows with costs and operations, keys and sums; a run of the same flow asks no server."""
    monkeypatch.setenv(SIMULATOR_VARIABLE, NO_SERVER)
    assert reader.tables() == expected["simulated"]["tables"]
    flow = ff.Flow.load(folder / "notebook" / "old-services.flow.json")
    assert reader.described(flow) == expected["simulated"]["flow"]
    run = flow.run().wait()
    assert {status.state for status in run.jobs.values()} == {"cached"}


def test_what_is_open_and_what_may_be_spent_is_as_before(folder: Path, expected: Any, reader: Any) -> None:
    """The job of a killed kernel, the one of unknown outcome, and the caps that the user has set."""
    assert reader.operations() == expected["operations"]
    assert {call["state"] for call in expected["operations"]} == {"stuck", "unknown"}
    assert reader.budget() == expected["budget"]


@pytest.mark.usefixtures("nodes")
@pytest.mark.parametrize("name", FLOWS)
def test_a_flow_file_has_the_same_hash_keys_and_python(folder: Path, expected: Any, reader: Any, name: str) -> None:
    """And every node is as fresh as it was; saved again, the file is the same, byte by byte."""
    path = folder / "notebook" / f"{name}.flow.json"
    before = path.read_bytes()
    flow = ff.Flow.load(path)
    assert reader.described(flow) == expected["flows"][name]
    flow.save()
    assert path.read_bytes() == before


@pytest.mark.usefixtures("nodes")
@pytest.mark.parametrize("name", SAVED)
def test_a_saved_file_carries_the_same_recipe(folder: Path, expected: Any, reader: Any, name: str) -> None:
    """A picture, a film and a sound each give back the flow that made them; running it submits nothing."""
    before = generations()
    flow = ff.recipe(folder / "saved" / name)
    assert reader.described(flow) == expected["recipes"][name]
    assert set(flow.states().values()) == {"fresh"}
    flow.run().result()
    assert generations() == before


def test_every_saved_file_is_tested(expected: Any) -> None:
    """No file of the fixture is forgotten."""
    assert sorted(expected["recipes"]) == sorted(SAVED)
    assert sorted(expected["flows"]) == sorted(FLOWS)


def test_the_money_audit_passes(folder: Path) -> None:
    """Reservations, settlements and the log agree."""
    audit = cli(folder, "doctor", "--money")
    assert audit.returncode == 0, audit.stdout + audit.stderr


# --- what is done with it ---------------------------------------------------------------------------------------------


@pytest.mark.usefixtures("nodes")
def test_running_the_old_flows_again_submits_nothing(folder: Path) -> None:
    """Local, Python and paid nodes are all cached; only what the service refused would be tried again."""
    before, sent = generations(), submissions(folder)
    city = ff.Flow.load(folder / "notebook" / "old-city.flow.json").run().wait()
    film = ff.Flow.load(folder / "notebook" / "old-film.flow.json").run("film", "sound", "large").wait()
    assert (city.status, film.status) == ("succeeded", "succeeded")
    assert city.cost_usd == film.cost_usd == 0
    assert generations() == before
    assert submissions(folder) == sent


def test_bare_calls_find_their_results(folder: Path) -> None:
    """The same call is the same picture, local or paid."""
    before, sent = generations(), submissions(folder)
    local = ff.generate_image("dawn over hills", width=64, height=64).result()
    paid = ff.generate_image("dawn over hills", model="fake/image").result()
    query = "SELECT sha256 FROM outputs JOIN generations ON generations.id = generation_id WHERE project_id = 'scratch'"
    assert {local.sha256, paid.sha256} <= {sha256 for (sha256,) in ff.tape.sql(query).rows()}
    assert generations() == before
    assert submissions(folder) == sent


def test_resume_finishes_the_accepted_job_by_polling(folder: Path) -> None:
    """One submission each, long ago; the unknown one is found by asking the service about it."""
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
def test_a_generation_is_restored_with_what_made_it(folder: Path) -> None:
    """The nodes that made a picture come back on another flow, and show it for nothing."""
    query = "SELECT id FROM generations WHERE project_id = 'old-city' AND node_id = 'printed'"
    [(generation_id,)] = ff.tape.sql(query).rows()
    flow = ff.Flow("New")
    before = generations()
    node = flow.restore(generation_id)
    assert flow.states()[node.node_id] == "fresh"
    assert {"halftone", "caption", "grade", "generate_image"} <= {each.type for each in flow.document.nodes.values()}
    flow.run(node).result()
    assert generations() == before


# --- the notebook -----------------------------------------------------------------------------------------------------


def outputs_of(notebook: Any) -> list[Any]:
    return [output for cell in notebook.cells if cell.cell_type == "code" for output in cell.outputs]


def kinds_of(notebook: Any) -> list[list[str]]:
    """The media types of each output of each cell."""
    return [sorted(output.get("data", {output.output_type: ""})) for output in outputs_of(notebook)]


def test_the_stored_outputs_are_valid_and_whole(stored: Any) -> None:
    """A run card, a picture, the widget and its snapshot, a tape table, the budget: readable without a kernel."""
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
        base64.b64decode(found)
        for data in (card, snapshot, table)
        for found in re.findall(r"data:image/webp;base64,([A-Za-z0-9+/=]+)", data["text/html"])
    ]
    assert len(inline) > 5
    for data in inline:
        Image.open(io.BytesIO(data)).verify()


def test_its_cells_run_again_and_submit_nothing(folder: Path, stored: Any) -> None:
    """In a kernel of this tree: outputs of the same kinds, a canvas with every node and its results, no submission."""
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
