"""Results that each node shows, in wire form: from the current run, an earlier run, or the plan's cache lookup."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from fusionflow_nb import errors
from fusionflow_nb.media.values import Asset, Series
from fusionflow_nb.plan.job import JobState

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from fusionflow_nb.canvas import wire
    from fusionflow_nb.engine.status import JobStatus
    from fusionflow_nb.journal.protocol import NodeResult
    from fusionflow_nb.journal.records import Coordinate
    from fusionflow_nb.media.values import Item, Outputs
    from fusionflow_nb.plan.job import Job, NodePlan

MAX_VALUE_CHARS = 20_000
"""Longer texts are truncated on the canvas; the value itself stays complete."""


@dataclass
class NodeResults:
    """Results by node and coordinate, with the set of nodes whose results changed since they were last sent.

    Args:
        urls: returns `{url, preview_url}` of an asset.
        peaks: returns the waveform peaks of a sound, or None.
    """

    urls: Callable[[Asset], dict[str, str]]
    peaks: Callable[[Asset], list[float] | None] = lambda _: None
    results: dict[str, dict[Coordinate, wire.JobResult]] = field(default_factory=dict)
    changed: set[str] = field(default_factory=set)

    def load(self, stored: Mapping[tuple[str, Coordinate], NodeResult]) -> None:
        """Load the results that nodes showed when the flow was last open."""
        for (node_id, coordinate), result in stored.items():
            facts = self._job_result(coordinate, "cached", result.outputs, result.generation_id)
            self.results.setdefault(node_id, {})[coordinate] = facts

    def end_job(self, job: Job, status: JobStatus) -> wire.JobResult:
        """Record the result of a job that ended; returns its wire form."""
        elapsed_s = None
        if status.started_at_us and status.state != "cached":
            elapsed_s = max(0.0, (status.finished_at_us - status.started_at_us) / 1e6)
        result = self._job_result(
            job.coordinate,
            status.state,
            job.outputs,
            status.generation_id,
            cost_micro_usd=status.cost_micro_usd,
            cost_is_exact=status.cost_is_exact,
            elapsed_s=elapsed_s,
            finished_at_us=status.finished_at_us or None,
            provider=status.served_by.partition("/")[0] or _provider(job),
            error=status.error,
        )
        if status.served_by:
            result["served_by"] = status.served_by
            result["is_same_model"] = status.is_same_model
        results = self.results.setdefault(job.node.id, {})
        axes = _axes(job.coordinate)
        for other in [other for other in results if _axes(other) != axes]:
            del results[other]  # left over from a batch with other axes
        results[job.coordinate] = result
        return result

    def update(self, nodes: Iterable[NodePlan]) -> None:
        """Apply a plan: cached results after an edit or undo, computed values, removed cells."""
        for node in nodes:
            if not node.has_cells or node.axes is None:
                continue
            before = self.results.get(node.id, {})
            planned = {job.coordinate: self._planned(job, before.get(job.coordinate)) for job in node.jobs.values()}
            results = {coordinate: result for coordinate, result in planned.items() if result is not None}
            if not results and before:
                continue  # stale, and the axes changed: keep the old results until there are new results
            if results != before:
                self.results[node.id] = results
                self.changed.add(node.id)

    def keep_only(self, node_ids: Iterable[str]) -> None:
        """Drop the results of all other nodes."""
        for node_id in self.results.keys() - set(node_ids):
            del self.results[node_id]

    def take_changed(self) -> dict[str, list[wire.JobResult]]:
        """Results by node that changed since the last call."""
        changed, self.changed = self.changed, set()
        return {node_id: list(self.results[node_id].values()) for node_id in sorted(changed & self.results.keys())}

    def all(self) -> dict[str, list[wire.JobResult]]:
        """Results of every node."""
        return {node_id: list(results.values()) for node_id, results in self.results.items()}

    def _planned(self, job: Job, before: wire.JobResult | None) -> wire.JobResult | None:
        """The result of a planned job: its cached result if there is one, else what it showed before."""
        if job.state is not JobState.DONE or job.outputs is None:
            return before
        if before is not None and job.generation_id and before["generation_id"] == job.generation_id:
            return before
        state = "succeeded" if job.generation_id is None else "cached"
        result = self._job_result(job.coordinate, state, job.outputs, job.generation_id, provider=_provider(job))
        return before if before is not None and before["cells"] == result["cells"] else result

    def _job_result(
        self,
        coordinate: Coordinate,
        state: str,
        outputs: Outputs | None,
        generation_id: str | None,
        *,
        cost_micro_usd: int = 0,
        cost_is_exact: bool = True,
        elapsed_s: float | None = None,
        finished_at_us: int | None = None,
        provider: str | None = None,
        error: errors.FusionFlowError | None = None,
    ) -> wire.JobResult:
        return {
            "coordinate": coordinate,
            "state": state,
            "cells": self.cells(outputs or {}, coordinate),
            "generation_id": generation_id or None,
            "cost_micro_usd": cost_micro_usd,
            "cost_is_exact": cost_is_exact,
            "elapsed_s": elapsed_s,
            "finished_at_us": finished_at_us,
            "provider": provider,
            "error": None if error is None else error_facts(error),
        }

    def cells(self, outputs: Outputs, coordinate: Coordinate) -> list[wire.ResultCell]:
        """Cells of all output ports; a series gives one cell per item."""
        cells: list[wire.ResultCell] = []
        for port, value in outputs.items():
            if isinstance(value, Series):
                cells += [
                    self.cell(port, item, (*coordinate, (value.axis, label)))
                    for label, item in zip(value.labels, value.items, strict=True)
                ]
            else:
                cells.append(self.cell(port, value, coordinate))
        return cells

    def cell(self, port: str, item: Item, coordinate: Coordinate) -> wire.ResultCell:
        """A cell: media by URL, values inline."""
        cell: wire.ResultCell = {"port": port, "coordinate": coordinate}
        if not isinstance(item, Asset):
            is_long = isinstance(item.data, str) and len(item.data) > MAX_VALUE_CHARS
            cell["value"] = f"{item.data[:MAX_VALUE_CHARS]} …" if is_long else item.data
            return cell
        add_asset(cell, item)
        try:
            add_urls(cell, self.urls(item))
        except errors.FusionFlowError:  # no server can serve it: the view describes it without showing it
            return cell
        peaks = self.peaks(item) if item.media_type.startswith("audio/") else None
        if peaks is not None:
            cell["peaks"] = peaks
        return cell


def add_asset(cell: wire.ResultCell, asset: Asset) -> None:
    """Add the facts of an asset to a cell."""
    cell["sha256"], cell["media_type"], cell["size_bytes"] = asset.sha256, asset.media_type, asset.size_bytes
    cell["width"], cell["height"], cell["duration_s"] = asset.width, asset.height, asset.duration_s


def add_urls(cell: wire.ResultCell, urls: Mapping[str, str]) -> None:
    """Add `{url, preview_url}` to a cell."""
    cell["url"] = urls["url"]
    if "preview_url" in urls:
        cell["preview_url"] = urls["preview_url"]


def error_facts(error: errors.FusionFlowError) -> wire.ErrorFacts:
    """An error for the views: message, node and hint apart."""
    status = "" if error.status is None else f" (HTTP {error.status})"
    facts: wire.ErrorFacts = {"code": error.code, "message": f"{error.what}{status}"}
    if error.hint:
        facts["hint"] = error.hint
    if error.node_id:
        facts["node_id"] = error.node_id
    return facts


def _axes(coordinate: Coordinate) -> tuple[str, ...]:
    return tuple([axis for axis, _ in coordinate])


def _provider(job: Job) -> str | None:
    bound = job.bound
    if bound is not None and bound.entry is not None:
        return bound.entry.provider
    return "local" if job.node.type is not None and job.node.type.kind == "local" else None
