"""`ff.operations()`: paid calls that have not ended, their unconfirmed cost, and what the user can do about them."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from fusionflow_nb import errors
from fusionflow_nb.api.resume import recover
from fusionflow_nb.display import dollars
from fusionflow_nb.display.run_rows import seconds
from fusionflow_nb.display.table import TextTable
from fusionflow_nb.engine import open_jobs
from fusionflow_nb.engine.open_jobs import Outcome
from fusionflow_nb.session import current_session, recovery

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from fusionflow_nb.engine.open_jobs import OpenJobStatus
    from fusionflow_nb.journal import protocol

__all__ = ["OpenJob", "OpenJobs", "Outcome", "operations"]
SHORT = 8
"""Number of letters of an id that are shown: from its end, because the start encodes the time."""


@dataclass(frozen=True, slots=True)
class OpenJob:
    """A paid call that has not ended."""

    id: str
    state: OpenJobStatus
    flow: str
    node_id: str
    model: str
    notebook: str | None
    at_stake_usd: float
    age_s: float


class OpenJobs(TextTable):
    """Open, stuck and unknown calls at the time of the query, as a table; iterating yields them."""

    def __init__(self, calls: list[OpenJob]) -> None:
        super().__init__(
            ("id", "state", "flow", "node", "model", "notebook", "unconfirmed cost", "since"), numbers=(6, 7)
        )
        self.calls = tuple(calls)

    def __iter__(self) -> Iterator[OpenJob]:
        return iter(self.calls)

    def __len__(self) -> int:
        return len(self.calls)

    @property
    def at_stake_usd(self) -> float:
        """Unconfirmed cost of all calls, in dollars."""
        return sum(call.at_stake_usd for call in self.calls)

    def rows(self) -> list[tuple[str, ...]]:
        """One row of text per call."""
        return [
            (
                call.id[-SHORT:],
                call.state,
                call.flow,
                call.node_id,
                call.model,
                call.notebook or "",
                dollars(round(call.at_stake_usd * 1e6)),
                seconds(call.age_s),
            )
            for call in self.calls
        ]

    def note(self, *, in_shell: bool = False) -> str:
        """The possible next steps, as Python calls or as commands."""
        if not self.calls:
            return "No open calls: every paid call has ended."
        states = {call.state for call in self.calls}
        sentences = [f"Unconfirmed cost: {dollars(round(self.at_stake_usd * 1e6))}."]
        if "stuck" in states:
            sentences.append(f"{'`operations resume`' if in_shell else 'resume()'} finishes stuck calls.")
        if "unknown" in states:
            query = "`operations reconcile ID`" if in_shell else "reconcile(id)"
            write_off = "`operations forget ID --cost USD`" if in_shell else "forget(id, cost_usd=...)"
            sentences.append(f"{query} queries the service about an unknown call, {write_off} writes it off.")
        return " ".join(sentences)

    def resume(self) -> str:
        """Resume all calls that no kernel follows, by polling and fetching only, and wait for them.

        Returns:
            A sentence with the resumed calls and their cost.
        """
        recovered = recover()
        if not recovered:
            return "Resumed 0 calls."
        session = current_session()
        names = session.call(session.journal.project_names(list({entry.job.draft.project_id for entry in recovered})))
        return recovery.end_message(recovered, names)

    def cancel(self, job_id: str) -> Outcome:
        """Ask the service to stop a call; what it may still bill counts as spent.

        Raises:
            OpenWorkError: there is no such call, its outcome is unknown, or another kernel follows it.
        """
        return _apply(job_id, open_jobs.cancel)

    def forget(self, job_id: str, *, cost_usd: float | None = None) -> Outcome:
        """Write off an unknown or stuck call; its node may run again.

        Args:
            job_id: the id, or its last letters as shown.
            cost_usd: what your account shows; by default $0 for an unknown call, the estimate for an accepted call.

        Raises:
            OpenWorkError: there is no such call, or a kernel follows it.
            ParameterError: `cost_usd` is not a dollar amount.
        """
        if cost_usd is not None and not 0 <= cost_usd < float("inf"):
            raise errors.ParameterError(
                f"Expected a dollar amount >= 0, got {cost_usd!r}.", hint="Use the amount that your account shows."
            )
        cost = None if cost_usd is None else round(cost_usd * 1e6)
        return _apply(job_id, lambda job, engine: open_jobs.forget(job, engine, cost))

    def reconcile(self, job_id: str) -> Outcome:
        """Query the service about a call of unknown outcome: by the id that we chose, or in its listing.

        If the service has the call, its result is fetched. If it certainly does not, nothing was spent and the node
        may run again.

        Raises:
            OpenWorkError: there is no such call, or the service has no such query; check your account there.
        """
        return _apply(job_id, open_jobs.reconcile)


def operations() -> OpenJobs:
    """Paid calls of all kernels on this machine that have not ended: open, stuck and unknown.

    >>> len(operations())
    0
    """
    session = current_session()
    jobs = session.call(session.journal.open_jobs())
    names = session.call(session.journal.project_names(list({job.draft.project_id for job in jobs})))
    return OpenJobs(
        [
            OpenJob(
                job.job_id,
                open_jobs.open_job_status(job, session.engine),
                names.get(job.draft.project_id, job.draft.project_id),
                job.draft.node_id,
                job.draft.model or "",
                job.notebook,
                job.reserve_micro_usd / 1e6,
                max(0.0, time.time() - (job.draft.queued_at_us or 0) / 1e6),
            )
            for job in jobs
        ]
    )


def _apply(job_id: str, action: Callable[..., Any]) -> Outcome:
    session = current_session()
    matches = [job for job in session.call(session.journal.open_jobs()) if job.job_id.endswith(job_id)]
    if len(matches) != 1 or not job_id:
        raise errors.OpenWorkError(
            f"{len(matches)} open calls end in {job_id!r}." if matches else f"There is no open call {job_id!r}.",
            hint="ff.operations() lists them with their ids.",
        )
    job: protocol.OpenJob = matches[0]
    outcome: Outcome = session.call(action(job, session.engine))
    session.recovery.notify(job.draft.project_id)
    return outcome
