"""Node types for files: a picture, video or sound in the store. The node has its digest, not its path."""

from __future__ import annotations

from typing import Any

from fusionflow_nb import errors
from fusionflow_nb.catalog.declare import declare
from fusionflow_nb.catalog.node_type import Kind, NodeType, OutputPort
from fusionflow_nb.media.ports import PortType
from fusionflow_nb.media.values import Asset


def stored_file(asset: dict[str, Any] | None = None, name: str = "") -> Asset:
    """A file from the asset store."""
    if not asset:
        raise errors.ParameterError(
            f"The file {name!r} is not in the store.",
            hint="Choose the file again, or call flow.load_image(path).",
        )
    return Asset.from_json(asset)


def node_types() -> list[NodeType]:
    """The declarations of this family."""
    # The node types differ only in the type of the output.
    return [
        declare(
            stored_file,
            name=f"load_{port_type}",
            kind=Kind.STRUCTURAL,
            category="File",
            title=f"{str(port_type).capitalize()} file",
            run=stored_file,
            not_in_key=frozenset({"name"}),
            outputs=(OutputPort(str(port_type), port_type),),
        )
        for port_type in (PortType.IMAGE, PortType.VIDEO, PortType.AUDIO)
    ]
