"""Edits: each has an exact inverse, a failing one changes nothing, and what an edit touches is known."""

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

edit_form = TypeAdapter(edits.Edit)


def chain(length: int) -> FlowDocument:
    """Nodes t_0, t_1 ..., each fed by the one before."""
    document = FlowDocument()
    for at in range(length):
        document.nodes[f"t_{at}"] = Node(id=f"t_{at}", type="t", params={"x": at})
    document.edges = [edge(f"t_{at - 1}", "out", f"t_{at}", "in") for at in range(1, length)]
    return document


@given(documents(), st.lists(any_edit, max_size=8))
def test_an_edit_and_its_inverse_are_nothing(document, wanted):
    """Inverse after edit leaves no trace, in values or in any order, and has an inverse too; a failing edit is none."""
    for edit in wanted:
        before, said = exact(document), edit.model_dump_json()
        try:
            inverse = edits.apply(document, edit)
        except errors.EditError:
            event("refused")
            assert exact(document) == before
            continue
        event(edit.kind)
        after = exact(document)
        assert edit.model_dump_json() == said
        again = edits.apply(document, inverse)
        assert exact(document) == before
        edits.apply(document, again)
        assert exact(document) == after


@given(documents(), st.lists(any_edit, max_size=8))
def test_a_copy_follows_over_the_wire(document, wanted):
    """Edits and inverses sent as JSON change a copy exactly as they change the original."""
    copy = document.model_copy(deep=True)

    def send(edit: edits.Edit) -> None:
        edits.apply(copy, edit_form.validate_json(edit_form.dump_json(edit)))

    for edit in wanted:
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
    """What each node's own plan depends on: its fields, its incoming edges by port, and the types these come from."""
    found = {}
    for node_id, node in document.nodes.items():
        ports: dict[str, list[tuple[str, str, str]]] = {}
        for one in document.edges:
            if one.target == node_id:
                source = (one.source, one.source_port, document.nodes[one.source].type)
                ports.setdefault(one.target_port, []).append(source)
        fields = [node.type, node.params, node.take, node.is_muted, node.locked, ports]
        found[node_id] = json.dumps(fields, sort_keys=True)
    return found


@given(documents(), any_edit)
def test_what_is_to_be_planned_again_is_known(document, edit):
    """A node whose fields, incoming edges, or types of sources changed is among the replanned, both ways."""
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
def test_an_edit_that_is_not_structural_keeps_the_graph(document, edit):
    """Only structural edits change which nodes and edges there are."""
    before = [(node.id, node.type) for node in document.nodes.values()], [one.id for one in document.edges]
    try:
        edits.apply(document, edit)
    except errors.EditError:
        return
    if not edits.is_structural(edit):
        assert before == (
            [(node.id, node.type) for node in document.nodes.values()],
            [one.id for one in document.edges],
        )


@given(documents(), looks)
def test_layout_touches_no_logic(document, look):
    """An edit of looks asks for no new plan."""
    document.nodes["t"] = Node(id="t", type="t")
    edit = edits.SetLayout(node_id="t", fields=look)
    assert edits.replanned(document, edit, edits.apply(document, edit)) == frozenset()
    assert edits.touched(edits.SetVariable(name="x", value=1)) == {edits.VARIABLES}


def test_a_node_comes_back_to_its_place():
    """Removing a node takes its edges; the inverse puts node, look and each edge where they were."""
    document = chain(4)
    document.layout.nodes = {node_id: NodeLayout(x=1) for node_id in reversed(document.nodes)}
    before = exact(document)
    inverse = edits.apply(document, edits.RemoveNode(node_id="t_1"))
    assert [one.id for one in document.edges] == ["t_2.out->t_3.in"]
    edits.apply(document, inverse)
    assert exact(document) == before


def test_part_of_several_fails_and_nothing_happened():
    """Several edits are one: when the last does not fit, the first ones are taken back; the error names the node."""
    document = chain(3)
    before = exact(document)
    some = [edits.RemoveNode(node_id="t_1"), edits.SetParam(node_id="t_1", name="x", value=0)]
    with pytest.raises(errors.EditError) as caught:
        edits.apply(document, edits.EditGroup(edits=some))
    assert caught.value.node_id == "t_1"
    assert exact(document) == before


@pytest.mark.parametrize(
    "value",
    [float("nan"), float("inf"), object(), {1: 2}, "\ud800", [{"a": b"bytes"}], 10**5000, {1, 2}],
    ids=["nan", "infinite", "object", "key", "surrogate", "bytes", "huge", "set"],
)
def test_only_what_a_file_can_hold_comes_in(value):
    """A value that no file could hold is refused at the door, naming the node."""
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


def test_depth_has_an_end():
    """A value nested deeper than files and code can be is refused."""
    document, value = chain(1), 0
    for _ in range(MAX_DEPTH):
        value = [value]
    edits.apply(document, edits.SetParam(node_id="t_0", name="x", value=value))
    with pytest.raises(errors.EditError, match="nested deeper"):
        edits.apply(document, edits.SetParam(node_id="t_0", name="x", value=[value]))


def test_the_caller_keeps_no_hand_on_the_document():
    """A list or node that was given in an edit may be changed afterwards; the document is not."""
    document, value, node = chain(1), [1], Node(id="n", type="t", params={"x": [1]})
    edits.apply(document, edits.SetParam(node_id="t_0", name="x", value=value))
    edits.apply(document, edits.AddNode(node=node))
    value.append(2)
    node.params["x"].append(2)
    assert document.nodes["t_0"].params["x"] == document.nodes["n"].params["x"] == [1]


def test_ids_are_readable_and_never_given_twice():
    """`<type>_<n>`, one more than the highest ever used, after removals and renames too; never another node's id."""
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


def test_the_first_removal_is_remembered_too():
    """The id of a node that was removed before anyone asked for a new one is not given again."""
    document = chain(3)
    edits.apply(document, edits.RemoveNode(node_id="t_2"))
    assert edits.new_node_id(document, "t") == "t_3"


def steps(document: FlowDocument, edit: edits.Edit) -> int:
    """How many lines of Python run while an edit is applied."""
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
def test_small_edits_do_not_walk_the_flow(edit):
    """These edits take no more steps in a large flow than in a small one."""
    small, large = chain(10), chain(2000)
    for document in (small, large):
        # The first edge makes the index of edges.
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
def test_an_edit_of_a_node_that_is_no_more_is_answered_gone(edit):
    """A view that edits what somebody else has removed must tell that from an edit that was wrong."""
    with pytest.raises(errors.GoneError) as caught:
        edits.apply(chain(3), edit)
    assert caught.value.to_payload()["code"] == "gone"
    assert caught.value.node_id == "t_9"
