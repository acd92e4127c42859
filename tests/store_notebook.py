"""Run a notebook on a fresh home and store it with its outputs, as its test requires.

python tests/store_notebook.py notebooks/providers.ipynb
"""

from __future__ import annotations

import os
import sys
import tempfile
from pathlib import Path

import nbformat
from nbclient import NotebookClient

from fusionflow_nb.settings.environment import HOME_VARIABLE, SIMULATOR_VARIABLE

LANGUAGE = {"file_extension": ".py", "mimetype": "text/x-python", "name": "python"}
"""Without the Python version, which depends on the machine."""


def main() -> None:
    """Run the notebook, remove timings and write it; nothing is written if a cell fails."""
    path = Path(sys.argv[1])
    notebook = nbformat.read(path, as_version=4)
    os.environ.pop(SIMULATOR_VARIABLE, None)
    with tempfile.TemporaryDirectory() as folder:
        os.environ[HOME_VARIABLE] = str(Path(folder) / "home")
        client = NotebookClient(notebook, timeout=300, kernel_name="python3", resources={"metadata": {"path": folder}})
        client.execute()
    for cell in notebook.cells:
        cell.metadata.pop("execution", None)
    notebook.metadata["language_info"] = LANGUAGE
    nbformat.write(notebook, path)


if __name__ == "__main__":
    main()
