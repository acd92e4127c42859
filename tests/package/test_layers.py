"""Imports go one way, and the core stays light."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import fusionflow_nb

PACKAGE = Path(fusionflow_nb.__file__).parent
PROTOCOLS = {
    "assets.protocol",
    "journal.protocol",
    "journal.records",
    "providers.protocol",
    "providers.model",
    "providers.reads",
}
TOP = {"errors", "media", "flow", "catalog", "plan", "engine"}
BESIDE = {"errors", "media"}
MAY_IMPORT: dict[str, set[str]] = {
    "errors": set(),
    # Whoever does paid work says which step of it is reached.
    "steps": set(),
    "media": {"errors"},
    "flow": {"errors", "media"},
    "catalog": {"errors", "media", "flow"},
    "plan": {"errors", "media", "flow", "catalog"} | PROTOCOLS,
    "engine": TOP | PROTOCOLS | {"steps"},
    "transforms": BESIDE,
    "assets": BESIDE,
    "journal": BESIDE | {"steps"},
    # What bytes are is told in one place; keys are added to requests where they are sent, and nowhere above.
    "providers": BESIDE | {"assets.protocol", "assets.sniff", "credentials", "home", "steps"},
    "tape": BESIDE | {"journal"},
    # The composition root, and what a person meets, see everything below them.
    "session": TOP
    | {"home", "notices", "homecoming", "bucket", "credentials"}
    | {"assets", "journal", "providers", "tape"},
    "recipes": TOP | {"assets", "journal"},
    "home": set(),
    "credentials": {"errors", "home"},
    # Where the bucket is and whose key opens it; tries it before it is kept.
    "bucket": {"errors", "home", "credentials", "assets"},
    "housekeeping": {"errors", "session", "assets"},
    "connecting": {"errors", "bucket", "credentials", "session"},
    "display": {"errors", "media", "flow", "assets", "engine", "author", "live_run"},
    "cell_output": set(),
    "notices": {"cell_output"},
    "homecoming": {"engine", "journal.protocol", "notices"},
    # What a person asks about money: the books are the journal's.
    "books": {"errors", "journal", "session"},
    "open_work": {"errors", "session", "homecoming", "display", "engine", "journal.protocol"},
    "caps": {"errors", "session", "author", "display", "journal"},
    "live_card": {"display", "live_run", "cell_output"},
    "live_run": TOP | {"session", "display", "live_card", "recipes", "journal", "assets"},
    "author": TOP | {"session", "live_run", "display", "recipes", "journal.records"},
    "api": TOP | {"session", "author", "live_run"},
    # The widget sees all that a person can do, and signs addresses for the server extension; it never serves bytes.
    "canvas": TOP
    | {"session", "author", "live_run", "assets", "journal", "tape", "display", "recipes", "credentials"}
    | {"model_table", "caps", "home", "cell_output", "providers.model", "lab.signing", "lab.secret"},
    "model_table": {"home"} | {"errors", "session", "credentials", "providers"},
    "magics": {"errors", "session", "tape"},
    "demo": {"author", "live_run", "display"},
    # Runs in Jupyter's process, not in the kernel: it knows the store and nothing that runs flows.
    "lab": {"errors", "media", "assets"},
    "doctor": {"errors", "session", "credentials", "bucket", "assets", "books", "providers.model"},
    "cli": {"*"},
    "__main__": {"cli"},
    "__init__": {"*"},
}


def imports() -> list[tuple[str, str, str]]:
    """(room, imported module, file) of every import of our own, wherever in a file it stands."""
    found = []
    for path in sorted(PACKAGE.rglob("*.py")):
        inside = path.relative_to(PACKAGE)
        room = inside.parts[0].removesuffix(".py")
        for node in ast.walk(ast.parse(path.read_text())):
            modules: list[str] = []
            if isinstance(node, ast.Import):
                modules = [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom) and node.module and node.level == 0:
                modules = [node.module]
                if node.module == "fusionflow_nb":
                    modules = [f"fusionflow_nb.{alias.name}" for alias in node.names]
            found += [
                (room, module.removeprefix("fusionflow_nb."), str(inside))
                for module in modules
                if module.startswith("fusionflow_nb.")
            ]
    return found


def test_imports_go_one_way() -> None:
    """A room imports only what lies below it, from errors at the bottom to the public names on top."""
    breaches = []
    for room, module, file in imports():
        target = module.split(".")[0]
        allowed = MAY_IMPORT.get(room, set())
        if (
            target == room
            or "*" in allowed
            or target in allowed
            or any(module == one or module.startswith(f"{one}.") for one in allowed)
        ):
            continue
        breaches.append(f"{file} imports {module}")
    assert not breaches, "\n".join(breaches)


def test_every_room_has_its_rule() -> None:
    """A new room is given its place among the layers before it lands."""
    rooms = {
        path.name.removesuffix(".py")
        for path in PACKAGE.iterdir()
        if path.suffix == ".py" or (path / "__init__.py").exists()
    }
    assert rooms == set(MAY_IMPORT)


@pytest.mark.parametrize(
    ("module", "heavy"),
    [
        ("fusionflow_nb", ["pydantic", "duckdb", "numpy", "PIL", "httpx", "anywidget", "networkx", "sqlite3"]),
        ("fusionflow_nb.engine.run", ["duckdb", "sqlite3", "anywidget", "traitlets", "numpy", "PIL", "networkx"]),
        ("fusionflow_nb.plan.plan", ["duckdb", "sqlite3", "anywidget", "numpy", "PIL", "networkx", "asyncio"]),
        ("fusionflow_nb.api", ["numpy", "PIL", "duckdb", "anywidget", "boto3", "networkx", "IPython"]),
    ],
    ids=["package", "engine", "plan", "author"],
)
def test_imports_stay_light(module: str, heavy: list[str]) -> None:
    """Importing a room brings in nothing heavy that it does not need."""
    code = f"import sys, {module}; print(','.join(name for name in {heavy!r} if name in sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == ""
