"""Flows offered on the empty canvas: each is a `.flow.json` and runs without an API key.

One of them has a Python node. It is declared from the package, so that the template runs immediately, and its source is
also available as a cell. Running that cell redefines the node in the notebook and updates placed nodes.
"""

from __future__ import annotations

import inspect
import json
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from fusionflow_nb import errors
from fusionflow_nb.catalog.python import python_node_type
from fusionflow_nb.flow import file

if TYPE_CHECKING:
    from fusionflow_nb.canvas.wire import Template
    from fusionflow_nb.catalog import Catalog

_FOLDER = Path(__file__).parent
_SUMMARIES = {
    "still": "A prompt, an image from it, and a color grade with live sliders.",
    "sweep": "Two prompts by three seeds: six images, labelled on one contact sheet.",
    "film": "An image with a depth map becomes a camera move.",
    "python": "A function in a cell is a node: film grain in three lines of NumPy.",
}
_CELLS = {"python": "grain"}
_LINT_COMMENTS = ("  # noqa: PLC0415", "  # type: ignore[return-value]")


def templates() -> list[Template]:
    """All templates. `graph` is in React Flow's format; `cell` is the source of the Python node, if there is one."""
    return json.loads(_templates_text())  # type: ignore[no-any-return] # a copy, which callers may change


def cell_source(template_id: str) -> str:
    """Source of a cell that defines the Python node of a template.

    Raises:
        UnknownNodeTypeError: the template has no Python node.
    """
    if template_id not in _CELLS:
        raise errors.UnknownNodeTypeError(
            f"The template {template_id!r} has no Python node.",
            hint=f"Templates with a Python node: {', '.join(_CELLS)}.",
        )
    from fusionflow_nb.canvas.templates.film_grain import grain  # noqa: PLC0415 - only if it is used

    source = inspect.getsource(grain)
    for comment in _LINT_COMMENTS:
        source = source.replace(comment, "")
    return f"import fusionflow_nb as ff\n\n\n@ff.node\n{source}"


def declare_examples(catalog: Catalog) -> None:
    """Declare the Python nodes of templates, unless the notebook has declared nodes with these names."""
    from fusionflow_nb.canvas.templates.film_grain import grain  # noqa: PLC0415 - only if it is used

    if catalog.find(grain.__name__) is None:
        catalog.declare(python_node_type(grain))


@cache
def _templates_text() -> str:
    entries: list[Template] = []
    for template_id, summary in _SUMMARIES.items():
        document = file.load(_FOLDER / f"{template_id}.flow.json")
        graph = file.to_wire(document)
        template: Template = {"id": template_id, "title": document.name, "summary": summary, "graph": graph}
        if template_id in _CELLS:
            template["cell"] = cell_source(template_id)
        entries.append(template)
    return json.dumps(entries)
