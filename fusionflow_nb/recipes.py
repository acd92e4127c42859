"""The recipe of a result: the part of the flow that made it, small enough to travel inside the file."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from fusionflow_nb import errors
from fusionflow_nb.assets import recipe as files
from fusionflow_nb.flow.document import FlowDocument, Layout
from fusionflow_nb.flow.file import dumps, loads

if TYPE_CHECKING:
    from collections.abc import Callable

    from fusionflow_nb.assets.protocol import AssetStore
    from fusionflow_nb.journal.records import Coordinate
    from fusionflow_nb.media.values import Asset


def recipe_of(document: FlowDocument, node_id: str, coordinate: Coordinate = ()) -> dict[str, Any]:
    """What made a node's result: the nodes above it with their parameters as they are, and the cell it stands in."""
    above = _above(document, node_id)
    nodes = {name: node for name, node in document.nodes.items() if name in above}
    looks = {name: look for name, look in document.layout.nodes.items() if name in above}
    edges = [edge for edge in document.edges if edge.target in above]
    part = FlowDocument(
        id=document.id,
        name=document.name,
        nodes=nodes,
        edges=edges,
        variables=document.variables,
        layout=Layout(nodes=looks),
    )
    return {"fusionflow": 1, "node_id": node_id, "coordinate": dict(coordinate), "flow": dumps(part)}


def writer(
    asset: Asset, store: AssetStore, document: FlowDocument, node_id: str, coordinate: Coordinate
) -> Callable[[Path], None]:
    """How a handle saves its file: with the recipe inside where the format carries one, else as it is."""

    def write(target: Path) -> None:
        source = store.path(asset.sha256)
        if files.can_carry(asset.media_type):
            files.embed_file(source, target, recipe_of(document, node_id, coordinate))
        else:
            target.write_bytes(source.read_bytes())

    return write


def read(source: str | Path) -> FlowDocument:
    """The flow inside a saved picture, video or sound. Nothing in it is executed.

    Raises:
        MediaError: the file cannot be read, or carries no recipe of ours.
        FlowFileError: it carries a damaged one.
    """
    path = Path(source).expanduser()
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
