"""A plan as views show it: how each node stands, why, what it would cost; told only where it differs from before."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from fusionflow_nb.plan.job import JobState
from fusionflow_nb.plan.price import price
from fusionflow_nb.plan.reasons import reasons_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from fusionflow_nb.plan.job import NodePlan
    from fusionflow_nb.plan.plan import Plan
    from fusionflow_nb.plan.price import Price
    from fusionflow_nb.plan.reasons import Change, Reason

MAX_REASONS = 6
MAX_LABELS = 400


class PlanView:
    """Facts about every node of a plan, kept so that the next plan tells only of what has changed."""

    def __init__(self) -> None:
        self.nodes: dict[str, dict[str, Any]] = {}
        self.unpriced: list[str] = []
        self._jobs: dict[str, object] = {}
        """The jobs that a fresh node's facts were read from: as long as it holds the same, nothing has changed."""

    def follow(self, plan: Plan, shown: Mapping[tuple[str, Any], dict[str, Any]]) -> dict[str, dict[str, Any]]:
        """Read a plan; returns the facts of the nodes that differ from before.

        Args:
            plan: looked up.
            shown: ingredients of what each (node id, coordinate) last showed.
        """
        cost = price(plan)
        self.unpriced = list(cost.unpriced)
        changed: dict[str, dict[str, Any]] = {}
        for node_id, node in plan.nodes.items():
            is_fresh = node_id not in plan.unfresh
            if is_fresh and self._jobs.get(node_id) is node.jobs:
                continue
            facts = _facts(node, plan, cost, shown)
            self._jobs[node_id] = node.jobs if is_fresh else None
            if self.nodes.get(node_id) != facts:
                self.nodes[node_id] = changed[node_id] = facts
        for gone in self.nodes.keys() - plan.nodes.keys():
            del self.nodes[gone]
            self._jobs.pop(gone, None)
        return changed

    def freshen(self, node_ids: Iterable[str]) -> dict[str, dict[str, Any]]:
        """Nodes that a run has just made fresh, told before the next plan says so; returns what changed."""
        changed = {}
        for node_id in node_ids:
            before = self.nodes.get(node_id)
            if before is None or before["state"] == "fresh":
                continue
            after = {name: value for name, value in before.items() if name in {"axes", "warnings"}}
            self.nodes[node_id] = changed[node_id] = {"state": "fresh", **after}
        return changed


def _facts(node: NodePlan, plan: Plan, cost: Price, shown: Mapping[tuple[str, Any], dict[str, Any]]) -> dict[str, Any]:
    facts: dict[str, Any] = {"state": node.state}
    if node.id in plan.unfresh and not node.is_muted:
        facts["reasons"] = [_reason(reason) for reason in reasons_of(node, plan, shown)[:MAX_REASONS]]
        facts["jobs"] = _open_jobs(node)
    if node.prepared is not None and node.prepared.warnings:
        facts["warnings"] = list(node.prepared.warnings)
    estimate = cost.by_node.get(node.id)
    if estimate is not None:
        facts["low_micro_usd"], facts["high_micro_usd"] = estimate.low_micro_usd, estimate.high_micro_usd
    if node.out_axes:
        facts["axes"] = [{"name": axis.name, "labels": list(axis.labels[:MAX_LABELS])} for axis in node.out_axes]
    return facts


def _open_jobs(node: NodePlan) -> int | None:
    """How many jobs would run; None while the length of a batch is not known."""
    if node.axes is None:
        return None
    return sum(job.state in (JobState.PENDING, JobState.READY) for job in node.jobs.values())


def _reason(reason: Reason) -> dict[str, Any]:
    change: Change | None = reason.change
    if change is None:
        return {"text": reason.text}
    return {"text": reason.text, "field": change.field, "old": _short(change.old), "new": _short(change.new)}


def _short(value: Any) -> Any:  # noqa: ANN401 - any ingredient
    """A value as a small diff shows it: digests by their beginning, as people compare them."""
    if isinstance(value, str) and value.startswith(("asset:", "json:")):
        return value.partition(":")[2][:8]
    return value
