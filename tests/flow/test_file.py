"""The flow file format: round trips, validation, small diffs and atomic writes."""

from __future__ import annotations

import errno
import json
import os
import stat
from pathlib import Path

import pytest
from hypothesis import event, given
from hypothesis import strategies as st
from support.flow import documents, edge, exact, logic_edits, unknown

from fusionflow_nb import errors
from fusionflow_nb.flow import edits, file
from fusionflow_nb.flow.document import FlowDocument, Layout, Node, NodeLayout


def small() -> FlowDocument:
    """Two nodes with positions and an edge."""
    return FlowDocument(
        id="p1",
        name="Neon city",
        nodes={
            "text_1": Node(id="text_1", type="text", params={"text": "dawn"}),
            "image_1": Node(id="image_1", type="generate_image", params={"seed": 7}),
        },
        edges=[edge("text_1", "text", "image_1", "prompt")],
        layout=Layout(nodes={"text_1": NodeLayout(x=1), "image_1": NodeLayout(x=2)}),
    )


@given(documents())
def test_a_file_round_trip_keeps_everything(document):
    """An equal document with the unknown fields of every level, and the same text."""
    text = file.dumps(document)
    again = file.loads(text)
    assert again == document
    assert list(again.nodes) == list(document.nodes)
    assert file.dumps(again) == text
    assert file.flow_hash(again) == file.flow_hash(document)


def test_the_order_and_lines_of_a_file():
    """Version, identity, logic, then layout; one node or edge per line; defaults are omitted."""
    assert file.dumps(small()) == (
        "{\n"
        '"fusionflow": 1,\n'
        '"id": "p1",\n'
        '"name": "Neon city",\n'
        '"variables": {},\n'
        '"nodes": [\n'
        '{"id":"text_1","params":{"text":"dawn"},"type":"text"},\n'
        '{"id":"image_1","params":{"seed":7},"type":"generate_image"}\n'
        "],\n"
        '"edges": [\n'
        '{"source":"text_1","sourceHandle":"text","target":"image_1","targetHandle":"prompt"}\n'
        "],\n"
        '"layout": {\n'
        '"nodes": {\n'
        '"text_1": {"x":1.0,"y":0.0},\n'
        '"image_1": {"x":2.0,"y":0.0}\n'
        "}\n"
        "}\n"
        "}\n"
    )


def changed_lines(before: str, after: str) -> int:
    """The number of different lines of two texts with equally many lines."""
    pairs = list(zip(before.splitlines(), after.splitlines(), strict=True))
    return sum(old != new for old, new in pairs)


@given(documents(), st.floats(-1e6, 1e6))
def test_a_small_change_changes_one_line(document, x):
    """Moving a node or changing a parameter changes exactly one line of the file."""
    document.nodes["moved"] = Node(id="moved", type="text", params={"text": ""})
    document.layout.nodes["moved"] = NodeLayout(x=x + 1)
    before = file.dumps(document)
    edits.apply(document, edits.SetLayout(node_id="moved", fields={"x": x - 1}))
    moved = file.dumps(document)
    assert changed_lines(before, moved) == 1
    edits.apply(document, edits.SetParam(node_id="moved", name="text", value="new"))
    assert changed_lines(moved, file.dumps(document)) == 1


@given(documents(), st.randoms(use_true_random=False), unknown)
def test_the_hash_covers_only_the_logic(document, random, more):
    """Not name, id, layout, unknown fields, or the order of nodes, keys and edges into different ports."""
    before = file.flow_hash(document)
    other = FlowDocument(name="Another", variables=dict(reversed(document.variables.items())), **more)
    shuffled = list(document.nodes.values())
    random.shuffle(shuffled)
    for node in shuffled:
        params = dict(reversed(node.params.items()))
        other.nodes[node.id] = node.model_copy(update={"params": params, "unknown_field": 1})
    ports = sorted({(drawn.target, drawn.target_port) for drawn in document.edges})
    random.shuffle(ports)
    other.edges = [drawn for port in ports for drawn in document.edges if (drawn.target, drawn.target_port) == port]
    assert file.flow_hash(other) == before


@given(documents())
def test_every_logic_edit_changes_the_hash(document):
    """Undoing the edit restores the hash."""
    before = file.flow_hash(document)
    for change in logic_edits(document):
        inverse = edits.apply(document, change)
        assert file.flow_hash(document) != before, change
        edits.apply(document, inverse)
    assert file.flow_hash(document) == before


