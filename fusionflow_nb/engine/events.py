"""What a run says while it goes on. Listeners are plain functions, called on the loop thread; they must be quick."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from fusionflow_nb.engine.eta import Eta
    from fusionflow_nb.journal.records import Coordinate


class Event(NamedTuple):
    """One thing that happened. `kind`: run-start, job-start, job-progress, job-end, run-end."""

    kind: str
    run_id: str
    node_id: str = ""
    coordinate: Coordinate = ()
    state: str = ""
    """Job state, or the run's status."""
    progress: float | None = None
    """Fraction of real work done, 0..1; None where the service does not say."""
    queue_position: int | None = None
    waits_for: str = ""
    """`lease`, `rate_limit`, `upload` or `slot`, where the state is `waiting`."""
    at_us: int = 0
    cost_micro_usd: int = 0
    generation_id: str | None = None
    error: dict[str, Any] | None = None
    preview: bytes | None = None
    expected: Eta | None = None
    """What an estimate of progress is made of, while the service itself says nothing: never `progress` itself."""
