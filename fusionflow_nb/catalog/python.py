"""`@node`: a Python function as a node type. What goes into its content key is its source and what it names.

A result can be found again only if everything that shapes it is in the key. So the key holds the function's own
source, the source of functions of the same module that it names, and closed-over or global plain values. Anything else
it reaches for (a DataFrame, a loaded model) makes it *volatile*: always run, and the reason names the variable.
"""

from __future__ import annotations

import builtins
import dis
import hashlib
import inspect
import textwrap
import types
from typing import TYPE_CHECKING, Any

from fusionflow_nb.catalog.declare import declare
from fusionflow_nb.catalog.node_type import Kind, NodeType
from fusionflow_nb.media.values import canonical_json

if TYPE_CHECKING:
    from collections.abc import Callable

DEFAULT_TIMEOUT_S = 3600.0
_PLAIN = (str, int, float, bool, type(None))


def python_node_type(
    function: Callable[..., Any],
    *,
    name: str | None = None,
    version: int | str | None = None,
    cache: bool = True,
    record: bool = True,
    timeout_s: float | None = DEFAULT_TIMEOUT_S,
    title: str | None = None,
    category: str = "Python",
) -> NodeType:
    """The node type of a Python function.

    Args:
        function: sync (runs in a worker thread) or async (must not block).
        name: the node type's name; the function's own by default.
        version: takes the place of the source in the key: raise it when results should change.
        cache: False: always run again.
        record: False: no generation is logged.
        timeout_s: seconds after which a job counts as failed.
        title: shown on the node.
        category: where the palette lists it.

    Raises:
        PortError: a type hint that no port can carry.
    """
    source, volatile = _source_digest(function) if version is None else (_digest([str(version)]), None)
    if not cache:
        volatile = "cache=False"
    return declare(
        function,
        kind=Kind.LOCAL,
        name=name,
        run=function,
        title=title,
        category=category,
        source_digest=source,
        volatile=volatile,
        is_recorded=record,
        timeout_s=timeout_s,
        version=version if version is not None else 1,
    )


def _source_digest(function: Callable[..., Any]) -> tuple[str, str | None]:
    """Digest of everything the function's result hangs on, and the reason why that is not enough, if so."""
    parts: list[str] = []
    volatile: list[str] = []
    seen: set[int] = set()
    waiting = [function]
    while waiting:
        current = waiting.pop(0)
        if id(current) in seen:
            continue
        seen.add(id(current))
        text = _source(current)
        if text is None:
            volatile.append(f"the source of {current.__name__} cannot be read")
            continue
        parts.append(text)
        for name, value in sorted(_reached(current).items()):
            if isinstance(value, types.ModuleType | type) or _is_library(value, current):
                parts.append(f"{name}=<{getattr(value, '__module__', '')}.{getattr(value, '__qualname__', name)}>")
            elif isinstance(value, types.FunctionType):
                waiting.append(value)
            elif _is_plain(value):
                parts.append(f"{name}={canonical_json(_as_json(value))}")
            else:
                volatile.append(f"it reads {name} ({type(value).__name__})")
    reason = "; ".join(volatile) or None
    return _digest(parts), reason


def _source(function: Callable[..., Any]) -> str | None:
    """The function's source without its decorators and position, so that moving it changes nothing."""
    try:
        lines = inspect.getsource(function)
    except (OSError, TypeError):
        return None
    text = textwrap.dedent(lines)
    start = min((at for at in (text.find("def "), text.find("async def "), text.find("lambda")) if at >= 0), default=0)
    return text[start:].strip()


def _reached(function: Callable[..., Any]) -> dict[str, Any]:
    """Names that the function takes from outside, with what they stand for now."""
    code = function.__code__
    free = inspect.getclosurevars(function).nonlocals
    reached = dict(free)
    for name in _global_names(code):
        if name in function.__globals__:
            reached[name] = function.__globals__[name]
        elif not hasattr(builtins, name):
            # Not defined yet: it will fail when run, or appear later; the name alone is all there is.
            continue
    return reached


def _global_names(code: types.CodeType) -> set[str]:
    names = {str(step.argval) for step in dis.get_instructions(code) if step.opname in {"LOAD_GLOBAL", "LOAD_NAME"}}
    for constant in code.co_consts:
        if isinstance(constant, types.CodeType):
            names |= _global_names(constant)
    return names


def _is_library(value: Any, beside: Callable[..., Any]) -> bool:  # noqa: ANN401 - anything a function may name
    """Whether a function or object comes from an imported module rather than from the same notebook."""
    module = getattr(value, "__module__", None)
    return callable(value) and module is not None and module != beside.__module__


def _is_plain(value: Any) -> bool:  # noqa: ANN401 - anything a function may close over
    return isinstance(value, _PLAIN) or (isinstance(value, tuple) and all(_is_plain(item) for item in value))


def _as_json(value: Any) -> Any:  # noqa: ANN401 - a plain value
    if isinstance(value, tuple):
        return {"tuple": [_as_json(item) for item in value]}
    # 1, 1.0 and True are equal in Python and shape different results.
    return {type(value).__name__: value if value == value else "nan"}  # noqa: PLR0124 - NaN is the one value unlike itself


def _digest(parts: list[str]) -> str:
    return hashlib.sha256("\n\0".join(parts).encode()).hexdigest()


class PythonNode:
    """What `@node` leaves behind: still the function, and a way to place it on a flow.

    Called with an output of a flow it places a node and returns it; called with anything else it is the function.
    """

    def __init__(self, function: Callable[..., Any], node_type: NodeType, place: Callable[..., Any]) -> None:
        self.function = function
        self.node_type = node_type
        self._place = place
        self.__name__ = node_type.name
        self.__doc__ = function.__doc__
        self.__wrapped__ = function

    def __call__(self, *args: Any, **kwargs: Any) -> Any:  # noqa: ANN401 - the function's own
        """Place a node where an argument belongs to a flow; else be the function."""
        placed = self._place(self.node_type, args, kwargs)
        return self.function(*args, **kwargs) if placed is None else placed

    def __repr__(self) -> str:
        return f"<node {self.node_type.name}>"
