"""The recipe of a result: the part of the flow that made it, small enough to travel inside the file."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fusionflow_nb import errors
from fusionflow_nb.assets import recipe as files
from fusionflow_nb.flow.checks import variables_used
from fusionflow_nb.flow.document import FlowDocument, Layout
from fusionflow_nb.flow.file import dumps, loads
from fusionflow_nb.media.handles import copy_whole

if TYPE_CHECKING:
    from collections.abc import Callable

    from fusionflow_nb.journal.records import Coordinate


def recipe_of(document: FlowDocument, node_id: str, coordinate: Coordinate = ()) -> dict[str, Any]:
    """What made a node's result: the nodes above it with their parameters as they are, and the cell it stands in."""
    return {
        "fusionflow": 1,
        "node_id": node_id,
        "coordinate": dict(coordinate),
        "flow": dumps(part_above(document, node_id)),
    }


def part_above(document: FlowDocument, node_id: str) -> FlowDocument:
    """A node and everything above it, with the variables that these read, as a flow of its own."""
    above = _above(document, node_id)
    nodes = {name: node for name, node in document.nodes.items() if name in above}
    looks = {name: look for name, look in document.layout.nodes.items() if name in above}
    edges = [edge for edge in document.edges if edge.target in above]
    used = {name for node in nodes.values() for name in variables_used(node.params)}
    return FlowDocument(
        id=document.id,
        name=document.name,
        nodes=nodes,
        edges=edges,
        variables={name: value for name, value in document.variables.items() if name in used},
        layout=Layout(nodes=looks),
    )


def writer(document: FlowDocument, node_id: str, coordinate: Coordinate) -> Callable[[Path, Path], None]:
    """How a handle saves a file: with the recipe inside where it can carry this one, else as it is.

    A picture without its recipe is worth having; no picture is not. So only the disk may refuse.
    """

    def write(source: Path, target: Path) -> None:
        try:
            files.embed_file(source, target, recipe_of(document, node_id, coordinate))
        except (errors.MediaError, errors.MissingExtraError):  # too large, damaged, a kind that carries none
            copy_whole(source, target)

    return write


def read(source: str | Path) -> FlowDocument:
    """The flow inside a saved picture, video or sound. Nothing in it is executed.

    Raises:
        MediaError: the file cannot be read, or carries no recipe of ours.
        FlowFileError: it carries a damaged one.
    """
    path = Path(os.path.expanduser(source))  # noqa: PTH111 - Path.expanduser raises for users that are not there
    if not path.is_file():
        raise errors.MediaError(f"There is no file {str(path)!r}.", hint="Check the path.")
    found = files.extract(path)
    if found is None or not isinstance(found.get("flow"), str):
        raise errors.MediaError(
            f"{path.name} carries no recipe.", hint="Files saved with run.save(...) or handle.save(...) carry one."
        )
    return loads(found["flow"], where=f"The recipe in {path.name}")


def _above(document: FlowDocument, node_id: str) -> set[str]:
    sources: dict[str, list[str]] = {}
    for edge in document.edges:
        sources.setdefault(edge.target, []).append(edge.source)
    found: set[str] = set()
    stack = [node_id]
    while stack:
        name = stack.pop()
        if name not in found:
            found.add(name)
            stack.extend(sources.get(name, ()))
    return found
