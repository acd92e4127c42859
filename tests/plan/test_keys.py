"""Content keys: what changes them, and what never does."""

from __future__ import annotations

import datetime as dt

import hypothesis.strategies as st
import pytest
from hypothesis import given
from support.plan import document, edge, finish, keys_of, node, picture, plan_of

from fusionflow_nb import errors
from fusionflow_nb.catalog import Catalog
from fusionflow_nb.catalog.python import python_node_type
from fusionflow_nb.flow.document import NodeLayout
from fusionflow_nb.media.values import Value, canonical_json
from fusionflow_nb.plan.keys import derived_seed
from fusionflow_nb.providers.registry import Registry
from fusionflow_nb.testing.fake import FakeProvider

STILL = {"prompt": "dawn", "model": "fake/image", "seed": 7, "width": 64}


def key(made, node_id="still", **context):
    plan = plan_of(made, **context)
    finish(plan)
    problem = plan.nodes[node_id].problem
    if problem is not None:
        raise problem
    return keys_of(plan)[node_id, ()]


def still(**changed):
    return document([node("still", "generate_image", **{**STILL, **changed})])


def registry(**facts):
    """The fake's catalogue with one entry changed."""
    provider = FakeProvider()
    provider.models = [e.model_copy(update=facts) if e.id == "fake/image" else e for e in provider.models]
    return Registry([provider])


@given(st.permutations(list(STILL.items())), st.text(max_size=20), st.floats(-1e6, 1e6), st.text(max_size=8))
def test_names_places_and_orders_are_not_in_the_key(items, title, x, flow_name):
    """Renaming the flow or the title, moving, and the order of parameters never change a key."""
    made = document([node("still", "generate_image", **dict(items))])
    made.name = flow_name
    made.layout.nodes["still"] = NodeLayout(x=x, title=title)
    assert key(made) == key(still())


def test_the_id_of_a_node_is_not_in_the_key():
    """A node of another id that asks the same is the same job."""
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
def test_the_catalogue_around_a_model_is_not_in_the_key(facts):
    """Prices, titles, dates, sources and aliases come and go without a key noticing."""
    assert key(still(), models=registry(**facts)) == key(still())


def test_what_is_sent_is_in_the_key():
    """The number that says that the mapping sends something else makes another key."""
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
def test_everything_that_shapes_the_result_is_in_the_key(changed):
    """Each parameter and the model make another key."""
    assert key(still(**changed)) != key(still())


def test_a_take_is_in_the_key():
    """Again, differently: another take is another job."""
    made = still()
    made.nodes["still"].take = 1
    assert key(made) != key(still())


def test_an_alias_is_the_entry_it_means():
    """The key holds the pinned entry, whatever it was called."""
    assert key(still(model="fake-image")) == key(still())


def test_a_setting_is_the_same_however_it_is_given():
    """As a parameter of the node or inside `settings`, it is one setting."""
    inside = document(
        [node("still", "generate_image", prompt="dawn", model="fake/image", settings={"seed": 7, "width": 64})]
    )
    assert key(inside) == key(still())


def test_a_value_over_an_edge_is_the_value_typed_in():
    """Where a parameter comes from does not matter: from the form, an edge or a variable."""
    wired = document(
        [node("words", "text", text="{{time}}"), node("still", "generate_image", **{**STILL, "prompt": "ignored"})],
        [edge("words", "text", "still", "prompt")],
        time="dawn",
    )
    assert key(wired) == key(still())


def test_an_unset_parameter_is_one_that_was_never_named():
    """None says: not set."""
    assert key(still(negative_prompt=None)) == key(still())


def test_the_bytes_above_are_in_the_key_and_not_who_made_them():
    """A picture counts by its sha256: the same bytes from another node make the same job."""

    def upscaled(asset, source):
        made = document(
            [
                node(source, "load_image", asset=asset.to_json(), name=f"{source}.png"),
                node("big", "upscale", model="fake/edit", seed=1),
            ],
            [edge(source, "image", "big", "image")],
        )
        return key(made, "big")

    cat = picture("cat")
    assert upscaled(cat, "one") == upscaled(cat, "two")
    assert upscaled(cat, "one") != upscaled(picture("dog"), "one")


def test_the_order_of_edges_into_a_list_is_in_the_key_and_into_other_ports_is_not():
    """A list is ordered; between ports there is no order."""
    words = [node("a", "text", text="a"), node("b", "text", text="b")]
    sheet = node("sheet", "blend")
    load = [node(n, "load_image", asset=picture(n).to_json()) for n in ("x", "y")]
    edges = [edge("x", "image", "sheet", "base"), edge("y", "image", "sheet", "top")]
    assert key(document([*load, sheet], edges), "sheet") == key(document([*load, sheet], edges[::-1]), "sheet")
    assert key(document([*load, sheet], edges), "sheet") != key(
        document([*load, sheet], [edge("y", "image", "sheet", "base"), edge("x", "image", "sheet", "top")]), "sheet"
    )
    shout = python_node_type(shouted)
    catalog = Catalog()
    catalog.declare(shout)
    into = [edge("a", "text", "loud", "parts"), edge("b", "text", "loud", "parts")]
    loud = node("loud", "shouted")
    one = key(document([*words, loud], into), "loud", catalog=catalog)
    assert one != key(document([*words, loud], into[::-1]), "loud", catalog=catalog)


