"""The notebook of all image models: stored with what it shows, and true, by every model that the catalogue has."""

from __future__ import annotations

import json
import os
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any

import nbformat
import pytest
from journeys.test_quickstart import MACHINE_PATH, code_cells, shape, texts
from nbclient import NotebookClient

import fusionflow_nb as ff
from fusionflow_nb.session import current_session, use_session
from fusionflow_nb.settings.environment import HOME_VARIABLE, SIMULATOR_VARIABLE

if TYPE_CHECKING:
    from collections.abc import Iterator

NOTEBOOK = Path(__file__).resolve().parents[2] / "notebooks" / "providers.ipynb"
MOST_BYTES = 3_000_000
PROXIES = ("http_proxy", "https_proxy", "all_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY")


@pytest.fixture(scope="module")
def stored() -> Any:
    return nbformat.read(NOTEBOOK, as_version=4)


@pytest.fixture
def simulated(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The tape that is asked is the one of simulated results; kernels are told where by the notebook itself."""
    for name in PROXIES:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv(SIMULATOR_VARIABLE, "http://127.0.0.1:1")
    yield
    use_session(None)


def models() -> list[str]:
    """The models that the notebook means."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return [each.id for each in ff.models(task="text-to-image") if each.method == "hosted" and not each.retires_on]


def test_it_is_stored_with_its_outputs_and_small(stored: Any) -> None:
    """Whoever opens it without a kernel sees the sheet and the rows; tests/store_notebook.py stores it anew."""
    assert NOTEBOOK.stat().st_size < MOST_BYTES
    nbformat.validate(stored)
    counts = [cell.execution_count for cell in code_cells(stored)]
    assert counts == list(range(1, len(counts) + 1))
    outputs = [output for cell in code_cells(stored) for output in cell.outputs]
    assert not [output for output in outputs if output.output_type == "error"]
    shown = [output.data["text/plain"] for output in outputs if "data" in output]
    assert ": succeeded," in shown[0]
    assert any("image/png" in output.get("data", {}) for output in outputs)


def test_it_holds_no_path_of_a_machine(stored: Any) -> None:
    """What is stored says nothing about where it was made."""
    assert not [text for text in texts(stored) if MACHINE_PATH.search(text)]


def test_it_runs_and_running_it_again_submits_nothing(simulated: None, tmp_path: Path, stored: Any) -> None:
    """On a fresh home, by two kernels with two simulators: each model once, two refusals, and then all is there."""
    home = tmp_path / "home"
    assert os.environ[HOME_VARIABLE] == str(home)
    folder = tmp_path / "cells"
    folder.mkdir()
    first = run(stored, folder)
    made = asked("SELECT model, status FROM generations WHERE project_id = 'providers' AND provider IS NOT NULL")
    assert sorted(made) == sorted((model, "succeeded") for model in models())
    refused = "SELECT count(*) FROM generations WHERE status = 'refused'"
    assert asked(refused) == [(2,)]
    assert shape(first) == shape(stored), "Store the notebook anew: its outputs are of other kinds now."
    again = run(stored, folder)
    assert shape(again) == shape(first)
    paid = "SELECT count(*) FROM generations WHERE project_id = 'providers' AND provider IS NOT NULL"
    assert asked(paid) == [(len(models()),)]


def run(notebook: Any, folder: Path) -> Any:
    """A copy, run in a kernel of its own."""
    copy = nbformat.from_dict(json.loads(json.dumps(notebook)))
    NotebookClient(copy, timeout=150, kernel_name="python3", resources={"metadata": {"path": str(folder)}}).execute()
    return copy


def asked(query: str) -> list[tuple[Any, ...]]:
    """Ask the tape of the home that the kernels used, by a session of our own."""
    rows = current_session().tape.sql(query).rows()
    use_session(None)
    return rows
