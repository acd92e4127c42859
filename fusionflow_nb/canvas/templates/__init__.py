"""The flows that an empty canvas offers: each a real `.flow.json`, each runs without a key.

The Python node of one of them is declared here from the package, so that it runs at the first click; its source comes
along as a cell. Running that cell, changed or not, makes the node the notebook's own, and placed nodes follow it.
"""

from __future__ import annotations

import inspect
import json
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fusionflow_nb import errors
from fusionflow_nb.catalog.python import python_node_type
from fusionflow_nb.flow import file

if TYPE_CHECKING:
    from fusionflow_nb.catalog import Catalog

_FOLDER = Path(__file__).parent
_SUMMARIES = {
    "still": "A prompt, a picture from it, and a grade that follows its sliders live.",
    "sweep": "Two prompts by three seeds: six pictures, labelled on one contact sheet.",
    "film": "A picture that knows its depth becomes a camera move.",
    "python": "A function in a cell is a node: film grain in three lines of NumPy.",
}
_CELLS = {"python": "grain"}
_NOT_FOR_A_CELL = ("  # noqa: PLC0415", "  # type: ignore[return-value]")


def templates() -> list[dict[str, Any]]:
    """`{id, title, summary, graph}` of each, the graph in React Flow's shape; `cell` where Python is shown."""
    return json.loads(_templates_text())  # type: ignore[no-any-return] # a copy: callers may change theirs


def cell_source(template_id: str) -> str:
    """The cell that makes the Python node of a template one's own.

    Raises:
        UnknownNodeTypeError: the template has none.
    """
    if template_id not in _CELLS:
        raise errors.UnknownNodeTypeError(
            f"The template {template_id!r} has no Python node.", hint=f"Those that have one: {', '.join(_CELLS)}."
        )
    from fusionflow_nb.canvas.templates.film_grain import grain  # noqa: PLC0415 - only when somebody wants it

    source = inspect.getsource(grain)
    for remark in _NOT_FOR_A_CELL:
        source = source.replace(remark, "")
    return f"import fusionflow_nb as ff\n\n\n@ff.node\n{source}"


def declare_examples(catalog: Catalog) -> None:
    """Make the Python nodes of templates known, unless the notebook has declared nodes of these names itself."""
    from fusionflow_nb.canvas.templates.film_grain import grain  # noqa: PLC0415 - only when somebody wants it

    if catalog.find(grain.__name__) is None:
        catalog.declare(python_node_type(grain))


@cache
def _templates_text() -> str:
    found = []
    for template_id, summary in _SUMMARIES.items():
        document = file.load(_FOLDER / f"{template_id}.flow.json")
        told = {"id": template_id, "title": document.name, "summary": summary, "graph": file.to_wire(document)}
        if template_id in _CELLS:
            told["cell"] = cell_source(template_id)
        found.append(told)
    return json.dumps(found)