def shouted(parts: list[str]) -> str:
    return " ".join(parts).upper()


PLAIN = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text()


@given(
    st.recursive(PLAIN, lambda one: st.lists(one, max_size=3) | st.dictionaries(st.text(max_size=3), one, max_size=3))
)
def test_canonical_json_is_json_and_one_text_for_one_value(value):
    """It reads back as the value it was made of, and the order of keys is no part of it."""
    import json

    text = canonical_json(value)
    assert json.loads(text) == value
    if isinstance(value, dict):
        assert canonical_json(dict(reversed(value.items()))) == text


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf"), [float("nan")], {"a": object()}, b"x"])
def test_values_that_two_runs_could_not_agree_on_are_refused(value):
    """NaN, infinities and objects have no place in a key."""
    with pytest.raises(errors.MediaError):
        Value.of(value)


def test_whole_numbers_fractions_and_truth_differ():
    """1, 1.0 and true are equal in Python and shape different results."""
    assert len({Value.of(value).digest for value in (1, 1.0, True, "1")}) == 4


@given(st.text(), st.integers(1, 2**31 - 1))
def test_a_derived_seed_is_derived(text, maximum):
    """The same ingredients give the same seed, within 31 bits and the model's range."""
    seed = derived_seed(text, maximum=maximum)
    assert seed == derived_seed(text, maximum=maximum)
    assert 0 <= seed <= maximum
    assert 0 <= derived_seed(text) < 2**31


def test_a_missing_seed_comes_from_the_nodes_id_and_a_take_draws_another():
    """In Python the same flow twice asks for the same picture; another take for another."""
    bare = {name: value for name, value in STILL.items() if name != "seed"}
    made = document([node("still", "generate_image", **bare)])
    plan = plan_of(made)
    assert plan.nodes["still"].prepared.params["seed"] == derived_seed("still")
    made.nodes["still"].take = 2
    assert plan_of(made).nodes["still"].prepared.params["seed"] == derived_seed("still", 2)


class TestPython:
    """What of a Python node is in its key."""

    def test_the_source_is(self):
        """Another body is another job; the same body under another name is the same."""
        assert python_node_type(grain_a).source_digest != python_node_type(grain_b).source_digest

    def test_plain_values_it_closes_over_are(self):
        """A closed-over number makes another key; equal ones the same."""
        assert python_node_type(closing(0.2)).source_digest == python_node_type(closing(0.2)).source_digest
        assert python_node_type(closing(0.2)).source_digest != python_node_type(closing(0.3)).source_digest
        assert python_node_type(closing(1)).source_digest != python_node_type(closing(1.0)).source_digest

    def test_functions_of_the_same_module_that_it_names_are(self, monkeypatch):
        """A helper changed is a result changed."""
        before = python_node_type(with_helper).source_digest
        monkeypatch.setitem(globals(), "helper", other_helper)
        assert python_node_type(with_helper).source_digest != before

    def test_anything_else_makes_it_volatile_and_the_reason_names_it(self):
        """A closed-over object cannot be in a key: the node always runs, and says because of what."""
        made = python_node_type(closing([1, 2]))
        assert "amount" in made.volatile
        assert "list" in made.volatile

    def test_a_version_takes_the_place_of_the_source(self):
        """`version=` decides; the source may change as it likes."""
        one, two = (python_node_type(function, name="grain", version=3) for function in (grain_a, grain_b))
        assert one.source_digest == two.source_digest
        assert python_node_type(closing([1]), version=1).volatile is None

    def test_a_version_is_of_one_node_type(self):
        """Two functions that both say `version=3` are two functions."""
        one, two = python_node_type(grain_a, version=3), python_node_type(grain_b, version=3)
        assert one.source_digest != two.source_digest

    def test_cache_false_is_volatile(self):
        """`cache=False` always runs."""
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


def test_a_volatile_node_is_never_found(living):
    """Its result has no key that could be trusted: it runs each time."""
    from fusionflow_nb.api.flow import Flow

    seen = []
    flow = Flow("v")

    def draw(text: str) -> str:
        seen.append(text)
        return text

    flow.add(draw, "x")
    assert "seen" in flow.stale()["draw_1"][0]
    flow.run().result()
    flow.run().result()
    assert len(seen) == 2
