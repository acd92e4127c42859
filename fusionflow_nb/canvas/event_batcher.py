"""Run events on their way to the views: what is overtaken is left out, what is left goes in one message per 33 ms."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from fusionflow_nb.engine.events import Event
    from fusionflow_nb.journal.records import Coordinate

PERIOD_S = 0.033


class EventBatcher:
    """Events as they come, taken in bundles. `add` is called on the loop thread and does next to nothing.

    Args:
        wake: called when there is something to take and nobody was woken since the last `take`.

    >>> from fusionflow_nb.engine.events import Event
    >>> news = News(lambda: None)
    >>> for part in (0.1, 0.2, 0.3):
    ...     news.add(Event("job-progress", "r", "a", progress=part))
    >>> [event.progress for event in news.take()]
    [0.3]
    """

    def __init__(self, wake: Callable[[], None]) -> None:
        self._wake = wake
        self._waiting: deque[Event] = deque()
        self._is_woken = False

    def add(self, event: Event) -> None:
        """Note an event; from any thread."""
        self._waiting.append(event)
        if not self._is_woken:
            self._is_woken = True
            self._wake()

    def take(self) -> list[Event]:
        """Everything noted since the last call, in order; of progress only what is newest for each job."""
        self._is_woken = False  # before looking: who adds from now on wakes again
        taken: list[Event] = []
        while self._waiting:
            taken.append(self._waiting.popleft())
        newest = {_job(event): index for index, event in enumerate(taken)}
        pictures = {_job(event): event.preview for event in taken if event.preview is not None}
        told = [
            event for index, event in enumerate(taken) if event.kind != "job-progress" or newest[_job(event)] == index
        ]
        # A picture in the making is news until there is a newer one.
        return [
            event._replace(preview=pictures[_job(event)])
            if pictures and event.kind == "job-progress" and _job(event) in pictures
            else event
            for event in told
        ]


def _job(event: Event) -> tuple[str, str, Coordinate]:
    return event.run_id, event.node_id, event.coordinate
