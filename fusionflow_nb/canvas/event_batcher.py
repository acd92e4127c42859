"""Batches run events for the views: drops outdated progress and sends the rest in one message per 33 ms."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from fusionflow_nb.engine.events import Event
    from fusionflow_nb.journal.records import Coordinate

PERIOD_S = 0.033


class EventBatcher:
    """A queue of events, drained in batches. `add` runs on the loop thread and only appends.

    Args:
        wake: called when there are events to take, once per batch.

    >>> from fusionflow_nb.engine.events import Event
    >>> batcher = EventBatcher(lambda: None)
    >>> for progress in (0.1, 0.2, 0.3):
    ...     batcher.add(Event("job-progress", "r", "a", progress=progress))
    >>> [event.progress for event in batcher.take()]
    [0.3]
    """

    def __init__(self, wake: Callable[[], None]) -> None:
        self._wake = wake
        self._queue: deque[Event] = deque()
        self._is_woken = False

    def add(self, event: Event) -> None:
        """Queue an event; safe from any thread."""
        self._queue.append(event)
        if not self._is_woken:
            self._is_woken = True
            self._wake()

    def take(self) -> list[Event]:
        """Return all queued events in order, with only the newest progress event of each job."""
        self._is_woken = False  # first: an event added from now on wakes again
        events: list[Event] = []
        while self._queue:
            events.append(self._queue.popleft())
        newest = {_job(event): index for index, event in enumerate(events)}
        previews = {_job(event): event.preview for event in events if event.preview is not None}
        batch = [
            event for index, event in enumerate(events) if event.kind != "job-progress" or newest[_job(event)] == index
        ]
        # A preview is current until a newer preview replaces it.
        return [
            event._replace(preview=previews[_job(event)])
            if previews and event.kind == "job-progress" and _job(event) in previews
            else event
            for event in batch
        ]


def _job(event: Event) -> tuple[str, str, Coordinate]:
    return event.run_id, event.node_id, event.coordinate
