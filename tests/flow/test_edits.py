"""Edits: exact inverses, no change on failure, and the nodes that an edit touches."""

from __future__ import annotations

import json
import sys

import pytest
from hypothesis import event, given
from hypothesis import strategies as st
from pydantic import TypeAdapter
from support.flow import any_edit, documents, edge, exact, looks

from fusionflow_nb import errors
from fusionflow_nb.flow import edits
from fusionflow_nb.flow.document import Edge, FlowDocument, Node, NodeLayout
from fusionflow_nb.flow.json_values import MAX_DEPTH

edit_adapter = TypeAdapter(edits.Edit)


def chain(length: int) -> FlowDocument:
    """Nodes t_0, t_1 ..., each connected to the previous node."""
    document = FlowDocument()
    for at in range(length):
        document.nodes[f"t_{at}"] = Node(id=f"t_{at}", type="t", params={"x": at})
    document.edges = [edge(f"t_{at - 1}", "out", f"t_{at}", "in") for at in range(1, length)]
    return document


@given(documents(), st.lists(any_edit, max_size=8))
def test_an_edit_and_its_inverse_change_nothing(document, changes):
    """Values and all orders are restored, inverses have inverses, and a failing edit changes nothing."""
    for edit in changes:
        before, edit_json = exact(document), edit.model_dump_json()
        try:
            inverse = edits.apply(document, edit)
        except errors.EditError:
            event("refused")
            assert exact(document) == before
            continue
        event(edit.kind)
        after = exact(document)
        assert edit.model_dump_json() == edit_json
        again = edits.apply(document, inverse)
        assert exact(document) == before
        edits.apply(document, again)
        assert exact(document) == after


@given(documents(), st.lists(any_edit, max_size=8))
def test_edits_sent_as_json_change_a_copy_equally(document, changes):
    """So do inverses."""
    copy = document.model_copy(deep=True)

    def send(edit: edits.Edit) -> None:
        edits.apply(copy, edit_adapter.validate_json(edit_adapter.dump_json(edit)))

    for edit in changes:
        try:
            inverse = edits.apply(document, edit)
        except errors.EditError:
            continue
        send(edit)
        assert exact(copy) == exact(document)
        edits.apply(document, inverse)
        send(inverse)
        assert exact(copy) == exact(document)


def own_logic(document: FlowDocument) -> dict[str, str]:
    """What each node's plan depends on: its fields, its incoming edges by port, and the types of the sources."""
    logic = {}
    for node_id, node in document.nodes.items():
        ports: dict[str, list[tuple[str, str, str]]] = {}
        for incoming in document.edges:
            if incoming.target == node_id:
                source = (incoming.source, incoming.source_port, document.nodes[incoming.source].type)
                ports.setdefault(incoming.target_port, []).append(source)
        fields = [node.type, node.params, node.take, node.is_muted, node.locked, ports]
        logic[node_id] = json.dumps(fields, sort_keys=True)
    return logic


@given(documents(), any_edit)
def test_replanned_contains_all_changed_nodes(document, edit):
    """Nodes whose fields, incoming edges or source types changed, by an edit or its inverse."""
    before = own_logic(document)
    try:
        inverse = edits.apply(document, edit)
    except errors.EditError:
        return
    after = own_logic(document)
    changed = {node_id for node_id in before.keys() | after.keys() if before.get(node_id) != after.get(node_id)}
    assert changed <= edits.replanned(document, edit, inverse)
    edits.apply(document, inverse)
    assert changed <= edits.replanned(document, inverse, edit)


@given(documents(), any_edit)
def test_only_structural_edits_change_the_graph(document, edit):
    """Other edits keep nodes, types and edges."""
    before = [(node.id, node.type) for node in document.nodes.values()], [drawn.id for drawn in document.edges]
    try:
        edits.apply(document, edit)
    except errors.EditError:
        return
    if not edits.is_structural(edit):
        assert before == (
            [(node.id, node.type) for node in document.nodes.values()],
            [drawn.id for drawn in document.edges],
        )


@given(documents(), looks)
def test_layout_edits_replan_nothing(document, look):
    """A layout edit touches no node; a variable touches all that read it."""
    document.nodes["t"] = Node(id="t", type="t")
    edit = edits.SetLayout(node_id="t", fields=look)
    assert edits.replanned(document, edit, edits.apply(document, edit)) == frozenset()
    assert edits.touched(edits.SetVariable(name="x", value=1)) == {edits.VARIABLES}


def test_undoing_a_removal_restores_every_position():
    """Removing a node removes its edges; the inverse restores node, layout and edges at their positions."""
    document = chain(4)
    document.layout.nodes = {node_id: NodeLayout(x=1) for node_id in reversed(document.nodes)}
    before = exact(document)
    inverse = edits.apply(document, edits.RemoveNode(node_id="t_1"))
    assert [drawn.id for drawn in document.edges] == ["t_2.out->t_3.in"]
    edits.apply(document, inverse)
    assert exact(document) == before


def test_a_failing_edit_group_changes_nothing():
    """If an edit of a group fails, the previous edits are undone; the error names the node."""
    document = chain(3)
    before = exact(document)
    group = [edits.RemoveNode(node_id="t_1"), edits.SetParam(node_id="t_1", name="x", value=0)]
    with pytest.raises(errors.EditError) as caught:
        edits.apply(document, edits.EditGroup(edits=group))
    assert caught.value.node_id == "t_1"
    assert exact(document) == before


