"""The public names of `fusionflow_nb` and where they are defined."""

from __future__ import annotations

import ast
import importlib
import inspect
import pkgutil
import types
from pathlib import Path

import pytest

import fusionflow_nb as ff

PUBLIC = [
    "Audio",
    "Batch",
    "Canvas",
    "Context",
    "Flow",
    "FusionFlowError",
    "Image",
    "Mask",
    "Video",
    "budget",
    "connect",
    "edit_image",
    "errors",
    "generate_audio",
    "generate_image",
    "generate_video",
    "models",
    "node",
    "operations",
    "random",
    "recipe",
    "remove_background",
    "resume",
    "tape",
    "upscale",
]


DEFINED_ELSEWHERE = {
    "Audio": "media.handles",
    "Batch": "media.batch",
    "Canvas": "canvas.widget",
    "Context": "catalog.context",
    "FusionFlowError": "errors",
    "Image": "media.handles",
    "Mask": "media.handles",
    "Video": "media.handles",
    "edit_image": "api.generate",
    "errors": "errors",
    "generate_audio": "api.generate",
    "generate_image": "api.generate",
    "generate_video": "api.generate",
    "remove_background": "api.generate",
    "tape": "tape",
    "upscale": "api.generate",
}
"""Public names that are not defined in `api/<name>.py`: media handles, tasks of one module, types of other rooms."""


def test_public_names_match_the_list() -> None:
    """Adding or removing a public name requires a change of this list."""
    assert sorted(ff.__all__) == PUBLIC
    assert set(PUBLIC) <= set(dir(ff))


@pytest.mark.parametrize("name", PUBLIC)
def test_each_public_name_is_defined_in_its_module(name: str) -> None:
    """`ff.x` is defined in `api/x.py`, except for the names listed above."""
    module = importlib.import_module(f"fusionflow_nb.{DEFINED_ELSEWHERE.get(name, f'api.{name.lower()}')}")
    value = getattr(ff, name)
    if value is module:
        return
    assert getattr(module, name) is value
    assert name in _defined_names(module)


def _defined_names(module: types.ModuleType) -> set[str]:
    """Top-level names that the source of a module defines; imports do not count."""
    names = set()
    for statement in ast.parse(inspect.getsource(module)).body:
        match statement:
            case ast.FunctionDef(name=name) | ast.ClassDef(name=name):
                names.add(name)
            case ast.Assign(targets=[ast.Name(id=name)]) | ast.AnnAssign(target=ast.Name(id=name)):
                names.add(name)
    return names


def test_every_public_name_has_a_docstring() -> None:
    """Each public class, function and module carries a docstring."""
    for name in PUBLIC:
        value = getattr(ff, name)
        if inspect.isclass(value) or inspect.isfunction(value) or inspect.ismodule(value):
            assert inspect.getdoc(value), name


def test_submodules_do_not_shadow_public_names() -> None:
    """After every submodule was imported, each public name still refers to the same object."""
    before = {name: getattr(ff, name) for name in PUBLIC}
    for module in pkgutil.walk_packages(ff.__path__, "fusionflow_nb."):
        importlib.import_module(module.name)
    for name, value in before.items():
        assert getattr(ff, name) is value, name
        if isinstance(value, types.ModuleType):
            assert value.__name__ == f"fusionflow_nb.{name}"


def test_unknown_names_are_attribute_errors() -> None:
    """An unknown name raises AttributeError."""
    assert not hasattr(ff, "no_such_name")


def test_the_package_is_typed() -> None:
    """The package contains the `py.typed` marker for type checkers."""
    assert (Path(ff.__file__).parent / "py.typed").exists()
