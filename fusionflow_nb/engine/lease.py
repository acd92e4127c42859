"""The journal's side of a provider call: the claim before the request, and the settlement with results and cost."""

from __future__ import annotations

import asyncio
import logging
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from fusionflow_nb import errors
from fusionflow_nb.engine import call_errors, rate_limit
from fusionflow_nb.engine.context import DetachedOp, UnsavedEnd
from fusionflow_nb.engine.single_flight import CallProgress
from fusionflow_nb.failpoints import Failpoint, failpoint
from fusionflow_nb.journal.protocol import Granted, Held, Inherited, Intent, OverBudget, Stored, Unknown

if TYPE_CHECKING:
    from collections.abc import Callable

    from fusionflow_nb.engine.context import EngineState
    from fusionflow_nb.journal.protocol import RateLimit
    from fusionflow_nb.journal.records import Generation
    from fusionflow_nb.media.values import Outputs
    from fusionflow_nb.providers.protocol import Cost, Operation

_log = logging.getLogger("fusionflow_nb.engine")

HOLDER_CHECK_S = 0.25
"""How often a waiter checks the job that holds its key."""


class CallLease:
    """The journal's side of one provider call, from the claim to the settlement.

    `acquire` claims the right to submit, `record_operation` stores what the service accepted, and `settle` ends the
    call. `release_to_waiter`, `leave_open` and `detach` give it up without an end. Calls of a local provider are not
    claimed: `settle` only logs them.

    Args:
        draft: the generation as far as it is known; completed by `update` and `settle`.
        engine: shared state of the kernel.
        report: receives the states in which the call waits.
        is_remote: whether the journal keeps a job for this call.
        requested_key: the content key that this call answers: the draft's own or, for a fallback, that of the model it
            replaces.
        reserve_micro_usd: what the budget reserves: the high estimate, or an allowance for a model without a price.
        replaces: the generation whose bytes are lost, if the user regenerates it.
    """

    def __init__(
        self,
        draft: Generation,
        engine: EngineState,
        report: Callable[[CallProgress], None],
        *,
        is_remote: bool,
        requested_key: bytes | None,
        reserve_micro_usd: int,
        replaces: str | None = None,
    ) -> None:
        self.draft = draft
        self.reserve_micro_usd = reserve_micro_usd
        self.job_id = engine.context.ids()
        self.epoch = 0
        self.began_at_us: int | None = None
        """When another kernel submitted it, if one did."""
        self.has_ended = False
        """Whether the call is settled or given up: nothing more is written for it."""
        self._engine = engine
        self._report = report
        self._is_remote = is_remote
        self._requested_key = requested_key
        self._replaces = replaces

    @property
    def content_key(self) -> bytes:
        """The key of the request itself."""
        assert self.draft.content_key is not None  # noqa: S101 - provider jobs are keyed
        return self.draft.content_key

    def update(self, **changes: Any) -> None:  # noqa: ANN401 - fields of a Generation
        """Change fields of the draft."""
        self.draft = replace(self.draft, **changes)

    def adopt(self, job_id: str, epoch: int) -> None:
        """Use the lease on a job that another call began."""
        if job_id != self.job_id:
            _log.info("took over job %s (epoch %d)", job_id, epoch)
        self.job_id, self.epoch = job_id, epoch

    # --- the claim -----------------------------------------------------------------------------------------------

    async def acquire(self, limit: RateLimit) -> Granted | Stored | Inherited:
        """Claim the content key: the right to submit, a stored result, or accepted work to finish.

        Waits while another kernel holds the key or the service is rate limited.

        Args:
            limit: the rate limit of the service.

        Raises:
            OverBudgetError: the reservation would exceed a cap.
            UnknownOutcomeError: a job of unknown outcome holds the key, and the policy does not free it.
            OutageError: the service pauses for longer than a run waits.
            JobError: another kernel's job for this key was refused, had no funds or became unknown.
            JournalBusyError: the claim could not be written.
        """
        draft, context = self.draft, self._engine.context
        assert self._requested_key is not None  # noqa: S101 - provider jobs are keyed
        intent = Intent(
            job_id=self.job_id,
            run_id=draft.run_id,
            project_id=draft.project_id,
            node_id=draft.node_id,
            coordinate=draft.coordinate,
            content_key=self._requested_key,
            provider=self._provider,
            model=draft.served_by or "",
            idempotency_key=self.job_id,
            reserve_micro_usd=0 if self.content_key in self._engine.unstored_results else self.reserve_micro_usd,
            draft=draft,
            replaces=self._replaces,
            rate_limit=limit,
        )
        while True:
            failpoint(Failpoint.BEFORE_INTENT)
            claim = await rate_limit.claim_when_allowed(
                intent, self._engine, lambda: self._report(CallProgress("waiting", waits_for="rate_limit"))
            )
            match claim:
                case Granted():
                    self.adopt(claim.job_id, claim.epoch)
                    failpoint(Failpoint.AFTER_INTENT)
                    return claim
                case Stored() | Inherited():
                    return claim
                case Unknown() if await context.unknown_policy(claim, self._engine):
                    continue
                case Unknown():
                    raise call_errors.unknown(claim.at_stake_micro_usd, draft.node_id, self._provider)
                case OverBudget():
                    raise call_errors.over_budget(claim, draft.node_id)
                case Held():
                    detached = await self.wait_for_holder(claim)
                    if detached is not None:
                        return detached

    async def wait_for_holder(self, held: Held) -> Inherited | None:
        """Wait for the job that holds the key.

        Returns:
            Accepted work of this kernel that no call follows; None when the key can be claimed again.

        Raises:
            JobError: the holder was refused, had no funds or became unknown: so would this call.
        """
        journal = self._engine.context.journal
        unsaved = self._engine.unsaved_ends.get(held.job_id)
        if unsaved is not None:
            await self._save_end(held.job_id, unsaved)
            return None
        detached = self._engine.detached_ops.pop(held.job_id, None)
        if detached is not None:
            await journal.stop_waiting(held.job_id, self.job_id)
            return Inherited(held.job_id, detached.epoch, detached.operation)
        self._report(CallProgress("waiting", waits_for="lease"))
        try:
            await self._wait_until_released(held)
        except asyncio.CancelledError:
            await asyncio.shield(journal.stop_waiting(held.job_id, self.job_id))
            raise
        return None

    async def _save_end(self, job_id: str, unsaved: UnsavedEnd) -> None:
        """Write the end of an earlier job, which could not be stored then. Raises JournalError if it still cannot."""
        journal = self._engine.context.journal
        await journal.stop_waiting(job_id, self.job_id)
        await journal.finish(job_id, unsaved.epoch, unsaved.generation)
        self._engine.unsaved_ends.pop(job_id, None)
        self._engine.detached_ops.pop(job_id, None)

    async def _wait_until_released(self, held: Held) -> None:
        """Return when the holder has ended or its kernel has died; raise if its end is final for the key."""
        context = self._engine.context
        while True:
            await context.sleep(HOLDER_CHECK_S)
            end = await context.journal.ended(held.job_id)
            if end is not None:
                if end.status in {"refused", "no_funds", "unknown"}:
                    message = end.generation.error_message or ""
                    raise call_errors.final(end.status, message, self.draft.node_id, self._provider)
                return
            open_jobs = {job.job_id: job for job in await context.journal.open_jobs()}
            if held.job_id not in open_jobs or not open_jobs[held.job_id].is_held:
                return

    async def continue_job(self, claim: Inherited) -> Generation | None:
        """Continue an inherited job under its first id, so that the tape shows one generation that ends.

        Returns:
            The job's own draft, if the journal still lists the job as open.
        """
        self.adopt(claim.job_id, claim.epoch)
        failpoint(Failpoint.AFTER_TAKEOVER)
        for job in await self._engine.context.journal.open_jobs():
            if job.job_id == claim.job_id:
                self.began_at_us = job.draft.started_at_us
                self.update(id=job.draft.id, queued_at_us=job.draft.queued_at_us)
                return job.draft
        return None

    async def record_operation(self, operation: Operation) -> None:
        """Store what the service accepted, before the first poll."""
        if self._is_remote:
            await self._engine.context.journal.accepted(self.job_id, self.epoch, operation.data)

    # --- settlement ----------------------------------------------------------------------------------------------

    async def settle(
        self,
        status: str,
        *,
        cost: Cost,
        outputs: Outputs | None = None,
        output_url: str | None = None,
        seed: int | None = None,
        error_code: str | None = None,
        error_message: str | None = None,
    ) -> Generation:
        """Settle the call: write generation and cost and release the reservation, in one transaction.

        Returns:
            The generation as it was written.

        Raises:
            JournalError: it could not be written; the next request for its key writes it first.
            JobError: the lease was lost to another kernel; nothing was settled.
        """
        generation = replace(
            self.draft,
            status=status,
            outputs=outputs,
            output_url=output_url,
            cost_micro_usd=cost.micro_usd,
            cost_is_exact=cost.is_exact,
            seed=seed if seed is not None else self.draft.seed,
            finished_at_us=self._engine.context.clock(),
            error_code=error_code,
            error_message=error_message,
        )
        if self._is_remote:
            try:
                is_settled = await self._engine.context.journal.finish(self.job_id, self.epoch, generation)
            except errors.JournalError:
                self._engine.unsaved_ends[self.job_id] = UnsavedEnd(self.epoch, generation)
                raise
            failpoint(Failpoint.AFTER_SETTLEMENT)
            if not is_settled:
                self.has_ended = True
                _log.info("job %s was taken over by another kernel; nothing was settled", self.job_id)
                raise call_errors.taken_over(self.draft.node_id, self._provider)
        else:
            self._engine.record(generation)
        self.has_ended = True
        _log.debug("job %s ended: %s", self.job_id, status)
        return generation

    async def release_to_waiter(self) -> bool:
        """Hand the job to another kernel that waits for it. False: no kernel waits, and the lease is kept."""
        if not self._is_remote or not await self._engine.context.journal.release_to_waiter(self.job_id, self.epoch):
            return False
        self.has_ended = True
        return True

    def leave_open(self) -> None:
        """Leave the job to the next kernel: the lease ends with this process, and recovery resumes it."""
        self.has_ended = True

    def detach(self, operation: Operation) -> None:
        """Keep the lease on accepted work without following it; the next request for its key resumes it."""
        self.has_ended = True
        self._engine.detached_ops[self.job_id] = DetachedOp(self.epoch, operation.data)

    @property
    def _provider(self) -> str:
        return self.draft.provider or ""
