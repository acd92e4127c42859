"""The providers notebook: stored with its outputs, and it runs with every image model of the catalogue."""

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
MAX_BYTES = 3_000_000
PROXIES = ("http_proxy", "https_proxy", "all_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY")


@pytest.fixture(scope="module")
def stored() -> Any:
    return nbformat.read(NOTEBOOK, as_version=4)


@pytest.fixture
def simulated(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Query the tape of the simulated results; the notebook starts its own simulator."""
    for name in PROXIES:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv(SIMULATOR_VARIABLE, "http://127.0.0.1:1")
    yield
    use_session(None)


def models() -> list[str]:
    """Hosted text-to-image models that are not retired."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return [
            entry.id for entry in ff.models(task="text-to-image") if entry.method == "hosted" and not entry.retires_on
        ]


def test_the_notebook_is_stored_with_its_outputs(stored: Any) -> None:
    """All cells were run in order without errors; tests/store_notebook.py stores the notebook again."""
    assert NOTEBOOK.stat().st_size < MAX_BYTES
    nbformat.validate(stored)
    counts = [cell.execution_count for cell in code_cells(stored)]
    assert counts == list(range(1, len(counts) + 1))
    outputs = [output for cell in code_cells(stored) for output in cell.outputs]
    assert not [output for output in outputs if output.output_type == "error"]
    outputs_text = [output.data["text/plain"] for output in outputs if "data" in output]
    assert ": succeeded," in outputs_text[0]
    assert any("image/png" in output.get("data", {}) for output in outputs)


def test_the_notebook_contains_no_machine_path(stored: Any) -> None:
    """Stored texts contain no absolute paths."""
    assert not [text for text in texts(stored) if MACHINE_PATH.search(text)]


def test_running_the_notebook_again_submits_nothing(simulated: None, tmp_path: Path, stored: Any) -> None:
    """In two kernels on a fresh home: each model is called once, two calls are refused, then all is cached."""
    home = tmp_path / "home"
    assert os.environ[HOME_VARIABLE] == str(home)
    folder = tmp_path / "cells"
    folder.mkdir()
    first = run(stored, folder)
    rows = tape_rows("SELECT model, status FROM generations WHERE project_id = 'providers' AND provider IS NOT NULL")
    assert sorted(rows) == sorted((model, "succeeded") for model in models())
    refused = "SELECT count(*) FROM generations WHERE status = 'refused'"
    assert tape_rows(refused) == [(2,)]
    assert shape(first) == shape(stored), "Store the notebook again: its kinds of outputs have changed."
    again = run(stored, folder)
    assert shape(again) == shape(first)
    paid = "SELECT count(*) FROM generations WHERE project_id = 'providers' AND provider IS NOT NULL"
    assert tape_rows(paid) == [(len(models()),)]


def run(notebook: Any, folder: Path) -> Any:
    """Run a copy of the notebook in a new kernel."""
    copy = nbformat.from_dict(json.loads(json.dumps(notebook)))
    NotebookClient(copy, timeout=150, kernel_name="python3", resources={"metadata": {"path": str(folder)}}).execute()
    return copy


def tape_rows(query: str) -> list[tuple[Any, ...]]:
    """Query the tape of the kernels' home in a session of this process."""
    rows = current_session().tape.sql(query).rows()
    use_session(None)
    return rows
