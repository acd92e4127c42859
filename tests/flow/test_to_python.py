"""Flows as Python code: the code rebuilds the flow exactly and is idiomatic."""

from __future__ import annotations

import ast
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.flow import PORTS, TYPES, documents, edge

from fusionflow_nb.api.flow import Flow
from fusionflow_nb.flow import edits
from fusionflow_nb.flow.document import FlowDocument, Layout, Node, NodeLayout
from fusionflow_nb.flow.file import flow_hash
from fusionflow_nb.flow.to_python import to_python
from fusionflow_nb.providers.local.adapter import LocalProvider
from fusionflow_nb.providers.registry import Registry
from fusionflow_nb.session import Session, use_session

ADD_WORDS = {"self", "node_type", "name", "take", "muted", "locked", "params"}
RESERVED = {"document", "load_image", "text_of"}


class Form:
    """A node signature with a few ports."""

    inputs = ("prompt", "images")
    first_output = "image"

    def __init__(self, *, fills: bool = False) -> None:
        self.fills = fills

    def collects(self, name):
        return name == "images"

    def takes_keyword(self, name):
        return name in PORTS and name not in ADD_WORDS

    def has_output(self, name):
        return name in {"image", "prompt", "class"}

    def accepts_output(self, *_):
        return True

    def keeps_params(self, params, connected):
        return not self.fills or "seed" in params or "seed" in connected


class Output:
    """The result of a builder's call; has the outputs that its type declares."""

    def __init__(self, node_id: str, port: str, form: Form | None) -> None:
        self.ends = (node_id, port)
        self.form = form

    def __getattr__(self, port):
        assert self.form is not None
        assert self.form.has_output(port)
        return Output(self.ends[0], port, None)


class Builder:
    """A minimal flow object; node types with `fills` draw a missing seed."""

    forms: dict[str, Form] = {}  # noqa: RUF012 - set for each flow

    def __init__(self, name, *, id, variables=None):  # noqa: A002 - as the flow's own
        self.document = FlowDocument(id=id, name=name, variables=variables or {})

    def add(self, node_type, *, name=None, take=0, muted=False, locked=None, params=None, **named: Any):
        form = self.forms.get(node_type)
        assert form is not None or params is not None, "an unknown type needs params"
        node_id = name or edits.new_node_id(self.document, node_type)
        drawn, values = [], {}
        for port, value in named.items():
            assert form is not None
            assert form.takes_keyword(port)
            outputs = value if isinstance(value, list) and value and isinstance(value[0], Output) else [value]
            if isinstance(outputs[0], Output):
                drawn += [edge(*output.ends, node_id, port) for output in outputs]
            elif value is not None:
                values[port] = value
        if form is not None and form.fills and params is None:
            values.setdefault("seed", 1)
        node = Node(
            id=node_id, type=node_type, params=values | (params or {}), take=take, is_muted=muted, locked=locked
        )
        edits.apply(self.document, edits.AddNode(node=node))
        for drawn_edge in drawn:
            edits.apply(self.document, edits.AddEdge(edge=drawn_edge))
        return Output(node_id, "image" if form is not None else "", form)

    def connect(self, source, target, port, **_):
        node_id, _, source_port = source.partition(".")
        edits.apply(self.document, edits.AddEdge(edge=edge(node_id, source_port, target, port)))

    def place(self, node, x, y, **look):
        edits.apply(self.document, edits.SetLayout(node_id=node, fields={"x": x, "y": y, **look}))

    def __getattr__(self, node_type):
        assert node_type in self.forms
        assert node_type not in RESERVED
        return lambda **named: self.add(node_type, **named)


def run(code: str, forms: dict[str, Form]) -> FlowDocument:
    """The document built by the code."""
    builder = type("ForThis", (Builder,), {"forms": forms})
    first, rest = code.split("\n", 1)
    assert first == "import fusionflow_nb as ff"
    scope: dict[str, Any] = {"ff": SimpleNamespace(Flow=builder)}
    exec(compile(rest, "flow.py", "exec"), scope)  # noqa: S102 - that it runs is what is tested
    return scope["flow"].document


def looks_of(document):
    """Layouts by node, without None."""
    return {name: look.model_dump(exclude_none=True) for name, look in document.layout.nodes.items()}


@given(documents(), st.dictionaries(st.sampled_from(TYPES), st.booleans()), st.booleans())
def test_the_code_rebuilds_the_flow(document, fills_by_type, layout):
    """The same hash, id and name, and with `layout` the same layout, for any set of known node types."""
    forms = {node_type: Form(fills=fills) for node_type, fills in fills_by_type.items()}
    built = run(to_python(document, forms, reserved=RESERVED, layout=layout), forms)
    assert flow_hash(built) == flow_hash(document)
    assert (built.id, built.name) == (document.id, document.name)
    assert looks_of(built) == (looks_of(document) if layout else {})


