"""The runs of a flow as views see them: events in the wire's words, and how all stands for a view that comes late."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from fusionflow_nb import errors
from fusionflow_nb.canvas.node_results import error_facts

if TYPE_CHECKING:
    from fusionflow_nb.api.run import RunHandle
    from fusionflow_nb.canvas.event_batcher import EventBatcher
    from fusionflow_nb.canvas.node_results import NodeResults
    from fusionflow_nb.engine.events import Event


PREVIEW_PX = 512


def in_the_making(data: bytes) -> bytes | None:
    """A picture that a service shows of its work, small enough for the wire; None where it cannot be read."""
    from fusionflow_nb.media.picture import open_picture, thumbnail  # noqa: PLC0415 - Pillow only when there is one

    try:
        return thumbnail(open_picture(data), PREVIEW_PX)
    except errors.MediaError:
        return None  # the next one, or the result, will do


class RunView:
    """Follows every run of a flow.

    Args:
        news: takes their events, on the loop thread.
    """

    def __init__(self, news: EventBatcher) -> None:
        self._news = news
        self._runs: dict[str, RunHandle] = {}
        self._standing: dict[str, dict[Any, dict[str, Any]]] = {}
        """By run: the newest word about each job, in the order in which they began."""

    def follow(self, run: RunHandle) -> None:
        """Hear a run from its beginning, or from where it stands."""
        self._runs[run.id] = run
        run.subscribe(self._news.add)
        for event in run.standing():
            self._news.add(event)

    def cancel(self, node_id: str | None, *, branch: bool) -> None:
        """Cancel everything that runs, a node's jobs, or a branch; what does not run is not touched."""
        for run in list(self._runs.values()):
            if not run.is_done and (node_id is None or node_id in run.scope):
                run.cancel(node_id, branch=branch)

    def told(self, events: list[Event], shown: NodeResults) -> tuple[list[dict[str, Any]], list[bytes]]:
        """Events as the views get them, and buffers: results come with the end of a job, pictures in the making too."""
        buffers: list[bytes] = []
        told = []
        for event in events:
            if event.run_id not in self._runs:
                continue
            said = self._told(event, shown)
            picture = None if event.preview is None else in_the_making(event.preview)
            if picture is not None:
                said = {**said, "preview": len(buffers)}
                buffers.append(picture)
            told.append(said)
        return told, buffers

    def done(self, events: list[dict[str, Any]]) -> set[str]:
        """Nodes that the ends among these events have made fresh, as their run planned them."""
        ended = {(event["run_id"], event["node_id"]) for event in events if event["kind"] == "job-end"}
        return {node_id for run_id, node_id in ended if run_id in self._runs and self._runs[run_id].is_fresh(node_id)}

    def live(self) -> list[dict[str, Any]]:
        """Events that bring a view to where the runs are that go on."""
        return [told for standing in self._standing.values() for told in standing.values()]

    def _told(self, event: Event, shown: NodeResults) -> dict[str, Any]:
        run = self._runs[event.run_id]
        told: dict[str, Any] = {"kind": event.kind, "run_id": event.run_id, "state": event.state, "at_us": event.at_us}
        if event.kind == "run-start":
            told["scope"] = sorted(run.scope)
            self._standing[run.id] = {None: told}
            return told
        if event.kind == "run-end":
            del self._runs[run.id]
            self._standing.pop(run.id, None)
            told["cost_micro_usd"] = event.cost_micro_usd
            return told
        told["node_id"] = event.node_id
        if event.coordinate:
            told["coordinate"] = event.coordinate
        optional = {
            "progress": event.progress,
            "queue_position": event.queue_position,
            "waits_for": event.waits_for or None,
            "cost_micro_usd": event.cost_micro_usd or None,
            "generation_id": event.generation_id,
            "expected": None if event.expected is None else event.expected._asdict(),
        }
        told.update({name: value for name, value in optional.items() if value is not None})
        if event.kind == "job-end":
            job, status = run.job(event.node_id, event.coordinate)
            if status is not None and status.error is not None:
                told["error"] = error_facts(status.error)
            if job is not None and status is not None:
                told["result"] = shown.ended(job, status)
        standing = self._standing.setdefault(run.id, {})
        before = standing.get((event.node_id, event.coordinate))
        # A late view must know since when a job runs.
        kept = {**told, "at_us": before["at_us"]} if before is not None and event.kind == "job-progress" else told
        standing[event.node_id, event.coordinate] = kept
        return told