@pytest.mark.parametrize(
    "value",
    [float("nan"), float("inf"), object(), {1: 2}, "\ud800", [{"a": b"bytes"}], 10**5000, {1, 2}],
    ids=["nan", "infinite", "object", "key", "surrogate", "bytes", "huge", "set"],
)
def test_values_that_json_cannot_store_are_errors(value):
    """For each kind of edit; the document is unchanged."""
    document = chain(1)
    before = exact(document)
    for edit in (
        edits.SetParam(node_id="t_0", name="x", value=value),
        edits.SetNode(node_id="t_0", field="later", value=value),
        edits.SetVariable(name="x", value=value),
        edits.SetFlow(field="groups", value=[{"x": value}]),
        edits.SetLayout(node_id="t_0", fields={"later": value}),
        edits.AddNode(node=Node(id="n", type="t", params={"x": value})),
    ):
        with pytest.raises(errors.EditError):
            edits.apply(document, edit)
    assert exact(document) == before


def test_the_depth_of_values_is_limited():
    """A value nested deeper than MAX_DEPTH is an error."""
    document, value = chain(1), 0
    for _ in range(MAX_DEPTH):
        value = [value]
    edits.apply(document, edits.SetParam(node_id="t_0", name="x", value=value))
    with pytest.raises(errors.EditError, match="nested deeper"):
        edits.apply(document, edits.SetParam(node_id="t_0", name="x", value=[value]))


def test_edits_copy_their_values():
    """Changing a list or node after the edit does not change the document."""
    document, value, node = chain(1), [1], Node(id="n", type="t", params={"x": [1]})
    edits.apply(document, edits.SetParam(node_id="t_0", name="x", value=value))
    edits.apply(document, edits.AddNode(node=node))
    value.append(2)
    node.params["x"].append(2)
    assert document.nodes["t_0"].params["x"] == document.nodes["n"].params["x"] == [1]


def test_new_ids_are_readable_and_never_reused():
    """`<type>_<n>` with the highest used number plus one, also after removals and renames."""
    document = FlowDocument()

    def place(node_type: str) -> str:
        node_id = edits.new_node_id(document, node_type)
        edits.apply(document, edits.AddNode(node=Node(id=node_id, type=node_type)))
        return node_id

    assert [place("text"), place("text"), place("their.type"), place("3d"), place("é")] == [
        "text_1",
        "text_2",
        "their_type_1",
        "_3d_1",
        "__1",
    ]
    edits.apply(document, edits.RemoveNode(node_id="text_2"))
    assert place("text") == "text_3"
    edits.apply(document, edits.RenameNode(old="text_3", new="poem"))
    edits.apply(document, edits.RenameNode(old="text_1", new="text_10"))
    assert place("text") == "text_11"
    document.nodes["text_12"] = Node(id="text_12", type="text")
    assert place("text") == "text_13"


def test_the_id_of_a_removed_node_is_not_reused():
    """Also if it was removed before the first new id."""
    document = chain(3)
    edits.apply(document, edits.RemoveNode(node_id="t_2"))
    assert edits.new_node_id(document, "t") == "t_3"


def steps(document: FlowDocument, edit: edits.Edit) -> int:
    """The number of Python lines that run while an edit is applied."""
    count = 0

    def trace(_frame, what, _value):
        nonlocal count
        count += what == "line"
        return trace

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        edits.apply(document, edit)
    finally:
        sys.settrace(before)
    return count


@pytest.mark.parametrize(
    "edit",
    [
        edits.SetParam(node_id="t_5", name="x", value=1),
        edits.SetParam(node_id="t_5", name="y", value=1),
        edits.SetNode(node_id="t_5", field="take", value=1),
        edits.SetLayout(node_id="t_5", fields={"x": 1}),
        edits.AddNode(node=Node(id="n", type="t")),
        edits.AddEdge(edge=edge("t_5", "out", "t_2", "other")),
        edits.SetVariable(name="x", value=1),
    ],
    ids=lambda edit: edit.kind,
)
def test_small_edits_do_not_scan_the_document(edit):
    """They take as many steps in a large flow as in a small flow."""
    small, large = chain(10), chain(2000)
    for document in (small, large):
        # The first edge builds the index of edges.
        edits.apply(document, edits.AddEdge(edge=edge("t_0", "out", "t_1", "other")))
    in_small = steps(small, edit)
    assert 0 < steps(large, edit) <= in_small


@pytest.mark.parametrize(
    "edit",
    [
        edits.RemoveNode(node_id="t_9"),
        edits.RenameNode(old="t_9", new="t_10"),
        edits.SetParam(node_id="t_9", name="x", value=0),
        edits.SetNode(node_id="t_9", field="take", value=1),
        edits.SetLayout(node_id="t_9", fields={"x": 1.0}),
        edits.AddEdge(edge=Edge(source="t_0", source_port="out", target="t_9", target_port="in")),
        edits.RemoveEdge(edge=Edge(source="t_0", source_port="out", target="t_9", target_port="in")),
    ],
    ids=lambda edit: edit.kind,
)
def test_an_edit_of_a_removed_node_is_a_gone_error(edit):
    """A view must distinguish an edit of a removed node from an invalid edit."""
    with pytest.raises(errors.GoneError) as caught:
        edits.apply(chain(3), edit)
    assert caught.value.to_payload()["code"] == "gone"
    assert caught.value.node_id == "t_9"
