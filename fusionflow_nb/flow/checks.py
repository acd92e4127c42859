"""What can be said of a document without knowing node types: circles, dangling edges, variables."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from fusionflow_nb import errors

if TYPE_CHECKING:
    from collections.abc import Mapping

    from fusionflow_nb.flow.document import FlowDocument

_VARIABLE = re.compile(r"(\\?)\{\{\s*([A-Za-z_][A-Za-z0-9_]*)\s*\}\}")


def check_cycles(document: FlowDocument) -> None:
    """Raise CycleError, naming the nodes of one circle in edge direction, if edges form one.

    Kahn's walk answers the usual question (no circle) in one pass; networkx is asked only to name one.
    """
    below: dict[str, list[str]] = {}
    waiting = dict.fromkeys(document.nodes, 0)
    for edge in document.edges:
        below.setdefault(edge.source, []).append(edge.target)
        waiting[edge.target] += 1
    free = [node_id for node_id, count in waiting.items() if count == 0]
    for node_id in free:  # grows while we walk
        for target in below.get(node_id, ()):
            waiting[target] -= 1
            if waiting[target] == 0:
                free.append(target)
    if len(free) == len(waiting):
        return
    import networkx  # noqa: PLC0415 - heavy, and only needed to name a circle

    stuck = {node_id for node_id, count in waiting.items() if count > 0}
    graph = networkx.DiGraph((edge.source, edge.target) for edge in document.edges if {edge.source, edge.target} <= stuck)
    raise errors.CycleError([source for source, _ in networkx.find_cycle(graph)])


def variables_used(value: Any) -> frozenset[str]:  # noqa: ANN401 - any parameter
    """Names of the variables that a parameter reads, however deep."""
    if isinstance(value, str):
        return frozenset(name for escape, name in _VARIABLE.findall(value) if not escape)
    if isinstance(value, dict):
        return frozenset().union(*map(variables_used, value.values()))
    if isinstance(value, list):
        return frozenset().union(*map(variables_used, value))
    return frozenset()


def substitute(value: Any, variables: Mapping[str, Any], *, where: str) -> Any:  # noqa: ANN401 - any parameter
    r"""A parameter with `{{name}}` replaced; one that is nothing but `{{name}}` takes the variable's own type.

    `\{{name}}` stays as text. `where` is the node, for errors.

    Raises:
        ParameterError: a variable that the flow does not have; lists those it has.

    >>> substitute("{{n}} cats", {"n": 3}, where="text_1"), substitute("{{n}}", {"n": 3}, where="text_1")
    ('3 cats', 3)
    """
    if isinstance(value, dict):
        return {key: substitute(one, variables, where=where) for key, one in value.items()}
    if isinstance(value, list):
        return [substitute(one, variables, where=where) for one in value]
    if not isinstance(value, str) or "{{" not in value:
        return value
    whole = _VARIABLE.fullmatch(value)
    if whole and not whole[1]:
        return _variable(whole[2], variables, where)
    return _VARIABLE.sub(lambda m: m[0][1:] if m[1] else str(_variable(m[2], variables, where)), value)


def _variable(name: str, variables: Mapping[str, Any], where: str) -> Any:  # noqa: ANN401
    if name not in variables:
        known = ", ".join(sorted(variables)) or "none"
        raise errors.ParameterError(
            f"The flow has no variable {name!r}.", node_id=where, hint=f"Its variables: {known}. Set it, or escape it as \\{{{{{name}}}}}."
        )
    return variables[name]