def test_the_hash_covers_the_order_of_edges_into_a_port():
    """A contact sheet shows its pictures in the order of its edges, so the order is logic."""
    nodes = {name: Node(id=name, type="text") for name in "abc"}
    drawn = [edge("a", "text", "c", "images"), edge("b", "text", "c", "images")]
    first = FlowDocument(nodes=nodes, edges=drawn)
    second = FlowDocument(nodes=nodes, edges=drawn[::-1])
    assert file.flow_hash(first) != file.flow_hash(second)


@given(documents())
def test_react_flow_format_round_trips(document):
    """With name, id and variables passed separately; the graph is plain JSON."""
    wire = json.loads(json.dumps(file.to_wire(document), allow_nan=False))
    again = file.from_wire(wire, id=document.id, name=document.name, variables=document.variables)
    document.__pydantic_extra__ = {}
    assert again == document
    assert file.dumps(again) == file.dumps(document)
    assert len({wire_edge["id"] for wire_edge in wire["edges"]}) == len(document.edges)


@given(documents(), st.data())
def test_a_damaged_file_loads_or_is_a_flow_file_error(document, data):
    """With any part removed or replaced; a flow that loads can be saved."""
    text = file.dumps(document)
    start = data.draw(st.integers(0, len(text)))
    end = data.draw(st.integers(start, min(len(text), start + data.draw(st.sampled_from([0, 1, 5, 10_000])))))
    junk = data.draw(
        st.text(max_size=3) | st.sampled_from(["1e999", "NaN", "[" * 500, "9" * 5000, '"\\ud800"', "{}", "null"])
    )
    try:
        flow = file.loads(text[:start] + junk + text[end:])
    except errors.FlowFileError:
        event("refused")
    else:
        assert file.loads(file.dumps(flow)) == flow
        file.dumps(flow).encode()


@given(
    st.recursive(
        st.none() | st.integers() | st.text(max_size=3),
        lambda inner: (
            st.lists(inner)
            | st.dictionaries(
                st.sampled_from(
                    ["id", "name", "nodes", "edges", "layout", "variables", "type", "params", "source", "x", "viewport"]
                ),
                inner,
            )
        ),
        max_leaves=12,
    )
)
def test_any_json_is_a_flow_or_a_flow_file_error(content):
    """With any JSON in place of any field, in a file and in React Flow's format."""
    tops = content if isinstance(content, dict) else {"nodes": content}
    for data in (tops, {"layout": content}, {"nodes": [content]}, {"edges": [content]}, {"layout": {"nodes": content}}):
        try:
            flow = file.loads(json.dumps({"fusionflow": 1, **data}))
        except errors.FlowFileError:
            event("refused")
        else:
            assert file.loads(file.dumps(flow)) == flow
        try:
            flow = file.from_wire(data, id="p", name="n", variables={})
        except errors.FlowFileError:
            event("refused over the wire")
        else:
            assert file.loads(file.dumps(flow)) == flow


NODE = '{"id": "a", "type": "text"}'
REFUSED = {
    "truncated": ('{"fusionflow": 1, "nodes": [', "line 1, column"),
    "no object": ("[]", "not a FusionFlow flow"),
    "another json": ('{"nbformat": 4}', "not a FusionFlow flow"),
    "newer": ('{"fusionflow": 2}', "newer FusionFlow (file version 2"),
    "no version": ('{"fusionflow": "1"}', "invalid file version"),
    "truth as version": ('{"fusionflow": true}', "invalid file version"),
    "nodes no list": ('{"fusionflow": 1, "nodes": {}}', "nodes is not a list"),
    "no type": ('{"fusionflow": 1, "nodes": [{"id": "a"}]}', "node 1: field type"),
    "bad id": ('{"fusionflow": 1, "nodes": [{"id": "a b", "type": "text"}]}', "node 1: field id"),
    "bad params": ('{"fusionflow": 1, "nodes": [{"id": "a", "type": "t", "params": []}]}', "field params"),
    "take in words": ('{"fusionflow": 1, "nodes": [{"id": "a", "type": "t", "take": "3"}]}', "node 1: field take"),
    "key twice": ('{"fusionflow": 1, "nodes": [], "nodes": []}', "contains 'nodes' twice"),
    "twice": (f'{{"fusionflow": 1, "nodes": [{NODE}, {NODE}]}}', "several nodes with the id a"),
    "dangling": (
        (
            f'{{"fusionflow": 1, "nodes": [{NODE}], "edges": '
            '[{"source": "a", "sourceHandle": "o", "target": "gone", "targetHandle": "i"}]}'
        ),
        "a.o->gone.i refers to the node 'gone'",
    ),
    "edge twice": (
        f'{{"fusionflow": 1, "nodes": [{NODE}], "edges": ['
        + ", ".join(['{"source": "a", "sourceHandle": "o", "target": "a", "targetHandle": "i"}'] * 2)
        + "]}",
        "a.o->a.i exists 2 times",
    ),
    "not a number": ('{"fusionflow": 1, "variables": {"x": NaN}}', "nan cannot be stored"),
    "infinite place": ('{"fusionflow": 1, "layout": {"viewport": {"x": "inf"}}}', "layout: field viewport.x"),
    "too deep": ('{"fusionflow": 1, "variables": {"x": ' + "[" * 150 + "]" * 150 + "}}", "nested deeper"),
    "far too deep": ("[" * 200_000, "nested too deeply"),
    "endless number": ('{"fusionflow": ' + "9" * 5000 + "}", "too long"),
    "half a character": ('{"fusionflow": 1, "name": "\\ud800"}', "incomplete character"),
}


