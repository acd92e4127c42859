"""What each node shows: the result of its last run, of an earlier one, or what the plan found; as the wire has it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from fusionflow_nb import errors
from fusionflow_nb.media.values import Asset, Series
from fusionflow_nb.plan.job import JobState

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from fusionflow_nb.engine.status import JobStatus
    from fusionflow_nb.journal.protocol import Shown as KeptResult
    from fusionflow_nb.journal.records import Coordinate
    from fusionflow_nb.media.values import Item, Outputs
    from fusionflow_nb.plan.job import Job, NodePlan

MAX_VALUE_CHARS = 20_000
"""Longer texts are cut on the canvas; the value itself stays whole."""


@dataclass
class NodeResults:
    """Results by node and coordinate, and which nodes' have changed since the views were told.

    Args:
        address: where the browser finds bytes: `{url, preview_url}`.
        peaks: loudness of a sound, where it is known already.
    """

    address: Callable[[Asset], dict[str, str]]
    peaks: Callable[[Asset], list[float] | None] = lambda _: None
    results: dict[str, dict[Coordinate, dict[str, Any]]] = field(default_factory=dict)
    changed: set[str] = field(default_factory=set)

    def begin(self, kept: Mapping[tuple[str, Coordinate], KeptResult]) -> None:
        """Take over what nodes showed when the flow was last open."""
        for (node_id, coordinate), result in kept.items():
            facts = self._facts(coordinate, "cached", result.outputs, result.generation_id)
            self.results.setdefault(node_id, {})[coordinate] = facts

    def ended(self, job: Job, status: JobStatus) -> dict[str, Any]:
        """A job of a run has ended: its result as the views get it with the event."""
        elapsed_s = None
        if status.started_at_us and status.state != "cached":
            elapsed_s = max(0.0, (status.finished_at_us - status.started_at_us) / 1e6)
        facts = self._facts(
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
            facts["served_by"] = status.served_by
            facts["is_same_model"] = status.is_same_model
        known = self.results.setdefault(job.node.id, {})
        axes = _axes(job.coordinate)
        for other in [other for other in known if _axes(other) != axes]:
            del known[other]  # the batch has another shape now
        known[job.coordinate] = facts
        return facts

    def follow(self, nodes: Iterable[NodePlan]) -> None:
        """Show what a plan knows: results that an edit or an undo has brought back, values, cells that are gone."""
        for node in nodes:
            if not node.has_cells or node.axes is None:
                continue
            known = self.results.get(node.id, {})
            now = {job.coordinate: self._of(job, known.get(job.coordinate)) for job in node.jobs.values()}
            found = {coordinate: facts for coordinate, facts in now.items() if facts is not None}
            if not found and known:
                continue  # stale in another shape: the old picture stays until there is a new one
            if found != known:
                self.results[node.id] = found
                self.changed.add(node.id)

    def keep_only(self, node_ids: Iterable[str]) -> None:
        """Forget nodes that are no more."""
        for node_id in self.results.keys() - set(node_ids):
            del self.results[node_id]

    def take_changed(self) -> dict[str, list[dict[str, Any]]]:
        """Results that the views do not have yet, by node."""
        changed, self.changed = self.changed, set()
        return {node_id: list(self.results[node_id].values()) for node_id in sorted(changed & self.results.keys())}

    def all(self) -> dict[str, list[dict[str, Any]]]:
        """Every node's results."""
        return {node_id: list(found.values()) for node_id, found in self.results.items()}

    def _of(self, job: Job, known: dict[str, Any] | None) -> dict[str, Any] | None:
        """What a planned job shows: its own result if it has one, else what was there."""
        if job.state is not JobState.DONE or job.outputs is None:
            return known
        if known is not None and job.generation_id and known["generation_id"] == job.generation_id:
            return known
        is_made = job.generation_id is None
        state = "succeeded" if is_made else "cached"
        facts = self._facts(job.coordinate, state, job.outputs, job.generation_id, provider=_provider(job))
        return known if known is not None and known["cells"] == facts["cells"] else facts

    def _facts(
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
    ) -> dict[str, Any]:
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

    def cells(self, outputs: Outputs, coordinate: Coordinate) -> list[dict[str, Any]]:
        """What each port gave, a series item by item."""
        cells: list[dict[str, Any]] = []
        for port, value in outputs.items():
            if isinstance(value, Series):
                cells += [
                    self.cell(port, item, (*coordinate, (value.axis, label)))
                    for label, item in zip(value.labels, value.items, strict=True)
                ]
            else:
                cells.append(self.cell(port, value, coordinate))
        return cells

    def cell(self, port: str, item: Item, coordinate: Coordinate) -> dict[str, Any]:
        """One thing that a port gave: media as addresses, values as they are."""
        cell: dict[str, Any] = {"port": port, "coordinate": coordinate}
        if not isinstance(item, Asset):
            is_long = isinstance(item.data, str) and len(item.data) > MAX_VALUE_CHARS
            return {**cell, "value": f"{item.data[:MAX_VALUE_CHARS]} …" if is_long else item.data}
        cell.update(item.to_json())
        try:
            cell.update(self.address(item))
        except errors.FusionFlowError:  # nothing can serve it: the view says what it is, without showing it
            return cell
        peaks = self.peaks(item) if item.media_type.startswith("audio/") else None
        return cell if peaks is None else {**cell, "peaks": peaks}


def error_facts(error: errors.FusionFlowError) -> dict[str, Any]:
    """An error as a view shows it: what, where, and what to do next, each in its place."""
    facts: dict[str, Any] = {"code": error.code, "message": error.what}
    if error.status is not None:
        facts["message"] += f" (HTTP {error.status})"
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
