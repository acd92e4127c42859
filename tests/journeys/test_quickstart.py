"""The quickstart notebook: stored with its outputs; it runs, and running it again submits nothing."""

from __future__ import annotations

import base64
import json
import os
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import nbformat
import pytest
from nbclient import NotebookClient

from fusionflow_nb.session import current_session, use_session
from fusionflow_nb.settings.environment import HOME_VARIABLE

if TYPE_CHECKING:
    from collections.abc import Iterator

NOTEBOOK = Path(__file__).resolve().parents[2] / "notebooks" / "quickstart.ipynb"
MAX_BYTES = 1_500_000
MACHINE_PATH = re.compile(r"(?<![\w/.<])/(?:home|Users|root|tmp|private|var|usr|opt|work|mnt)/\w|\b[A-Z]:\\\\")


def code_cells(notebook: Any) -> Iterator[Any]:
    return (cell for cell in notebook.cells if cell.cell_type == "code")


def texts(notebook: Any) -> Iterator[str]:
    """All stored texts without pictures."""
    for cell in notebook.cells:
        yield cell.source
        for output in cell.get("outputs", []):
            yield output.get("text", "")
            yield from (
                re.sub(r"base64,[A-Za-z0-9+/=]+", "", data)
                for kind, data in output.get("data", {}).items()
                if kind.startswith("text/")
            )


@pytest.fixture(scope="module")
def stored() -> Any:
    return nbformat.read(NOTEBOOK, as_version=4)


def test_the_notebook_is_stored_with_its_outputs(stored: Any) -> None:
    """All cells were run in order without errors, and the cards show finished runs."""
    assert NOTEBOOK.stat().st_size < MAX_BYTES
    nbformat.validate(stored)
    counts = [cell.execution_count for cell in code_cells(stored)]
    assert counts == list(range(1, len(counts) + 1))
    outputs = [output for cell in code_cells(stored) for output in cell.outputs]
    assert not [output for output in outputs if output.output_type == "error"]
    cards = [
        output.data["text/plain"] for output in outputs if "<Run of" in output.get("data", {}).get("text/plain", "")
    ]
    assert len(cards) >= 3
    assert all(": succeeded," in card for card in cards)


def test_the_stored_pictures_are_valid(stored: Any) -> None:
    """Each stored picture has the media type that it declares."""
    from fusionflow_nb.assets.sniff import sniff

    outputs = [output.get("data", {}) for cell in code_cells(stored) for output in cell.outputs]
    pictures = [(kind, data[kind]) for data in outputs for kind in data if kind.startswith("image/")]
    inline = [
        match.groups()
        for data in outputs
        for match in re.finditer(r"data:([a-z]+/[a-z]+);base64,([A-Za-z0-9+/=]+)", data.get("text/html", ""))
    ]
    assert len(pictures) >= 4
    assert len(inline) >= 10
    for kind, encoded in [*pictures, *inline]:
        assert sniff(base64.b64decode(encoded)) == kind


def test_the_notebook_contains_no_machine_path(stored: Any) -> None:
    """Stored texts contain no absolute paths."""
    assert not [text for text in texts(stored) if MACHINE_PATH.search(text)]


def test_a_second_kernel_submits_nothing(tmp_path: Path, stored: Any) -> None:
    """On a fresh home the notebook runs in two kernels, and the second adds no generation."""
    first, generations, _ = execute(stored, tmp_path)
    assert generations > 10
    again, after, second_runs = execute(stored, tmp_path)
    assert after == generations
    assert second_runs
    assert {job["state"] for jobs in second_runs for job in jobs} == {"cached"}
    assert shape(first) == shape(stored), "Store the notebook again: its kinds of outputs have changed."
    assert shape(again) == shape(first)


def execute(notebook: Any, home: Path) -> tuple[Any, int, list[Any]]:
    """Run a copy in a new kernel; returns it, the number of generations, and the jobs of its runs."""
    copy = nbformat.from_dict(json.loads(json.dumps(notebook)))
    folder = home / "cells"
    folder.mkdir(exist_ok=True)
    before = tape_rows(home, "SELECT count(*) FROM runs")[0][0] if (home / "home").exists() else 0
    NotebookClient(copy, timeout=150, kernel_name="python3", resources={"metadata": {"path": str(folder)}}).execute()
    runs = tape_rows(home, "SELECT jobs FROM runs ORDER BY started_at OFFSET ?", before)
    return copy, tape_rows(home, "SELECT count(*) FROM generations")[0][0], [json.loads(jobs) for (jobs,) in runs]


def tape_rows(home: Path, query: str, *values: Any) -> list[tuple[Any, ...]]:
    """Query the tape of the kernels' home in a session of this process."""
    assert os.environ[HOME_VARIABLE] == str(home / "home")
    rows = current_session().tape.sql(query, values).rows()
    use_session(None)
    return rows


def shape(notebook: Any) -> list[list[tuple[str, ...]]]:
    """The kinds of output of each cell."""
    return [
        [
            (output.output_type.replace("execute_result", "display_data"), *sorted(output.get("data", {})))
            for output in cell.outputs
        ]
        for cell in code_cells(notebook)
    ]
