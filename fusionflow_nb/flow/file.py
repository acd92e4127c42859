"""The flow file format, and the hash of a flow's logic.

`name.flow.json` is JSON with a fixed order and line structure for readable diffs: logic first, layout last, one node or
edge per line. Moving a node changes one layout line; editing a parameter changes one node line.
"""

from __future__ import annotations

import errno
import json
import os
from contextlib import contextmanager
from operator import itemgetter
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from fusionflow_nb import errors
from fusionflow_nb.flow.document import FILE_VERSION, Edge, FlowDocument, Node, NodeLayout
from fusionflow_nb.flow.react_flow import from_wire, to_wire
from fusionflow_nb.flow.validate import read_document
from fusionflow_nb.media.values import canonical_json, json_digest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

__all__ = [
    "MAX_BYTES",
    "decode",
    "dumps",
    "flow_hash",
    "from_wire",
    "load",
    "loads",
    "read",
    "save",
    "to_wire",
    "write",
]

MAX_BYTES = 64 * 1024 * 1024
_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}


def flow_hash(document: FlowDocument) -> str:
    """Hex sha256 of the nodes, edges and variables.

    It ignores id, name, layout and unknown fields, and every order except that of edges into a collecting port.
    """
    nodes = sorted(document.nodes.items(), key=itemgetter(0))
    # The sort is stable: edges into one port keep their order.
    edges = sorted(
        ([edge.target, edge.target_port, edge.source, edge.source_port] for edge in document.edges),
        key=itemgetter(0, 1),
    )
    return json_digest(
        {
            "nodes": [
                [node_id, node.type, node.params, node.take, node.is_muted, node.locked] for node_id, node in nodes
            ],
            "edges": edges,
            "variables": document.variables,
        }
    )


def dumps(document: FlowDocument) -> str:
    """The flow as canonical text, ending in a newline.

    Raises:
        MediaError: a parameter cannot be written as JSON (NaN, an object).
    """
    extra = document.model_extra or {}
    variables = [_entry(name, value) for name, value in sorted(document.variables.items())]
    lines = [
        _entry("fusionflow", FILE_VERSION),
        _entry("id", document.id),
        _entry("name", document.name),
        f'"variables": {_block(variables, "{}")}',
        f'"nodes": {_block([_node_line(node) for node in document.nodes.values()], "[]")}',
        f'"edges": {_block([_edge_line(edge) for edge in document.edges], "[]")}',
        *(_entry(name, value) for name, value in sorted(extra.items())),
        _layout_text(document),
    ]
    return "{\n" + ",\n".join(lines) + "\n}\n"


def loads(text: str, *, where: str = "This text") -> FlowDocument:
    """Parse a flow; `where` names the text in errors.

    A flow with a cycle is loaded: the plan reports the cycle, and the user can remove an edge.

    Raises:
        FlowFileError: not JSON, not a flow, from a newer version, or inconsistent; names the place and gives a hint.
    """
    data = _parsed(text, where)
    if not isinstance(data, dict) or "fusionflow" not in data:
        raise errors.FlowFileError(f"{where} is not a FusionFlow flow.", hint='A flow begins with {"fusionflow": 1.')
    version = data.pop("fusionflow")
    if not isinstance(version, int) or isinstance(version, bool) or version < 1:
        raise errors.FlowFileError(
            f"{where} has an invalid file version.", hint=f'This version reads "fusionflow": {FILE_VERSION}.'
        )
    if version > FILE_VERSION:
        raise errors.FlowFileError(
            f"{where} was written by a newer FusionFlow (file version {version}; this version reads {FILE_VERSION}).",
            hint="Upgrade: pip install -U fusionflow-nb.",
        )
    return read_document(data, where)


def _parsed(text: str, where: str) -> Any:  # noqa: ANN401 - any JSON value
    def unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        result = dict(pairs)
        if len(result) < len(pairs):
            # A manual merge easily causes this, and json would silently use the last value.
            names = [name for name, _ in pairs]
            duplicate = next(name for name in names if names.count(name) > 1)
            raise errors.FlowFileError(f"{where} contains {duplicate!r} twice in an object.", hint="Keep one of them.")
        return result

    if len(text) > MAX_BYTES:
        raise _too_large(where)
    try:
        return json.loads(text, object_pairs_hook=unique)
    except json.JSONDecodeError as error:
        raise errors.FlowFileError(
            f"{where} is not valid JSON: {error.msg} at line {error.lineno}, column {error.colno}.",
            hint="Restore it from version control or a backup.",
        ) from error
    except RecursionError as error:
        raise errors.FlowFileError(f"{where} is nested too deeply to be a flow.", hint="Restore a backup.") from error
    except ValueError as error:  # a number of thousands of digits
        raise errors.FlowFileError(f"{where} contains a number that is too long.", hint="Restore a backup.") from error


