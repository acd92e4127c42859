"""Digest of a Python function for content keys: its source and the outer names it reads.

A cached result is valid only if the key covers everything that affects it. The digest therefore covers the function's
source, the source of functions and classes of the same module that it names, and the plain values it reads. Objects of
imported modules count by name. Any other outer object (a DataFrame, a loaded model) makes the function *volatile*: it
runs every time, and the reason names the variable.
"""

from __future__ import annotations

import dis
import hashlib
import inspect
import sys
import textwrap
import types
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from fusionflow_nb.catalog.node_type import Read
from fusionflow_nb.media.values import canonical_json

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

_PLAIN = (str, int, float, bool, type(None))
_MISSING = object()
_MODULE_IN_KEYS = {
    "fusionflow_nb.api.budget": "fusionflow_nb.caps",
    "fusionflow_nb.api.connect": "fusionflow_nb.connecting",
    "fusionflow_nb.api.flow": "fusionflow_nb.author.flow",
    "fusionflow_nb.api.generate": "fusionflow_nb.api",
    "fusionflow_nb.api.models": "fusionflow_nb.model_table",
    "fusionflow_nb.api.node": "fusionflow_nb.author.functions",
    "fusionflow_nb.api.operations": "fusionflow_nb.open_work",
    "fusionflow_nb.api.recipe": "fusionflow_nb.author.flow",
    "fusionflow_nb.api.resume": "fusionflow_nb.api",
}
"""Module of a public name -> the module that content keys record for it: the module that first defined it."""


@dataclass(slots=True)
class SourceDigest:
    """The digest of a function for content keys."""

    digest: str
    volatile: str | None = None
    """The reason why results are not cached, or None."""
    reads: tuple[Read, ...] = ()


@dataclass(slots=True)
class _Collected:
    parts: list[str] = field(default_factory=list)
    volatile: dict[str, None] = field(default_factory=dict)
    reads: list[Read] = field(default_factory=list)
    waiting: list[types.FunctionType] = field(default_factory=list)


def version_digest(version: str) -> SourceDigest:
    """The digest of a function with an explicit version instead of its source."""
    return SourceDigest(_digest(["version", version]))


def digest_of(function: Callable[..., Any]) -> SourceDigest:
    """The digest of a function's source and outer names, as they are now."""
    collected = _Collected()
    inner = _plain_function(function)
    if inner is None:
        collected.volatile[f"the source of {function!r} cannot be read"] = None
    else:
        collected.waiting.append(inner)
    visited: set[types.FunctionType] = set()
    while collected.waiting:
        current = collected.waiting.pop(0)
        if current in visited:
            continue
        visited.add(current)
        text = _source(current)
        if text is None:
            collected.volatile[f"the source of {current.__name__} cannot be read"] = None
            continue
        collected.parts.append(text)
        if current is not inner:
            _collect_defaults(current, collected)  # defaults of the node function itself are parameters
        for name in sorted(_outside(current)):
            value = _value_of(current, name)
            collected.reads.append(Read(current, name, value))
            if value is not _MISSING and not _is_itself(value, name, inner):
                _collect(name, value, current.__module__, collected)
    return SourceDigest(_digest(collected.parts), "; ".join(collected.volatile) or None, tuple(collected.reads))


def is_unchanged(reads: Iterable[Read]) -> bool:
    """Whether every outer name still has the same value."""
    return all(_is_same(_value_of(read.function, read.name), read.value) for read in reads)


def _collect(name: str, value: Any, module: str, collected: _Collected) -> None:  # noqa: ANN401 - any object
    """Add the value of an outer name: by name if it was imported, by source or value if the notebook defines it."""
    function = _plain_function(value)
    if _is_plain(value):
        collected.parts.append(f"{name}={canonical_json(_as_json(value))}")
    elif function is not None and function.__module__ == module:
        collected.parts.append(f"{name}=()")
        collected.waiting.append(function)
    elif isinstance(value, type) and value.__module__ == module:
        collected.parts.append(f"{name}={_bases(value)}")
        for member_name, member in sorted(vars(value).items()):
            _collect_member(f"{name}.{member_name}", member, module, collected)
    elif isinstance(value, types.ModuleType | type) or _is_imported(value):
        qualified = getattr(value, "__qualname__", getattr(value, "__name__", name))
        collected.parts.append(f"{name}=<{_module_in_keys(value)}.{qualified}>")
    else:
        collected.volatile[f"it reads {name} ({type(value).__name__})"] = None


def _collect_member(name: str, member: Any, module: str, collected: _Collected) -> None:  # noqa: ANN401 - of a class body
    if isinstance(member, property):
        for accessor in (member.fget, member.fset, member.fdel):
            _collect_member(name, accessor, module, collected)
        return
    member = getattr(member, "__func__", member)
    is_automatic = name.rpartition(".")[2] in {
        "__dict__",
        "__weakref__",
        "__annotations__",
        "__doc__",
        "__module__",
    }
    if not is_automatic and (_is_plain(member) or isinstance(member, types.FunctionType)):
        _collect(name, member, module, collected)


