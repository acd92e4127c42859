"""Events of a run. Listeners are plain functions, called on the loop thread; they must be quick."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable

    from fusionflow_nb.engine.eta import Eta
    from fusionflow_nb.journal.records import Coordinate

_log = logging.getLogger("fusionflow_nb.engine")


class Event(NamedTuple):
    """One event of a run. `kind`: run-start, job-start, job-progress, job-end, run-end."""

    kind: str
    run_id: str
    node_id: str = ""
    coordinate: Coordinate = ()
    state: str = ""
    """Job state, or the run's status."""
    progress: float | None = None
    """Fraction of real work done, 0..1; None if the service does not report it."""
    queue_position: int | None = None
    waits_for: str = ""
    """`lease`, `rate_limit`, `upload` or `slot`, if the state is `waiting`."""
    at_us: int = 0
    cost_micro_usd: int = 0
    generation_id: str | None = None
    error: dict[str, Any] | None = None
    preview: bytes | None = None
    expected: Eta | None = None
    """Basis for estimated progress while the service reports none; never `progress` itself."""


class EventEmitter:
    """The listeners of one run; true if there are any."""

    def __init__(self) -> None:
        self._listeners: list[Callable[[Event], None]] = []

    def __bool__(self) -> bool:
        return bool(self._listeners)

    def subscribe(self, listener: Callable[[Event], None]) -> Callable[[], None]:
        """Call `listener` with every event from now on; returns a function that unsubscribes it."""
        self._listeners.append(listener)
        return lambda: self._listeners.remove(listener)

    def emit(self, event: Event) -> None:
        """Call every listener; one that raises is removed, so that it cannot stop the run."""
        for listener in tuple(self._listeners):
            try:
                listener(event)
            except Exception:  # noqa: BLE001 - a listener must not stop the run
                self._listeners.remove(listener)
                _log.exception("A listener of a run failed; it was removed.")
