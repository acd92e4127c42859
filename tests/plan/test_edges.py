"""What arrives over an edge is taken as if it had been typed in: one form, one key, one price."""

from __future__ import annotations

import datetime as dt

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.plan_sketch import Sketch, answer, catalog, models, only

from fusionflow_nb import errors
from fusionflow_nb.catalog.number_text import number_text
from fusionflow_nb.catalog.python import python_node_type
from fusionflow_nb.plan.price import price
from fusionflow_nb.providers.registry import Registry
from fusionflow_nb.testing.fake import MODELS, FakeProvider


def scale(factor: float, note: str = "", choices: list[int] | None = None) -> float:
    return factor


def keys(node_type, name, typed, source, port, *, known=None, **inputs) -> tuple[bytes, bytes]:
    """The key of a node with a value typed in, and with the same value over an edge from a node that gives it."""
    sketch = Sketch(known=known)
    sketch.add(node_type, "one", **{**inputs, name: typed})
    value = {"json": "value", "number": "value", "text": "text"}[source]
    sketch.add(source, "given", **{value: typed})
    sketch.add(node_type, "two", **{**inputs, name: f"@given.{port}"})
    plan = sketch.plan()
    answer(plan)
    one, two = only(plan, "one").key, only(plan, "two").key
    assert one is not None
    assert two is not None
    return one, two


def with_scale():
    known = catalog()
    known.declare(python_node_type(scale))
    return known


@pytest.mark.parametrize(
    ("node_type", "name", "typed", "source", "port", "inputs"),
    [
        pytest.param(
            "generate_image", "seed", 7, "number", "number", {"model": "fake/image", "prompt": "x"}, id="seed"
        ),
        pytest.param("generate_image", "width", 64, "number", "number", {"prompt": "x", "seed": 1}, id="a setting"),
        pytest.param(
            "generate_image", "prompt", "dawn", "text", "text", {"model": "fake/image", "seed": 1}, id="prompt"
        ),
        pytest.param("generate_video", "duration_s", 3, "number", "number", {"prompt": "x", "seed": 1}, id="a float"),
        pytest.param(
            "generate_image", "settings", {"width": 64}, "json", "json", {"prompt": "x", "seed": 1}, id="settings"
        ),
        pytest.param("generate_image", "model", "fake/free", "text", "text", {"prompt": "x", "seed": 1}, id="model"),
        pytest.param("generate_image", "model", "fake-image", "text", "text", {"prompt": "x", "seed": 1}, id="alias"),
        pytest.param("template", "a", 3, "number", "number", {"template": "{a}"}, id="number into text"),
        pytest.param("join", "parts", ["x"], "text", "text", {}, id="a list of one"),
    ],
)
def test_one_key_for_typed_in_and_over_an_edge(node_type, name, typed, source, port, inputs):  # noqa: PLR0917  # noqa: PLR0917
    """A value makes the same key whether a form or an edge gives it, in whatever number type it travels."""
    if node_type.startswith("generate") and name != "model":
        inputs = {"model": "fake/video" if "video" in node_type else "fake/image", **inputs}
    if name == "parts":
        sketch = Sketch()
        sketch.add("join", "one", parts=["x"])
        sketch.add("text", "given", text="x")
        sketch.add("join", "two", parts=["@given.text"])
        assert sketch.key("one") == sketch.key("two")
        return
    one, two = keys(node_type, name, typed, source, port, **inputs)
    assert one == two


@pytest.mark.slow
@settings(deadline=None)
@given(st.integers(-5, 5) | st.floats(-5, 5))
def test_a_python_node_takes_numbers_in_its_own_type(value):
    """`factor: float` gets a float and one key, whether 1 or 1.0 was typed in or arrived."""
    one, two = keys("scale", "factor", value, "json", "json", known=with_scale())
    assert one == two
    sketch = Sketch(known=with_scale())
    sketch.add("json", "given", value=value)
    sketch.add("scale", "node", factor="@given.json")
    plan = sketch.plan()
    answer(plan)
    bound = only(plan, "node").bound
    assert bound is not None
    assert type(bound.values["factor"]) is float


def test_a_list_over_edges_is_a_list_typed_in():
    """`list[int]` makes one key from a typed list and from edges, in the list's own number type."""
    sketch = Sketch(known=with_scale())
    for value in (1, 2):
        sketch.add("number", f"n{value}", value=value)  # gives 1.0 and 2.0
    sketch.add("scale", "one", factor=1, choices=[1, 2])
    sketch.add("scale", "two", factor=1, choices=["@n1.number", "@n2.number"])
    assert sketch.key("one") == sketch.key("two")


def test_kinds_of_numbers_are_told_apart_where_nothing_says_which_is_meant():
    """1, 1.0, true and "1" are four values to a JSON input."""
    seen = set()
    for value in (1, 1.0, True, "1"):
        sketch = Sketch()
        sketch.add("json", "node", value=value)
        seen.add(sketch.key("node"))
    assert len(seen) == 4


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_the_text_of_a_number_means_that_number(value):
    """No digit is lost when a number becomes text."""
    assert float(number_text(value)) == value


