"""Holding a run still where a test wants to look, and hearing all it says."""

from __future__ import annotations

import asyncio
import threading
from typing import TYPE_CHECKING, Any

from fusionflow_nb.testing.fake import FakeProvider

if TYPE_CHECKING:
    from collections.abc import Callable

    from fusionflow_nb.api.run import RunHandle
    from fusionflow_nb.engine.events import Event

PATIENCE_S = 30.0
"""Only a hang takes so long; nothing is measured by it."""


class EventRecorder:
    """Every event of every run, from the first, and a way to wait until something is so."""

    def __init__(self) -> None:
        self.events: list[Event] = []
        self._news = threading.Condition()

    def record(self, event: Event) -> None:
        with self._news:
            self.events.append(event)
            self._news.notify_all()

    def until(self, holds: Callable[[], Any]) -> None:
        with self._news:
            assert self._news.wait_for(holds, PATIENCE_S), f"never so; heard {[tuple(e)[:5] for e in self.events]}"

    def until_state(self, run: RunHandle, node_id: str, state: str, progress: float = 0.0) -> None:
        self.until(lambda: any(s.state == state and (s.progress or 0) >= progress for s in states_of(run, node_id)))

    def order(self, kind: str) -> list[str]:
        with self._news:
            return [event.node_id for event in self.events if event.kind == kind]


class Gated(FakeProvider):
    """A service whose answers to submits wait until the test lets them through."""

    def __init__(self) -> None:
        super().__init__()
        self.arrived = threading.Event()
        self.gate = threading.Event()

    async def submit(self, request: Any, *, idempotency_key: str) -> Any:
        taken = await super().submit(request, idempotency_key=idempotency_key)
        self.arrived.set()
        await asyncio.to_thread(self.gate.wait, PATIENCE_S)
        return taken


def states_of(run: RunHandle, node_id: str) -> list[Any]:
    return [status for (name, _), status in list(run.jobs.items()) if name == node_id]


def state_of(run: RunHandle, node_id: str) -> str:
    [status] = states_of(run, node_id)
    return status.state


def counts(run: RunHandle) -> dict[str, int]:
    found: dict[str, int] = {}
    for status in run.jobs.values():
        found[status.state] = found.get(status.state, 0) + 1
    return found
