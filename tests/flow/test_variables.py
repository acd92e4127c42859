"""Circles are named, variables are found and put in."""

from __future__ import annotations

import networkx as nx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.flow import documents, edge, texts, values

from fusionflow_nb import errors
from fusionflow_nb.flow.checks import check_cycles, substitute, variables_used
from fusionflow_nb.flow.document import FlowDocument, Node

pairs = st.lists(st.tuples(st.integers(0, 7), st.integers(0, 7)), max_size=16, unique=True)


def flow(edges: list[tuple[int, int]]) -> FlowDocument:
    """A flow of numbered nodes with these edges."""
    document = FlowDocument(nodes={f"n{at}": Node(id=f"n{at}", type="t") for at in range(8)})
    document.edges = [edge(f"n{source}", "out", f"n{target}", "in") for source, target in edges]
    return document


@given(pairs)
def test_a_shortest_circle_is_named(edges):
    """CycleError exactly where edges form a circle; it names one of the shortest, in edge direction."""
    document, graph = flow(edges), nx.DiGraph([(f"n{source}", f"n{target}") for source, target in edges])
    circles = list(nx.simple_cycles(graph))
    if not circles:
        check_cycles(document)
        return
    with pytest.raises(errors.CycleError) as caught:
        check_cycles(document)
    named = caught.value.nodes
    assert len(named) == min(map(len, circles))
    assert all(graph.has_edge(*ends) for ends in zip(named, [*named[1:], named[0]], strict=True))
    assert all(node in str(caught.value) for node in named)


def test_a_huge_circle_is_named():
    """One circle through thousands of nodes is found and named as a whole."""
    document = FlowDocument(nodes={f"n{at}": Node(id=f"n{at}", type="t") for at in range(1500)})
    document.edges = [edge(f"n{at}", "out", f"n{(at + 1) % 1500}", "in") for at in range(1500)]
    with pytest.raises(errors.CycleError) as caught:
        check_cycles(document)
    assert caught.value.nodes == list(document.nodes)


@given(documents(), st.dictionaries(st.sampled_from(["city", "a"]), values))
def test_substitute_needs_exactly_the_variables_used(document, variables):
    """It succeeds where every used variable is there, and else names the node, the missing one, and the known ones."""
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
def test_a_whole_parameter_takes_the_variable_as_it_is(value):
    """`{{name}}` alone gives the variable's own value and type, however deep it stands; spaces do not matter."""
    assert substitute("{{ x }}", {"x": value}, where="n") == value
    assert substitute({"a": [1, "{{x}}"]}, {"x": value}, where="n") == {"a": [1, value]}


@given(texts, texts)
def test_what_a_variable_says_is_not_read_again(name, text):
    """A variable's text is put in as it is, even where it looks like a variable; texts without one stay as they are."""
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
def test_how_variables_read(text, expected):
    """Text as text, everything else as JSON; a backslash keeps the braces; anything else in braces is text."""
    variables = {"n": 3, "city": "Oslo", "on": True, "sizes": [1, 2.5]}
    assert substitute(text, variables, where="n") == expected
