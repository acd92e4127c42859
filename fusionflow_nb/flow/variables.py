"""Flow variables: find and substitute `{{name}}` in parameters."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from fusionflow_nb import errors
from fusionflow_nb.media.values import canonical_json

if TYPE_CHECKING:
    from collections.abc import Mapping

_VARIABLE = re.compile(r"(\\?)\{\{\s*([A-Za-z_][A-Za-z0-9_]*)\s*\}\}")
_BRACES = re.compile(r"\{\{\s*[A-Za-z_][A-Za-z0-9_]*\s*\}\}")


def variables_used(value: Any) -> frozenset[str]:  # noqa: ANN401 - any parameter
    r"""Names of the variables that a parameter reads, at any depth.

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
    r"""A parameter with each `{{name}}` replaced by the variable's value.

    A parameter that is exactly `{{name}}` takes the variable's value with its type. Within a longer text, a value that
    is not text is written as JSON. `\{{name}}` stays as the text `{{name}}`.

    Args:
        value: the parameter.
        variables: the flow's variables.
        where: id of the node, for errors.

    Raises:
        ParameterError: the flow has no such variable; lists the variables it has.

    >>> substitute("{{n}} cats", {"n": 3}, where="text_1"), substitute("{{n}}", {"n": 3}, where="text_1")
    ('3 cats', 3)
    """
    if isinstance(value, dict):
        return {key: substitute(item, variables, where=where) for key, item in value.items()}
    if isinstance(value, list):
        return [substitute(item, variables, where=where) for item in value]
    if not isinstance(value, str) or "{{" not in value:
        return value
    whole = _VARIABLE.fullmatch(value)
    if whole and not whole[1]:
        return _variable(whole[2], variables, where)
    return _VARIABLE.sub(
        lambda match: match[0][1:] if match[1] else _text(_variable(match[2], variables, where)), value
    )


def substitute_params(value: Any, variables: Mapping[str, Any], *, where: str) -> Any:  # noqa: ANN401 - any parameter
    r"""A parameter with its variables replaced, such that substituting it again changes nothing.

    Raises:
        ParameterError: the flow has no such variable.

    >>> substitute_params(r"{{n}} of \{{m}}", {"n": 3}, where="text_1")
    '3 of \\{{m}}'
    """
    return escape_braces(substitute(value, variables, where=where))


def escape_braces(value: Any) -> Any:  # noqa: ANN401 - any parameter
    """A parameter in which `{{name}}` is escaped, so that it stays text."""
    if isinstance(value, dict):
        return {key: escape_braces(item) for key, item in value.items()}
    if isinstance(value, list):
        return [escape_braces(item) for item in value]
    return _BRACES.sub(lambda match: f"\\{match[0]}", value) if isinstance(value, str) else value


def _variable(name: str, variables: Mapping[str, Any], where: str) -> Any:  # noqa: ANN401 - any parameter
    if name not in variables:
        names = ", ".join(sorted(variables)) or "none"
        raise errors.ParameterError(
            f"The flow has no variable {name!r}.",
            node_id=where,
            hint=f"Its variables: {names}. Set it, or write \\{{{{{name}}}}} for the text itself.",
        )
    return variables[name]


def _text(value: Any) -> str:  # noqa: ANN401 - any parameter
    return value if isinstance(value, str) else canonical_json(value)
