"""The price of a plan: low and high, in total and per node."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from fusionflow_nb import errors
from fusionflow_nb.catalog.node_type import Collects, Kind
from fusionflow_nb.media.ports import PortType
from fusionflow_nb.media.values import Asset
from fusionflow_nb.plan.estimate import estimate_settings, pixel_counts
from fusionflow_nb.plan.job import Job, JobState
from fusionflow_nb.plan.upstream import mapped_item
from fusionflow_nb.providers.model import Estimate

if TYPE_CHECKING:
    from collections.abc import Iterable

    from fusionflow_nb.plan.job import Bound, NodePlan
    from fusionflow_nb.plan.plan import Plan
    from fusionflow_nb.plan.prepare import Models


@dataclass(frozen=True, slots=True)
class Price:
    """Low and high in micro-dollars. Cached jobs cost 0; pending jobs count in `high` only."""

    low_micro_usd: int = 0
    high_micro_usd: int = 0
    unpriced: tuple[str, ...] = ()
    """Models without a price rule; a run needs an explicit allowance for them."""
    paid_jobs: int = 0
    by_node: dict[str, Estimate] = field(default_factory=dict)

    def __str__(self) -> str:
        text = _range(self.low_micro_usd, self.high_micro_usd)
        return f"{text} + unpriced: {', '.join(self.unpriced)}" if self.unpriced else text

    def node_text(self, node_id: str) -> str:
        """The price of one node, low and high, as text; empty if it calls no model."""
        estimate = self.by_node.get(node_id)
        if estimate is None:
            return ""
        return "unpriced" if estimate.is_unpriced else _range(estimate.low_micro_usd, estimate.high_micro_usd)


def _range(low_micro_usd: int, high_micro_usd: int) -> str:
    low, high = low_micro_usd / 1e6, high_micro_usd / 1e6
    return f"${high:.2f}" if low == high else f"${low:.2f}–{high:.2f}"


def price(plan: Plan, scope: Iterable[str] | None = None) -> Price:
    """The price of the nodes of a scope (all by default) that are not fresh."""
    node_ids = set(plan.not_fresh) if scope is None else plan.not_fresh.intersection(scope)
    low = high = paid = 0
    unpriced: dict[str, None] = {}
    by_node: dict[str, Estimate] = {}
    for node_id in sorted(node_ids):
        node = plan.nodes[node_id]
        if node.type is None or node.type.kind is not Kind.PROVIDER or node.prepared is None or node.is_muted:
            continue
        total = Estimate()
        for estimate, model in _estimates(node, plan.models):
            total = total + estimate
            paid += estimate.high_micro_usd > 0 or estimate.is_unpriced
            if estimate.is_unpriced:
                unpriced[model] = None
        low, high = low + total.low_micro_usd, high + total.high_micro_usd
        by_node[node_id] = total
    return Price(low, high, tuple(unpriced), paid, by_node)


def _estimates(node: NodePlan, models: Models) -> Iterable[tuple[Estimate, str]]:
    """(estimate, model) of each job that would run; one pair if the number of jobs is not known yet."""
    if node.axes is None:
        yield _pending(node, None, models)
    for job in node.jobs.values():
        if job.state is JobState.READY and job.estimate is not None and job.bound is not None:
            model = job.bound.entry.id if job.bound.entry is not None else ""
            yield _highest(job.estimate, node, job.bound), model
        elif job.state is JobState.PENDING:
            yield _pending(node, job, models)


def _highest(estimate: Estimate, node: NodePlan, bound: Bound) -> Estimate:
    """The estimate of a job, with `high` raised to that of its most expensive fallback."""
    high, is_unpriced = estimate.high_micro_usd, estimate.is_unpriced
    for fallback in node.prepared.fallbacks if node.prepared is not None else ():
        if fallback.entry is not None:
            over_edges = {name: bound.values[name] for name in node.connected if name in bound.values}
            other = estimate_settings(fallback.entry, {**fallback.params, **over_edges}, pixel_counts(bound.media))
            high, is_unpriced = max(high, other.high_micro_usd), is_unpriced or other.is_unpriced
    return Estimate(low_micro_usd=estimate.low_micro_usd, high_micro_usd=high, is_unpriced=is_unpriced)


def _pending(node: NodePlan, job: Job | None, models: Models) -> tuple[Estimate, str]:
    """The estimate of a call whose inputs are not all known. `low` is 0, because the result may turn out to be cached.

    Raises nothing: binding reports errors in the inputs.
    """
    if node.prepared is None:
        return Estimate(), ""
    settings, unknown = _known_settings(node, job)
    entry = node.prepared.entry
    if entry is None:
        try:
            entry = models.resolve(str(settings["model"]))
        except (KeyError, errors.ModelError):
            return Estimate(is_unpriced=True), "a model that is not known yet"
    maxima = {name: parameter.maximum for name in unknown if (parameter := entry.parameters.get(name)) is not None}
    settings.update({name: maximum for name, maximum in maxima.items() if maximum is not None})
    try:
        estimate = estimate_settings(entry, settings, _known_pixels(node, job))
    except (TypeError, ValueError):  # a setting that binding will reject
        estimate = Estimate()
    return Estimate(high_micro_usd=estimate.high_micro_usd, is_unpriced=estimate.is_unpriced), entry.id


def _known_pixels(node: NodePlan, job: Job | None) -> list[int | None]:
    """Pixel counts of a job whose inputs are not all known: None for each edge whose picture is not known yet."""
    counts: list[int | None] = []
    for port, links in node.inputs:
        if port.type not in (PortType.IMAGE, PortType.MASK):
            continue
        for link in links:
            try:
                item = mapped_item(job, link) if job is not None and port.collects is Collects.NO else None
            except errors.PortError:
                item = None
            counts += pixel_counts({port.name: item[0]}) if item is not None else [None]
    return counts


def _known_settings(node: NodePlan, job: Job | None) -> tuple[dict[str, Any], list[str]]:
    """The known settings of a job, and the names of the unknown ones."""
    settings = dict(node.prepared.params) if node.prepared is not None else {}
    settings.update(settings.pop("settings", None) or {})
    unknown: list[str] = []
    for port, links in node.inputs:
        try:
            item = mapped_item(job, links[0]) if job is not None and port.collects is Collects.NO else None
        except errors.PortError:
            item = None
        if item is None or isinstance(item[0], Asset):
            unknown.append(port.name)
        elif port.name == "settings":
            settings.update(item[0].data if isinstance(item[0].data, dict) else {})
        else:
            settings[port.name] = item[0].data
    return settings, unknown
