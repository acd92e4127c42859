"""A value over an edge is treated like a typed-in value: same validation, key and price."""

from __future__ import annotations

import datetime as dt

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.plan import Sketch, catalog, complete, models, only

from fusionflow_nb import errors
from fusionflow_nb.catalog.number_text import number_text
from fusionflow_nb.catalog.python import python_node_type
from fusionflow_nb.plan.price import price
from fusionflow_nb.providers.registry import Registry
from fusionflow_nb.testing.fake import MODELS, FakeProvider


def scale(factor: float, note: str = "", choices: list[int] | None = None) -> float:
    return factor


def keys(node_type, name, typed, source, port, *, node_types=None, **inputs) -> tuple[bytes, bytes]:
    """The key of a node with a typed-in value, and with the same value over an edge."""
    sketch = Sketch(node_types=node_types)
    sketch.add(node_type, "typed", **{**inputs, name: typed})
    value = {"json": "value", "number": "value", "text": "text"}[source]
    sketch.add(source, "source", **{value: typed})
    sketch.add(node_type, "connected", **{**inputs, name: f"@source.{port}"})
    plan = sketch.plan()
    complete(plan)
    typed_key, connected_key = only(plan, "typed").key, only(plan, "connected").key
    assert typed_key is not None
    assert connected_key is not None
    return typed_key, connected_key


def with_scale():
    node_types = catalog()
    node_types.declare(python_node_type(scale))
    return node_types


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
def test_typed_and_connected_values_give_the_same_key(node_type, name, typed, source, port, inputs):  # noqa: PLR0917
    """A value gives the same key over an edge, whatever its number type."""
    if node_type.startswith("generate") and name != "model":
        inputs = {"model": "fake/video" if "video" in node_type else "fake/image", **inputs}
    if name == "parts":
        sketch = Sketch()
        sketch.add("join", "typed", parts=["x"])
        sketch.add("text", "source", text="x")
        sketch.add("join", "connected", parts=["@source.text"])
        assert sketch.key("typed") == sketch.key("connected")
        return
    typed_key, connected_key = keys(node_type, name, typed, source, port, **inputs)
    assert typed_key == connected_key


@pytest.mark.slow
@settings(deadline=None)
@given(st.integers(-5, 5) | st.floats(-5, 5))
def test_a_python_node_gets_numbers_in_its_declared_type(value):
    """`factor: float` gets a float and the same key for 1 and 1.0, typed in or over an edge."""
    typed_key, connected_key = keys("scale", "factor", value, "json", "json", node_types=with_scale())
    assert typed_key == connected_key
    sketch = Sketch(node_types=with_scale())
    sketch.add("json", "source", value=value)
    sketch.add("scale", "node", factor="@source.json")
    plan = sketch.plan()
    complete(plan)
    bound = only(plan, "node").bound
    assert bound is not None
    assert type(bound.values["factor"]) is float


def test_a_list_from_edges_equals_a_typed_list():
    """`list[int]` gives the same key for a typed list and for edges, in the declared number type."""
    sketch = Sketch(node_types=with_scale())
    for value in (1, 2):
        sketch.add("number", f"n{value}", value=value)  # outputs 1.0 and 2.0
    sketch.add("scale", "typed", factor=1, choices=[1, 2])
    sketch.add("scale", "connected", factor=1, choices=["@n1.number", "@n2.number"])
    assert sketch.key("typed") == sketch.key("connected")


def test_an_untyped_input_distinguishes_number_types():
    """1, 1.0, true and "1" give four keys in a JSON input."""
    keys = set()
    for value in (1, 1.0, True, "1"):
        sketch = Sketch()
        sketch.add("json", "node", value=value)
        keys.add(sketch.key("node"))
    assert len(keys) == 4


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_the_text_of_a_number_parses_to_that_number(value):
    """No digits are lost."""
    assert float(number_text(value)) == value


@pytest.mark.parametrize(
    ("node_type", "name", "value", "message"),
    [
        pytest.param("seeds", "count", 10**9, "less than or equal to 10000", id="a list that is too long"),
        pytest.param("blend", "opacity", 7, "less than or equal to 1", id="out of range"),
        pytest.param("range", "steps", 2.5, "integer", id="a fraction for an integer"),
        pytest.param("generate_image", "width", 99999, "less than or equal to 16384", id="a limit of all models"),
        pytest.param("generate_image", "width", 9000, "fake/image expects width", id="a limit of this model"),
        pytest.param("join", "parts", [1], "needs text", id="a number in a list of texts"),
    ],
)
def test_values_over_edges_are_validated(node_type, name, value, message):
    """Ranges and types are checked; the error names the node and the parameter."""
    sketch = Sketch()
    sketch.add("json", "source", value=value)
    sketch.add("text", "fine", text="x")
    inputs = {"model": "fake/image", "prompt": "x"} if node_type == "generate_image" else {}
    sketch.add(node_type, "node", **inputs, **{name: "@source.json"})
    if node_type == "blend":
        sketch.add("generate_image", "still", model="fake/image", prompt="x")
        sketch.connect("still.image", "node.base")
        sketch.connect("still.image", "node.top")
    problem = sketch.problem("node")
    assert problem.node_id == "node"
    assert name in str(problem)
    assert message in str(problem)
    assert sketch.key("fine") is not None


