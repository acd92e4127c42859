"""What a person may call a node, and what is said to them where it does not do."""

from __future__ import annotations

import pytest

from fusionflow_nb import errors


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"name": "my node"}, "'my node' is no name for a node"),
        ({"name": "7up"}, "letters, digits and _"),
        ({"take": -1}, "take cannot be -1"),
        ({"muted": "yes"}, "is_muted cannot be 'yes'"),
        ({"locked": 7}, "locked cannot be 7"),
    ],
    ids=["space", "digit", "take", "muted", "locked"],
)
def test_what_no_node_can_be_is_an_edit_error(flow, given, said):
    """A slip in a call is one sentence with what to do instead, and places nothing."""
    with pytest.raises(errors.EditError, match=said):
        flow.text("x", **given)
    assert not flow.document.nodes


def test_a_node_that_is_not_there_is_gone(flow):
    """Python hears the same code as a canvas."""
    flow.text("x", name="here")
    with pytest.raises(errors.GoneError, match="Nodes: here"):
        flow.set("there", text="y")
    with pytest.raises(errors.GoneError):
        flow.again("there")
