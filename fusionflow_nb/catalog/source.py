"""What a Python function adds to a content key: its source, and what it takes from outside itself.

A result can be found again only if everything that shapes it is in the key. So the digest holds the function's own
source, the source of functions and classes of the same module that it names, and the plain values it reads. What comes
from an imported module counts by name. Anything else it reaches for (a DataFrame, a loaded model) makes it *volatile*:
always run, and the reason names the variable.
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
"""Module of a public name -> the module that content keys record for it: the one that defined it first."""


@dataclass(slots=True)
class Digested:
    """What stands for a function in keys."""

    digest: str
    volatile: str | None = None
    """Why results cannot be found again, if so."""
    reads: tuple[Read, ...] = ()


@dataclass(slots=True)
class _Gathered:
    parts: list[str] = field(default_factory=list)
    volatile: dict[str, None] = field(default_factory=dict)
    reads: list[Read] = field(default_factory=list)
    waiting: list[types.FunctionType] = field(default_factory=list)


def stated(version: str) -> Digested:
    """What stands for a function whose author says when its results change."""
    return Digested(_digest(["version", version]))


def digest_of(function: Callable[..., Any]) -> Digested:
    """Everything that a function's result hangs on beside its inputs, as it is now."""
    found = _Gathered()
    inner = _plain_function(function)
    if inner is None:
        found.volatile[f"the source of {function!r} cannot be read"] = None
    else:
        found.waiting.append(inner)
    seen: set[types.FunctionType] = set()
    while found.waiting:
        current = found.waiting.pop(0)
        if current in seen:
            continue
        seen.add(current)
        text = _source(current)
        if text is None:
            found.volatile[f"the source of {current.__name__} cannot be read"] = None
            continue
        found.parts.append(text)
        if current is not inner:
            _gather_defaults(current, found)  # those of the node itself are parameters
        for name in sorted(_outside(current)):
            value = _value_of(current, name)
            found.reads.append(Read(current, name, value))
            if value is not _MISSING and not _is_itself(value, name, inner):
                _gather(name, value, current.__module__, found)
    return Digested(_digest(found.parts), "; ".join(found.volatile) or None, tuple(found.reads))


def is_unchanged(reads: Iterable[Read]) -> bool:
    """Whether every name still stands for what it stood for."""
    return all(_is_same(_value_of(read.function, read.name), read.value) for read in reads)


def _gather(name: str, value: Any, module: str, found: _Gathered) -> None:  # noqa: ANN401 - anything a function may name
    """Note what a name stands for: by name if it was imported, by source or value if it is the notebook's own."""
    function = _plain_function(value)
    if _is_plain(value):
        found.parts.append(f"{name}={canonical_json(_as_json(value))}")
    elif function is not None and function.__module__ == module:
        found.parts.append(f"{name}=()")
        found.waiting.append(function)
    elif isinstance(value, type) and value.__module__ == module:
        found.parts.append(f"{name}={_bases(value)}")
        for own_name, own in sorted(vars(value).items()):
            _gather_member(f"{name}.{own_name}", own, module, found)
    elif isinstance(value, types.ModuleType | type) or _is_imported(value):
        qualified = getattr(value, "__qualname__", getattr(value, "__name__", name))
        found.parts.append(f"{name}=<{_module_in_keys(value)}.{qualified}>")
    else:
        found.volatile[f"it reads {name} ({type(value).__name__})"] = None


def _gather_member(name: str, member: Any, module: str, found: _Gathered) -> None:  # noqa: ANN401 - of a class body
    if isinstance(member, property):
        for accessor in (member.fget, member.fset, member.fdel):
            _gather_member(name, accessor, module, found)
        return
    member = getattr(member, "__func__", member)
    is_made_by_python = name.rpartition(".")[2] in {
        "__dict__",
        "__weakref__",
        "__annotations__",
        "__doc__",
        "__module__",
    }
    if not is_made_by_python and (_is_plain(member) or isinstance(member, types.FunctionType)):
        _gather(name, member, module, found)


