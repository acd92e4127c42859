"""Content keys: what changes them and what does not."""

from __future__ import annotations

import datetime as dt

import hypothesis.strategies as st
import pytest
from hypothesis import given
from support.plan import complete, document, edge, keys_of, node, picture, plan_of

from fusionflow_nb import errors
from fusionflow_nb.catalog import Catalog
from fusionflow_nb.catalog.python import python_node_type
from fusionflow_nb.flow.document import NodeLayout
from fusionflow_nb.media.values import Value, canonical_json
from fusionflow_nb.plan.keys import derived_seed
from fusionflow_nb.providers.registry import Registry
from fusionflow_nb.testing.fake import FakeProvider

STILL = {"prompt": "dawn", "model": "fake/image", "seed": 7, "width": 64}


def key(flow, node_id="still", **context):
    plan = plan_of(flow, **context)
    complete(plan)
    problem = plan.nodes[node_id].problem
    if problem is not None:
        raise problem
    return keys_of(plan)[node_id, ()]


def still(**changed):
    return document([node("still", "generate_image", **{**STILL, **changed})])


def registry(**facts):
    """The fake service's catalogue with one changed entry."""
    provider = FakeProvider()
    provider.models = [
        entry.model_copy(update=facts) if entry.id == "fake/image" else entry for entry in provider.models
    ]
    return Registry([provider])


@given(st.permutations(list(STILL.items())), st.text(max_size=20), st.floats(-1e6, 1e6), st.text(max_size=8))
def test_names_positions_and_order_are_not_in_the_key(items, title, x, flow_name):
    """The flow's name, titles, positions and the order of parameters do not change a key."""
    flow = document([node("still", "generate_image", **dict(items))])
    flow.name = flow_name
    flow.layout.nodes["still"] = NodeLayout(x=x, title=title)
    assert key(flow) == key(still())


def test_the_id_of_a_node_is_not_in_the_key():
    """Two nodes with equal parameters have the same key."""
    other = document([node("picture", "generate_image", **STILL)])
    assert key(other, "picture") == key(still())


@pytest.mark.parametrize(
    "facts",
    [
        {"title": "Another"},
        {"price": None},
        {"is_free": True},
        {"source": "elsewhere", "source_date": "2027"},
        {"aliases": ("other-name",)},
        {"says_how": "differently"},
        {"retires_on": dt.date(2999, 1, 1)},
        {"typical_s": 3.0},
    ],
    ids=lambda facts: next(iter(facts)),
)
@pytest.mark.filterwarnings("ignore:fake/image ends:FutureWarning")
def test_catalogue_facts_about_a_model_are_not_in_the_key(facts):
    """Prices, titles, dates, sources and aliases do not change a key."""
    assert key(still(), models=registry(**facts)) == key(still())


def test_the_behaviour_number_is_in_the_key():
    """`behaviour` changes when the mapping sends something else, and changes the key."""
    assert key(still(), models=registry(behaviour=2)) != key(still())


@pytest.mark.parametrize(
    "changed",
    [
        {"prompt": "dusk"},
        {"prompt": "dawn "},
        {"seed": 8},
        {"width": 65},
        {"height": 64},
        {"count": 2},
        {"model": "fake/free"},
        {"settings": {"height": 96}},
    ],
    ids=lambda changed: next(iter(changed)),
)
def test_parameters_and_model_are_in_the_key(changed):
    """Changing any of them changes the key."""
    assert key(still(**changed)) != key(still())


def test_a_take_is_in_the_key():
    """Another take has another key."""
    flow = still()
    flow.nodes["still"].take = 1
    assert key(flow) != key(still())


def test_an_alias_gives_the_key_of_its_entry():
    """The key contains the pinned entry, not the name that was used."""
    assert key(still(model="fake-image")) == key(still())


def test_a_setting_in_settings_gives_the_same_key():
    """A parameter of the node and an entry of `settings` are equivalent."""
    inside = document(
        [node("still", "generate_image", prompt="dawn", model="fake/image", settings={"seed": 7, "width": 64})]
    )
    assert key(inside) == key(still())


def test_the_origin_of_a_value_is_not_in_the_key():
    """A typed-in value, an edge and a variable give the same key."""
    connected = document(
        [node("words", "text", text="{{time}}"), node("still", "generate_image", **{**STILL, "prompt": "ignored"})],
        [edge("words.text", "still.prompt")],
        time="dawn",
    )
    assert key(connected) == key(still())


def test_none_is_an_unset_parameter():
    """A parameter set to None gives the key without it."""
    assert key(still(negative_prompt=None)) == key(still())


def test_input_bytes_are_in_the_key_but_not_their_source():
    """A picture counts by its sha256: the same bytes from another node give the same key."""

    def upscaled(asset, source):
        flow = document(
            [
                node(source, "load_image", asset=asset.to_json(), name=f"{source}.png"),
                node("big", "upscale", model="fake/edit", seed=1),
            ],
            [edge(f"{source}.image", "big.image")],
        )
        return key(flow, "big")

    cat = picture("cat")
    assert upscaled(cat, "a") == upscaled(cat, "b")
    assert upscaled(cat, "a") != upscaled(picture("dog"), "a")


