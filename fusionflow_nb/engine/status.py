"""How jobs and runs stand: the states of `job-end`, the facts of a run, and what to call the whole."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from fusionflow_nb import errors

if TYPE_CHECKING:
    from collections.abc import Iterable

    from fusionflow_nb.engine.eta import Eta


@dataclass(slots=True)
class JobStatus:
    """How one job stands, for whoever looks."""

    state: str = "queued"
    progress: float | None = None
    """Fraction of real work done; None where nobody says."""
    expected: Eta | None = None
    """What an estimate is made of meanwhile: `expected.fraction(now_us)`."""
    queue_position: int | None = None
    waits_for: str = ""
    started_at_us: int = 0
    finished_at_us: int = 0
    cost_micro_usd: int = 0
    cost_is_exact: bool = True
    """False: the cost is the table's; the service has not said what it charged."""
    generation_id: str | None = None
    served_by: str = ""
    """The model that made it, where a fallback stood in for the asked one."""
    is_same_model: bool = True
    """Whether that is known to be the same model."""
    error: errors.FusionFlowError | None = None


@dataclass(frozen=True, slots=True)
class Facts:
    """Where a run belongs."""

    run_id: str
    project_id: str
    flow_hash: str | None
    targets: tuple[str, ...]
    unpriced_micro_usd: int | None = None
    """What a call to a model without a price may cost; None: such calls are not made."""


def verdict(jobs: Iterable[JobStatus]) -> str:
    """What to call the whole: a failure says more than a cancel, and both more than what was skipped."""
    states = {status.state for status in jobs} - {"succeeded", "cached"}
    if not states:
        return "succeeded"
    return "cancelled" if "cancelled" in states and states <= {"cancelled", "skipped"} else "failed"


def state_of(error: errors.FusionFlowError) -> str:
    """The state of a job that ended with this error."""
    match error:
        case errors.RefusedError():
            return "refused"
        case errors.NoFundsError():
            return "no_funds"
        case errors.OverBudgetError():
            return "over_budget"
        case errors.UnknownOutcomeError():
            return "unknown"
        case errors.JobCancelledError():
            return "cancelled"
        case _:
            return "failed"
