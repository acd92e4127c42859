"""The digest of a Python function for content keys, and when a Python node runs again."""

from __future__ import annotations

import functools
import linecache
import math
import sys
import types
from itertools import count
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fusionflow_nb.catalog import Catalog
from fusionflow_nb.catalog.python import PythonNode, python_node_type, refresh_digest
from fusionflow_nb.catalog.source import digest_of

CELLS = count(1)
WRAPPED = """
import functools
def wrap(g):
    @functools.wraps(g)
    def inner(x): return WHAT
    return inner
@wrap
def helper(x): return x
"""


class Notebook:
    """A module whose cells run one by one and have sources in linecache, as in IPython."""

    def __init__(self) -> None:
        self.module = types.ModuleType(f"notebook_{next(CELLS)}")
        sys.modules[self.module.__name__] = self.module
        self.catalog = Catalog()
        self.module.__dict__["node"] = self.node

    def node(self, function: Any) -> PythonNode:
        node = PythonNode(function, python_node_type(function), lambda *_: None)
        self.catalog.declare(node.node_type)
        return node

    def run(self, source: str) -> None:
        name = f"<cell {next(CELLS)}>"
        linecache.cache[name] = (len(source), None, source.splitlines(keepends=True), name)
        exec(compile(source, name, "exec"), self.module.__dict__)  # noqa: S102 - as a notebook does

    def digest(self, name: str = "f") -> str:
        self.catalog.refresh()
        digest = self.catalog.get(name).source_digest
        assert digest is not None
        return digest

    def volatile(self, name: str = "f") -> str | None:
        self.catalog.refresh()
        return self.catalog.get(name).volatile


@pytest.fixture
def notebook():
    notebook = Notebook()
    yield notebook
    del sys.modules[notebook.module.__name__]


PLAIN = st.recursive(
    st.integers() | st.text(max_size=4) | st.booleans() | st.none() | st.floats(),
    lambda inner: st.lists(inner, max_size=2).map(tuple),
    max_leaves=4,
)


@settings(deadline=None)
@given(PLAIN, PLAIN)
def test_plain_outer_values_are_in_the_digest(first, second):
    """Different values or types give different digests. NaN equals itself here."""

    def digest(value):
        def reads() -> str:
            return repr(value)

        node_type = python_node_type(reads)
        assert node_type.volatile is None
        return node_type.source_digest

    assert (digest(first) == digest(second)) == (repr(first) == repr(second))


def test_running_a_cell_again_keeps_the_digest(notebook):
    """The same source gives the same digest, also for a recursive function."""
    cell = "@node\ndef f(n: int) -> int:\n    return n * f(n - 1) if n else 1\n"
    notebook.run(cell)
    first, rev = notebook.digest(), notebook.catalog.rev
    assert notebook.digest() == first
    assert notebook.catalog.rev == rev
    notebook.run(cell)
    assert notebook.digest() == first
    notebook.run(cell.replace("n - 1", "n - 2"))
    assert notebook.digest() != first


def test_decorators_and_whitespace_are_not_in_the_digest(notebook):
    """Moving a function or changing its declaration keeps the digest."""
    notebook.run("@node\ndef f(n: int) -> int:\n    return n\n")
    first = notebook.digest()
    notebook.run("# far\n\nif True:\n    @node\n    def f(n: int) -> int:   \n        return n\n")
    assert notebook.digest() == first


@pytest.mark.parametrize(
    ("before", "after"),
    [
        pytest.param("def helper(x): return x", "def helper(x): return x + 1", id="a function"),
        pytest.param(
            "@node\ndef helper(x: int) -> int: return x", "@node\ndef helper(x: int) -> int: return -x", id="a node"
        ),
        pytest.param("K = 1\ndef helper(x, k=K): return k", "K = 2\ndef helper(x, k=K): return k", id="a default"),
        pytest.param("K = 1\ndef helper(x): return K", "K = 1.0\ndef helper(x): return K", id="a helper's outer value"),
        pytest.param(
            "def deep(x): return x\ndef helper(x): return deep(x)",
            "def deep(x): return 2\ndef helper(x): return deep(x)",
            id="a helper's helper",
        ),
        pytest.param(
            "import functools\n@functools.cache\ndef helper(x): return x",
            "import functools\n@functools.cache\ndef helper(x): return 2",
            id="a cached function",
        ),
        pytest.param(
            "class helper(int):\n    def twice(self): return 2",
            "class helper(int):\n    def twice(self): return 3",
            id="a method",
        ),
        pytest.param("class helper(int):\n    SIZE = 2", "class helper(int):\n    SIZE = 3", id="a class's value"),
        pytest.param(
            "class helper(int):\n    @property\n    def p(self): return 1",
            "class helper(int):\n    @property\n    def p(self): return 2",
            id="a property",
        ),
        pytest.param(
            WRAPPED.replace("WHAT", "g(x)"),
            WRAPPED.replace("WHAT", "-g(x)"),
            id="a decorator of the notebook",
        ),
        pytest.param("helper = lambda x: x", "helper = lambda x: -x", id="a lambda"),
    ],
)  # fmt: skip
def test_redefining_a_helper_changes_the_digest(notebook, before, after):
    """Outer names of the notebook count with their current values, without running the node's cell again."""
    notebook.run(before)
    notebook.run("@node\ndef f(n: int) -> int:\n    return helper(n)\n")
    first, rev = notebook.digest(), notebook.catalog.rev
    assert notebook.volatile() is None
    notebook.run(after)
    assert notebook.digest() != first
    assert notebook.catalog.rev > rev
    notebook.run(before)
    assert notebook.digest() == first


