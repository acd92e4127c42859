"""Create a node type from a function's type hints: media hints become ports, other hints parameters."""

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
    """Base of the parameter models: unknown names are errors, and defaults are validated, too."""

    model_config = ConfigDict(extra="forbid", validate_default=True, protected_namespaces=())


def declare(
    function: Callable[..., Any],
    *,
    kind: Kind,
    name: str | None = None,
    output: str | None = None,
    **fields: Any,  # noqa: ANN401 - other fields of NodeType
) -> NodeType:
    """The node type of a function's signature.

    Args:
        function: its parameters become inputs, its return hint the output (`tuple[...]` is not supported; declare
            several outputs with `outputs=`).
        kind: where the work is done.
        name: the node type's name; the function's name by default.
        output: the name of the output; the port type by default.
        fields: other fields of NodeType.

    Raises:
        PortError: no port type matches a hint; names the parameter.

    >>> def grain(image: Image, amount: float = 0.2) -> Image: ...
    >>> node = declare(grain, kind=Kind.LOCAL)
    >>> [port.name for port in node.inputs], node.outputs[0].type.value
    (['image', 'amount'], 'image')
    """
    name = name or str(getattr(function, "__name__", ""))
    if not name.isidentifier() or keyword.iskeyword(name):
        raise errors.ParameterError(f"{name!r} is not a valid name for a node type.", hint="Set a name with name=.")
    hints = _hints(function, name)
    inputs: list[InputPort] = []
    params: dict[str, Any] = {}
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
            # A required parameter may come over an edge, so the plan checks it, not the model.
            params[parameter.name] = (_param_hint(hint) | None, parameter.default if has_default else None)
    if "outputs" not in fields:
        fields["outputs"] = _outputs(hints.get("return", Any), name=name, output=output)
    summary = inspect.getdoc(function) or ""
    return NodeType(
        name=name,
        kind=kind,
        inputs=tuple(inputs),
        params=_params_model(name, params),
        context=context,
        extra_inputs=extra_inputs,
        is_async=inspect.iscoroutinefunction(function),
        title=fields.pop("title", None) or name.replace("_", " ").capitalize(),
        summary=fields.pop("summary", None) or summary.partition("\n")[0],
        **fields,
    )


def _hints(function: Callable[..., Any], name: str) -> dict[str, Any]:
    try:
        return typing.get_type_hints(function, include_extras=True)
    except NameError as error:
        raise errors.PortError(
            f"{name}: the type hint {error.name!r} is not defined in the function's module.",
            hint="Import or define it at the top of the notebook, not inside a function.",
        ) from error
    except (TypeError, SyntaxError) as error:
        raise errors.PortError(
            f"{name}: the type hints cannot be evaluated: {error}.", hint="Use plain types."
        ) from error


def _check_passable(parameter: inspect.Parameter, where: str) -> None:
    """Raise PortError for a parameter that cannot be passed by name."""
    if parameter.kind is parameter.VAR_POSITIONAL:
        raise errors.PortError(
            f"{where}: a port cannot be *{parameter.name}.",
            hint=f"Use {parameter.name}: list[...], which collects a batch.",
        )
    if parameter.kind is parameter.POSITIONAL_ONLY:
        raise errors.PortError(f"{where}: inputs are passed by name.", hint="Remove the / from the signature.")
    if parameter.name.startswith("_"):
        raise errors.PortError(f"{where}: the name of an input must begin with a letter.", hint="Rename the parameter.")


def _params_model(name: str, fields: dict[str, Any]) -> type[BaseModel]:
    try:
        with warnings.catch_warnings():
            # A parameter may be called `copy` or `json`: these methods of the model are not used.
            warnings.filterwarnings("ignore", message="Field name", category=UserWarning)
            return create_model(f"{name}_params", __base__=Params, **fields)
    except (PydanticUserError, PydanticSchemaGenerationError, NameError, TypeError, ValueError) as error:
        message = str(error).partition("\n")[0]
        raise errors.PortError(f"{name}: the parameters are not supported: {message}.") from error


def port_of(hint: Any, *, where: str) -> tuple[PortType, Collects, bool]:  # noqa: ANN401 - a type hint
    """The port type of a hint, how it collects batches, and whether it allows None.

    Raises:
        PortError: no port type matches the hint.
    """
    is_optional = False
    hint = _bare(hint)
    if get_origin(hint) in {Union, types.UnionType}:
        members = [member for member in get_args(hint) if member is not type(None)]
        is_optional = len(members) < len(get_args(hint))
        kinds = [port_of(member, where=where) for member in members]
        port_types = {kind[0] for kind in kinds}
        if len(port_types) == 1:
            return (kinds[0][0], kinds[0][1], is_optional)
        if port_types == {PortType.IMAGE, PortType.MASK}:
            return (PortType.IMAGE, kinds[0][1], is_optional)
        if any(port_type.is_media for port_type in port_types):
            raise errors.PortError(
                f"{where}: no port can carry {_hint_text(hint)}.",
                hint="Use a separate parameter for each kind of media.",
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
    matched_type = _MEDIA_PORTS.get(origin or hint) or _VALUE_PORTS.get(origin or hint)
    if matched_type is not None:
        return (matched_type, Collects.NO, is_optional)
    raise errors.PortError(
        f"{where}: no port can carry {_hint_text(hint)}.",
        hint="Use ff.Image, ff.Mask, ff.Video, ff.Audio, str, int, float, bool, list, dict or Literal[...].",
    )


def _bare(hint: Any) -> Any:  # noqa: ANN401 - a type hint
    return get_args(hint)[0] if get_origin(hint) is Annotated else hint


def _param_hint(hint: Any) -> Any:  # noqa: ANN401 - a type hint
    """The hint that pydantic validates: a bare `list` or `Batch` of values is any JSON list."""
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
        members = [_bare(member) for member in get_args(bare) if member is not type(None)]
        bare = members[0] if len(members) == 1 else bare
    origin = get_origin(bare)
    is_series = bare is Batch or origin is Batch
    if origin is list and get_args(bare) and _bare(get_args(bare)[0]) in _MEDIA_PORTS:
        is_series = True  # a list of pictures is a batch; a list of values is a single JSON value
    is_json_list = origin is list and not is_series
    port_type = PortType.JSON if is_json_list else port_of(bare, where=f"{name}() ->")[0]
    return (OutputPort(output or str(port_type), port_type, is_series=is_series),)


def _hint_text(hint: Any) -> str:  # noqa: ANN401 - a type hint
    return hint.__qualname__ if isinstance(hint, type) and not get_args(hint) else str(hint)