def _too_large(where: str) -> errors.FlowFileError:
    return errors.FlowFileError(f"{where} is larger than 64 MB.", hint="Keep media in the asset store, not in flows.")


def load(path: Path) -> FlowDocument:
    """Read a flow file. Nothing in it is executed.

    Raises:
        FlowFileError: it cannot be read or is not a flow.
    """
    return decode(read(path), path)


def read(path: Path) -> bytes:
    """The bytes of a flow file.

    Raises:
        FlowFileError: it cannot be read or is too large.
    """
    try:
        with path.open("rb") as stream:
            data = stream.read(MAX_BYTES + 1)
    except OSError as error:
        raise errors.FlowFileError(f"{path} cannot be read: {error.strerror}.", hint="Check the path.") from error
    except ValueError as error:  # an invalid path, such as one with a null byte
        raise errors.FlowFileError(f"{str(path)!r} is not a valid path.", hint="Check the path.") from error
    if len(data) > MAX_BYTES:
        raise _too_large(str(path))
    return data


def decode(data: bytes, path: Path) -> FlowDocument:
    """The flow in the bytes of a file.

    Raises:
        FlowFileError: the bytes are not a flow; names the path.
    """
    try:
        # Some editors write a byte order mark.
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise errors.FlowFileError(f"{path} is not a text file.", hint="Choose a .flow.json file.") from error
    return loads(text, where=str(path))


def save(document: FlowDocument, path: Path) -> None:
    """Write a flow file atomically. A symbolic link stays a link, and the file keeps its permissions.

    Raises:
        DiskFullError, UnwritableError: an existing file is unchanged.
        MediaError: a parameter cannot be written as JSON.
    """
    write(dumps(document).encode(), path)


def write(data: bytes, path: Path, *, check: Callable[[], None] | None = None) -> None:
    """Replace a file's content atomically, as `save` does.

    Args:
        data: the new content.
        path: of the file; a symbolic link stays a link.
        check: called before the file is replaced; if it raises, the file is unchanged.

    Raises:
        DiskFullError, UnwritableError: an existing file is unchanged.
    """
    with _translate_os_errors(path):
        target = path.resolve()
        target.parent.mkdir(parents=True, exist_ok=True)
        temporary = target.with_name(f".saving-{uuid4().hex}")
        try:
            with temporary.open("xb") as stream:
                stream.write(data)
                stream.flush()
                os.fsync(stream.fileno())
            if target.exists():
                temporary.chmod(target.stat().st_mode)
            if check is not None:
                check()
            temporary.replace(target)
        finally:
            temporary.unlink(missing_ok=True)


@contextmanager
def _translate_os_errors(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        if error.errno in _FULL:
            raise errors.DiskFullError(
                f"The disk is full; {path} was not saved.", hint="Free disk space and save again."
            ) from error
        raise errors.UnwritableError(
            f"{path} cannot be written: {error.strerror}.", hint="Save it to a writable folder."
        ) from error


def _node_line(node: Node) -> str:
    return canonical_json(node.model_dump(mode="json", exclude_defaults=True))


def _edge_line(edge: Edge) -> str:
    ends = {
        "source": edge.source,
        "sourceHandle": edge.source_port,
        "target": edge.target,
        "targetHandle": edge.target_port,
    }
    return canonical_json({**(edge.model_extra or {}), **ends})


def _look_line(look: NodeLayout) -> str:
    return canonical_json({"x": look.x, "y": look.y, **look.model_dump(mode="json", exclude_defaults=True)})


def _layout_text(document: FlowDocument) -> str:
    """The layout block; its nodes are in the order of the document's nodes."""
    rest = document.layout.model_dump(mode="json", exclude_defaults=True, exclude={"nodes"})
    looks = document.layout.nodes
    lines = [
        f"{canonical_json(node_id)}: {_look_line(looks[node_id])}" for node_id in document.nodes if node_id in looks
    ]
    parts = [*(_entry(name, value) for name, value in sorted(rest.items())), f'"nodes": {_block(lines, "{}")}']
    return '"layout": {\n' + ",\n".join(parts) + "\n}"


def _entry(name: str, value: Any) -> str:  # noqa: ANN401 - any JSON value
    return f"{canonical_json(name)}: {canonical_json(value)}"


def _block(lines: list[str], brackets: str) -> str:
    return brackets if not lines else f"{brackets[0]}\n" + ",\n".join(lines) + f"\n{brackets[1]}"