@given(documents())
def test_the_code_has_only_calls_with_literals(document):
    """No text in a flow can become a statement."""
    tree = ast.parse(to_python(document, {"text": Form(), "image": Form(), "sheet": Form()}))
    allowed = (ast.Import, ast.Assign, ast.Expr)
    assert all(isinstance(statement, allowed) for statement in tree.body)
    calls = [node for node in ast.walk(tree) if isinstance(node, ast.Call)]
    assert all(isinstance(call.func, ast.Attribute) and isinstance(call.func.value, ast.Name) for call in calls)
    assert {call.func.value.id for call in calls} <= {"ff", "flow"}
    assert len(calls) == len([statement for statement in tree.body if not isinstance(statement, ast.Import)])


def test_the_code_is_idiomatic():
    """Nodes are calls, edges arguments, several edges a list; `name=` only if needed; long calls are split."""
    document = FlowDocument(id="p1", name="Neon city", variables={"city": "Oslo"})
    for node in (
        Node(id="text_1", type="text", params={"text": 'a "neon" city'}),
        Node(id="image_1", type="image", params={"seed": 7}),
        Node(id="image_2", type="image", take=2, is_muted=True, locked="g1"),
        Node(id="cover", type="sheet", params={"name": "cover", "prompt": "x" * 60}),
    ):
        document.nodes[node.id] = node
    document.edges = [
        edge("text_1", "image", "image_1", "prompt"),
        edge("image_1", "prompt", "cover", "images"),
        edge("image_2", "image", "cover", "images"),
        edge("image_2", "unheard", "cover", "weird port"),
    ]
    document.layout = Layout(nodes={"cover": NodeLayout(x=10, y=2.5, title="Cover")})
    form = Form()
    form.takes_keyword = lambda name: name in {"text", "seed", "prompt", "images"}
    forms = dict.fromkeys(["text", "image", "sheet"], form)
    code = to_python(document, forms, layout=True)
    assert code == (
        "import fusionflow_nb as ff\n"
        "\n"
        'flow = ff.Flow("Neon city", id="p1", variables={"city": "Oslo"})\n'
        'text_1 = flow.text(text="a \\"neon\\" city")\n'
        "image_1 = flow.image(prompt=text_1, seed=7)\n"
        'image_2 = flow.image(take=2, muted=True, locked="g1")\n'
        "cover = flow.sheet(\n"
        f'    prompt="{"x" * 60}",\n'
        "    images=[image_1.prompt, image_2],\n"
        '    params={"name": "cover"},\n'
        '    name="cover",\n'
        ")\n"
        'flow.connect("image_2.unheard", "cover", "weird port", as_is=True)\n'
        'flow.place("cover", 10.0, 2.5, title="Cover")\n'
    )


def test_nodes_are_written_in_topological_order():
    """A node created before its source is written after it with `name=`; only cycles need `connect`."""
    document = FlowDocument(nodes={f"text_{at}": Node(id=f"text_{at}", type="text") for at in (1, 2, 3)})
    document.edges = [edge("text_3", "image", "text_1", "prompt"), edge("text_2", "image", "text_2", "prompt")]
    form = Form()
    code = to_python(document, {"text": form}).splitlines()[3:]
    assert code == [
        'text_3 = flow.text(name="text_3")',
        'text_1 = flow.text(prompt=text_3, name="text_1")',
        'text_2 = flow.text(name="text_2")',
        'flow.connect("text_2.image", "text_2", "prompt", as_is=True)',
    ]


@pytest.mark.parametrize("layout", [False, True], ids=["logic", "layout"])
def test_a_real_flow_is_rebuilt(tmp_path, layout):
    """With media, models, seeds, unknown types and models, and unusual parameters."""
    use_session(Session(tmp_path / "home", Registry([LocalProvider()])))
    flow = Flow("Night", variables={"city": "Oslo"})
    still = flow.generate_image("dawn over {{city}}", model="local/landscape", seed=1)
    bigger = flow.upscale(still)
    flow.add("contact_sheet", images=[still, bigger], name="class")
    flow.add("their.type", params={"name": "x", "take": None})
    flow.add("generate_image", params={"prompt": "no seed, no model"}, take=3, muted=True)
    flow.add("generate_image", params={"prompt": "gone", "model": "gone/model", "seed": 1})
    flow.add(
        "load_image",
        params={"asset": {"sha256": "0" * 64, "media_type": "image/png", "size_bytes": 1}, "name": "a.png"},
    )
    flow.connect("their_type_1.out", bigger, "nowhere", as_is=True)
    flow.connect("class.image", still, "image", as_is=True)
    scope: dict[str, Any] = {}
    exec(flow.to_python(layout=layout), scope)  # noqa: S102 - that it runs is what is tested
    assert scope["flow"].hash == flow.hash
    assert scope["flow"].id == flow.id
    if layout:
        assert scope["flow"].document.layout.nodes == flow.document.layout.nodes
