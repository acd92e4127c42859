"""Prepare a node for its jobs: substitute variables, validate parameters, pin the model, derive the seed.

Done once per edit of a node, not per job.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from pydantic import ValidationError

from fusionflow_nb import errors
from fusionflow_nb.catalog.node_type import Kind
from fusionflow_nb.catalog.number_text import number_text
from fusionflow_nb.flow.variables import substitute
from fusionflow_nb.media.ports import PortType
from fusionflow_nb.plan.keys import constant_parts, derived_seed, key_tail
from fusionflow_nb.plan.param_errors import parameter_error

if TYPE_CHECKING:
    from collections.abc import Mapping

    from fusionflow_nb.catalog.node_type import NodeType
    from fusionflow_nb.flow.document import Node
    from fusionflow_nb.providers.model import ModelEntry, Task

EQUIVALENTS = "equivalents"
"""Value of `fallback`: every entry that the catalogue lists as the same model."""
COMMON = frozenset({"prompt", "model", "settings", "fallback", "reduce"})
"""Parameters of a provider node that are not settings of the model."""


class Models(Protocol):
    """The part of the model catalogue that the plan uses."""

    def resolve(self, name: str, *, node_id: str | None = None) -> ModelEntry:
        """The entry of an id or alias. Raises UnknownModelError, RetiredModelError."""

    def entry(self, name: str) -> ModelEntry | None:
        """The entry of an id, retired or not."""

    def default_for(self, task: Task) -> str:
        """The model of a task if none is set."""


@dataclass(frozen=True, slots=True)
class Prepared:
    """A node whose parameters are resolved, ready for binding inputs."""

    params: dict[str, Any]
    """Validated values by name, without connected parameters and without None."""
    entry: ModelEntry | None
    parts: dict[str, str]
    tail: str
    is_resolved: bool = True
    """False: the model, or a dict of settings, comes over an edge, so the other settings are resolved per job."""
    retired: errors.RetiredModelError | None = None
    """Set if the service retired the model: its results are shown, but new calls are impossible."""
    fallbacks: tuple[Prepared, ...] = ()
    """The same node prepared with each fallback model, in the order in which they are tried during an outage."""
    warnings: tuple[str, ...] = ()
    """Shown before a run: settings that `strict=False` ignores, a model that retires soon."""


def prepare(
    node: Node,
    node_type: NodeType,
    *,
    connected: frozenset[str],
    variables: Mapping[str, Any],
    models: Models,
    require_inputs: bool = True,
) -> Prepared:
    """Validate a node and resolve everything that does not depend on its inputs.

    `require_inputs=False` allows missing inputs, for a node that is still being connected.

    Raises:
        ParameterError, PortError, ModelError: each names the node and gives a hint.
    """
    params = _validated(node, node_type, connected=connected, variables=variables)
    if require_inputs:
        _check_required(node_type, params, connected, node_id=node.id)
    if node_type.kind is not Kind.PROVIDER:
        return Prepared(
            params, None, key_parts(params, node_type, None, connected), key_tail(node_type, None, node.take)
        )
    fallbacks = _fallbacks(node, node_type, params, connected=connected, variables=variables, models=models)
    if "model" in connected:
        return Prepared(params, None, {}, "", is_resolved=False, fallbacks=fallbacks)
    task = task_of(node_type, connected)
    entry, retired = _pinned_entry(params.get("model") or models.default_for(task), models, node_id=node.id)
    params["model"] = entry.id
    check_model(entry, task, node_id=node.id)
    if "settings" in connected:
        return Prepared(params, entry, {}, "", is_resolved=False, retired=retired, fallbacks=fallbacks)
    settings = {name: value for name, value in params.items() if name not in COMMON}
    ignored = entry.ignored_settings({**settings, **(params.get("settings") or {})})
    messages = [f"{name} is ignored: {entry.id} has no such setting." for name in ignored]
    if entry.retires_on is not None and retired is None:
        successor = f"; use {entry.successor} instead" if entry.successor else ""
        messages.append(f"{entry.id} retires on {entry.retires_on}{successor}.")
    resolve_settings(params, entry, node_id=node.id, take=node.take, connected=connected)
    parts = key_parts(params, node_type, entry, connected)
    return Prepared(
        params,
        entry,
        parts,
        key_tail(node_type, entry, node.take),
        retired=retired,
        fallbacks=fallbacks,
        warnings=(*messages, *(f"As a fallback: {message}" for fallback in fallbacks for message in fallback.warnings)),
    )


def _fallbacks(
    node: Node,
    node_type: NodeType,
    params: dict[str, Any],
    *,
    connected: frozenset[str],
    variables: Mapping[str, Any],
    models: Models,
) -> tuple[Prepared, ...]:
    """The node prepared with each fallback model, so that an unsuitable model is an error now and not in an outage."""
    names = _fallback_names(params, models, node_id=node.id)
    prepared = []
    for name in names:
        try:
            entry = models.resolve(name, node_id=node.id)
        except errors.RetiredModelError as error:  # the main model can still be called
            warnings.warn(f"{error} It is no longer used as a fallback.", FutureWarning, stacklevel=2)
            continue
        copy = node.model_copy(update={"params": {**node.params, "model": name, "fallback": None}})
        if "seed" not in entry.parameters:
            copy.params.pop("seed", None)  # most seeds are set automatically, and models do not share seeds
        try:
            fallback = prepare(
                copy,
                node_type,
                connected=connected - {"model"},
                variables=variables,
                models=models,
                require_inputs=False,
            )
        except errors.ModelError as error:
            error.what = f"As a fallback: {error.what}"
            raise
        prepared.append(fallback)
    return tuple(prepared)


def _fallback_names(params: dict[str, Any], models: Models, *, node_id: str) -> list[str]:
    """The fallback models of a node in order; `equivalents` stands for the entries of the same model."""
    names: list[str] = []
    for name in params.pop("fallback", None) or ():
        if name != EQUIVALENTS:
            names.append(name)
            continue
        entry = _pinned_entry(params["model"], models, node_id=node_id)[0] if params.get("model") else None
        equivalents = [other.id for other in entry.equivalents if models.entry(other.id) is not None] if entry else []
        if not equivalents:
            raise errors.ModelError(
                f"No equivalent model is known for {entry.id if entry else 'a node without a model'}.",
                node_id=node_id,
                hint="Name the models in fallback=[...].",
            )
        names += equivalents
    return list(dict.fromkeys(names))


def key_parts(
    params: dict[str, Any], node_type: NodeType, entry: ModelEntry | None, connected: frozenset[str] = frozenset()
) -> dict[str, str]:
    """The key parts of resolved parameters; a default gives the same part whether it is set or not."""
    leave_out = node_type.not_in_key
    if entry is not None:
        leave_out = leave_out | {"model"}
        params = {**{name: value for name, value in default_settings(entry).items() if name not in connected}, **params}
    return constant_parts(params, leave_out, node_type.list_ports)


def default_settings(entry: ModelEntry) -> dict[str, Any]:
    """The model's defaults for settings that are not set, as far as the catalogue knows them."""
    return {
        name: float(parameter.default) if parameter.kind == "number" else parameter.default
        for name, parameter in entry.parameters.items()
        if parameter.default is not None
    }


