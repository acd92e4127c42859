"""What can be said of a document without knowing node types: circles and variables."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from fusionflow_nb import errors
from fusionflow_nb.media.values import canonical_json

if TYPE_CHECKING:
    from collections.abc import Mapping

    from fusionflow_nb.flow.document import FlowDocument

_VARIABLE = re.compile(r"(\\?)\{\{\s*([A-Za-z_][A-Za-z0-9_]*)\s*\}\}")
_BRACES = re.compile(r"\{\{\s*[A-Za-z_][A-Za-z0-9_]*\s*\}\}")
_STARTS = 200
"""Nodes of a circle from which a shorter one is looked for: naming a circle of 10,000 must not take minutes."""


def check_cycles(document: FlowDocument) -> None:
    """Raise CycleError, naming the nodes of a shortest circle in edge direction, if edges form one.

    Kahn's walk answers the usual question (no circle) in one pass; only the nodes it leaves are searched.
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
    import networkx as nx  # noqa: PLC0415 - heavy, and only needed to name a circle

    stuck = {node_id for node_id, count in waiting.items() if count > 0}
    graph = nx.DiGraph((source, target) for source in stuck for target in below.get(source, ()) if target in stuck)
    groups = nx.strongly_connected_components(graph)
    circling = set[str]().union(*(group for group in groups if _has_circle(graph, group)))
    # In order of creation, so that the same flow always names the same circle.
    starts = [node_id for node_id in document.nodes if node_id in circling][:_STARTS]
    circles = [_shortest_through(node_id, below, circling) for node_id in starts]
    raise errors.CycleError(min(circles, key=len))


def variables_used(value: Any) -> frozenset[str]:  # noqa: ANN401 - any parameter
    r"""Names of the variables that a parameter reads, however deep.

    >>> sorted(variables_used({"prompt": "{{cat}} in {{city}}", "note": r"\{{dog}}"}))
    ['cat', 'city']
    """
    if isinstance(value, str):
        return frozenset(name for escape, name in _VARIABLE.findall(value) if not escape)
    if isinstance(value, dict):
        return frozenset[str]().union(*map(variables_used, value.values()))
    if isinstance(value, list):
        return frozenset[str]().union(*map(variables_used, value))
    return frozenset()


def substitute(value: Any, variables: Mapping[str, Any], *, where: str) -> Any:  # noqa: ANN401 - any parameter
    r"""A parameter with `{{name}}` replaced; one that is nothing but `{{name}}` takes the variable's own type.

    `\{{name}}` stays as text. `where` is the node, for errors. Within a text, a variable of another kind
    stands as JSON.

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
    return _VARIABLE.sub(
        lambda found: found[0][1:] if found[1] else _text(_variable(found[2], variables, where)), value
    )


def filled_in(value: Any, variables: Mapping[str, Any], *, where: str) -> Any:  # noqa: ANN401 - any parameter
    r"""A parameter that reads no variable any more, and means what it meant with these.

    Raises:
        ParameterError: a variable that is not there.

    >>> filled_in(r"{{n}} of \{{m}}", {"n": 3}, where="text_1")
    '3 of \\{{m}}'
    """
    return escaped(substitute(value, variables, where=where))


def escaped(value: Any) -> Any:  # noqa: ANN401 - any parameter
    """A value as a parameter has it: what looks like a variable in it stays text."""
    if isinstance(value, dict):
        return {key: escaped(one) for key, one in value.items()}
    if isinstance(value, list):
        return [escaped(one) for one in value]
    return _BRACES.sub(lambda found: f"\\{found[0]}", value) if isinstance(value, str) else value


def _variable(name: str, variables: Mapping[str, Any], where: str) -> Any:  # noqa: ANN401 - any parameter
    if name not in variables:
        known = ", ".join(sorted(variables)) or "none"
        raise errors.ParameterError(
            f"The flow has no variable {name!r}.",
            node_id=where,
            hint=f"Its variables: {known}. Set it, or write \\{{{{{name}}}}} for the text itself.",
        )
    return variables[name]


def _text(value: Any) -> str:  # noqa: ANN401 - any parameter
    return value if isinstance(value, str) else canonical_json(value)


def _has_circle(graph: Any, group: set[str]) -> bool:  # noqa: ANN401 - networkx ships no types
    return len(group) > 1 or any(graph.has_edge(node, node) for node in group)


def _shortest_through(start: str, below: Mapping[str, list[str]], within: set[str]) -> list[str]:
    """The nodes of a shortest circle through a node that is on one, itself first."""
    came_from: dict[str, str] = {}
    front = [start]
    for node_id in front:  # grows while we walk
        for target in below.get(node_id, ()):
            if target == start:
                circle = [node_id]
                while circle[-1] != start:
                    circle.append(came_from[circle[-1]])
                return circle[::-1]
            if target in within and target not in came_from:
                came_from[target] = node_id
                front.append(target)
    return []
