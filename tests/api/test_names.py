"""Invalid node names and fields raise an EditError."""

from __future__ import annotations

import pytest

from fusionflow_nb import errors


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"name": "my node"}, "Invalid node name 'my node'"),
        ({"name": "7up"}, "letters, digits and _"),
        ({"take": -1}, "take cannot be -1"),
        ({"muted": "yes"}, "is_muted cannot be 'yes'"),
        ({"locked": 7}, "locked cannot be 7"),
    ],
    ids=["space", "digit", "take", "muted", "locked"],
)
def test_invalid_node_fields_raise_an_edit_error(flow, arguments, message):
    """The message contains the remedy, and nothing is placed."""
    with pytest.raises(errors.EditError, match=message):
        flow.text("x", **arguments)
    assert not flow.document.nodes


def test_a_missing_node_raises_gone(flow):
    """Python gets the same error code as a canvas."""
    flow.text("x", name="here")
    with pytest.raises(errors.GoneError, match="Nodes: here"):
        flow.set("there", text="y")
    with pytest.raises(errors.GoneError):
        flow.again("there")
