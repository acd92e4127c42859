"""Imports go one way: no room imports from a room above it, no file takes part in a circle, the core stays light."""

from __future__ import annotations

import ast
import subprocess
import sys
from functools import cache
from pathlib import Path
from typing import NamedTuple

import networkx as nx
import pytest

import fusionflow_nb

PACKAGE = Path(fusionflow_nb.__file__).parent
FLOW = {"errors", "media", "flow", "catalog"}
"""The document and its node types."""
ENGINE = FLOW | {"plan", "engine", "failpoints"}
"""What runs a flow; it sees services, store and journal by their protocols only."""
PROTOCOLS = {
    "assets.backoff",
    "assets.protocol",
    "journal.ids",
    "journal.protocol",
    "journal.records",
    "providers.input_limits",
    "providers.model",
    "providers.protocol",
}
MAY_IMPORT: dict[str, set[str]] = {
    "errors": set(),
    "failpoints": set(),
    "media": {"errors"},
    "procedural": {"errors"},
    "transforms": {"errors", "media"},
    "assets": {"errors", "media"},
    "settings": {"errors", "assets"},
    "journal": {"errors", "failpoints", "media"},
    "providers": {"errors", "failpoints", "media", "procedural", "assets", "settings"},
    "simulator": {"errors", "media", "assets", "providers"},
    "flow": {"errors", "media"},
    "catalog": {"errors", "media", "flow"},
    "plan": FLOW | PROTOCOLS,
    "engine": ENGINE | PROTOCOLS,
    "tape": {"errors", "media", "journal"},
    "display": ENGINE | {"assets"},
    "session": ENGINE | {"settings", "assets", "journal", "providers", "tape", "display"},
    "api": ENGINE | {"settings", "assets", "journal", "providers", "tape", "display", "session"},
    "maintenance": {"errors", "media", "settings", "assets", "journal", "providers", "session"},
    # The server extension runs in Jupyter's process: it knows the store and the settings, and nothing that runs flows.
    "lab": {"errors", "media", "assets", "settings.environment", "settings.logs"},
    # The widget signs URLs for the server extension; it never serves bytes.
    "canvas": ENGINE
    | {"settings", "assets", "journal", "providers.model", "tape", "display", "session", "api"}
    | {"lab.signing", "lab.secret"},
    "cli": {"*"},
    "testing": {"errors", "media", "settings", "assets", "providers", "simulator"},
    "__main__": {"cli"},
    "__init__": {"*"},
}
"""Room -> rooms or modules it may import, at run time or for types."""


class Import(NamedTuple):
    """One import of a module of this package."""

    source: str
    target: str
    is_for_types: bool


@cache
def modules() -> dict[str, Path]:
    """Every module by its dotted name below the package; a package by its own name."""
    paths = {}
    for path in sorted(PACKAGE.rglob("*.py")):
        parts = path.relative_to(PACKAGE).with_suffix("").parts
        paths[".".join(parts[:-1] if parts[-1] == "__init__" and len(parts) > 1 else parts)] = path
    return paths


@cache
def imports() -> list[Import]:
    """Every import between modules of this package, those inside functions included."""
    edges = []
    for name, path in modules().items():
        tree = ast.parse(path.read_text())
        for_types = {
            inner
            for node in ast.walk(tree)
            if isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING"
            for statement in node.body
            for inner in ast.walk(statement)
        }
        for node in ast.walk(tree):
            edges += [Import(name, target, node in for_types) for target in _targets(node)]
    return edges


def _targets(node: ast.AST) -> list[str]:
    """The modules that an import statement names: `from package import module` is the module."""
    if isinstance(node, ast.Import):
        names = [alias.name for alias in node.names]
    elif isinstance(node, ast.ImportFrom) and node.module and node.level == 0:
        submodules = [f"{node.module}.{alias.name}" for alias in node.names]
        is_module = [name.removeprefix("fusionflow_nb.") in modules() for name in submodules]
        names = [name for name, yes in zip(submodules, is_module, strict=True) if yes]
        if not all(is_module):
            names.append(node.module)
    else:
        return []
    return [name.removeprefix("fusionflow_nb.") for name in names if name.startswith("fusionflow_nb.")]


def test_imports_go_one_way() -> None:
    """A room imports only what its entry in MAY_IMPORT lists."""
    breaches = []
    for source, target, _ in imports():
        room, target_room = source.split(".")[0], target.split(".")[0]
        allowed = MAY_IMPORT.get(room, set())
        if target_room == room or "*" in allowed or target_room in allowed:
            continue
        if not any(target == module or target.startswith(f"{module}.") for module in allowed):
            breaches.append(f"{source} imports {target}")
    assert not breaches, "\n".join(breaches)


def test_no_circles_at_run_time() -> None:
    """No two files import each other at run time, directly or by others, at the top or inside a function."""
    graph = nx.DiGraph((source, target) for source, target, is_for_types in imports() if not is_for_types)
    circles = [sorted(group) for group in nx.strongly_connected_components(graph) if len(group) > 1]
    assert not circles, "\n".join(" <-> ".join(group) for group in circles)


def test_every_room_has_its_rule() -> None:
    """A new room is entered in MAY_IMPORT before it lands."""
    rooms = {name.split(".")[0] for name in modules()}
    assert rooms == set(MAY_IMPORT)


def test_the_root_holds_few_files() -> None:
    """The root holds the package's own modules, errors, failpoints and rooms."""
    assert {path.name for path in PACKAGE.glob("*.py")} == {"__init__.py", "__main__.py", "errors.py", "failpoints.py"}


def test_nothing_imports_testing() -> None:
    """`testing` is for those who test an adapter: the product never imports it."""
    users = {source for source, target, _ in imports() if target.split(".")[0] == "testing"}
    assert {user for user in users if not user.startswith("testing")} == set()


@pytest.mark.parametrize(
    ("module", "heavy"),
    [
        ("fusionflow_nb", ["pydantic", "duckdb", "numpy", "PIL", "httpx", "anywidget", "networkx", "sqlite3"]),
        ("fusionflow_nb.engine.run", ["duckdb", "sqlite3", "anywidget", "traitlets", "numpy", "PIL", "networkx"]),
        ("fusionflow_nb.plan.plan", ["duckdb", "sqlite3", "anywidget", "numpy", "PIL", "networkx", "asyncio"]),
        ("fusionflow_nb.api", ["numpy", "PIL", "duckdb", "anywidget", "boto3", "networkx", "IPython"]),
    ],
    ids=["package", "engine", "plan", "api"],
)
def test_imports_stay_light(module: str, heavy: list[str]) -> None:
    """Importing a room brings in nothing heavy that it does not need."""
    code = f"import sys, {module}; print(','.join(name for name in {heavy!r} if name in sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == ""
