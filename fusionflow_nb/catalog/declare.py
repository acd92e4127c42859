"""From a function's type hints to a node type: media hints become ports, the others parameters with a form."""

from __future__ import annotations

import inspect
import keyword
import types
import typing
import warnings
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from pydantic import BaseModel, ConfigDict, PydanticSchemaGenerationError, PydanticUserError, create_model

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

    model_config = ConfigDict(extra="forbid", validate_default=True, protected_namespaces=())


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
    name = name or str(getattr(function, "__name__", ""))
    if not name.isidentifier() or keyword.iskeyword(name):
        raise errors.ParameterError(f"{name!r} is no name for a node type.", hint="Give it one with name=.")
    hints = _hints(function, name)
    inputs: list[InputPort] = []
    fields: dict[str, Any] = {}
    context: str | None = None
    extra_inputs: PortType | None = None
    for parameter in inspect.signature(function).parameters.values():
        where = f"{name}({parameter.name})"
        hint = hints.get(parameter.name, Any)
        if Context in {hint, *get_args(hint)}:
            context = parameter.name
            continue
        if parameter.kind is parameter.VAR_KEYWORD:
            extra_inputs = port_of(hint, where=f"{name}(**{parameter.name})")[0]
            continue
        _check_passable(parameter, where)
        port_type, collects, is_optional = port_of(hint, where=where)
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
        params=_form(name, fields),
        context=context,
        extra_inputs=extra_inputs,
        is_async=inspect.iscoroutinefunction(function),
        title=facts.pop("title", None) or name.replace("_", " ").capitalize(),
        summary=facts.pop("summary", None) or summary.partition("\n")[0],
        **facts,
    )


def _hints(function: Callable[..., Any], name: str) -> dict[str, Any]:
    try:
        return typing.get_type_hints(function, include_extras=True)
    except NameError as error:
        raise errors.PortError(
            f"{name}: the type hint {error.name!r} is not known where the function's module can see it.",
            hint="Import or define it at the top of the notebook, not inside a function.",
        ) from error
    except (TypeError, SyntaxError) as error:
        raise errors.PortError(f"{name}: its type hints cannot be read: {error}.", hint="Write plain types.") from error


def _check_passable(parameter: inspect.Parameter, where: str) -> None:
    """Inputs have names and are given by them."""
    if parameter.kind is parameter.VAR_POSITIONAL:
        raise errors.PortError(
            f"{where}: a port cannot be *{parameter.name}.", hint=f"Use {parameter.name}: list[...], which collects."
        )
    if parameter.kind is parameter.POSITIONAL_ONLY:
        raise errors.PortError(f"{where}: inputs are given by name.", hint="Take the / out of the signature.")
    if parameter.name.startswith("_"):
        raise errors.PortError(f"{where}: an input's name begins with a letter.", hint="Rename the parameter.")


def _form(name: str, fields: dict[str, Any]) -> type[BaseModel]:
    try:
        with warnings.catch_warnings():
            # A parameter may be called `copy` or `json`: nobody calls these methods of a form.
            warnings.filterwarnings("ignore", message="Field name", category=UserWarning)
            return create_model(f"{name}_params", __base__=Params, **fields)
    except (PydanticUserError, PydanticSchemaGenerationError, NameError, TypeError, ValueError) as error:
        said = str(error).partition("\n")[0]
        raise errors.PortError(f"{name}: no form can be made of its parameters: {said}.") from error


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
        found = {kind[0] for kind in kinds}
        if len(found) == 1:
            return (kinds[0][0], kinds[0][1], is_optional)
        if found == {PortType.IMAGE, PortType.MASK}:
            return (PortType.IMAGE, kinds[0][1], is_optional)
        if any(port_type.is_media for port_type in found):
            raise errors.PortError(
                f"{where}: no port can carry {_said(hint)}.", hint="Give each kind of media a parameter of its own."
            )
        return (PortType.JSON, Collects.NO, is_optional)
    origin = get_origin(hint)
    if origin in {list, Batch} or hint is Batch:
        inner = get_args(hint)[0] if get_args(hint) else Any
        port_type = port_of(inner, where=where)[0]
        return (port_type, Collects.ALL if origin is list else Collects.CELLS, is_optional)
    if origin is Literal:
        kinds_of_choice = {
            _VALUE_PORTS.get(type(choice), PortType.JSON) for choice in get_args(hint) if choice is not None
        }
        is_optional = is_optional or None in get_args(hint)
        return (kinds_of_choice.pop() if len(kinds_of_choice) == 1 else PortType.JSON, Collects.NO, is_optional)
    found_type = _MEDIA_PORTS.get(origin or hint) or _VALUE_PORTS.get(origin or hint)
    if found_type is not None:
        return (found_type, Collects.NO, is_optional)
    raise errors.PortError(
        f"{where}: no port can carry {_said(hint)}.",
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
    if get_origin(bare) in {Union, types.UnionType}:
        kept = [_bare(member) for member in get_args(bare) if member is not type(None)]
        bare = kept[0] if len(kept) == 1 else bare
    origin = get_origin(bare)
    is_series = bare is Batch or origin is Batch
    if origin is list and get_args(bare) and _bare(get_args(bare)[0]) in _MEDIA_PORTS:
        is_series = True  # a list of pictures is a batch; a list of values is one JSON value
    is_one_list = origin is list and not is_series
    port_type = PortType.JSON if is_one_list else port_of(bare, where=f"{name}() ->")[0]
    return (OutputPort(output or str(port_type), port_type, is_series=is_series),)


def _said(hint: Any) -> str:  # noqa: ANN401 - a type hint
    return hint.__qualname__ if isinstance(hint, type) and not get_args(hint) else str(hint)