def test_only_the_order_of_edges_into_a_list_is_in_the_key():
    """A list is ordered; the order of edges into different ports is not part of the key."""
    words = [node("a", "text", text="a"), node("b", "text", text="b")]
    sheet = node("sheet", "blend")
    load = [node(n, "load_image", asset=picture(n).to_json()) for n in ("x", "y")]
    edges = [edge("x.image", "sheet.base"), edge("y.image", "sheet.top")]
    assert key(document([*load, sheet], edges), "sheet") == key(document([*load, sheet], edges[::-1]), "sheet")
    assert key(document([*load, sheet], edges), "sheet") != key(
        document([*load, sheet], [edge("y.image", "sheet.base"), edge("x.image", "sheet.top")]), "sheet"
    )
    shout = python_node_type(shouted)
    catalog = Catalog()
    catalog.declare(shout)
    into = [edge("a.text", "loud.parts"), edge("b.text", "loud.parts")]
    loud = node("loud", "shouted")
    assert key(document([*words, loud], into), "loud", catalog=catalog) != key(
        document([*words, loud], into[::-1]), "loud", catalog=catalog
    )


def shouted(parts: list[str]) -> str:
    return " ".join(parts).upper()


PLAIN = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text()


@given(
    st.recursive(
        PLAIN, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3)
    )
)
def test_canonical_json_is_unique_per_value(value):
    """It parses to the same value and does not depend on the order of keys."""
    import json

    text = canonical_json(value)
    assert json.loads(text) == value
    if isinstance(value, dict):
        assert canonical_json(dict(reversed(value.items()))) == text


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf"), [float("nan")], {"a": object()}, b"x"])
def test_values_without_canonical_json_are_errors(value):
    """NaN, infinities and objects cannot be part of a key."""
    with pytest.raises(errors.MediaError):
        Value.of(value)


def test_integers_floats_and_booleans_differ():
    """1, 1.0 and true are equal in Python but have different digests."""
    assert len({Value.of(value).digest for value in (1, 1.0, True, "1")}) == 4


@given(st.text(), st.integers(1, 2**31 - 1))
def test_a_derived_seed_is_deterministic(text, maximum):
    """The same ingredients give the same seed, within 31 bits and the model's range."""
    seed = derived_seed(text, maximum=maximum)
    assert seed == derived_seed(text, maximum=maximum)
    assert 0 <= seed <= maximum
    assert 0 <= derived_seed(text) < 2**31


def test_a_missing_seed_is_derived_from_id_and_take():
    """Running a flow twice makes the same request; another take has another seed."""
    bare = {name: value for name, value in STILL.items() if name != "seed"}
    flow = document([node("still", "generate_image", **bare)])
    plan = plan_of(flow)
    assert plan.nodes["still"].prepared.params["seed"] == derived_seed("still")
    flow.nodes["still"].take = 2
    assert plan_of(flow).nodes["still"].prepared.params["seed"] == derived_seed("still", 2)


class TestPython:
    """The digest of a Python node."""

    def test_the_source_is_in_the_key(self):
        """Another function body gives another digest."""
        assert python_node_type(grain_a).source_digest != python_node_type(grain_b).source_digest

    def test_plain_closed_over_values_are_in_the_key(self):
        """Equal closed-over numbers of the same type give the same digest."""
        assert python_node_type(closing(0.2)).source_digest == python_node_type(closing(0.2)).source_digest
        assert python_node_type(closing(0.2)).source_digest != python_node_type(closing(0.3)).source_digest
        assert python_node_type(closing(1)).source_digest != python_node_type(closing(1.0)).source_digest

    def test_helper_functions_are_in_the_key(self, monkeypatch):
        """Changing a helper function of the same module changes the digest."""
        before = python_node_type(with_helper).source_digest
        monkeypatch.setitem(globals(), "helper", other_helper)
        assert python_node_type(with_helper).source_digest != before

    def test_other_closed_over_objects_make_it_volatile(self):
        """The reason names the variable and its type."""
        node_type = python_node_type(closing([1, 2]))
        assert "amount" in node_type.volatile
        assert "list" in node_type.volatile

    def test_a_version_replaces_the_source(self):
        """With `version=`, the source does not affect the digest."""
        first, second = (python_node_type(function, name="grain", version=3) for function in (grain_a, grain_b))
        assert first.source_digest == second.source_digest
        assert python_node_type(closing([1]), version=1).volatile is None

    def test_a_version_belongs_to_a_node_type(self):
        """Two functions with `version=3` have different digests."""
        first, second = python_node_type(grain_a, version=3), python_node_type(grain_b, version=3)
        assert first.source_digest != second.source_digest

    def test_cache_false_is_volatile(self):
        """The node runs every time."""
        assert python_node_type(grain_a, cache=False).volatile == "cache=False"


def grain_a(amount: float = 0.2) -> float:
    return amount


def grain_b(amount: float = 0.2) -> float:
    return amount * 2


def closing(amount):
    def grain(times: int = 1) -> float:
        return amount * times

    return grain


def helper(value):
    return value + 1


def other_helper(value):
    return value + 2


def with_helper(value: float) -> float:
    return helper(value)


def test_a_volatile_node_runs_every_time(session):
    """Its results are never cache hits."""
    from fusionflow_nb.api.flow import Flow

    calls = []
    flow = Flow("v")

    def draw(text: str) -> str:
        calls.append(text)
        return text

    flow.add(draw, "x")
    assert "calls" in flow.stale()["draw_1"][0]
    flow.run().result()
    flow.run().result()
    assert len(calls) == 2
