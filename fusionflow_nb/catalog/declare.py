"""From a function's type hints to a node type: media hints become ports, the others parameters with a form."""

from __future__ import annotations

import inspect
import types
import typing
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from pydantic import BaseModel, ConfigDict, create_model

from fusionflow_nb import errors
from fusionflow_nb.catalog.context import Context
from fusionflow_nb.catalog.node_type import Collects, InputPort, Kind, NodeType, OutputPort
from fusionflow_nb.media.batch import Batch
from fusionflow_nb.media.handles import Audio, Image, Mask, Media, Video
from fusionflow_nb.media.ports import PortType

if typing.TYPE_CHECKING:
    from collections.abc import Callable

_MEDIA_PORTS: dict[Any, PortType] = {cls: cls.port_type for cls in (Image, Mask, Video, Audio)}
_VALUE_PORTS: dict[Any, PortType] = {
    str: PortType.TEXT,
    int: PortType.NUMBER,
    float: PortType.NUMBER,
    bool: PortType.JSON,
    dict: PortType.JSON,
    list: PortType.JSON,
    Any: PortType.JSON,
}


class Params(BaseModel):
    """Base of every node type's parameters: unknown names are errors, values are checked."""

    model_config = ConfigDict(extra="forbid", strict=False, protected_namespaces=())


def declare(
    function: Callable[..., Any],
    *,
    kind: Kind,
    name: str | None = None,
    output: str | None = None,
    **facts: Any,  # noqa: ANN401 - the other fields of NodeType
) -> NodeType:
    """The node type that a function's signature describes.

    Args:
        function: its parameters become inputs, its return hint outputs (a hint `tuple[...]` is not taken: name
            several outputs with `outputs=`).
        kind: who does the work.
        name: the node type's name; the function's own by default.
        output: the name of the one output; the port type's word by default.
        facts: further fields of NodeType.

    Raises:
        PortError: a hint that no port can carry; names the parameter.

    >>> def grain(image: Image, amount: float = 0.2) -> Image: ...
    >>> node = declare(grain, kind=Kind.LOCAL)
    >>> [port.name for port in node.inputs], node.outputs[0].type.value
    (['image', 'amount'], 'image')
    """
    name = name or function.__name__
    hints = typing.get_type_hints(function, include_extras=True)
    inputs: list[InputPort] = []
    fields: dict[str, Any] = {}
    context: str | None = None
    extra_inputs: PortType | None = None
    for parameter in inspect.signature(function).parameters.values():
        hint = hints.get(parameter.name, Any)
        if hint is Context:
            context = parameter.name
            continue
        if parameter.kind is parameter.VAR_KEYWORD:
            extra_inputs = port_of(hint, where=f"{name}(**{parameter.name})")[0]
            continue
        port_type, collects, is_optional = port_of(hint, where=f"{name}({parameter.name})")
        has_default = parameter.default is not parameter.empty
        is_media = port_type.is_media
        inputs.append(
            InputPort(
                parameter.name,
                port_type,
                collects,
                is_required=not has_default and not is_optional,
                is_parameter=not is_media,
                default=parameter.default if has_default else None,
            )
        )
        if not is_media:
            # Required parameters may be fed by an edge, so the form itself never insists on them: the plan does.
            fields[parameter.name] = (_form_hint(hint) | None, parameter.default if has_default else None)
    if "outputs" not in facts:
        facts["outputs"] = _outputs(hints.get("return", Any), name=name, output=output)
    summary = inspect.getdoc(function) or ""
    return NodeType(
        name=name,
        kind=kind,
        inputs=tuple(inputs),
        params=create_model(f"{name}_params", __base__=Params, **fields),
        context=context,
        extra_inputs=extra_inputs,
        is_async=inspect.iscoroutinefunction(function),
        title=facts.pop("title", None) or name.replace("_", " ").capitalize(),
        summary=facts.pop("summary", None) or summary.partition("\n")[0],
        **facts,
    )


def port_of(hint: Any, *, where: str) -> tuple[PortType, Collects, bool]:  # noqa: ANN401 - a type hint
    """Port type, whether it collects, and whether None is allowed, of one hint.

    Raises:
        PortError: no port can carry this hint.
    """
    is_optional = False
    hint = _bare(hint)
    if get_origin(hint) in {Union, types.UnionType}:
        members = [member for member in get_args(hint) if member is not type(None)]
        is_optional = len(members) < len(get_args(hint))
        kinds = [port_of(member, where=where) for member in members]
        if len({kind[0] for kind in kinds}) == 1:
            return (kinds[0][0], kinds[0][1], is_optional)
        return (PortType.JSON, Collects.NO, is_optional)
    origin = get_origin(hint)
    if origin in {list, Batch} or hint is Batch:
        inner = get_args(hint)[0] if get_args(hint) else Any
        port_type = port_of(inner, where=where)[0]
        return (port_type, Collects.ALL if origin is list else Collects.CELLS, is_optional)
    if origin is Literal:
        is_number = all(isinstance(choice, int | float) and not isinstance(choice, bool) for choice in get_args(hint))
        return (PortType.NUMBER if is_number else PortType.TEXT, Collects.NO, is_optional)
    bare = origin or hint
    if bare in _MEDIA_PORTS:
        return (_MEDIA_PORTS[bare], Collects.NO, is_optional)
    if bare in _VALUE_PORTS:
        return (_VALUE_PORTS[bare], Collects.NO, is_optional)
    raise errors.PortError(
        f"{where}: no port can carry {hint!r}.",
        hint="Use ff.Image, ff.Mask, ff.Video, ff.Audio, str, int, float, bool, list, dict or Literal[...].",
    )


def _bare(hint: Any) -> Any:  # noqa: ANN401 - a type hint
    return get_args(hint)[0] if get_origin(hint) is Annotated else hint


def _form_hint(hint: Any) -> Any:  # noqa: ANN401 - a type hint
    """The hint pydantic checks: a bare `list` or `Batch` of values is any list of JSON."""
    bare = _bare(hint)
    if bare is Batch or get_origin(bare) is Batch:
        return list[Any]
    if bare is Any or (isinstance(bare, type) and issubclass(bare, Media)):
        return Any
    # Annotated keeps its ranges; `| None` is added by the caller.
    return hint


def _outputs(hint: Any, *, name: str, output: str | None) -> tuple[OutputPort, ...]:  # noqa: ANN401 - a type hint
    if hint is type(None):
        return ()
    bare = _bare(hint)
    is_series = bare is Batch or get_origin(bare) is Batch
    if get_origin(bare) is list and get_args(bare) and _bare(get_args(bare)[0]) in _MEDIA_PORTS:
        is_series = True  # a list of pictures is a batch; a list of values is one JSON value
    is_value = get_origin(bare) is list and not is_series
    port_type = PortType.JSON if is_value else port_of(bare, where=f"{name}() ->")[0]
    return (OutputPort(output or str(port_type), port_type, is_series=is_series),)