def test_a_helper_that_is_defined_later_changes_the_digest(notebook):
    """An undefined name is not in the digest; a defined name is."""
    notebook.run("@node\ndef f(n: int) -> int:\n    return later(n)\n")
    first = notebook.digest()
    notebook.run("def later(x): return x")
    assert notebook.digest() != first


@pytest.mark.parametrize(
    ("source", "name", "kind"),
    [
        pytest.param("data = [1]", "data", "list", id="a list"),
        pytest.param(
            "class Model:\n    def __call__(self, x): return x\ndata = Model()", "data", "Model", id="a model"
        ),
        pytest.param(
            "import functools\ndata = functools.partial(int)", "data", "partial", id="an imported class's object"
        ),
        pytest.param("from random import random as data", "data", "builtin_function_or_method", id="a builtin method"),
    ],
)
def test_other_outer_objects_make_a_node_volatile(notebook, source, name, kind):
    """The reason names the variable and its type."""
    notebook.run(source)
    notebook.run("@node\ndef f(n: int) -> int:\n    return data(n)\n")
    assert notebook.volatile() == f"it reads {name} ({kind})"
    notebook.run("data = 3")
    assert notebook.volatile() is None


def test_imported_objects_count_by_name(notebook):
    """Modules, functions and classes are in the digest by name, without their source."""
    body = "\n@node\ndef f(n: int) -> float:\n    return g(n)\n"
    notebook.run("from math import sqrt as g" + body)
    first = notebook.digest()
    assert notebook.volatile() is None
    notebook.run("from math import floor as g")
    assert notebook.digest() != first
    for line in ("import json as g", "from json import dumps as g", "from pathlib import Path as g"):
        notebook.run(line)
        assert notebook.volatile() is None, line


def test_a_function_without_source_is_volatile():
    """There is no source to digest."""
    names: dict[str, Any] = {}
    exec("def f(n: int) -> int:\n    return n", names)  # noqa: S102
    assert python_node_type(names["f"]).volatile == "the source of f cannot be read"
    assert "cannot be read" in str(digest_of(math.floor).volatile)


def test_an_explicit_version_is_not_refreshed(notebook):
    """With `version=` or `cache=False`, outer names do not matter."""
    notebook.run("K = 1\ndef plain(n: int) -> int:\n    return K\n")
    versioned = python_node_type(notebook.module.plain, version="a")
    uncached = python_node_type(notebook.module.plain, cache=False)
    notebook.run("K = 2")
    assert refresh_digest(versioned) is versioned
    assert refresh_digest(uncached) is uncached
    assert uncached.volatile == "cache=False"
    assert versioned.source_digest != python_node_type(notebook.module.plain, version="b").source_digest


def test_a_node_can_be_called_as_a_function(notebook):
    """With plain values, also in recursion."""
    notebook.run("@node\ndef f(n: int) -> int:\n    return n * f(n - 1) if n else 1\n")
    assert notebook.module.f(5) == 120
    assert functools.reduce(lambda total, n: total + notebook.module.f(n), range(3), 0) == 4


def test_redefining_a_helper_makes_nodes_stale(flow):
    """Without declaring the nodes again."""
    notebook = Notebook()
    try:
        from fusionflow_nb.api.node import node

        notebook.module.__dict__["node"] = node
        notebook.run("def helper(x): return x + 1")
        notebook.run("@node\ndef uses_helper(n: int = 1) -> int:\n    return helper(n)\n")
        placed = flow.add(notebook.module.uses_helper)
        assert flow.run(placed).result() == 2
        assert flow.states() == {placed.node_id: "fresh"}
        notebook.run("def helper(x): return x + 2")
        assert flow.states() == {placed.node_id: "stale"}
        assert flow.stale()[placed.node_id][0].startswith("source: ")
        assert flow.run(placed).result() == 3
    finally:
        del sys.modules[notebook.module.__name__]