def _pinned_entry(name: str, models: Models, *, node_id: str) -> tuple[ModelEntry, errors.RetiredModelError | None]:
    try:
        return models.resolve(name, node_id=node_id), None
    except errors.RetiredModelError as error:
        entry = models.entry(name)
        if entry is None:
            raise
        return entry, error


def _check_required(node_type: NodeType, params: dict[str, Any], connected: frozenset[str], *, node_id: str) -> None:
    for port in node_type.inputs:
        if port.is_required and port.name not in connected and params.get(port.name) in (None, ""):
            alternative = " or type a value" if port.is_parameter else ""
            raise errors.PortError(
                f"The input {port.name!r} is missing.",
                node_id=node_id,
                hint=f"Connect {_article(port.type.value)}{alternative}.",
            )


def task_of(node_type: NodeType, connected: frozenset[str]) -> Task:
    """The task that a provider node requires of its model; a video from an image is a different task than from text."""
    if node_type.task == "text-to-video":
        if "video" in connected:
            return "video-to-video"
        if "image" in connected:
            return "image-to-video"
    return node_type.task  # type: ignore[return-value]


def check_model(entry: ModelEntry, task: Task, *, node_id: str) -> None:
    """Raise CapabilityError if the model does not support the task."""
    if task not in entry.tasks:
        raise errors.CapabilityError(
            f"{entry.id} does not support {task}.",
            node_id=node_id,
            hint=f"It supports {', '.join(entry.tasks)}. ff.models(task={task!r}) lists models that support it.",
        )


def resolve_settings(
    params: dict[str, Any], entry: ModelEntry, *, node_id: str, take: int, connected: frozenset[str]
) -> None:
    """Validate the model's settings in place and derive a missing seed.

    Raises:
        SettingError: the model lacks the setting or does not accept the value.
    """
    raw = entry.to_common_settings(dict(params.pop("settings", None) or {}), node_id=node_id)
    if raw.get("count") is not None and params.get("count") == 1:
        params.pop("count")  # the node type's default; the raw setting was set explicitly
    named = {name: value for name, value in params.items() if name not in COMMON}
    both = sorted(raw.keys() & (named.keys() | connected))
    if both:
        raise errors.SettingError(
            f"{', '.join(both)} is set twice, directly and in settings.", node_id=node_id, hint="Set it once."
        )
    if named.get("count") == 1 and "count" not in entry.parameters:
        named.pop("count")  # every model makes one picture per call
    checked = entry.check_settings({**named, **raw}, node_id=node_id)
    seed = entry.parameters.get("seed")
    if seed is not None and checked.get("seed") is None and "seed" not in connected:
        checked["seed"] = derived_seed(node_id, *([take] if take else []), maximum=seed.maximum)
    for name in named:
        params.pop(name, None)
    params.pop("count", None)
    params.update(checked)


def _validated(
    node: Node, node_type: NodeType, *, connected: frozenset[str], variables: Mapping[str, Any]
) -> dict[str, Any]:
    params = {name: value for name, value in node.params.items() if name not in connected}
    params = substitute(params, variables, where=node.id)
    fields = node_type.params.model_fields
    extra: dict[str, Any] = {}
    if node_type.extra_inputs is not None:
        extra = {name: params.pop(name) for name in list(params) if name not in fields}
    try:
        checked = vars(node_type.params.model_validate(params))
    except ValidationError as error:
        raise parameter_error(error, node_type, node_id=node.id) from error
    values = {name: checked[name] for name in fields if name not in connected}
    if node_type.extra_inputs is PortType.TEXT:
        extra = {name: _to_text(value) for name, value in extra.items()}
    values.update(extra)
    return {name: _plain(value) for name, value in values.items() if value is not None}


def _to_text(value: Any) -> Any:  # noqa: ANN401 - a parameter of any name
    """Convert a number typed into a text input, as it is converted over an edge."""
    return number_text(value) if isinstance(value, int | float) and not isinstance(value, bool) else value


def _plain(value: Any) -> Any:  # noqa: ANN401 - a checked parameter
    return list(value) if isinstance(value, tuple) else value


def _article(word: str) -> str:
    return f"an {word}" if word[0] in "aeiou" else f"a {word}"
