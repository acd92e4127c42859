"""Diff: its edits turn a document into another, can be undone, and change nothing else."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.flow import any_edit, documents, edge, exact

from fusionflow_nb import errors
from fusionflow_nb.flow import edits, file
from fusionflow_nb.flow.diff import diff
from fusionflow_nb.flow.document import FlowDocument, Node


def like(document: FlowDocument, other: FlowDocument) -> FlowDocument:
    """The document with the id and the unknown fields of another document, which no edit sets."""
    copy = document.model_copy(deep=True)
    copy.id = other.id
    copy.__pydantic_extra__ = dict(other.model_extra or {})
    copy.layout.__pydantic_extra__ = dict(other.layout.model_extra or {})
    return copy


def check_round_trip(now: FlowDocument, target: FlowDocument) -> None:
    before = exact(now)
    target_text = file.dumps(like(target, now))
    inverse = edits.apply(now, edits.EditGroup(edits=diff(now, target)))
    assert file.dumps(now) == target_text
    assert not diff(now, target)
    edits.apply(now, inverse)
    assert exact(now) == before


@pytest.mark.slow
@given(documents(), documents())
def test_a_diff_turns_a_document_into_any_other_and_back(now, target):
    """Applying gives the target's file byte for byte; undoing gives the original document."""
    check_round_trip(now, target)


@given(documents(), st.lists(any_edit, max_size=6), st.randoms())
def test_a_diff_handles_edited_and_reordered_documents(now, changes, chance):
    """The same for a document that was edited and whose lines were reordered."""
    target = now.model_copy(deep=True)
    for change in changes:
        try:
            edits.apply(target, change)
        except errors.EditError:
            continue
    chance.shuffle(target.edges)
    names = list(target.nodes)
    chance.shuffle(names)
    target.nodes = {name: target.nodes[name] for name in names}
    check_round_trip(now, target)


@given(documents())
def test_a_document_equals_its_file(document):
    """Saving and loading needs no edits, although the file sorts names."""
    assert diff(document, file.loads(file.dumps(document))) == []


def test_a_diff_contains_only_changes():
    """A changed prompt is one edit, and an inserted node does not affect its neighbors."""
    now = FlowDocument(nodes={f"t_{at}": Node(id=f"t_{at}", type="text", params={"text": "a"}) for at in range(9)})
    now.edges = [edge(f"t_{at - 1}", "text", f"t_{at}", "text") for at in range(1, 9)]
    target = now.model_copy(deep=True)
    target.nodes["t_4"].params["text"] = "b"
    assert diff(now, target) == [edits.SetParam(node_id="t_4", name="text", value="b")]
    target = now.model_copy(deep=True)
    edits.apply(target, edits.AddNode(node=Node(id="new", type="text"), index=3))
    assert [edit.kind for edit in diff(now, target)] == ["add_node"]


@pytest.mark.parametrize(
    ("old", "new"), [(1, 1.0), (1, True), (0.0, -0.0), ([1], [True])], ids=["float", "true", "sign", "nested"]
)
def test_a_value_of_another_type_is_a_change(old, new):
    """1, 1.0 and true are different values in a file."""
    now = FlowDocument(variables={"n": old})
    target = now.model_copy(update={"variables": {"n": new}})
    assert diff(now, target) == [edits.SetVariable(name="n", value=new)]
