"""The public surface: what `import fusionflow_nb as ff` offers, and that it stays so."""

from __future__ import annotations

import importlib
import inspect
import pkgutil
import types

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


def test_the_public_names_are_these() -> None:
    """A public name comes and goes by decision, seen in this list."""
    assert sorted(ff.__all__) == PUBLIC
    assert set(PUBLIC) <= set(dir(ff))


def test_every_public_name_is_there_and_says_what_it_is() -> None:
    """Each public name can be imported and carries a docstring."""
    for name in PUBLIC:
        found = getattr(ff, name)
        if inspect.isclass(found) or inspect.isfunction(found) or inspect.ismodule(found):
            assert inspect.getdoc(found), name


def test_submodules_do_not_shadow_public_names() -> None:
    """Importing every submodule leaves each public name what it was: no module takes the name of a function."""
    before = {name: getattr(ff, name) for name in PUBLIC}
    for module in pkgutil.walk_packages(ff.__path__, "fusionflow_nb."):
        importlib.import_module(module.name)
    for name, found in before.items():
        assert getattr(ff, name) is found, name
        if isinstance(found, types.ModuleType):
            assert found.__name__ == f"fusionflow_nb.{name}"


def test_unknown_names_are_attribute_errors() -> None:
    """A name that is not there is an AttributeError, as of any module."""
    assert not hasattr(ff, "no_such_name")


def test_the_package_is_typed() -> None:
    """The marker that tells type checkers to read our hints is there."""
    from pathlib import Path

    assert (Path(ff.__file__).parent / "py.typed").exists()
