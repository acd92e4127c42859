"""Active runs of a flow as events for the views, including a replay for a view that connects during a run."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from fusionflow_nb import errors
from fusionflow_nb.canvas.node_results import error_facts

if TYPE_CHECKING:
    from fusionflow_nb.api.run import RunHandle
    from fusionflow_nb.canvas import wire
    from fusionflow_nb.canvas.event_batcher import EventBatcher
    from fusionflow_nb.canvas.node_results import NodeResults
    from fusionflow_nb.engine.events import Event


PREVIEW_PX = 512


def small_preview(data: bytes) -> bytes | None:
    """A service's preview of unfinished work, small enough to send; None if it is unreadable."""
    from fusionflow_nb.media.picture import open_picture, thumbnail  # noqa: PLC0415 - Pillow only if there is a preview

    try:
        return thumbnail(open_picture(data), PREVIEW_PX)
    except errors.MediaError:
        return None  # the next preview or the result replaces it


class RunStream:
    """Follows every run of a flow.

    Args:
        batcher: receives the events of runs, on the loop thread.
    """

    def __init__(self, batcher: EventBatcher) -> None:
        self._batcher = batcher
        self._runs: dict[str, RunHandle] = {}
        self._newest: dict[str, dict[Any, wire.RunEvent]] = {}
        """By run id: the newest event of each job, in order of start."""

    def follow(self, run: RunHandle) -> None:
        """Subscribe to a run; if it has already started, replay its state first."""
        self._runs[run.id] = run
        run.subscribe(self._batcher.add)
        for event in run.current_events():
            self._batcher.add(event)

    def cancel(self, node_id: str | None, *, branch: bool) -> None:
        """Cancel all jobs, those of a node, or those of a node and all nodes downstream."""
        for run in list(self._runs.values()):
            if not run.is_done and (node_id is None or node_id in run.scope):
                run.cancel(node_id, branch=branch)

    def to_messages(self, events: list[Event], results: NodeResults) -> tuple[list[wire.RunEvent], list[bytes]]:
        """Convert events to wire events and buffers: the end of a job carries its result, previews are buffers."""
        buffers: list[bytes] = []
        wire_events = []
        for event in events:
            if event.run_id not in self._runs:
                continue
            wire_event = self._to_wire(event, results)
            preview = None if event.preview is None else small_preview(event.preview)
            if preview is not None:
                wire_event = {**wire_event, "preview": len(buffers)}
                buffers.append(preview)
            wire_events.append(wire_event)
        return wire_events, buffers

    def fresh_nodes(self, events: list[wire.RunEvent]) -> set[str]:
        """Nodes that became fresh with a `job-end` among these events, in the plan of their run."""
        ended = {(event["run_id"], event["node_id"]) for event in events if event["kind"] == "job-end"}
        return {node_id for run_id, node_id in ended if run_id in self._runs and self._runs[run_id].is_fresh(node_id)}

    def replay(self) -> list[wire.RunEvent]:
        """Events that reproduce the state of all active runs."""
        return [event for events in self._newest.values() for event in events.values()]

    def _to_wire(self, event: Event, results: NodeResults) -> wire.RunEvent:
        run = self._runs[event.run_id]
        wire_event: wire.RunEvent = {
            "kind": event.kind,
            "run_id": event.run_id,
            "state": event.state,
            "at_us": event.at_us,
        }
        if event.kind == "run-start":
            wire_event["scope"] = sorted(run.scope)
            self._newest[run.id] = {None: wire_event}
            return wire_event
        if event.kind == "run-end":
            del self._runs[run.id]
            self._newest.pop(run.id, None)
            wire_event["cost_micro_usd"] = event.cost_micro_usd
            return wire_event
        _add_job_fields(wire_event, event)
        if event.kind == "job-end":
            job, status = run.job(event.node_id, event.coordinate)
            if status is not None and status.error is not None:
                wire_event["error"] = error_facts(status.error)
            if job is not None and status is not None:
                wire_event["result"] = results.end_job(job, status)
        newest = self._newest.setdefault(run.id, {})
        previous = newest.get((event.node_id, event.coordinate))
        # A view that connects later needs the start time of the job.
        replayed = wire_event
        if previous is not None and event.kind == "job-progress":
            replayed = {**wire_event, "at_us": previous["at_us"]}
        newest[event.node_id, event.coordinate] = replayed
        return wire_event


def _add_job_fields(wire_event: wire.RunEvent, event: Event) -> None:
    wire_event["node_id"] = event.node_id
    if event.coordinate:
        wire_event["coordinate"] = event.coordinate
    if event.progress is not None:
        wire_event["progress"] = event.progress
    if event.queue_position is not None:
        wire_event["queue_position"] = event.queue_position
    if event.waits_for:
        wire_event["waits_for"] = event.waits_for
    if event.cost_micro_usd:
        wire_event["cost_micro_usd"] = event.cost_micro_usd
    if event.generation_id is not None:
        wire_event["generation_id"] = event.generation_id
    if event.expected is not None:
        wire_event["expected"] = {"since_us": event.expected.since_us, "typical_s": event.expected.typical_s}