def test_an_explicit_default_gives_the_same_key_and_price():
    """For defaults of a node type, a function and a model."""
    sketch = Sketch(node_types=with_scale())
    for node_id, duration in (("out", {}), ("stated", {"duration_s": 2})):
        sketch.add("generate_video", node_id, model="fake/video", prompt="x", seed=1, **duration)
    assert sketch.key("out") == sketch.key("stated")
    cost = price(sketch.plan())
    assert cost.by_node["out"] == cost.by_node["stated"]
    assert cost.by_node["out"].high_micro_usd == 100_000
    sketch.add("grain", "a", image="@out.video")  # an invalid edge does not affect other nodes
    sketch.add("generate_image", "still", model="fake/image", prompt="x", seed=1)
    sketch.add("grain", "omitted", image="@still.image")
    sketch.add("grain", "explicit", image="@still.image", amount=0.5)
    assert sketch.key("omitted") == sketch.key("explicit")


def test_an_integer_default_of_a_float_is_a_float():
    """`amount: float = 1` and an explicit 1 give the same key."""

    def lift(amount: float = 1) -> float:
        return amount

    node_types = catalog()
    node_types.declare(python_node_type(lift))
    sketch = Sketch(node_types=node_types)
    sketch.add("lift", "omitted")
    sketch.add("lift", "explicit", amount=1)
    assert sketch.key("omitted") == sketch.key("explicit")


def test_settings_over_an_edge_are_validated():
    """A connected dict of settings is expanded and validated; a name that is set twice is an error."""
    sketch = Sketch()
    sketch.add("json", "source", value={"width": 64.0})
    sketch.add("generate_image", "node", model="fake/image", prompt="x", settings="@source.json")
    plan = sketch.plan()
    (job,) = plan.take_ready()
    assert job.bound is not None
    assert job.bound.values["width"] == 64
    assert "settings" not in job.bound.values
    sketch.set("node", width=32)
    assert "set twice" in str(sketch.problem("node"))


def test_a_pending_job_is_priced_at_its_maximum():
    """An unknown setting counts with the model's maximum, in the high estimate only."""
    sketch = Sketch(node_types=with_scale())
    sketch.add("scale", "length", factor=2)
    sketch.add("generate_video", "clip", model="fake/video", prompt="x", duration_s="@length.number")
    cost = price(sketch.plan())
    assert (cost.low_micro_usd, cost.high_micro_usd) == (0, 500_000)


def test_a_pending_job_with_a_known_model_is_priced():
    """Known inputs of a pending job count: here its model, not its prompt."""
    sketch = Sketch()
    sketch.add("words", "later", text="x")
    sketch.add("prompts", "models", values=["fake/image", "fake/free", "fake/unpriced"])
    sketch.add("generate_image", "still", prompt="@later.text", model="@models.text")
    cost = price(sketch.plan())
    assert (cost.low_micro_usd, cost.high_micro_usd) == (0, 40_000)
    assert cost.unpriced == ("fake/unpriced",)


def test_cached_results_of_a_retired_model_stay_fresh():
    """A node of a retired model has a problem only while its result is unknown."""
    retired = next(entry for entry in MODELS if entry.id == "fake/image").model_copy(
        update={"retires_on": dt.date(2026, 1, 1), "successor": "fake/free"}
    )

    def registry(day: int) -> Registry:
        service = FakeProvider()
        service.models = [retired if entry.id == retired.id else entry for entry in MODELS]
        return Registry([service], today=lambda: dt.date(2026, 1, day))

    sketch = Sketch(providers=models())
    sketch.add("generate_image", "still", model="fake/image", prompt="x", seed=1)
    sketch.add("grain", "below", image="@still.image")
    before = sketch.key("still")
    sketch.models = registry(2)
    plan = sketch.plan()
    assert isinstance(plan.nodes["still"].problem, errors.RetiredModelError)
    assert "fake/free" in str(plan.nodes["still"].problem)
    complete(plan)
    assert only(plan, "still").key == before
    assert plan.nodes["still"].problem is None
    assert plan.nodes["below"].state == "fresh"
