"""Recipes: the part of a flow that generated a result, embedded in the saved file."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fusionflow_nb import errors
from fusionflow_nb.assets import recipe as files
from fusionflow_nb.flow.document import FlowDocument, Layout
from fusionflow_nb.flow.file import dumps, loads
from fusionflow_nb.flow.topology import ancestors
from fusionflow_nb.flow.variables import variables_used
from fusionflow_nb.media.handles import copy_atomically

if TYPE_CHECKING:
    from collections.abc import Callable

    from fusionflow_nb.journal.records import Coordinate


def recipe_of(document: FlowDocument, node_id: str, coordinate: Coordinate = ()) -> dict[str, Any]:
    """Build the recipe of a result: the node, its ancestors with their parameters, and the cell's coordinate."""
    return {
        "fusionflow": 1,
        "node_id": node_id,
        "coordinate": dict(coordinate),
        "flow": dumps(upstream_part(document, node_id)),
    }


def upstream_part(document: FlowDocument, node_id: str) -> FlowDocument:
    """A new flow with a node, its ancestors and the variables that they use."""
    above = {node_id, *ancestors(document, node_id)}
    nodes = {name: node for name, node in document.nodes.items() if name in above}
    layouts = {name: layout for name, layout in document.layout.nodes.items() if name in above}
    edges = [edge for edge in document.edges if edge.target in above]
    used = {name for node in nodes.values() for name in variables_used(node.params)}
    return FlowDocument(
        id=document.id,
        name=document.name,
        nodes=nodes,
        edges=edges,
        variables={name: value for name, value in document.variables.items() if name in used},
        layout=Layout(nodes=layouts),
    )


def writer(document: FlowDocument, node_id: str, coordinate: Coordinate) -> Callable[[Path, Path], None]:
    """Return a function that copies a file and embeds the recipe.

    If the recipe cannot be embedded the file is copied without it: only errors of the disk are raised.
    """

    def write(source: Path, target: Path) -> None:
        try:
            files.embed_file(source, target, recipe_of(document, node_id, coordinate))
        except (errors.MediaError, errors.MissingExtraError):  # recipe too large, damaged file, or unsupported format
            copy_atomically(source, target)

    return write


def read(source: str | Path) -> FlowDocument:
    """Read the flow from the recipe of a saved picture, video or sound. Nothing in it is executed.

    Raises:
        MediaError: the file cannot be read, or contains no recipe.
        FlowFileError: the recipe is damaged.
    """
    path = Path(os.path.expanduser(source))  # noqa: PTH111 - Path.expanduser raises for unknown users
    if not path.is_file():
        raise errors.MediaError(f"The file {str(path)!r} does not exist.", hint="Check the path.")
    recipe = files.extract(path)
    if recipe is None or not isinstance(recipe.get("flow"), str):
        raise errors.MediaError(
            f"{path.name} contains no recipe.", hint="Files saved with run.save(...) or handle.save(...) contain one."
        )
    return loads(recipe["flow"], where=f"The recipe in {path.name}")
