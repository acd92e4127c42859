"""A plan as the views show it: state, reasons and estimated cost of each node, sent only where they changed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from fusionflow_nb.plan.job import JobState
from fusionflow_nb.plan.price import price
from fusionflow_nb.plan.reasons import reasons_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from fusionflow_nb.canvas import wire
    from fusionflow_nb.plan.job import NodePlan
    from fusionflow_nb.plan.plan import Plan
    from fusionflow_nb.plan.price import Price
    from fusionflow_nb.plan.reasons import Change, Reason

MAX_REASONS = 6
MAX_LABELS = 400


class PlanView:
    """Wire form of the current plan, kept to compute what the next plan changes."""

    def __init__(self) -> None:
        self.nodes: dict[str, wire.NodePlan] = {}
        self.unpriced: list[str] = []
        self._jobs: dict[str, object] = {}
        """Jobs of each fresh node at the last update; the same object means that nothing has changed."""

    def update(self, plan: Plan, ingredients: Mapping[tuple[str, Any], dict[str, Any]]) -> dict[str, wire.NodePlan]:
        """Read a plan; returns the nodes that changed.

        Args:
            plan: after the cache lookup.
            ingredients: key ingredients of the result that each (node id, coordinate) last showed.
        """
        cost = price(plan)
        self.unpriced = list(cost.unpriced)
        changed: dict[str, wire.NodePlan] = {}
        for node_id, node in plan.nodes.items():
            is_fresh = node_id not in plan.not_fresh
            if is_fresh and self._jobs.get(node_id) is node.jobs:
                continue
            facts = _node_plan(node, plan, cost, ingredients)
            self._jobs[node_id] = node.jobs if is_fresh else None
            if self.nodes.get(node_id) != facts:
                self.nodes[node_id] = changed[node_id] = facts
        for removed in self.nodes.keys() - plan.nodes.keys():
            del self.nodes[removed]
            self._jobs.pop(removed, None)
        return changed

    def mark_fresh(self, node_ids: Iterable[str]) -> dict[str, wire.NodePlan]:
        """Mark nodes that a run has just completed as fresh, ahead of the next plan; returns the nodes that changed."""
        changed: dict[str, wire.NodePlan] = {}
        for node_id in node_ids:
            before = self.nodes.get(node_id)
            if before is None or before["state"] == "fresh":
                continue
            after: wire.NodePlan = {"state": "fresh"}
            if "axes" in before:
                after["axes"] = before["axes"]
            if "warnings" in before:
                after["warnings"] = before["warnings"]
            self.nodes[node_id] = changed[node_id] = after
        return changed


def _node_plan(
    node: NodePlan, plan: Plan, cost: Price, ingredients: Mapping[tuple[str, Any], dict[str, Any]]
) -> wire.NodePlan:
    facts: wire.NodePlan = {"state": node.state}
    if node.id in plan.not_fresh and not node.is_muted:
        facts["reasons"] = [_reason(reason) for reason in reasons_of(node, plan, ingredients)[:MAX_REASONS]]
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
    """The number of jobs that would run; None while the length of a batch is unknown."""
    if node.axes is None:
        return None
    return sum(job.state in (JobState.PENDING, JobState.READY) for job in node.jobs.values())


def _reason(reason: Reason) -> wire.Reason:
    change: Change | None = reason.change
    if change is None:
        return {"text": reason.text}
    return {"text": reason.text, "field": change.field, "old": _short(change.old), "new": _short(change.new)}


def _short(value: Any) -> Any:  # noqa: ANN401 - any ingredient
    """A value for a short diff: digests are abbreviated."""
    if isinstance(value, str) and value.startswith(("asset:", "json:")):
        return value.partition(":")[2][:8]
    return value
