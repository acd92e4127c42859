"""Calling a provider: submit, poll, fetch. The engine owns this loop; adapters only map their service's wire format.

The order protects money: the claim (intent, key, reservation) is durable before a request leaves, the Operation before
the first poll, the bytes before the generation that names them. The process may die between any two of these steps.
`lease.CallLease` is the journal's side of a call; this module is the service's side.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from fusionflow_nb import errors
from fusionflow_nb.assets.backoff import BASE_S, backoff_s
from fusionflow_nb.engine import call_errors, rate_limit
from fusionflow_nb.engine.eta import Eta, median_duration_s, record_duration
from fusionflow_nb.engine.lease import CallLease
from fusionflow_nb.engine.media_limits import fit_to_limits
from fusionflow_nb.engine.node_outputs import first_asset, store_provider_outputs
from fusionflow_nb.engine.references import reference_of
from fusionflow_nb.engine.single_flight import CallProgress, CallResult
from fusionflow_nb.failpoints import Failpoint, failpoint
from fusionflow_nb.journal.protocol import Inherited, Stored
from fusionflow_nb.providers.protocol import (
    CancelAnswer,
    Cancelled,
    Cost,
    Done,
    Failed,
    NoFunds,
    Operation,
    Pending,
    Refused,
    Request,
    SubmitAmbiguousError,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from fusionflow_nb.engine.context import EngineState, RunContext
    from fusionflow_nb.journal.protocol import RateLimit
    from fusionflow_nb.journal.records import Generation
    from fusionflow_nb.media.values import Outputs
    from fusionflow_nb.plan.job import Bound
    from fusionflow_nb.providers.model import ModelEntry
    from fusionflow_nb.providers.protocol import Provider, Status

_log = logging.getLogger("fusionflow_nb.engine")

SUBMIT_TRIES = 3
BACKOFF_S = BASE_S
FINAL_POLL_S = 300.0
"""Time for one more poll of a job that has timed out, its download included."""
ANSWER_GRACE_S = 5.0
"""How long a cancelled submit may still return, so that the operation it started can be cancelled."""
NOTHING = Cost(0, is_exact=True)
"""Cost of a call that the service did not accept."""


class ProviderCall:
    """One provider call of one job.

    Args:
        bound: the job's inputs.
        task: the task requested of the model.
        draft: the generation as far as it is known.
        requested_key: the content key that this call answers: the draft's own or, for a fallback, that of the model it
            replaces.
        reserve_micro_usd: what the budget reserves: the high estimate, or an allowance for a model without a price.
        engine: shared state of the kernel.
        report: receives progress.
        replaces: the generation whose bytes are lost, if the user regenerates it.
    """

    def __init__(
        self,
        bound: Bound,
        task: str,
        draft: Generation,
        *,
        requested_key: bytes | None,
        reserve_micro_usd: int,
        engine: EngineState,
        report: Callable[[CallProgress], None],
        replaces: str | None = None,
    ) -> None:
        assert bound.entry is not None  # noqa: S101 - provider jobs have a model
        self.requested = bound.entry
        self.entry = bound.entry
        """The model that serves the call: the requested model, or the fallback that a dead kernel used."""
        self.provider: Provider = engine.context.providers.provider(self.entry.provider)
        self._bound = bound
        self._task = task
        self._engine = engine
        self._report = report
        self._limit: RateLimit | None = None
        self._lease = CallLease(
            draft,
            engine,
            report,
            is_remote=self.provider.is_remote,
            requested_key=requested_key,
            reserve_micro_usd=reserve_micro_usd,
            replaces=replaces,
        )

    async def run(self) -> CallResult:
        """Make the call, or return the result of an equal call.

        Raises:
            JobError: refused, failed, no funds, unknown, timed out: each its own class.
            OverBudgetError: the reservation would exceed a cap; nothing was sent.
            JournalBusyError: the log could not be written; nothing was sent.
        """
        slot = self._engine.slot(self.provider)
        if slot.locked():
            self._report(CallProgress("waiting", waits_for="slot"))
        async with slot:
            if not self.provider.is_remote:
                return await self._submit_and_follow()
            claim = await self._lease.acquire(await self._rate_limit())
            match claim:
                case Stored():
                    return CallResult(claim.outputs, claim.generation_id, is_hit=True)
                case Inherited():
                    await self._inherit(claim)
                    return await self._follow(Operation(claim.operation))
                case _:
                    return await self._submit_and_follow()

    async def resume(self, job_id: str, epoch: int, operation: dict[str, Any]) -> CallResult:
        """Finish the job of a dead kernel: poll and fetch only."""
        self.adopt(job_id, epoch)
        failpoint(Failpoint.AFTER_TAKEOVER)
        return await self._follow(Operation(operation))

    def adopt(self, job_id: str, epoch: int) -> None:
        """Make this the call of a job that another kernel began."""
        self._lease.adopt(job_id, epoch)

    async def cancel(self, operation: Operation) -> None:
        """Ask the service to cancel an adopted job's operation, and settle the job with what that costs."""
        self._lease.update(operation=operation.data)
        await self._settle_cancelled(await self._cancel_operation(operation))

    def rebuild_request(self) -> Request:
        """The request without its media, which the journal does not record."""
        return self._build_request()

    async def _inherit(self, claim: Inherited) -> None:
        draft = await self._lease.continue_job(claim)
        if draft is not None and draft.served_by != self._lease.draft.served_by:
            # A fallback accepted it: the Operation belongs to that service.
            self.entry = serving_model(draft, self._context)
            self.provider = self._context.providers.provider(self.entry.provider)
            self._lease.update(provider=draft.provider, served_by=draft.served_by, content_key=draft.content_key)

    # --- the request ---------------------------------------------------------------------------------------------

    async def _prepare_request(self) -> Request:
        """Build the request, in a thread if references have to be read or uploaded."""
        if not self._bound.media:
            return self._build_request()
        if self.provider.takes_references == "url":
            self._report(CallProgress("waiting", waits_for="upload"))
        request: Request = await self._context.in_thread(self._build_request)
        return request

    def _build_request(self) -> Request:
        """The request with its references. Blocking if there are any."""
        values = dict(self._bound.values)
        prompt = values.pop("prompt", None)
        may_reduce = bool(values.get("reduce"))
        for name in ("model", "settings", "fallback", "reduce"):
            values.pop(name, None)
        store = self._context.store
        media = {port: item if isinstance(item, list) else [item] for port, item in self._bound.media.items()}
        fitted = fit_to_limits(media, self.entry, store, may_reduce=may_reduce, node_id=self._node_id)
        if fitted.reduced:  # the tape records what was sent
            self._lease.update(settings_snapshot={**self._lease.draft.settings_snapshot, "reduced": fitted.reduced})
        references = {
            port: [reference_of(asset, self.provider, store) for asset in assets]
            for port, assets in fitted.media.items()
        }
        return Request(self.entry, self._task, prompt, values, references, self._report_pending)

    async def _eta(self) -> Eta | None:
        """When the service started and how long it usually takes; None if there is no record of that."""
        typical_s = (
            await median_duration_s(self.entry, self._engine) if self.provider.is_remote else self.entry.typical_s
        )
        since_us = self._lease.began_at_us or self._lease.draft.started_at_us or self._context.clock()
        return Eta(since_us, typical_s) if typical_s else None

    def _report_pending(self, pending: Pending) -> None:
        self._report(
            CallProgress("running", pending.progress, pending.queue_position, preview=pending.preview),
        )

    # --- submit --------------------------------------------------------------------------------------------------

    async def _submit_and_follow(self) -> CallResult:
        """Submit once claimed, then follow the operation to its end."""
        try:
            request = await self._prepare_request()
            self._lease.update(started_at_us=self._context.clock())
            self._report(CallProgress("running", expected=await self._eta()))
            unstored = self._engine.unstored_results.pop(self._lease.content_key, None)
            status = unstored or await self._submit(request)
        except asyncio.CancelledError:
            if not self._lease.has_ended:  # nothing was sent
                await asyncio.shield(self._settle_cancelled(0))
            raise
        except errors.FusionFlowError as error:
            if not self._lease.has_ended:
                # Before the request left: a missing key, or missing bytes of an input. Nothing was accepted.
                await self._settle_failed(error.code, str(error), NOTHING)
            error.at(self._node_id)
            raise
        except Exception as error:  # SubmitAmbiguousError, or a defect of the adapter: the request may have arrived
            message = f"{type(error).__name__}: {error}"
            await self._lease.settle("unknown", cost=self._cost(0), error_code="unknown", error_message=message)
            raise call_errors.unknown(self._lease.reserve_micro_usd, self._node_id, self.entry.provider) from error
        if isinstance(status, Operation):
            return await self._follow(status, is_new=True)
        if isinstance(status, Failed) and status.is_retryable:
            await self._settle_failed("outage", status.message, NOTHING)
            raise call_errors.outage(status, self._node_id, self.entry.provider)
        return await self._settle_without_operation(status)

    async def _submit(self, request: Request) -> Operation | Status:
        """Submit; retry only if the service states that it accepted nothing."""
        tries = 0
        while True:
            tries += 1
            status = await self._submit_once(request)
            if not (isinstance(status, Failed) and status.is_retryable):
                return status
            if self.provider.is_remote:
                await rate_limit.pause_service(await self._rate_limit(), status.retry_after_s, self._engine)
            if tries == SUBMIT_TRIES or (status.retry_after_s or 0.0) > rate_limit.MAX_WAIT_S:
                return status
            _log.info("submit of job %s failed (%s); retry %d", self._lease.job_id, status.code, tries)
            self._report(CallProgress("waiting", waits_for="rate_limit"))
            await self._context.sleep(backoff_s(tries, base_s=BACKOFF_S, retry_after_s=status.retry_after_s))
            if self.provider.is_remote:
                await rate_limit.acquire_slot(await self._rate_limit(), self._engine)

    async def _submit_once(self, request: Request) -> Operation | Status:
        """Send one request. A cancel waits briefly for the response; without it the outcome is unknown."""
        failpoint(Failpoint.BEFORE_SUBMIT)
        submit = asyncio.ensure_future(self.provider.submit(request, idempotency_key=self._lease.job_id))
        self._engine.in_flight_submits.add(submit)
        submit.add_done_callback(self._engine.in_flight_submits.discard)
        try:
            status = await asyncio.shield(submit)
        except asyncio.CancelledError:
            await _wait_for_answer(submit)
            if not submit.done() or submit.cancelled():
                submit.cancel()
                raise SubmitAmbiguousError("Cancelled before a response arrived.") from None
            status = submit.result()
            if isinstance(status, Operation):
                await self._release(status, is_new=True)
            elif isinstance(status, Done):
                await self._settle_without_operation(status)  # already paid: store the result
            raise
        failpoint(Failpoint.AFTER_SUBMIT)
        return status

    # --- follow --------------------------------------------------------------------------------------------------

    async def _follow(self, operation: Operation, *, is_new: bool = False) -> CallResult:
        """Store the Operation, poll until it has ended, and store the result."""
        self._lease.update(
            operation=operation.data, started_at_us=self._lease.draft.started_at_us or self._context.clock()
        )
        node_id, provider = self._node_id, self.entry.provider
        if not is_new:
            self._report(CallProgress("running", expected=await self._eta()))
        try:
            if is_new and self.provider.is_remote:
                await self._lease.record_operation(operation)
                _log.info("job %s accepted by %s", self._lease.job_id, provider)
                failpoint(Failpoint.AFTER_OPERATION)
            try:
                async with asyncio.timeout(self.entry.timeout_s):
                    status = await self._poll(operation)
            except TimeoutError as error:
                status = await self._poll_finally(operation)
                if isinstance(status, Pending):
                    message = f"No result after {self.entry.timeout_s:g} s."
                    if not self.provider.is_remote:
                        cost = self._cost(await self._cancel_operation(operation))
                        await self._settle_failed("timeout", message, cost)
                    # Work that a remote service has accepted may still finish and is billed: detach it, do not fail it.
                    raise call_errors.timed_out(message, node_id, provider) from error
            return await self._settle_shielded(status, operation)
        except asyncio.CancelledError:
            if not self._lease.has_ended:
                await asyncio.shield(self._release(operation))
            raise
        except errors.FusionFlowError as error:
            await self._detach(operation, error)
            raise
        except Exception as error:  # defects of adapters
            await self._detach(operation, error)
            raise call_errors.adapter_broke(error, node_id, provider) from error

    async def _poll_finally(self, operation: Operation) -> Status:
        """The status after the time-out: a suspended laptop or a stopped kernel may not have polled meanwhile."""
        try:
            async with asyncio.timeout(FINAL_POLL_S):
                return await self._poll(operation, is_last=True)
        except TimeoutError:
            return Pending()

    async def _poll(self, operation: Operation, *, is_last: bool = False) -> Status:
        """Poll until the operation has ended; with `is_last` return after the first status."""
        failures = 0
        while True:
            try:
                if self.provider.is_remote:
                    await rate_limit.wait_while_paused(await self._rate_limit(), self._engine)
                status = await self.provider.poll(operation)
                failures = 0
            except errors.ProviderError as error:
                if not error.is_retryable:
                    return Failed(error.code, error.what)
                failures += 1
                _log.debug("poll of job %s failed (%s); retry %d", self._lease.job_id, error.code, failures)
                if self.provider.is_remote:
                    await rate_limit.pause_service(await self._rate_limit(), error.retry_after_s, self._engine)
                await self._context.sleep(backoff_s(failures, base_s=BACKOFF_S, retry_after_s=error.retry_after_s))
                continue
            failpoint(Failpoint.DURING_POLL)
            if is_last or not isinstance(status, Pending):
                return status
            self._report_pending(status)
            if self.provider.poll_interval_s:
                await self._context.sleep(self.provider.poll_interval_s)

    async def _release(self, operation: Operation, *, is_new: bool = False) -> None:
        """After a cancel: hand the job to another kernel that waits for it, else cancel it at the service."""
        try:
            if is_new:
                await self._lease.record_operation(operation)
            if self._engine.is_closing and self.provider.is_remote:
                self._lease.leave_open()
                return
            if not await self._lease.release_to_waiter():
                await self._settle_cancelled(await self._cancel_operation(operation))
        except errors.JournalError as error:  # the lease cannot be changed: it stays here
            await self._detach(operation, error)

    async def _cancel_operation(self, operation: Operation) -> int:
        """Ask the service to cancel; returns what it may still charge, in micro-dollars."""
        try:
            answer = await self.provider.cancel(operation)
        except Exception:  # noqa: BLE001 - defects of adapters: a failed cancel must not leave the job without an end
            answer = CancelAnswer.UNSUPPORTED
        return 0 if answer is CancelAnswer.CONFIRMED or self.entry.is_free else self._lease.reserve_micro_usd

    async def _detach(self, operation: Operation, error: BaseException) -> None:
        """Keep an accepted operation whose end could not be written; the next request for its key resumes it."""
        if self._lease.has_ended:
            return
        if self.provider.is_remote:
            self._lease.detach(operation)
            _log.info("job %s detached (%s)", self._lease.job_id, type(error).__name__)
        else:
            await self._settle_failed(getattr(error, "code", "adapter"), str(error), self._cost(0))

    # --- settlement ----------------------------------------------------------------------------------------------

    async def _settle_shielded(self, status: Status, operation: Operation) -> CallResult:
        """Settle even if the job is cancelled meanwhile: a paid result is kept."""
        settlement = asyncio.ensure_future(self._settle(status))
        try:
            return await asyncio.shield(settlement)
        except asyncio.CancelledError:
            await asyncio.wait([settlement])
            error = settlement.exception()
            if error is not None:
                await self._detach(operation, error)
            raise

    async def _settle_without_operation(self, status: Status) -> CallResult:
        """Settle a call whose result cannot be fetched again."""
        try:
            return await self._settle(status)
        except errors.StoreError as error:
            if isinstance(status, Done) and not self._lease.has_ended:
                # Paid, and only in memory: the next request for the key stores it without paying again.
                self._engine.unstored_results[self._lease.content_key] = replace(status, cost=NOTHING)
                await self._settle_failed(error.code, str(error), self._cost_of(status))
            raise

    async def _settle(self, status: Status) -> CallResult:
        """Write the final status; return the result or raise its error."""
        node_id, provider, settle = self._node_id, self.entry.provider, self._lease.settle
        match status:
            case Done():
                return await self._settle_done(status)
            case Refused(message, cost):
                await settle("refused", cost=cost or self._cost(0), error_code="refused", error_message=message)
                raise call_errors.final("refused", message, node_id, provider)
            case NoFunds(message):
                await settle("no_funds", cost=NOTHING, error_code="no_funds", error_message=message)
                raise call_errors.final("no_funds", message, node_id, provider)
            case Cancelled(cost):
                await self._settle_cancelled_as(cost or self._cost(0), "Cancelled at the service.")
                raise call_errors.final("cancelled", "It was cancelled at the service.", node_id, provider)
            case Failed():
                await self._settle_failed(status.code, status.message, status.cost or self._cost(0))
                raise call_errors.failed(status, node_id, provider)
            case _:
                message = f"The service returned {type(status).__name__} for a submit."
                raise errors.ProviderError(message, node_id=node_id, provider=provider)

    async def _settle_done(self, status: Done) -> CallResult:
        failpoint(Failpoint.AFTER_DOWNLOAD)
        cost = self._cost_of(status)
        try:
            outputs: Outputs = await self._context.in_thread(self._store_outputs, status)
        except errors.MediaError as error:  # the same bytes would fail again
            await self._settle_failed(error.code, str(error), cost)
            raise
        failpoint(Failpoint.BEFORE_SETTLEMENT)
        asset = first_asset(outputs)
        generation = await self._lease.settle(
            "succeeded",
            cost=cost,
            outputs=outputs,
            output_url=self._context.store.uri(asset) if asset is not None else None,
            seed=status.seed,
        )
        if generation.started_at_us and generation.finished_at_us:
            record_duration(self.entry, (generation.finished_at_us - generation.started_at_us) / 1e6, self._engine)
        return CallResult(outputs, generation.id, cost.micro_usd, cost_is_exact=generation.cost_is_exact)

    async def _settle_failed(self, code: str, message: str, cost: Cost) -> None:
        await self._lease.settle("failed", cost=cost, error_code=code, error_message=message)

    async def _settle_cancelled(self, cost_micro_usd: int) -> None:
        await self._settle_cancelled_as(self._cost(cost_micro_usd), "Cancelled.")

    async def _settle_cancelled_as(self, cost: Cost, message: str) -> None:
        await self._lease.settle("cancelled", cost=cost, error_code="cancelled", error_message=message)

    def _store_outputs(self, status: Done) -> Outputs:
        """Put the fetched outputs into the store. Blocking."""
        recipe = self._lease.draft.content_key.hex() if self._lease.draft.content_key else None
        is_series = int(self._bound.values.get("count") or 1) > 1
        return store_provider_outputs(status.outputs, self._context.store, recipe=recipe, is_series=is_series)

    def _cost_of(self, status: Done) -> Cost:
        """What a result costs: as the service states, else as estimated."""
        if status.cost is not None:
            return status.cost
        return self._cost(0 if self.entry.is_free else self._lease.reserve_micro_usd)

    def _cost(self, micro_usd: int) -> Cost:
        """A cost that the service has not stated; exact only for a free model."""
        return Cost(micro_usd, is_exact=self.entry.is_free)

    async def _rate_limit(self) -> RateLimit:
        if self._limit is None:
            self._limit = await rate_limit.rate_limit_of(self.provider, self.entry, self._engine)
        return self._limit

    @property
    def _context(self) -> RunContext:
        return self._engine.context

    @property
    def _node_id(self) -> str:
        return self._lease.draft.node_id


def serving_model(draft: Generation, context: RunContext) -> ModelEntry:
    """The model that serves a job of another kernel: the requested model, or the fallback that accepted it.

    Raises:
        ModelError: its provider is not installed here.
    """
    model = draft.served_by or draft.model or ""
    entry = context.providers.entry(model)
    if entry is None:
        raise errors.ModelError(
            f"No installed provider serves {model}.",
            node_id=draft.node_id,
            hint="Install the package of its provider, or resume the call in an environment that has it.",
        )
    return entry


async def _wait_for_answer(submit: asyncio.Future[Any]) -> None:
    """Wait `ANSWER_GRACE_S` for a response, through repeated cancels: a closing session and a run may both cancel."""
    waiter = asyncio.ensure_future(asyncio.wait([submit], timeout=ANSWER_GRACE_S))
    while not waiter.done():
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.shield(waiter)
