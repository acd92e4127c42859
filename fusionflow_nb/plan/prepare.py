"""From a placed node to what it will do: variables filled in, parameters checked, model pinned, seed settled.

Done once per edit of a node, never per job.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from pydantic import ValidationError

from fusionflow_nb import errors
from fusionflow_nb.catalog.node_type import Kind
from fusionflow_nb.catalog.number_text import number_text
from fusionflow_nb.flow.checks import substitute
from fusionflow_nb.media.ports import PortType
from fusionflow_nb.plan.input_checks import parameter_error
from fusionflow_nb.plan.keys import constant_parts, derived_seed, key_tail

if TYPE_CHECKING:
    from collections.abc import Mapping

    from fusionflow_nb.catalog.node_type import NodeType
    from fusionflow_nb.flow.document import Node
    from fusionflow_nb.providers.model import ModelEntry, Task

EQUIVALENTS = "equivalents"
"""In `fallback`: every entry that the catalogue knows to be the same model."""
COMMON = frozenset({"prompt", "model", "settings", "fallback", "reduce"})
"""Parameters of a provider node that are no settings of the model."""


class Models(Protocol):
    """What the plan needs of the model catalogue."""

    def resolve(self, name: str, *, node_id: str | None = None) -> ModelEntry:
        """The entry of an id or alias; raises UnknownModelError, RetiredModelError."""

    def entry(self, name: str) -> ModelEntry | None:
        """The entry of exactly this id, retired or not."""

    def default_for(self, task: Task) -> str:
        """The model that a task gets when none is named."""


@dataclass(frozen=True, slots=True)
class Prepared:
    """A node, ready to be given its inputs."""

    params: dict[str, Any]
    """Checked values by name, without those an edge replaces, without None."""
    entry: ModelEntry | None
    parts: dict[str, str]
    tail: str
    is_settled: bool = True
    """False: the model, or a dict of settings, comes over an edge, so the rest of the form is settled for each job."""
    retired: errors.RetiredModelError | None = None
    """The service ended the model: what it made is shown, and nothing new can be made."""
    fallbacks: tuple[Prepared, ...] = ()
    """The same node with each model that stands in while the service of the one before is out."""
    warnings: tuple[str, ...] = ()
    """What a person should know before a run: settings that `strict=False` leaves out, a model that ends soon."""


def prepare(
    node: Node,
    node_type: NodeType,
    *,
    connected: frozenset[str],
    variables: Mapping[str, Any],
    models: Models,
    is_whole: bool = True,
) -> Prepared:
    """Check a node and settle all that does not depend on its inputs.

    `is_whole=False` lets inputs be missing: a node that is still being wired.

    Raises:
        ParameterError, PortError, ModelError: each names the node and the next step.
    """
    params = _checked(node, node_type, connected=connected, variables=variables)
    if is_whole:
        _check_required(node_type, params, connected, node_id=node.id)
    if node_type.kind is not Kind.PROVIDER:
        return Prepared(
            params, None, key_parts(params, node_type, None, connected), key_tail(node_type, None, node.take)
        )
    fallbacks = _fallbacks(node, node_type, params, connected=connected, variables=variables, models=models)
    if "model" in connected:
        return Prepared(params, None, {}, "", is_settled=False, fallbacks=fallbacks)
    task = task_of(node_type, connected)
    entry, retired = _pinned(params.get("model") or models.default_for(task), models, node_id=node.id)
    params["model"] = entry.id
    check_model(entry, task, node_id=node.id)
    if "settings" in connected:
        return Prepared(params, entry, {}, "", is_settled=False, retired=retired, fallbacks=fallbacks)
    given = {name: value for name, value in params.items() if name not in COMMON}
    left_out = entry.ignored_settings({**given, **(params.get("settings") or {})})
    said = [f"{name} is left out: {entry.id} has no such setting." for name in left_out]
    if entry.retires_on is not None and retired is None:
        follows = f", then {entry.successor}" if entry.successor else ""
        said.append(f"{entry.id} ends on {entry.retires_on}{follows}.")
    settle_settings(params, entry, node_id=node.id, take=node.take, connected=connected)
    parts = key_parts(params, node_type, entry, connected)
    return Prepared(
        params,
        entry,
        parts,
        key_tail(node_type, entry, node.take),
        retired=retired,
        fallbacks=fallbacks,
        warnings=(*said, *(f"As a fallback: {one}" for each in fallbacks for one in each.warnings)),
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
    """Each fallback as if it had been asked: what it cannot do is said now and not in the middle of an outage."""
    names = _standing_in(params, models, node_id=node.id)
    prepared = []
    for name in names:
        try:
            entry = models.resolve(name, node_id=node.id)
        except errors.RetiredModelError as ended:  # that is no reason not to ask the model itself
            warnings.warn(f"{ended} It stands in for nobody any more.", FutureWarning, stacklevel=2)
            continue
        instead = node.model_copy(update={"params": {**node.params, "model": name, "fallback": None}})
        if "seed" not in entry.parameters:
            instead.params.pop(
                "seed", None
            )  # most nodes have one without anybody's wish, and no model shares another's
        try:
            one = prepare(
                instead, node_type, connected=connected - {"model"}, variables=variables, models=models, is_whole=False
            )
        except errors.ModelError as error:
            error.what = f"As a fallback: {error.what}"
            raise
        prepared.append(one)
    return tuple(prepared)


def _standing_in(params: dict[str, Any], models: Models, *, node_id: str) -> list[str]:
    """The models that a node names to stand in, in its order; `equivalents` means those known to be the same model."""
    names: list[str] = []
    for name in params.pop("fallback", None) or ():
        if name != EQUIVALENTS:
            names.append(name)
            continue
        asked = _pinned(params["model"], models, node_id=node_id)[0] if params.get("model") else None
        there = [one.id for one in asked.equivalents if models.entry(one.id) is not None] if asked else []
        if not there:
            raise errors.ModelError(
                f"No model is known to be the same as {asked.id if asked else 'one that is not named here'}.",
                node_id=node_id,
                hint="Name in fallback=[...] which models may stand in for it.",
            )
        names += there
    return list(dict.fromkeys(names))


def key_parts(
    params: dict[str, Any], node_type: NodeType, entry: ModelEntry | None, connected: frozenset[str] = frozenset()
) -> dict[str, str]:
    """The parts of a key that settled parameters make: a default counts the same whether it is stated or left out."""
    leave_out = node_type.not_in_key
    if entry is not None:
        leave_out = leave_out | {"model"}
        params = {**{name: one for name, one in defaults_of(entry).items() if name not in connected}, **params}
    return constant_parts(params, leave_out, node_type.list_ports)


def defaults_of(entry: ModelEntry) -> dict[str, Any]:
    """What a model takes for settings that are left out, as far as the catalogue knows."""
    return {
        name: float(parameter.default) if parameter.kind == "number" else parameter.default
        for name, parameter in entry.parameters.items()
        if parameter.default is not None
    }


def _pinned(name: str, models: Models, *, node_id: str) -> tuple[ModelEntry, errors.RetiredModelError | None]:
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
            fill_in = " or fill it in" if port.is_parameter else ""
            raise errors.PortError(
                f"The input {port.name!r} is missing.",
                node_id=node_id,
                hint=f"Connect {_article(port.type.value)}{fill_in}.",
            )


def task_of(node_type: NodeType, connected: frozenset[str]) -> Task:
    """What a provider node asks of its model: a video from an image is another task than one from text."""
    if node_type.task == "text-to-video":
        if "video" in connected:
            return "video-to-video"
        if "image" in connected:
            return "image-to-video"
    return node_type.task  # type: ignore[return-value]


def check_model(entry: ModelEntry, task: Task, *, node_id: str) -> None:
    """Raises CapabilityError where the model cannot do the task."""
    if task not in entry.tasks:
        raise errors.CapabilityError(
            f"{entry.id} does not do {task}.",
            node_id=node_id,
            hint=f"It does {', '.join(entry.tasks)}. ff.models(task={task!r}) lists the others.",
        )


def settle_settings(
    params: dict[str, Any], entry: ModelEntry, *, node_id: str, take: int, connected: frozenset[str]
) -> None:
    """Check the model's settings in place and derive a missing seed.

    Raises:
        SettingError: the model lacks the setting or does not take the value.
    """
    raw = entry.to_common_settings(dict(params.pop("settings", None) or {}), node_id=node_id)
    if raw.get("count") is not None and params.get("count") == 1:
        params.pop("count")  # the form's own default is nobody's wish
    named = {name: value for name, value in params.items() if name not in COMMON}
    both = sorted(raw.keys() & (named.keys() | connected))
    if both:
        raise errors.SettingError(
            f"{', '.join(both)} is set twice, directly and in settings.", node_id=node_id, hint="Set it once."
        )
    if named.get("count") == 1 and "count" not in entry.parameters:
        named.pop("count")  # one picture is what every model makes
    checked = entry.check_settings({**named, **raw}, node_id=node_id)
    seed = entry.parameters.get("seed")
    if seed is not None and checked.get("seed") is None and "seed" not in connected:
        checked["seed"] = derived_seed(node_id, *([take] if take else []), maximum=seed.maximum)
    for name in named:
        params.pop(name, None)
    params.pop("count", None)
    params.update(checked)


def _checked(
    node: Node, node_type: NodeType, *, connected: frozenset[str], variables: Mapping[str, Any]
) -> dict[str, Any]:
    given = {name: value for name, value in node.params.items() if name not in connected}
    given = substitute(given, variables, where=node.id)
    fields = node_type.params.model_fields
    extra: dict[str, Any] = {}
    if node_type.extra_inputs is not None:
        extra = {name: given.pop(name) for name in list(given) if name not in fields}
    try:
        checked = vars(node_type.params.model_validate(given))
    except ValidationError as error:
        raise parameter_error(error, node_type, node_id=node.id) from error
    values = {name: checked[name] for name in fields if name not in connected}
    if node_type.extra_inputs is PortType.TEXT:
        extra = {name: _texted(value) for name, value in extra.items()}
    values.update(extra)
    return {name: _plain(value) for name, value in values.items() if value is not None}


def _texted(value: Any) -> Any:  # noqa: ANN401 - a parameter of any name
    """A number typed into a text input is the text that it would be over an edge."""
    return number_text(value) if isinstance(value, int | float) and not isinstance(value, bool) else value


def _plain(value: Any) -> Any:  # noqa: ANN401 - a checked parameter
    return list(value) if isinstance(value, tuple) else value


def _article(word: str) -> str:
    return f"an {word}" if word[0] in "aeiou" else f"a {word}"
