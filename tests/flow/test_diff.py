"""Differences: the edits between two documents lead from one to the other, back again, and touch nothing else."""

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
    """The document with the id and the unknown fields of another, which no edit sets."""
    copy = document.model_copy(deep=True)
    copy.id = other.id
    copy.__pydantic_extra__ = dict(other.model_extra or {})
    copy.layout.__pydantic_extra__ = dict(other.layout.model_extra or {})
    return copy


def check_leads_there_and_back(now: FlowDocument, wanted: FlowDocument) -> None:
    before = exact(now)
    wanted_text = file.dumps(like(wanted, now))
    inverse = edits.apply(now, edits.EditGroup(edits=diff(now, wanted)))
    assert file.dumps(now) == wanted_text
    assert not diff(now, wanted)
    edits.apply(now, inverse)
    assert exact(now) == before


@pytest.mark.slow
@given(documents(), documents())
def test_a_difference_leads_to_any_document_and_back(now, wanted):
    """Applied, the edits give the file of the wanted document byte for byte; undone, the document that was there."""
    check_leads_there_and_back(now, wanted)


@given(documents(), st.lists(any_edit, max_size=6), st.randoms())
def test_a_difference_leads_to_what_somebody_edited(now, changes, chance):
    """The same for a document that others edited and whose lines they put in another order."""
    wanted = now.model_copy(deep=True)
    for change in changes:
        try:
            edits.apply(wanted, change)
        except errors.EditError:
            continue
    chance.shuffle(wanted.edges)
    names = list(wanted.nodes)
    chance.shuffle(names)
    wanted.nodes = {name: wanted.nodes[name] for name in names}
    check_leads_there_and_back(now, wanted)


@given(documents())
def test_a_document_does_not_differ_from_its_file(document):
    """What was saved and read again needs no edit, although the file sorts names."""
    assert diff(document, file.loads(file.dumps(document))) == []


def test_a_difference_names_only_what_differs():
    """One changed prompt in a chain is one edit, and a node put in between leaves its neighbours alone."""
    now = FlowDocument(nodes={f"t_{at}": Node(id=f"t_{at}", type="text", params={"text": "a"}) for at in range(9)})
    now.edges = [edge(f"t_{at - 1}", "text", f"t_{at}", "text") for at in range(1, 9)]
    wanted = now.model_copy(deep=True)
    wanted.nodes["t_4"].params["text"] = "b"
    assert diff(now, wanted) == [edits.SetParam(node_id="t_4", name="text", value="b")]
    wanted = now.model_copy(deep=True)
    edits.apply(wanted, edits.AddNode(node=Node(id="new", type="text"), index=3))
    assert [edit.kind for edit in diff(now, wanted)] == ["add_node"]


@pytest.mark.parametrize(
    ("old", "new"), [(1, 1.0), (1, True), (0.0, -0.0), ([1], [True])], ids=["float", "true", "sign", "nested"]
)
def test_a_value_of_another_type_is_a_difference(old, new):
    """1, 1.0 and true are three values in a file, so a difference tells them apart."""
    now = FlowDocument(variables={"n": old})
    wanted = now.model_copy(update={"variables": {"n": new}})
    assert diff(now, wanted) == [edits.SetVariable(name="n", value=new)]
