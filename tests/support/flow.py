"""Hypothesis strategies for flows and edits, and helpers that compare documents."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from hypothesis import strategies as st

from fusionflow_nb.flow import edits
from fusionflow_nb.flow.document import Edge, FlowDocument, Layout, Node, NodeLayout

if TYPE_CHECKING:
    from collections.abc import Callable

TYPES = ["text", "image", "sheet", "their.type", "load_image", "3d", "class", "é", ""]
PORTS = ["image", "prompt", "images", "name", "params", "weird port", 'quo"te', "class", "_hidden", "self"]
numbers = st.integers(-(2**60), 2**60) | st.floats(allow_nan=False, allow_infinity=False)
texts = st.text(max_size=8) | st.sampled_from(["{{city}}", "a\nb", "\\'\"", "\u2028", "#", "'''", '"""'])
values = st.recursive(
    st.none() | st.booleans() | numbers | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=6,
)
params = st.dictionaries(st.sampled_from(PORTS) | texts, values, max_size=4)
node_ids = st.sampled_from(["a", "b", "text_1", "text_2", "text_9", "image_1", "class", "flow", "ff", "flow_"])
unknown = st.dictionaries(st.sampled_from(["later", "copy", "model_dump", "é", "z z"]), values, max_size=2)
pixels = st.floats(-1e6, 1e6)
looks = st.fixed_dictionaries(
    {"x": pixels, "y": pixels},
    optional={"width": pixels, "height": pixels, "title": texts, "color": texts, "later": values},
)
ends = st.tuples(node_ids, st.sampled_from(PORTS), node_ids, st.sampled_from(PORTS))


@st.composite
def nodes(draw: Callable[..., Any]) -> Node:
    """A node of any type with any parameters and unknown fields."""
    return Node(
        id=draw(node_ids),
        type=draw(st.sampled_from(TYPES)),
        params=draw(params),
        take=draw(st.integers(0, 3)),
        is_muted=draw(st.booleans()),
        locked=draw(st.none() | texts),
        **draw(unknown),
    )


@st.composite
def documents(draw: Callable[..., Any]) -> FlowDocument:
    """A valid document: unique edges between existing nodes, with or without cycles."""
    placed = {node.id: node for node in draw(st.lists(nodes(), max_size=6))}
    pairs = dict.fromkeys(draw(st.lists(ends, max_size=8)))
    drawn = [edge(*pair, **draw(unknown)) for pair in pairs if {pair[0], pair[2]} <= placed.keys()]
    layout = Layout(
        nodes={
            node_id: NodeLayout(**draw(looks)) for node_id in draw(st.permutations(list(placed))) if draw(st.booleans())
        },
        groups=draw(st.lists(st.dictionaries(texts, values, max_size=2), max_size=1)),
        comments=draw(st.lists(st.dictionaries(texts, values, max_size=2), max_size=1)),
        viewport=draw(st.dictionaries(st.sampled_from(["x", "y", "zoom"]), pixels)),
        **draw(unknown),
    )
    return FlowDocument(
        name=draw(texts),
        nodes=placed,
        edges=drawn,
        variables=draw(st.dictionaries(texts, values, max_size=2)),
        layout=layout,
        **draw(unknown),
    )


def edge(source: str, source_port: str, target: str, target_port: str, **more: Any) -> Edge:
    """An edge from one port to another."""
    return Edge(**{**more, "source": source, "source_port": source_port, "target": target, "target_port": target_port})


_optional_places = st.none() | st.integers(0, 4)
single_edits = st.one_of(
    st.builds(
        edits.AddNode,
        node=nodes(),
        layout=st.none() | looks.map(lambda look: NodeLayout(**look)),
        index=_optional_places,
        layout_index=_optional_places,
    ),
    st.builds(edits.RemoveNode, node_id=node_ids),
    st.builds(edits.RenameNode, old=node_ids, new=node_ids | texts),
    st.builds(
        edits.SetParam,
        node_id=node_ids,
        name=st.sampled_from(PORTS),
        value=values,
        is_unset=st.booleans(),
        index=_optional_places,
    ),
    st.builds(
        edits.SetNode,
        node_id=node_ids,
        field=st.sampled_from(["take", "is_muted", "locked", "type", "later", "copy", "id", "params"]),
        value=values | st.integers(0, 3) | st.booleans() | texts,
        is_unset=st.booleans(),
        index=_optional_places,
    ),
    st.builds(
        edits.SetLayout,
        node_id=node_ids,
        fields=looks | st.dictionaries(st.sampled_from(["x", "title", "width", "later"]), values, max_size=2),
        mode=st.sampled_from(["merge", "replace", "remove"]),
    ),
    st.builds(edits.AddEdge, edge=ends.map(lambda pair: edge(*pair)), index=_optional_places),
    st.builds(edits.RemoveEdge, edge=ends.map(lambda pair: edge(*pair))),
    st.builds(
        edits.SetVariable,
        name=st.sampled_from(["city", "n"]),
        value=values,
        is_unset=st.booleans(),
        index=_optional_places,
    ),
    st.builds(edits.SetFlow, field=st.just("name"), value=texts | values),
    st.builds(
        edits.SetFlow,
        field=st.sampled_from(["groups", "comments", "viewport"]),
        value=values | st.lists(st.dictionaries(texts, values, max_size=1), max_size=2),
    ),
)
any_edit = single_edits | st.lists(single_edits, max_size=4).map(lambda members: edits.EditGroup(edits=members))


def exact(document: FlowDocument) -> str:
    """The whole document, including every order, as text."""
    return json.dumps(document.model_dump(), sort_keys=False)


def logic_edits(document: FlowDocument) -> list[edits.Edit]:
    """Edits of every kind that change the logic of a document, as far as they apply."""
    changes: list[edits.Edit] = [
        edits.AddNode(node=Node(id="brand_new", type="text")),
        edits.SetVariable(name="brand_new", value=1),
    ]
    for node_id, node in document.nodes.items():
        changes += [
            edits.RemoveNode(node_id=node_id),
            edits.RenameNode(old=node_id, new="brand_new"),
            edits.SetParam(node_id=node_id, name="brand new", value=1),
            edits.SetNode(node_id=node_id, field="take", value=node.take + 1),
            edits.SetNode(node_id=node_id, field="is_muted", value=not node.is_muted),
            edits.SetNode(node_id=node_id, field="locked", value=f"{node.locked}!"),
            edits.SetNode(node_id=node_id, field="type", value=f"{node.type}!"),
            *(edits.SetParam(node_id=node_id, name=name, is_unset=True) for name in node.params),
        ]
    changes += [edits.RemoveEdge(edge=drawn) for drawn in document.edges]
    changes += [edits.SetVariable(name=name, is_unset=True) for name in document.variables]
    return changes
