"""The names that `fusionflow_nb.providers` exports to adapters."""

from __future__ import annotations

import ast
import importlib
import subprocess
import sys
from pathlib import Path

import pytest

from fusionflow_nb import providers

SERVICES = sorted((Path(providers.__file__).parent / "services").glob("*.py"))


def test_every_exported_name_can_be_imported() -> None:
    """Each name resolves to the object of its module, and `dir()` lists it."""
    for name, module in providers._MODULES.items():
        assert getattr(providers, name) is getattr(importlib.import_module(f"fusionflow_nb.{module}"), name)
    assert set(providers.__all__) == set(providers._MODULES) <= set(dir(providers))


def test_type_checkers_see_the_same_names() -> None:
    """The imports for types and the lazy ones agree on names and modules."""
    tree = ast.parse(Path(providers.__file__).read_text())
    typed = {
        alias.name: node.module
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom) and node.module and node.module.startswith("fusionflow_nb.")
        for alias in node.names
    }
    assert typed == {name: f"fusionflow_nb.{module}" for name, module in providers._MODULES.items()}


def test_an_unknown_name_is_an_attribute_error() -> None:
    """As for any module."""
    with pytest.raises(AttributeError, match="no attribute 'Nothing'"):
        _ = providers.Nothing


def test_importing_the_package_loads_nothing() -> None:
    """Neither pydantic nor httpx is loaded before a name is used."""
    code = (
        "import sys, fusionflow_nb.providers; print([n for n in ('pydantic', 'httpx', 'aiohttp') if n in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize("path", SERVICES, ids=lambda path: path.stem)
def test_built_in_adapters_use_the_exported_names(path: Path) -> None:
    """They import protocol, HTTP client and catalogue types as third-party adapters do."""
    internal = {module for module in providers._MODULES.values() if module.startswith("providers.http")}
    internal |= {"providers.protocol", "providers.model", "providers.price", "providers.http"}
    imported = {node.module for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.ImportFrom)}
    assert not imported & {f"fusionflow_nb.{module}" for module in internal - {"providers.http_provider"}}