@pytest.mark.parametrize(("text", "message"), REFUSED.values(), ids=REFUSED.keys())
def test_an_invalid_flow_is_an_error_with_a_hint(text, message):
    """The error starts with the name of the file."""
    with pytest.raises(errors.FlowFileError) as caught:
        file.loads(text, where="night.flow.json")
    assert message in str(caught.value)
    assert str(caught.value).startswith("night.flow.json")
    assert caught.value.hint


def test_the_layout_of_a_missing_node_is_dropped():
    """For example after a manual merge that lost the node."""
    flow = file.loads('{"fusionflow": 1, "layout": {"nodes": {"gone": {"x": 1}}}}')
    assert flow.layout.nodes == {}


def test_saving_keeps_permissions_and_links(tmp_path):
    """The file keeps its mode, a link stays a link, and no temporary file remains."""
    path, link = tmp_path / "real" / "a.flow.json", tmp_path / "link.flow.json"
    file.save(small(), path)
    path.chmod(0o640)
    link.symlink_to(path)
    file.save(FlowDocument(id="p2"), link)
    assert link.is_symlink()
    assert file.load(path).id == file.load(link).id == "p2"
    assert stat.S_IMODE(path.stat().st_mode) == 0o640
    assert [entry.name for entry in path.parent.iterdir()] == ["a.flow.json"]


@pytest.mark.parametrize(
    ("number", "expected"),
    [(errno.ENOSPC, errors.DiskFullError), (errno.EDQUOT, errors.DiskFullError), (errno.EROFS, errors.UnwritableError)],
    ids=["full", "quota", "read only"],
)
def test_a_failed_save_keeps_the_old_file(tmp_path, monkeypatch, number, expected):
    """A full and an unwritable disk have their own error; no temporary file remains."""
    path = tmp_path / "a.flow.json"
    file.save(small(), path)
    before = path.read_bytes()

    def fail(_descriptor: int) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(expected):
        file.save(FlowDocument(), path)
    assert path.read_bytes() == before
    assert list(tmp_path.glob(".*")) == []


def test_a_flow_that_is_not_json_keeps_the_old_file(tmp_path):
    """An invalid value is an error before the file is changed."""
    path = tmp_path / "a.flow.json"
    file.save(small(), path)
    before = path.read_bytes()
    with pytest.raises(errors.MediaError):
        file.save(FlowDocument(variables={"x": float("nan")}), path)
    assert path.read_bytes() == before


def test_an_unreadable_file_is_a_flow_file_error(tmp_path, monkeypatch):
    """Missing, a folder, not text, an invalid path, too large."""
    (tmp_path / "picture.png").write_bytes(b"\x89PNG\xff")
    for path in (tmp_path / "missing", tmp_path, tmp_path / "picture.png", Path("a\0b")):
        with pytest.raises(errors.FlowFileError):
            file.load(path)
    monkeypatch.setattr(file, "MAX_BYTES", 10)
    file.save(small(), tmp_path / "large")
    with pytest.raises(errors.FlowFileError, match="larger than"):
        file.load(tmp_path / "large")
    with pytest.raises(errors.FlowFileError, match="larger than"):
        file.loads(file.dumps(small()))


def test_a_long_name_can_be_saved(tmp_path):
    """The name of the temporary file does not exceed the limit of the file system."""
    path = tmp_path / ("n" * 245 + ".flow.json")
    file.save(small(), path)
    assert exact(file.load(path)) == exact(small())


def test_a_byte_order_mark_is_ignored(tmp_path):
    """Some editors write it."""
    path = tmp_path / "a.flow.json"
    path.write_text(file.dumps(small()), encoding="utf-8-sig")
    assert exact(file.load(path)) == exact(small())
