"""What a plan would cost: read off the plan."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from fusionflow_nb import errors
from fusionflow_nb.catalog.node_type import Collects, Kind
from fusionflow_nb.media.ports import PortType
from fusionflow_nb.media.values import Asset
from fusionflow_nb.plan.job import Job, JobState
from fusionflow_nb.plan.prepare import defaults_of
from fusionflow_nb.plan.upstream import mapped_item
from fusionflow_nb.providers.model import Estimate

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from fusionflow_nb.plan.job import Bound, NodePlan
    from fusionflow_nb.plan.plan import Plan
    from fusionflow_nb.plan.prepare import Models
    from fusionflow_nb.providers.model import ModelEntry


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
        text = _range(self.low_micro_usd, self.high_micro_usd)
        return f"{text} + unpriced: {', '.join(self.unpriced)}" if self.unpriced else text

    def says_of(self, node_id: str) -> str:
        """What one node would cost, low and high; empty where nothing is bought."""
        one = self.by_node.get(node_id)
        if one is None:
            return ""
        return "unpriced" if one.is_unpriced else _range(one.low_micro_usd, one.high_micro_usd)


def _range(low_micro_usd: int, high_micro_usd: int) -> str:
    low, high = low_micro_usd / 1e6, high_micro_usd / 1e6
    return f"${high:.2f}" if low == high else f"${low:.2f}–{high:.2f}"


def price(plan: Plan, scope: Iterable[str] | None = None) -> Price:
    """The price of exactly what is not fresh among the nodes of a scope (all by default)."""
    wanted = set(plan.unfresh) if scope is None else plan.unfresh.intersection(scope)
    low = high = paid = 0
    unpriced: dict[str, None] = {}
    by_node: dict[str, Estimate] = {}
    for node_id in sorted(wanted):
        node = plan.nodes[node_id]
        if node.type is None or node.type.kind is not Kind.PROVIDER or node.prepared is None or node.is_muted:
            continue
        total = Estimate()
        for one, model in _estimates(node, plan.models):
            total = total + one
            paid += one.high_micro_usd > 0 or one.is_unpriced
            if one.is_unpriced:
                unpriced[model] = None
        low, high = low + total.low_micro_usd, high + total.high_micro_usd
        by_node[node_id] = total
    return Price(low, high, tuple(unpriced), paid, by_node)


def estimate_of(bound: Bound | None) -> Estimate | None:
    """What a bound job will cost; None where nothing is bought."""
    if bound is None or bound.entry is None:
        return None
    return _estimated(bound.entry, bound.values, _pixels(bound.media))


def _estimated(entry: ModelEntry, settings: dict[str, Any], pictures: Sequence[int | None] = ()) -> Estimate:
    # What is left out costs what the model's default costs.
    prompt = settings.get("prompt")
    return entry.estimate(
        {**defaults_of(entry), **settings}, prompt=prompt if isinstance(prompt, str) else None, image_pixels=pictures
    )


def _pixels(media: dict[str, Any]) -> list[int | None]:
    """How many pixels each picture has that goes in."""
    assets = [asset for given in media.values() for asset in (given if isinstance(given, list) else [given])]
    return [
        asset.width * asset.height if asset.width and asset.height else None
        for asset in assets
        if isinstance(asset, Asset) and asset.media_type.startswith("image/")
    ]


def _estimates(node: NodePlan, models: Models) -> Iterable[tuple[Estimate, str]]:
    """(estimate, model) of each job that would run; one job of unknown number where the batch is not known yet."""
    if node.axes is None:
        yield _pending(node, None, models)
    for job in node.jobs.values():
        if job.state is JobState.READY and job.estimate is not None and job.bound is not None:
            model = job.bound.entry.id if job.bound.entry is not None else ""
            yield _dearest(job.estimate, node, job.bound), model
        elif job.state is JobState.PENDING:
            yield _pending(node, job, models)


def _dearest(asked: Estimate, node: NodePlan, given: Bound) -> Estimate:
    """The estimate of the asked model; at the most, that of the dearest of its fallbacks."""
    high, is_unpriced = asked.high_micro_usd, asked.is_unpriced
    for fallback in node.prepared.fallbacks if node.prepared is not None else ():
        if fallback.entry is not None:
            over_edges = {name: given.values[name] for name in node.connected if name in given.values}
            instead = _estimated(fallback.entry, {**fallback.params, **over_edges}, _pixels(given.media))
            high, is_unpriced = max(high, instead.high_micro_usd), is_unpriced or instead.is_unpriced
    return Estimate(low_micro_usd=asked.low_micro_usd, high_micro_usd=high, is_unpriced=is_unpriced)


def _pending(node: NodePlan, job: Job | None, models: Models) -> tuple[Estimate, str]:
    """The most that a call may cost whose inputs are not all known; it may turn out to be known, so its least is 0.

    Raises nothing: what is wrong with the inputs is for binding to say.
    """
    if node.prepared is None:
        return Estimate(), ""
    settings, unknown = _settings_so_far(node, job)
    entry = node.prepared.entry
    if entry is None:
        try:
            entry = models.resolve(str(settings["model"]))
        except (KeyError, errors.ModelError):
            return Estimate(is_unpriced=True), "a model that is not known yet"
    ranges = {name: parameter.maximum for name in unknown if (parameter := entry.parameters.get(name)) is not None}
    settings.update({name: most for name, most in ranges.items() if most is not None})
    try:
        estimate = _estimated(entry, settings, _pixels_so_far(node, job))
    except (TypeError, ValueError):  # a setting that binding will refuse
        estimate = Estimate()
    return Estimate(high_micro_usd=estimate.high_micro_usd, is_unpriced=estimate.is_unpriced), entry.id


def _pixels_so_far(node: NodePlan, job: Job | None) -> list[int | None]:
    """The same of a job whose inputs are not all known: one unknown picture for each edge that will bring one."""
    found: list[int | None] = []
    for port, links in node.inputs:
        if port.type not in (PortType.IMAGE, PortType.MASK):
            continue
        for link in links:
            try:
                item = mapped_item(job, link) if job is not None and port.collects is Collects.NO else None
            except errors.PortError:
                item = None
            found += _pixels({port.name: item[0]}) if item is not None else [None]
    return found


def _settings_so_far(node: NodePlan, job: Job | None) -> tuple[dict[str, Any], list[str]]:
    """Settings as far as they are known, and the names of those that are not."""
    settings = dict(node.prepared.params) if node.prepared is not None else {}
    settings.update(settings.pop("settings", None) or {})
    unknown: list[str] = []
    for port, links in node.inputs:
        try:
            found = mapped_item(job, links[0]) if job is not None and port.collects is Collects.NO else None
        except errors.PortError:
            found = None
        if found is None or isinstance(found[0], Asset):
            unknown.append(port.name)
        elif port.name == "settings":
            settings.update(found[0].data if isinstance(found[0].data, dict) else {})
        else:
            settings[port.name] = found[0].data
    return settings, unknown
