"""Helpers for tests of runs: record events, hold a submit, read states."""

from __future__ import annotations

import asyncio
import threading
from collections import Counter
from typing import TYPE_CHECKING, Any

from fusionflow_nb.testing.fake import FakeProvider

if TYPE_CHECKING:
    from collections.abc import Callable

    from fusionflow_nb.api.run import RunHandle
    from fusionflow_nb.engine.events import Event

PATIENCE_S = 30.0
"""Time-out of every wait; reached only by a hang."""


class EventRecorder:
    """Records all events of all runs; tests can wait for a condition on them."""

    def __init__(self) -> None:
        self.events: list[Event] = []
        self._changed = threading.Condition()

    def record(self, event: Event) -> None:
        with self._changed:
            self.events.append(event)
            self._changed.notify_all()

    def until(self, condition: Callable[[], Any]) -> None:
        with self._changed:
            assert self._changed.wait_for(condition, PATIENCE_S), (
                f"timed out after {[tuple(e)[:5] for e in self.events]}"
            )

    def until_state(self, run: RunHandle, node_id: str, state: str, progress: float = 0.0) -> None:
        self.until(lambda: any(s.state == state and (s.progress or 0) >= progress for s in states_of(run, node_id)))

    def order(self, kind: str) -> list[str]:
        with self._changed:
            return [event.node_id for event in self.events if event.kind == kind]


class Gated(FakeProvider):
    """A service whose responses to submits wait until the test opens the gate."""

    def __init__(self) -> None:
        super().__init__()
        self.arrived = threading.Event()
        self.gate = threading.Event()

    async def submit(self, request: Any, *, idempotency_key: str) -> Any:
        operation = await super().submit(request, idempotency_key=idempotency_key)
        self.arrived.set()
        await asyncio.to_thread(self.gate.wait, PATIENCE_S)
        return operation


def states_of(run: RunHandle, node_id: str) -> list[Any]:
    return [status for (name, _), status in list(run.jobs.items()) if name == node_id]


def state_of(run: RunHandle, node_id: str) -> str:
    [status] = states_of(run, node_id)
    return status.state


def counts(run: RunHandle) -> dict[str, int]:
    """The number of jobs by state."""
    return dict(Counter(status.state for status in run.jobs.values()))
