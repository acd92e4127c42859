"""States of jobs and runs, and the facts of a run."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from fusionflow_nb import errors

if TYPE_CHECKING:
    from collections.abc import Iterable

    from fusionflow_nb.engine.eta import Eta


@dataclass(slots=True)
class JobStatus:
    """The state of one job."""

    state: str = "queued"
    progress: float | None = None
    """Fraction of real work done; None if the service does not report it."""
    expected: Eta | None = None
    """Basis for estimated progress meanwhile: `expected.fraction(now_us)`."""
    queue_position: int | None = None
    waits_for: str = ""
    started_at_us: int = 0
    finished_at_us: int = 0
    cost_micro_usd: int = 0
    cost_is_exact: bool = True
    """False: the cost is from the price table; the service did not report it."""
    generation_id: str | None = None
    served_by: str = ""
    """The model that served the job, if a fallback replaced the requested model."""
    is_same_model: bool = True
    """Whether that is known to be the same model."""
    error: errors.FusionFlowError | None = None


@dataclass(frozen=True, slots=True)
class Facts:
    """A run's place on the tape."""

    run_id: str
    project_id: str
    flow_hash: str | None
    targets: tuple[str, ...]
    unpriced_micro_usd: int | None = None
    """Allowance for one call to a model without a price; None: such calls are refused."""


def run_status(jobs: Iterable[JobStatus]) -> str:
    """The status of a run: `failed` over `cancelled` over `succeeded`; skipped jobs do not count."""
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