def _gather_defaults(function: types.FunctionType, found: _Gathered) -> None:
    """Defaults of helpers were computed when they were defined: their source does not show them."""
    defaults = [*enumerate(function.__defaults__ or ()), *(function.__kwdefaults__ or {}).items()]
    for place, value in defaults:
        if _is_plain(value):
            found.parts.append(f"{place}={canonical_json(_as_json(value))}")
        elif value not in ([], {}, ()):
            found.volatile[f"{function.__name__} has a default of type {type(value).__name__}"] = None


def _plain_function(value: Any) -> types.FunctionType | None:  # noqa: ANN401 - anything
    """The function itself, out of a node or a cached function."""
    if not isinstance(value, types.FunctionType) and not isinstance(value, type):
        value = getattr(value, "__wrapped__", value)
    return value if isinstance(value, types.FunctionType) else None


def _source(function: types.FunctionType) -> str | None:
    """The function's source without its decorators and position, so that moving it changes nothing."""
    try:
        # Of the code, since a decorated function passes itself off as the one inside.
        text = textwrap.dedent(inspect.getsource(function.__code__))
    except (OSError, TypeError):
        return None
    starts = [text.find(word) for word in (("lambda",) if function.__name__ == "<lambda>" else ("def ", "async def "))]
    lines = text[min((at for at in starts if at >= 0), default=0) :].splitlines()
    return "\n".join(line.rstrip() for line in lines).strip()


def _outside(function: types.FunctionType) -> set[str]:
    """Names that the function takes from outside: closed over, or global."""
    return {*function.__code__.co_freevars, *_global_names(function.__code__)}


def _global_names(code: types.CodeType) -> Iterator[str]:
    for step in dis.get_instructions(code):
        if step.opname in {"LOAD_GLOBAL", "LOAD_NAME"}:
            yield str(step.argval)
    for constant in code.co_consts:
        if isinstance(constant, types.CodeType):
            yield from _global_names(constant)


def _value_of(function: Callable[..., Any], name: str) -> Any:  # noqa: ANN401 - anything a function may name
    """What a name stands for now; _MISSING for builtins and for what is not defined yet."""
    code, cells = function.__code__, function.__closure__ or ()
    if name in code.co_freevars:
        try:
            return cells[code.co_freevars.index(name)].cell_contents
        except ValueError:  # an empty cell: a function that names itself while it is being made
            return _MISSING
    return function.__globals__.get(name, _MISSING)


def _is_itself(value: Any, name: str, function: types.FunctionType | None) -> bool:  # noqa: ANN401
    """Whether a function's own name is what is read: an earlier definition of it says nothing about this one."""
    found = _plain_function(value)
    return (
        found is not None
        and function is not None
        and name == function.__name__
        and (found.__module__, found.__qualname__) == (function.__module__, function.__qualname__)
    )


def _is_same(now: Any, then: Any) -> bool:  # noqa: ANN401
    return now is then or (type(now) is type(then) and isinstance(now, _PLAIN) and now == then)


def _is_imported(value: Any) -> bool:  # noqa: ANN401
    """Whether this is a function of a module, found there under its own name (a loaded model is callable, too)."""
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
    # 1, 1.0 and True are equal in Python and shape different results; NaN and infinities are no JSON.
    return {type(value).__name__: repr(value) if isinstance(value, float) else value}


def _bases(value: type) -> str:
    return "(" + ",".join(f"{_module_in_keys(base)}.{base.__qualname__}" for base in value.__bases__) + ")"


def _module_in_keys(value: Any) -> str:  # noqa: ANN401 - a module, class or function
    """The module that a key names for an imported value; a key must not change when a public name moves."""
    module = getattr(value, "__module__", "")
    return _MODULE_IN_KEYS.get(module, module)


def _digest(parts: list[str]) -> str:
    return hashlib.sha256("\n\0".join(parts).encode()).hexdigest()
