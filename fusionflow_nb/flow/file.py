"""The canonical file form, the hash of the logic, and React Flow's shape.

`name.flow.json` is JSON laid out for people and for diffs: logic first, layout last, one node and one edge per line. Moving
a node changes one layout line; editing a parameter changes one node line.
"""

from __future__ import annotations

import errno
import json
import os
import tempfile
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from fusionflow_nb import errors
from fusionflow_nb.flow.document import FILE_VERSION, Edge, FlowDocument, Layout, Node, NodeLayout
from fusionflow_nb.media.values import canonical_json, json_digest

MAX_BYTES = 64 * 1024 * 1024


def flow_hash(document: FlowDocument) -> str:
    """Hex sha256 of what decides results: nodes, edges, variables. Not id, name, layout, or any order but that of edges
    into one collecting port.
    """
    return json_digest(
        {
            "nodes": {node.id: _node_json(node) for node in document.nodes.values()},
            "edges": [_edge_json(edge) for edge in sorted(document.edges, key=lambda edge: (edge.target, edge.target_port))],
            "variables": document.variables,
        }
    )


def dumps(document: FlowDocument) -> str:
    """The flow as canonical text, ending in a newline.

    Raises:
        MediaError: a parameter that JSON cannot hold (NaN, an object of a class).
    """
    layout = document.layout.model_dump(exclude_defaults=True, exclude={"nodes"})
    looks = {node_id: look.model_dump(exclude_none=True) for node_id, look in document.layout.nodes.items()}
    extra = document.__pydantic_extra__ or {}
    lines = [
        f'"fusionflow": {FILE_VERSION}',
        f'"id": {_line(document.id)}',
        f'"name": {_line(document.name)}',
        f'"variables": {_block([f"{_line(key)}: {_line(value)}" for key, value in sorted(document.variables.items())], "{}")}',
        f'"nodes": {_block([_line(_node_json(node)) for node in document.nodes.values()], "[]")}',
        f'"edges": {_block([_line(_edge_json(edge)) for edge in document.edges], "[]")}',
        *(f"{_line(key)}: {_line(value)}" for key, value in sorted(extra.items())),
        _layout_text(layout, looks),
    ]
    return "{\n" + ",\n".join(lines) + "\n}\n"


def loads(text: str, *, where: str = "This text") -> FlowDocument:
    """The flow that a text holds; `where` names it in errors.

    Raises:
        FlowFileError: not JSON, not a flow, from a newer version, or inconsistent; says where and what to do.
    """
    try:
        data = json.loads(text)
    except json.JSONDecodeError as error:
        raise errors.FlowFileError(
            f"{where} is no valid JSON: {error.msg} at line {error.lineno}, column {error.colno}.",
            hint="Restore it from version control or a backup.",
        ) from error
    except RecursionError as error:
        raise errors.FlowFileError(f"{where} is nested too deeply to be a flow.") from error
    if not isinstance(data, dict) or "fusionflow" not in data:
        raise errors.FlowFileError(f"{where} is no FusionFlow flow.", hint='A flow begins with {"fusionflow": 1.')
    version = data.pop("fusionflow")
    if not isinstance(version, int) or version < 1:
        raise errors.FlowFileError(f"{where} names the version {version!r}, which never was.")
    if version > FILE_VERSION:
        raise errors.FlowFileError(
            f"{where} was written by a newer FusionFlow (file version {version}; this one reads {FILE_VERSION}).",
            hint="Upgrade: pip install -U fusionflow-nb.",
        )
    return _document(data, where)


def load(path: Path) -> FlowDocument:
    """Read a flow file.

    Raises:
        FlowFileError: it cannot be read or is no flow.
    """
    try:
        if path.stat().st_size > MAX_BYTES:
            raise errors.FlowFileError(f"{path} is larger than 64 MB.", hint="Media belong into the store, not into flows.")
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise errors.FlowFileError(f"{path} cannot be read: {error.strerror}.", hint="Check the path.") from error
    except UnicodeDecodeError as error:
        raise errors.FlowFileError(f"{path} is no text file.", hint="Choose a .flow.json file.") from error
    return loads(text, where=str(path))


def save(document: FlowDocument, path: Path) -> None:
    """Write a flow file as a whole or not at all.

    Raises:
        DiskFullError, UnwritableError: the file that was there before is untouched.
    """
    data = dumps(document).encode()
    temporary = ""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
        with os.fdopen(descriptor, "wb") as stream:
            stream.write(data)
            stream.flush()
            os.fsync(stream.fileno())
        Path(temporary).replace(path)
    except OSError as error:
        if temporary:
            Path(temporary).unlink(missing_ok=True)
        if error.errno in {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}:
            raise errors.DiskFullError(f"The disk is full; {path} was not saved.", hint="Make room and save again.") from error
        raise errors.UnwritableError(
            f"{path} cannot be written: {error.strerror}.", hint="Save it to a folder that you can write."
        ) from error