def _collect_defaults(function: types.FunctionType, collected: _Collected) -> None:
    """Add the defaults of a helper: they were evaluated at its definition, so its source does not show their values."""
    defaults = [*enumerate(function.__defaults__ or ()), *(function.__kwdefaults__ or {}).items()]
    for place, value in defaults:
        if _is_plain(value):
            collected.parts.append(f"{place}={canonical_json(_as_json(value))}")
        elif value not in ([], {}, ()):
            collected.volatile[f"{function.__name__} has a default of type {type(value).__name__}"] = None


def _plain_function(value: Any) -> types.FunctionType | None:  # noqa: ANN401 - anything
    """The function wrapped by a node or a decorator; None if it is not a Python function."""
    if not isinstance(value, types.FunctionType) and not isinstance(value, type):
        value = getattr(value, "__wrapped__", value)
    return value if isinstance(value, types.FunctionType) else None


def _source(function: types.FunctionType) -> str | None:
    """The function's source without decorators and indentation, so that moving it does not change the digest."""
    try:
        # From the code object, because a decorated function reports the source of the wrapped function.
        text = textwrap.dedent(inspect.getsource(function.__code__))
    except (OSError, TypeError):
        return None
    starts = [text.find(word) for word in (("lambda",) if function.__name__ == "<lambda>" else ("def ", "async def "))]
    lines = text[min((at for at in starts if at >= 0), default=0) :].splitlines()
    return "\n".join(line.rstrip() for line in lines).strip()


def _outside(function: types.FunctionType) -> set[str]:
    """Names that the function reads from outer scopes: closed over, or global."""
    return {*function.__code__.co_freevars, *_global_names(function.__code__)}


def _global_names(code: types.CodeType) -> Iterator[str]:
    for step in dis.get_instructions(code):
        if step.opname in {"LOAD_GLOBAL", "LOAD_NAME"}:
            yield str(step.argval)
    for constant in code.co_consts:
        if isinstance(constant, types.CodeType):
            yield from _global_names(constant)


def _value_of(function: Callable[..., Any], name: str) -> Any:  # noqa: ANN401 - any object
    """The current value of a name; _MISSING for builtins and undefined names."""
    code, cells = function.__code__, function.__closure__ or ()
    if name in code.co_freevars:
        try:
            return cells[code.co_freevars.index(name)].cell_contents
        except ValueError:  # an empty cell: the function refers to itself and is not assigned yet
            return _MISSING
    return function.__globals__.get(name, _MISSING)


def _is_itself(value: Any, name: str, function: types.FunctionType | None) -> bool:  # noqa: ANN401
    """Whether a function reads its own name; an earlier definition must not affect the digest."""
    other = _plain_function(value)
    return (
        other is not None
        and function is not None
        and name == function.__name__
        and (other.__module__, other.__qualname__) == (function.__module__, function.__qualname__)
    )


def _is_same(now: Any, then: Any) -> bool:  # noqa: ANN401
    return now is then or (type(now) is type(then) and isinstance(now, _PLAIN) and now == then)


def _is_imported(value: Any) -> bool:  # noqa: ANN401
    """Whether a value is a function that its module exports by name (a loaded model is callable, too)."""
    if isinstance(value, types.FunctionType):
        return True
    module = sys.modules.get(getattr(value, "__module__", None) or "")
    name = getattr(value, "__name__", None)
    return callable(value) and isinstance(name, str) and getattr(module, name, _MISSING) is value


def _is_plain(value: Any) -> bool:  # noqa: ANN401
    return type(value) in _PLAIN or (type(value) is tuple and all(map(_is_plain, value)))


def _as_json(value: Any) -> Any:  # noqa: ANN401 - a plain value
    if isinstance(value, tuple):
        return {"tuple": [_as_json(item) for item in value]}
    # 1, 1.0 and True are equal in Python but give different results; NaN and infinities are not JSON.
    return {type(value).__name__: repr(value) if isinstance(value, float) else value}


def _bases(value: type) -> str:
    return "(" + ",".join(f"{_module_in_keys(base)}.{base.__qualname__}" for base in value.__bases__) + ")"


def _module_in_keys(value: Any) -> str:  # noqa: ANN401 - a module, class or function
    """The module that a key records for an imported value; a key must not change when a public name moves."""
    module = getattr(value, "__module__", "")
    return _MODULE_IN_KEYS.get(module, module)


def _digest(parts: list[str]) -> str:
    return hashlib.sha256("\n\0".join(parts).encode()).hexdigest()