@pytest.mark.parametrize(
    ("node_type", "name", "value", "says"),
    [
        pytest.param("seeds", "count", 10**9, "less than or equal to 10000", id="a list too long to make"),
        pytest.param("blend", "opacity", 7, "less than or equal to 1", id="out of range"),
        pytest.param("range", "steps", 2.5, "integer", id="half a step"),
        pytest.param("generate_image", "width", 99999, "less than or equal to 16384", id="a setting of any model"),
        pytest.param("generate_image", "width", 9000, "fake/image takes width", id="a setting of this model"),
        pytest.param("join", "parts", [1], "needs text", id="a list where text belongs"),
    ],
)
def test_what_a_form_refuses_an_edge_does_not_bring_in(node_type, name, value, says):
    """Ranges and types hold for edges, too; the error names the node and the parameter."""
    sketch = Sketch()
    sketch.add("json", "given", value=value)
    sketch.add("text", "fine", text="x")
    inputs = {"model": "fake/image", "prompt": "x"} if node_type == "generate_image" else {}
    sketch.add(node_type, "node", **inputs, **{name: "@given.json"})
    if node_type == "blend":
        sketch.add("generate_image", "still", model="fake/image", prompt="x")
        sketch.connect("still.image", "node.base")
        sketch.connect("still.image", "node.top")
    found = sketch.problem("node")
    assert found.node_id == "node"
    assert name in str(found)
    assert says in str(found)
    assert sketch.key("fine") is not None


def test_a_default_counts_the_same_stated_or_left_out():
    """Stating what a node, a function or a model does anyway is no other work, and costs the same."""
    sketch = Sketch(known=with_scale())
    for node_id, duration in (("out", {}), ("stated", {"duration_s": 2})):
        sketch.add("generate_video", node_id, model="fake/video", prompt="x", seed=1, **duration)
    assert sketch.key("out") == sketch.key("stated")
    cost = price(sketch.plan())
    assert cost.by_node["out"] == cost.by_node["stated"]
    assert cost.by_node["out"].high_micro_usd == 100_000
    sketch.add("grain", "a", image="@out.video")  # a wrong edge breaks nobody else
    sketch.add("generate_image", "still", model="fake/image", prompt="x", seed=1)
    sketch.add("grain", "left_out", image="@still.image")
    sketch.add("grain", "said", image="@still.image", amount=0.5)
    assert sketch.key("left_out") == sketch.key("said")


def test_an_integer_default_of_a_float_is_that_float():
    """`amount: float = 1` and a stated 1 make one key."""

    def lift(amount: float = 1) -> float:
        return amount

    known = catalog()
    known.declare(python_node_type(lift))
    sketch = Sketch(known=known)
    sketch.add("lift", "left_out")
    sketch.add("lift", "stated", amount=1)
    assert sketch.key("left_out") == sketch.key("stated")


def test_settings_over_an_edge_reach_the_model_checked():
    """A dict of settings that arrives is spread and checked like one typed in; a name set twice is said."""
    sketch = Sketch()
    sketch.add("json", "given", value={"width": 64.0})
    sketch.add("generate_image", "node", model="fake/image", prompt="x", settings="@given.json")
    plan = sketch.plan()
    (job,) = plan.take_ready()
    assert job.bound is not None
    assert job.bound.values["width"] == 64
    assert "settings" not in job.bound.values
    sketch.set("node", width=32)
    assert "set twice" in str(sketch.problem("node"))


def test_pending_work_counts_with_the_most_it_may_cost():
    """A price that hangs on a value not known yet takes the largest the model allows, in the high figure only."""
    sketch = Sketch(known=with_scale())
    sketch.add("scale", "length", factor=2)
    sketch.add("generate_video", "clip", model="fake/video", prompt="x", duration_s="@length.number")
    cost = price(sketch.plan())
    assert (cost.low_micro_usd, cost.high_micro_usd) == (0, 500_000)


def test_a_model_over_an_edge_is_priced_before_its_other_inputs_are_known():
    """What is known of a pending job counts: here its model, not its prompt."""
    sketch = Sketch()
    sketch.add("words", "later", text="x")
    sketch.add("prompts", "models", values=["fake/image", "fake/free", "fake/unpriced"])
    sketch.add("generate_image", "still", prompt="@later.text", model="@models.text")
    cost = price(sketch.plan())
    assert (cost.low_micro_usd, cost.high_micro_usd) == (0, 40_000)
    assert cost.unpriced == ("fake/unpriced",)


def test_what_a_retired_model_made_stays_fresh():
    """A node of a model that the service ended plans as usual while its result is known; where not, it says so."""
    ended = next(entry for entry in MODELS if entry.id == "fake/image").model_copy(
        update={"retires_on": dt.date(2026, 1, 1), "successor": "fake/free"}
    )

    def registry(day: int) -> Registry:
        service = FakeProvider()
        service.models = [ended if entry.id == ended.id else entry for entry in MODELS]
        return Registry([service], today=lambda: dt.date(2026, 1, day))

    sketch = Sketch(providers=models())
    sketch.add("generate_image", "still", model="fake/image", prompt="x", seed=1)
    sketch.add("grain", "below", image="@still.image")
    before = sketch.key("still")
    sketch.models = registry(2)
    plan = sketch.plan()
    assert isinstance(plan.nodes["still"].problem, errors.RetiredModelError)
    assert "fake/free" in str(plan.nodes["still"].problem)
    answer(plan)
    assert only(plan, "still").key == before
    assert plan.nodes["still"].problem is None
    assert plan.nodes["below"].state == "fresh"
