"""What a plan would cost and why its nodes are stale: answers read off a plan."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from fusionflow_nb.catalog.node_type import Kind
from fusionflow_nb.media.values import Asset, Series, Value
from fusionflow_nb.plan.job import Job, JobState
from fusionflow_nb.providers.model import Estimate

if TYPE_CHECKING:
    from collections.abc import Iterable

    from fusionflow_nb.plan.job import NodePlan
    from fusionflow_nb.plan.plan import Plan


@dataclass(frozen=True, slots=True)
class Price:
    """Low and high in micro-dollars, over what would run. Cached work counts 0; pending work only in `high`."""

    low_micro_usd: int = 0
    high_micro_usd: int = 0
    unpriced: tuple[str, ...] = ()
    """Models without a price rule: they need an explicit allowance."""
    paid_jobs: int = 0
    by_node: dict[str, Estimate] = field(default_factory=dict)

    def __str__(self) -> str:
        low, high = self.low_micro_usd / 1e6, self.high_micro_usd / 1e6
        text = f"${high:.2f}" if low == high else f"${low:.2f}–{high:.2f}"
        return f"{text} + unpriced: {', '.join(self.unpriced)}" if self.unpriced else text


def price(plan: Plan, scope: Iterable[str] | None = None) -> Price:
    """The price of exactly what is not fresh among the nodes of a scope (all by default)."""
    wanted = set(plan.unfresh) if scope is None else plan.unfresh.intersection(scope)
    low = high = paid = 0
    unpriced: dict[str, None] = {}
    by_node: dict[str, Estimate] = {}
    for node_id in wanted:
        node = plan.nodes[node_id]
        if node.type is None or node.type.kind is not Kind.PROVIDER or node.prepared is None or node.is_muted:
            continue
        total = Estimate()
        for estimate, is_pending in _estimates(node):
            total = total + (
                Estimate(high_micro_usd=estimate.high_micro_usd, is_unpriced=estimate.is_unpriced)
                if is_pending
                else estimate
            )
            paid += estimate.high_micro_usd > 0 or estimate.is_unpriced
        if total.is_unpriced and node.prepared.entry is not None:
            unpriced[node.prepared.entry.id] = None
        low, high = low + total.low_micro_usd, high + total.high_micro_usd
        by_node[node_id] = total
    return Price(low, high, tuple(unpriced), paid, by_node)


def _estimates(node: NodePlan) -> Iterable[tuple[Estimate, bool]]:
    """(estimate, is pending) of each job that would run; one of unknown number where the batch is not known yet."""
    assert node.prepared is not None  # noqa: S101 - the caller checked
    entry = node.prepared.entry
    guess = entry.estimate(node.prepared.params, prompt=node.prepared.params.get("prompt")) if entry else Estimate()
    if node.axes is None:
        yield guess, True
    for job in node.jobs.values():
        if job.state is JobState.READY:
            yield job.estimate or guess, False
        elif job.state is JobState.PENDING:
            yield guess, True


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
    node = job.node
    assert job.bound is not None  # noqa: S101 - asked of keyed jobs only
    assert node.type is not None  # noqa: S101
    # Values are compared as values; media by digest and by the node they came from.
    inputs = {
        f"{port}[{index}]" if index else port: digest
        for port, index, digest, _ in job.digests
        if digest.startswith("asset:")
    }
    values = {
        name: value for name, value in job.bound.values.items() if name not in node.type.not_in_key and _is_data(value)
    }
    made: dict[str, Any] = {"take": node.take, "params": values, "inputs": inputs, "type": node.type.fingerprint}
    if job.bound.entry is not None:
        made["behaviour"] = job.bound.entry.behaviour
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


def stale_reasons(plan: Plan, shown: dict[tuple[str, Any], dict[str, Any]]) -> dict[str, list[str]]:
    """Why each node that is not fresh would run, in words.

    Args:
        plan: looked up (`take_ready` answered).
        shown: ingredients of what each (node id, coordinate) last showed.
    """
    reasons: dict[str, list[str]] = {}
    for node_id, node in plan.nodes.items():  # in the flow's order: `unfresh` has none
        if node_id not in plan.unfresh:
            continue
        said: dict[str, None] = {}
        if node.problem is not None:
            said[str(node.problem)] = None
        if node.type is not None and node.type.volatile:
            said[f"always runs: {node.type.volatile}"] = None
        for job in node.jobs.values():
            if job.is_lost:
                said["its stored bytes are gone"] = None
            elif job.state is JobState.READY:
                before = shown.get((node_id, job.coordinate))
                said.update(dict.fromkeys(map(str, changes(ingredients(job), before)) if before else ["never ran"]))
            elif job.state is JobState.PENDING:
                above = sorted({link.source.id for link in node.links if link.source.id in plan.unfresh})
                said[f"waits for {', '.join(above)}"] = None
            elif job.state is JobState.HOLE and job.error is not None:
                said[str(job.error)] = None
        reasons[node_id] = list(said)
    return reasons


def _is_data(value: Any) -> bool:  # noqa: ANN401 - a bound value
    return isinstance(value, str | int | float | bool | list | dict | type(None))


def _short(digest: str | None) -> str | None:
    return digest[:8] if digest else None


def _say(value: Any, most: int = 60) -> str:  # noqa: ANN401 - any ingredient
    if isinstance(value, str) and value.startswith("asset:"):
        return value[6:14]
    if isinstance(value, Asset | Series | Value):
        return type(value).__name__
    text = repr(value) if value is not None else "not set"
    return text if len(text) <= most else text[: most - 1] + "…"
