"""Records round-trip through JSON; values that JSON cannot represent are stored as text."""

from __future__ import annotations

import json
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.journal import a_generation

from fusionflow_nb import errors
from fusionflow_nb.journal import codec
from fusionflow_nb.journal.records import Generation, InputRecord
from fusionflow_nb.media.values import Asset, Series, Value

words = st.text(st.characters(codec="utf-8"), max_size=12)
plain = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.floats(allow_nan=False, allow_infinity=False) | words,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(words, inner, max_size=3),
    max_leaves=6,
)
items = st.builds(Asset, words, words, st.integers(0, 10**12)) | plain.map(Value.of)
series = st.lists(items, max_size=3).flatmap(
    lambda cells: st.builds(
        Series, words, st.just(tuple(map(str, range(len(cells))))), st.just(tuple(cells)), is_shared=st.booleans()
    )
)
generations = st.builds(
    Generation,
    id=words,
    project_id=words,
    run_id=words,
    node_id=words,
    node_type=words,
    status=words,
    content_key=st.none() | st.binary(min_size=32, max_size=32),
    provider=st.none() | words,
    prompt_snapshot=st.none() | words,
    settings_snapshot=st.dictionaries(words, plain, max_size=3),
    seed=st.none() | st.integers(0, 2**31),
    take=st.integers(0, 9),
    coordinate=st.lists(st.tuples(words, words), max_size=2).map(tuple),
    outputs=st.none() | st.dictionaries(words, items | series, max_size=3),
    inputs=st.lists(st.builds(InputRecord, words, st.integers(0, 9), words, st.none() | words), max_size=2).map(tuple),
    cost_micro_usd=st.none() | st.integers(0, 10**9),
    cost_is_exact=st.booleans(),
    operation=st.none() | st.dictionaries(words, plain, max_size=2),
    ingredients=st.none() | st.dictionaries(words, plain, max_size=2),
)


@given(generations)
def test_generation_round_trips(generation):
    """Every field survives the round trip through JSON text."""
    text = codec.dumps(codec.generation_to_json(generation))
    assert codec.generation_from_json(json.loads(text)) == generation


@pytest.mark.parametrize(
    ("value", "stored"),
    [(math.nan, "nan"), (math.inf, "inf"), ("\ud800", "?"), ({1}, "{1}"), (b"x", "b'x'"), ((1, 2), [1, 2])],
    ids=["nan", "inf", "lone surrogate", "set", "bytes", "tuple"],
)
def test_setting_that_is_not_json_is_stored_as_text(value, stored):
    """Such a setting does not lose the record, and the text is valid JSON."""
    generation = a_generation("a", settings_snapshot={"odd": value, 1: "number key"})
    text = codec.dumps(codec.generation_to_json(generation))
    text.encode()
    assert json.loads(text)["settings_snapshot"] == {"odd": stored, "1": "number key"}


def test_value_that_contains_itself_is_refused():
    """A circular value raises JournalError."""
    loop = []
    loop.append(loop)
    with pytest.raises(errors.JournalError, match="contains itself"):
        codec.dumps(loop)
