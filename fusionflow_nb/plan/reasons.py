"""Why nodes are stale: a job's ingredients now, compared with those of the result that its node last showed."""

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
    """One ingredient that differs from the result that a node last showed."""

    field: str
    old: Any
    new: Any

    def __str__(self) -> str:
        return f"{self.field}: {_format(self.old)} → {_format(self.new)}"


def ingredients(job: Job) -> dict[str, Any]:
    """What a job is computed from, by name; stored with its result, so that a later plan can report what changed."""
    node, bound = job.node, job.bound
    if bound is None or node.type is None:
        return {}
    # Values are compared as values, media by digest.
    values = {
        name: value for name, value in bound.values.items() if name not in node.type.not_in_key and _is_data(value)
    }
    inputs = {
        f"{port}[{index}]" if index else port: digest for port, index, digest, _ in job.digests if port not in values
    }
    result: dict[str, Any] = {"take": node.take, "params": values, "inputs": inputs, "type": node.type.fingerprint}
    if bound.entry is not None:
        result["behaviour"] = bound.entry.behaviour
    return result


def changes(now: dict[str, Any], before: dict[str, Any]) -> list[Change]:
    """The differences between two sets of ingredients, old -> new, parameters first.

    >>> [str(change) for change in changes({"params": {"time": "midnight"}}, {"params": {"time": "dawn"}})]
    ["time: 'dawn' → 'midnight'"]
    """
    result: list[Change] = []
    for part in ("params", "inputs"):
        new, old = now.get(part, {}), before.get(part, {})
        result += [
            Change(name, old.get(name), new.get(name))
            for name in dict.fromkeys((*old, *new))
            if old.get(name) != new.get(name)
        ]
    for part in ("take", "behaviour"):
        if now.get(part) != before.get(part):
            result.append(Change(part, before.get(part), now.get(part)))
    if now.get("type") != before.get("type"):
        old, new = before.get("type", {}), now.get("type", {})
        is_source = old.get("source") != new.get("source")
        result.append(
            Change("source", _short(old.get("source")), _short(new.get("source")))
            if is_source
            else Change("version", old.get("version"), new.get("version"))
        )
    return result


@dataclass(frozen=True, slots=True)
class Reason:
    """Why a node would run; `change` is set if the reason is a single difference."""

    text: str
    change: Change | None = None

    def __str__(self) -> str:
        return self.text


def stale_reasons(plan: Plan, shown: Mapping[tuple[str, Any], dict[str, Any]]) -> dict[str, list[Reason]]:
    """Why each node that is not fresh would run.

    Args:
        plan: after the lookup of its ready jobs.
        shown: ingredients of the result that each (node id, coordinate) last showed.
    """
    # In document order; `not_fresh` is a set.
    return {node_id: reasons_of(node, plan, shown) for node_id, node in plan.nodes.items() if node_id in plan.not_fresh}


def reasons_of(node: NodePlan, plan: Plan, shown: Mapping[tuple[str, Any], dict[str, Any]]) -> list[Reason]:
    """Why a node that is not fresh would run, without duplicates."""
    reasons: list[Reason] = []
    if node.problem is not None:
        reasons.append(Reason(str(node.problem)))
    if node.type is not None and node.type.volatile:
        reasons.append(Reason(f"always runs: {node.type.volatile}"))
    if node.axes is None or any(job.state is JobState.PENDING for job in node.jobs.values()):
        waits_for = sorted(source.id for source in node.sources if source.id in plan.not_fresh)
        reasons.append(Reason(f"waits for {', '.join(waits_for)}"))
    for job in node.jobs.values():
        reasons += _of_job(job, shown.get((node.id, job.coordinate)))
    return list({reason.text: reason for reason in reasons}.values())


def _of_job(job: Job, before: dict[str, Any] | None) -> list[Reason]:
    if job.is_lost:
        return [Reason("its stored bytes are missing")]
    if job.state is JobState.UNREACHABLE and job.error is not None:
        return [Reason(str(job.error))]
    if job.state is not JobState.READY:
        return []
    if not before:
        return [Reason("never ran")]
    differences = [Reason(str(change), change) for change in changes(ingredients(job), before)]
    is_volatile = job.node.type is not None and job.node.type.volatile is not None
    return differences if differences or is_volatile else [Reason("its result is not stored")]


def _is_data(value: Any) -> bool:  # noqa: ANN401 - a bound value
    return isinstance(value, str | int | float | bool | list | dict | type(None))


def _short(digest: str | None) -> str | None:
    return digest[:8] if digest else None


def _format(value: Any, maximum: int = 60) -> str:  # noqa: ANN401 - any ingredient
    if isinstance(value, str) and value.startswith(("asset:", "json:")):
        return value.partition(":")[2][:8]
    text = repr(value) if value is not None else "not set"
    return text if len(text) <= maximum else text[: maximum - 1] + "…"
