"""From a placed node to what it will do: variables filled in, parameters checked, model pinned, seed settled.

Done once per edit of a node, never per job.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from pydantic import ValidationError

from fusionflow_nb import errors
from fusionflow_nb.catalog.node_type import Kind
from fusionflow_nb.flow.checks import substitute
from fusionflow_nb.plan.keys import constant_parts, derived_seed, key_tail

if TYPE_CHECKING:
    from collections.abc import Mapping

    from fusionflow_nb.catalog.node_type import NodeType
    from fusionflow_nb.flow.document import Node
    from fusionflow_nb.providers.model import ModelEntry, Task

COMMON = frozenset({"prompt", "model", "settings", "fallback"})
"""Parameters of a provider node that are no settings of the model."""


class Models(Protocol):
    """What the plan needs of the model catalogue."""

    def resolve(self, name: str, *, node_id: str | None = None) -> ModelEntry:
        """The entry of an id or alias. Raises UnknownModelError, RetiredModelError."""
        ...

    def default_for(self, task: Task) -> str:
        """The model a task gets when none is named."""
        ...


class Placed(Protocol):
    """A node as far as its seed hangs on it."""

    id: str
    take: int


@dataclass(frozen=True, slots=True)
class Prepared:
    """A node, ready to be given its inputs."""

    params: dict[str, Any]
    """Checked values by name, without those an edge replaces, without None."""
    entry: ModelEntry | None
    parts: dict[str, str]
    tail: str


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
    for port in node_type.inputs if is_whole else ():
        if port.is_required and port.name not in connected and params.get(port.name) in (None, ""):
            raise errors.PortError(
                f"The input {port.name!r} is missing.",
                node_id=node.id,
                hint=f"Connect {_article(port.type.value)} or fill it in."
                if port.is_parameter
                else f"Connect {_article(port.type.value)}.",
            )
    entry = None
    if node_type.kind is Kind.PROVIDER and "model" not in connected:
        task = task_of(node_type, connected)
        entry = models.resolve(params.get("model") or models.default_for(task), node_id=node.id)
        params["model"] = entry.id
        check_model(entry, task, node_id=node.id)
        settle_settings(params, entry, node, connected=connected)
    leave_out = node_type.not_in_key | {"model"} if node_type.kind is Kind.PROVIDER else node_type.not_in_key
    return Prepared(
        params=params,
        entry=entry,
        parts=constant_parts(params, leave_out),
        tail=key_tail(node_type, entry, node.take),
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


def settle_settings(params: dict[str, Any], entry: ModelEntry, node: Placed, *, connected: frozenset[str]) -> None:
    """Check the model's settings in place and derive a missing seed.

    Raises:
        SettingError: the model lacks the setting or does not take the value.
    """
    raw = dict(params.pop("settings", None) or {})
    named = {name: value for name, value in params.items() if name not in COMMON}
    both = sorted(set(raw) & set(named))
    if both:
        raise errors.SettingError(
            f"{', '.join(both)} is set twice, directly and in settings.", node_id=node.id, hint="Set it once."
        )
    if named.get("count") == 1 and "count" not in entry.parameters:
        named.pop("count")  # one picture is what every model makes
    checked = entry.check_settings({**named, **raw}, node_id=node.id)
    seed = entry.parameters.get("seed")
    if seed is not None and checked.get("seed") is None and "seed" not in connected:
        checked["seed"] = derived_seed(node.id, *([node.take] if node.take else []), maximum=seed.maximum)
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
        checked = node_type.params.model_validate(given)
    except ValidationError as error:
        raise _parameter_error(error, node, node_type) from error
    values = {name: getattr(checked, name) for name in fields if name not in connected}
    values.update(extra)
    return {name: _plain(value) for name, value in values.items() if value is not None}


def _plain(value: Any) -> Any:  # noqa: ANN401 - a checked parameter
    return list(value) if isinstance(value, tuple) else value


def _parameter_error(error: ValidationError, node: Node, node_type: NodeType) -> errors.ParameterError:
    first = error.errors()[0]
    name = ".".join(str(part) for part in first["loc"] if not str(part).startswith(("constrained", "function")))
    top = str(first["loc"][0]) if first["loc"] else ""
    if first["type"] == "extra_forbidden":
        has = ", ".join(node_type.params.model_fields) or "none"
        return errors.ParameterError(
            f"{node_type.name} has no parameter {top!r}.", node_id=node.id, hint=f"Its parameters: {has}."
        )
    return errors.ParameterError(
        f"{name} = {first['input']!r}: {first['msg']}.", node_id=node.id, hint="Change the value."
    )


def _article(word: str) -> str:
    return f"an {word}" if word[0] in "aeiou" else f"a {word}"
