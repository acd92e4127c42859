"""Flow variables: finding and substituting `{{name}}` in parameters."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.flow import documents, texts, values

from fusionflow_nb import errors
from fusionflow_nb.flow.variables import substitute, variables_used


@given(documents(), st.dictionaries(st.sampled_from(["city", "a"]), values))
def test_substitute_requires_exactly_the_used_variables(document, variables):
    """Otherwise the error names the node, the missing variable and the flow's variables."""
    for node in document.nodes.values():
        missing = variables_used(node.params) - variables.keys()
        if missing:
            with pytest.raises(errors.ParameterError) as caught:
                substitute(node.params, variables, where=node.id)
            assert caught.value.node_id == node.id
            assert any(name in str(caught.value) for name in missing)
            assert all(name in str(caught.value) for name in variables)
        else:
            substitute(node.params, variables, where=node.id)


@given(values)
def test_a_parameter_that_is_a_variable_keeps_its_type(value):
    """`{{name}}` alone gives the variable's value and type, at any depth; spaces are ignored."""
    assert substitute("{{ x }}", {"x": value}, where="n") == value
    assert substitute({"a": [1, "{{x}}"]}, {"x": value}, where="n") == {"a": [1, value]}


@given(texts, texts)
def test_the_value_of_a_variable_is_not_substituted(name, text):
    """A value that looks like a variable stays text; a text without variables is unchanged."""
    assert substitute("a {{x}} b", {"x": "{{y}}" + text}, where="n") == "a {{y}}" + text + " b"
    plain = name.replace("{", "(")
    assert substitute(plain, {}, where="n") == plain


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("{{n}} cats in {{city}}", "3 cats in Oslo"),
        (r"\{{n}} and {{n}}", "{{n}} and 3"),
        ("{{on}}: {{sizes}}", "true: [1,2.5]"),
        ("{{}} {n} {{a b}} {{1}} }}{{", "{{}} {n} {{a b}} {{1}} }}{{"),
        (r"\{{n}}", "{{n}}"),
    ],
    ids=["in text", "escaped", "json in text", "no variable", "escaped alone"],
)
def test_the_format_of_substituted_values(text, expected):
    """Text as text, other values as JSON; a backslash escapes the braces; other text in braces stays."""
    variables = {"n": 3, "city": "Oslo", "on": True, "sizes": [1, 2.5]}
    assert substitute(text, variables, where="n") == expected
