"""`ff.operations()`: paid work that has not ended, what is at stake in it, and what a person may do about it."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from fusionflow_nb import errors
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
"""Letters of an id that people read and type: its last ones, as its first are the time."""


@dataclass(frozen=True, slots=True)
class OpenJob:
    """One paid call that has not ended."""

    id: str
    state: OpenJobStatus
    flow: str
    node_id: str
    model: str
    notebook: str | None
    at_stake_usd: float
    age_s: float


class OpenJobs(TextTable):
    """Every open, stuck and unknown call as a table, as it stood when it was asked for; iterating gives them."""

    def __init__(self, calls: list[OpenJob]) -> None:
        super().__init__(("id", "state", "flow", "node", "model", "notebook", "at stake", "since"), numbers=(6, 7))
        self.calls = tuple(calls)

    def __iter__(self) -> Iterator[OpenJob]:
        return iter(self.calls)

    def __len__(self) -> int:
        return len(self.calls)

    @property
    def at_stake_usd(self) -> float:
        """What all of it may cost."""
        return sum(one.at_stake_usd for one in self.calls)

    def rows(self) -> list[tuple[str, ...]]:
        """One row of text each, as shown."""
        return [
            (
                one.id[-SHORT:],
                one.state,
                one.flow,
                one.node_id,
                one.model,
                one.notebook or "",
                dollars(round(one.at_stake_usd * 1e6)),
                seconds(one.age_s),
            )
            for one in self.calls
        ]

    def note(self, *, in_shell: bool = False) -> str:
        """What can be done, in the words of Python or of the command line."""
        if not self.calls:
            return "Nothing is open: every paid call has ended."
        states = {one.state for one in self.calls}
        said = [f"{dollars(round(self.at_stake_usd * 1e6))} at stake."]
        if "stuck" in states:
            said.append(f"{'`operations resume`' if in_shell else 'resume()'} brings home what nobody follows.")
        if "unknown" in states:
            ask = "`operations reconcile ID`" if in_shell else "reconcile(id)"
            write_off = "`operations forget ID --cost USD`" if in_shell else "forget(id, cost_usd=...)"
            said.append(f"{ask} asks the service about unknown ones, {write_off} writes one off.")
        return " ".join(said)

    def resume(self) -> str:
        """Bring home everything that nobody follows, by polling and fetching only; wait for it.

        Returns:
            What came home, in a sentence.
        """
        living = current_session()
        ended = living.homecomings.bring()
        names = living.call(living.journal.project_names(list({one.job.draft.project_id for one in ended})))
        return recovery.ended(ended, names) if ended else "Nothing was waiting."

    def cancel(self, job_id: str) -> Outcome:
        """Ask the service to stop a call; what it may bill all the same counts as spent.

        Raises:
            OpenWorkError: there is no such call, its outcome is unknown, or another kernel follows it.
        """
        return _do(job_id, open_jobs.cancel)

    def forget(self, job_id: str, *, cost_usd: float | None = None) -> Outcome:
        """Let go of an unknown or stuck call: its node is free to run again.

        Args:
            job_id: or its last letters, as shown.
            cost_usd: what your account shows; by default $0 for an unknown call, the estimate for an accepted one.

        Raises:
            OpenWorkError: there is no such call, or a kernel follows it.
        """
        if cost_usd is not None and not 0 <= cost_usd < float("inf"):
            raise errors.ParameterError(
                f"{cost_usd!r} is no sum of dollars.", hint="What your account shows, from 0 on."
            )
        cost = None if cost_usd is None else round(cost_usd * 1e6)
        return _do(job_id, lambda job, services: open_jobs.forget(job, services, cost))

    def reconcile(self, job_id: str) -> Outcome:
        """Ask the service about a call of unknown outcome: by the id we chose, or in its listing.

        If it knows it, the result comes home; if it surely does not, nothing was spent and the node may run again.

        Raises:
            OpenWorkError: there is no such call, or the service cannot say; then a person looks at the account.
        """
        return _do(job_id, open_jobs.reconcile)


def operations() -> OpenJobs:
    """Paid calls that have not ended, of all kernels on this machine: open, stuck and unknown, with what is at stake.

    >>> len(operations())
    0
    """
    living = current_session()
    jobs = living.call(living.journal.open_jobs())
    names = living.call(living.journal.project_names(list({job.draft.project_id for job in jobs})))
    return OpenJobs(
        [
            OpenJob(
                job.job_id,
                open_jobs.open_job_statuses(job, living.services),
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


def _do(job_id: str, what: Callable[..., Any]) -> Outcome:
    living = current_session()
    found = [job for job in living.call(living.journal.open_jobs()) if job.job_id.endswith(job_id)]
    if len(found) != 1 or not job_id:
        raise errors.OpenWorkError(
            f"There is no open call {job_id!r}." if not found else f"{len(found)} calls end in {job_id!r}.",
            hint="ff.operations() lists them with their ids.",
        )
    job: protocol.OpenJob = found[0]
    outcome: Outcome = living.call(what(job, living.services))
    living.homecomings.tell(job.draft.project_id)
    return outcome