def to_wire(document: FlowDocument) -> dict[str, Any]:
    """The graph in React Flow's shape, for the canvas and for `projects.graph_state`."""
    nodes = []
    for node in document.nodes.values():
        look = document.layout.nodes.get(node.id, NodeLayout())
        fields = look.model_dump(exclude_none=True)
        wired = {"id": node.id, "type": node.type, "position": {"x": fields.pop("x"), "y": fields.pop("y")}}
        wired.update({name: fields.pop(name) for name in ("width", "height") if name in fields})
        logic = _node_json(node)
        wired["data"] = {name: value for name, value in logic.items() if name not in {"id", "type"}}
        if fields:
            wired["look"] = fields
        nodes.append(wired)
    edges = [{"id": edge.id, **_edge_json(edge)} for edge in document.edges]
    rest = document.layout.model_dump(exclude_defaults=True, exclude={"nodes"})
    return {"nodes": nodes, "edges": edges, "layout": rest}


def from_wire(wire: dict[str, Any], *, id: str, name: str, variables: dict[str, Any]) -> FlowDocument:  # noqa: A002 - the document's word
    """The document of a graph in React Flow's shape.

    Raises:
        FlowFileError: it is no such graph.
    """
    try:
        looks, nodes = {}, []
        for wired in wire["nodes"]:
            nodes.append({"id": wired["id"], "type": wired["type"], **wired.get("data", {})})
            size = {key: wired[key] for key in ("width", "height") if key in wired}
            looks[wired["id"]] = {**wired["position"], **size, **wired.get("look", {})}
        edges = [{key: value for key, value in edge.items() if key != "id"} for edge in wire["edges"]]
        layout = {**wire.get("layout", {}), "nodes": looks}
    except (KeyError, TypeError, AttributeError) as error:
        raise errors.FlowFileError(f"The graph lacks {error}.") from error
    data = {"id": id, "name": name, "variables": variables, "nodes": nodes, "edges": edges, "layout": layout}
    return _document(data, "The graph")


def _document(data: dict[str, Any], where: str) -> FlowDocument:
    nodes = data.get("nodes", [])
    if not isinstance(nodes, list):
        raise errors.FlowFileError(f"{where}: nodes is no list.")
    try:
        placed = [Node.model_validate(node) for node in nodes]
        by_id = {node.id: node for node in placed}
        layout = data.get("layout", {})
        document = FlowDocument.model_validate({**data, "nodes": by_id, "layout": Layout.model_validate(layout)})
        canonical_json(document.model_dump(mode="json"))
    except ValidationError as error:
        first = error.errors()[0]
        at = ".".join(str(part) for part in first["loc"])
        raise errors.FlowFileError(f"{where}: {error.title}.{at}: {first['msg']}.", hint="Mend the field by hand.") from error
    except (errors.MediaError, RecursionError, ValueError) as error:
        raise errors.FlowFileError(f"{where} holds a value that no flow can hold: {error}") from error
    if len(by_id) < len(placed):
        twice = sorted({node.id for node in placed if sum(other.id == node.id for other in placed) > 1})
        raise errors.FlowFileError(f"{where} has two nodes called {', '.join(twice)}.", hint="Give each its own id.")
    for edge in document.edges:
        for end in (edge.source, edge.target):
            if end not in by_id:
                raise errors.FlowFileError(
                    f"{where}: the edge {edge.id} ends at {end!r}, which is not there.", hint="Remove the edge."
                )
    return document


def _node_json(node: Node) -> dict[str, Any]:
    return node.model_dump(mode="json", exclude_defaults=True)


def _edge_json(edge: Edge) -> dict[str, Any]:
    return edge.model_dump(mode="json", by_alias=True)


def _line(value: Any) -> str:  # noqa: ANN401 - any JSON value
    return canonical_json(value)


def _block(lines: list[str], brackets: str) -> str:
    return brackets if not lines else f"{brackets[0]}\n" + ",\n".join(lines) + f"\n{brackets[1]}"


def _layout_text(layout: dict[str, Any], looks: dict[str, Any]) -> str:
    parts = [f"{_line(key)}: {_line(value)}" for key, value in sorted(layout.items())]
    nodes = _block([f"{_line(node_id)}: {_line(look)}" for node_id, look in looks.items()], "{}")
    return '"layout": {\n' + ",\n".join([*parts, f'"nodes": {nodes}']) + "\n}"
