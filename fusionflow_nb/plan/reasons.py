"""Why nodes are stale: what goes into a job now, against what made the result its node last showed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from fusionflow_nb.plan.job import Job, JobState

if TYPE_CHECKING:
    from collections.abc import Mapping

    from fusionflow_nb.plan.job import NodePlan
    from fusionflow_nb.plan.plan import Plan


@dataclass(frozen=True, slots=True)
class Change:
    """One thing that differs from what made the result a node last showed."""

    field: str
    old: Any
    new: Any

    def __str__(self) -> str:
        return f"{self.field}: {_say(self.old)} → {_say(self.new)}"


def ingredients(job: Job) -> dict[str, Any]:
    """What went into a job, in words: kept with its result, so that a later plan can say what changed."""
    node, bound = job.node, job.bound
    if bound is None or node.type is None:
        return {}
    # Values are compared as values; media by digest and by the node they came from.
    values = {
        name: value for name, value in bound.values.items() if name not in node.type.not_in_key and _is_data(value)
    }
    inputs = {
        f"{port}[{index}]" if index else port: digest for port, index, digest, _ in job.digests if port not in values
    }
    made: dict[str, Any] = {"take": node.take, "params": values, "inputs": inputs, "type": node.type.fingerprint}
    if bound.entry is not None:
        made["behaviour"] = bound.entry.behaviour
    return made


def changes(now: dict[str, Any], before: dict[str, Any]) -> list[Change]:
    """What differs between two sets of ingredients, old -> new, parameters first.

    >>> [str(change) for change in changes({"params": {"time": "midnight"}}, {"params": {"time": "dawn"}})]
    ["time: 'dawn' → 'midnight'"]
    """
    found: list[Change] = []
    for part in ("params", "inputs"):
        new, old = now.get(part, {}), before.get(part, {})
        found += [
            Change(name, old.get(name), new.get(name))
            for name in dict.fromkeys((*old, *new))
            if old.get(name) != new.get(name)
        ]
    for part in ("take", "behaviour"):
        if now.get(part) != before.get(part):
            found.append(Change(part, before.get(part), now.get(part)))
    if now.get("type") != before.get("type"):
        old, new = before.get("type", {}), now.get("type", {})
        is_source = old.get("source") != new.get("source")
        found.append(
            Change("source", _short(old.get("source")), _short(new.get("source")))
            if is_source
            else Change("version", old.get("version"), new.get("version"))
        )
    return found


@dataclass(frozen=True, slots=True)
class Reason:
    """Why a node would run, in words; `change` is the one difference it tells of, where it is one."""

    text: str
    change: Change | None = None

    def __str__(self) -> str:
        return self.text


def stale_reasons(plan: Plan, shown: Mapping[tuple[str, Any], dict[str, Any]]) -> dict[str, list[Reason]]:
    """Why each node that is not fresh would run.

    Args:
        plan: looked up (`take_ready` answered).
        shown: ingredients of what each (node id, coordinate) last showed.
    """
    # In the flow's order: `unfresh` has none.
    return {node_id: reasons_of(node, plan, shown) for node_id, node in plan.nodes.items() if node_id in plan.unfresh}


def reasons_of(node: NodePlan, plan: Plan, shown: Mapping[tuple[str, Any], dict[str, Any]]) -> list[Reason]:
    """Why one node that is not fresh would run, each reason once."""
    said: list[Reason] = []
    if node.problem is not None:
        said.append(Reason(str(node.problem)))
    if node.type is not None and node.type.volatile:
        said.append(Reason(f"always runs: {node.type.volatile}"))
    if node.axes is None or any(job.state is JobState.PENDING for job in node.jobs.values()):
        above = sorted(source.id for source in node.sources if source.id in plan.unfresh)
        said.append(Reason(f"waits for {', '.join(above)}"))
    for job in node.jobs.values():
        said += _of_job(job, shown.get((node.id, job.coordinate)))
    return list({reason.text: reason for reason in said}.values())


def _of_job(job: Job, before: dict[str, Any] | None) -> list[Reason]:
    if job.is_lost:
        return [Reason("its stored bytes are gone")]
    if job.state is JobState.HOLE and job.error is not None:
        return [Reason(str(job.error))]
    if job.state is not JobState.READY:
        return []
    if not before:
        return [Reason("never ran")]
    differs = [Reason(str(change), change) for change in changes(ingredients(job), before)]
    is_volatile = job.node.type is not None and job.node.type.volatile is not None
    return differs if differs or is_volatile else [Reason("its result is not kept")]


def _is_data(value: Any) -> bool:  # noqa: ANN401 - a bound value
    return isinstance(value, str | int | float | bool | list | dict | type(None))


def _short(digest: str | None) -> str | None:
    return digest[:8] if digest else None


def _say(value: Any, most: int = 60) -> str:  # noqa: ANN401 - any ingredient
    if isinstance(value, str) and value.startswith(("asset:", "json:")):
        return value.partition(":")[2][:8]
    text = repr(value) if value is not None else "not set"
    return text if len(text) <= most else text[: most - 1] + "…"
