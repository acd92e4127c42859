"""Calling a provider: submit, poll, fetch. The engine owns this loop; adapters only map the wire.

The order is what keeps money safe: the claim (intent, key, reservation) is durable before a request leaves, the
Operation before the first poll, the bytes before the generation that names them. A process may die between any two
lines. What the journal sees of a call is in `booked`; here is what the service sees.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from fusionflow_nb import errors
from fusionflow_nb.engine import call_errors, rate_limit
from fusionflow_nb.engine.context import Parked
from fusionflow_nb.engine.eta import Eta, median_duration_s
from fusionflow_nb.engine.lease import NOTHING, Booked
from fusionflow_nb.engine.media_limits import fit_to_limits
from fusionflow_nb.engine.references import reference_of
from fusionflow_nb.engine.single_flight import CallProgress, CallResult
from fusionflow_nb.failpoints import Failpoint, failpoint
from fusionflow_nb.journal.protocol import (
    Inherited,
    Stored,
)
from fusionflow_nb.providers.protocol import (
    CancelAnswer,
    Cost,
    Done,
    Failed,
    Operation,
    Pending,
    Request,
    SubmitAmbiguousError,
)

if TYPE_CHECKING:
    from fusionflow_nb.providers.protocol import Status

SUBMIT_TRIES = 3
BACKOFF_S = 0.5
BACKOFF_CAP_S = 8.0
LAST_LOOK_S = 300.0
"""For one more look at a job whose time is over, its download included."""
ANSWER_GRACE_S = 5.0
"""How long a cancelled submit may still answer, so that what it started can be stopped."""


class ProviderCall(Booked):
    """One provider call of one job. See `Booked` for what it is made of."""

    async def run(self) -> CallResult:
        """Make the call, or find that it was made.

        Raises:
            JobError: refused, failed, no funds, unknown, timed out: each its own class.
            OverBudgetError: the reservation would pass a cap; nothing was sent.
            JournalBusyError: the log could not be written; nothing was sent.
        """
        slot = self.services.slot(self.provider)
        if slot.locked():
            self.tell(CallProgress("waiting", waits_for="slot"))
        async with slot:
            if not self.provider.is_remote:
                return await self._submitted_and_settled()
            claim = await self._claim()
            match claim:
                case Stored():
                    return CallResult(claim.outputs, claim.generation_id, is_hit=True)
                case Inherited():
                    await self._inherit(claim)
                    return await self._followed(Operation(claim.operation))
                case _:
                    return await self._submitted_and_settled()

    async def resume(self, job_id: str, epoch: int, operation: dict[str, Any]) -> CallResult:
        """Finish what a dead kernel began: poll and fetch only."""
        self.job_id, self.epoch = job_id, epoch
        failpoint(Failpoint.INHERITED)
        return await self._followed(Operation(operation))

    def take_over(self, job_id: str, epoch: int) -> None:
        """From now on this is the call of a job that somebody else had begun."""
        self.job_id, self.epoch = job_id, epoch

    async def stop(self, operation: Operation) -> None:
        """Ask the service to stop what somebody else had begun, and write down what that costs."""
        self.draft = replace(self.draft, operation=operation.data)
        await self._cancelled(await self._stopped(operation))

    def request_again(self) -> Request:
        """What was sent, as far as the log knows it: without its media."""
        return self._built()

    # --- the call itself -------------------------------------------------------------------------------------------

    async def _submitted_and_settled(self) -> CallResult:
        node_id, provider = self.draft.node_id, self.entry.provider
        try:
            request = await self._request()
            self.draft = replace(self.draft, started_at_us=self.services.clock())
            self.tell(CallProgress("running", expected=await self._expectation()))
            status = self.services.undelivered.pop(self._key, None) or await self._submit(request)
        except asyncio.CancelledError:
            if not self._has_ended:  # nothing was on its way
                await asyncio.shield(self._cancelled(0))
            raise
        except errors.FusionFlowError as error:
            if not self._has_ended:
                # Before it left: a key is missing, or the bytes of an input. Nothing was taken.
                await self._finish("failed", cost=NOTHING, error_code=error.code, error_message=str(error))
            error.at(node_id)
            raise
        except Exception as error:  # SubmitAmbiguousError, or an adapter that broke: did it arrive?
            await self._finish("unknown", error_code="unknown", error_message=f"{type(error).__name__}: {error}")
            raise call_errors.unknown(self.reserve_micro_usd, node_id, provider) from error
        if isinstance(status, Operation):
            return await self._followed(status, is_new=True)
        if isinstance(status, Failed) and status.is_retryable:
            await self._finish("failed", cost=NOTHING, error_code="outage", error_message=status.message)
            raise call_errors.outage(status, node_id, provider)
        return await self._ended_at_once(status)

    async def _ended_at_once(self, status: Status) -> CallResult:
        """The end of a call without an Operation, from which its result could be fetched again."""
        try:
            return await self._ended(status)
        except errors.StoreError as error:
            if isinstance(status, Done) and not self._has_ended:
                # Paid for and nowhere but here: the next who asks need not pay again.
                self.services.undelivered[self._key] = replace(status, cost=Cost(0, is_exact=True))
                await self._spoilt(status, error)
            raise

    async def _request(self) -> Request:
        """The request, with the files of its references at hand."""
        if self.bound.media:
            if self.provider.takes_references == "url":
                self.tell(CallProgress("waiting", waits_for="upload"))
            made: Request = await self.services.in_thread(self._built)
            return made
        return self._built()

    def _built(self) -> Request:
        """The request, with the files of its references at hand. Blocking where there are any."""
        values = dict(self.bound.values)
        prompt = values.pop("prompt", None)
        may_reduce = bool(values.get("reduce"))
        for name in ("model", "settings", "fallback", "reduce"):
            values.pop(name, None)
        store = self.services.store
        media = {port: item if isinstance(item, list) else [item] for port, item in self.bound.media.items()}
        found = fit_to_limits(media, self.entry, store, may_reduce=may_reduce, node_id=self.draft.node_id)
        if found.reduced:  # what the tape says was sent, is what was
            settings = {**self.draft.settings_snapshot, "reduced": found.reduced}
            self.draft = replace(self.draft, settings_snapshot=settings)
        references = {
            port: [reference_of(asset, self.provider, store) for asset in assets]
            for port, assets in found.media.items()
        }
        return Request(self.entry, self.task, prompt, values, references, self._hear)

    async def _expectation(self) -> Eta | None:
        """From now on, or since somebody sent it, the service is at work; None where nobody knows for how long."""
        usual_s = (
            await median_duration_s(self.entry, self.services) if self.provider.is_remote else self.entry.typical_s
        )
        since_us = self.begun_at_us or self.draft.started_at_us or self.services.clock()
        return Eta(since_us, usual_s) if usual_s else None

    def _hear(self, pending: Pending) -> None:
        """News while the submit itself waits."""
        self.tell(CallProgress("running", pending.progress, pending.queue_position, preview=pending.preview))

    async def _submit(self, request: Request) -> Operation | Status:
        """One logical start: tried again only where the service said it took nothing."""
        tries = 0
        while True:
            tries += 1
            status = await self._sent(request)
            if not (isinstance(status, Failed) and status.is_retryable):
                return status
            if self.provider.is_remote:
                await rate_limit.pause_service(await self._gate(), status.retry_after_s, self.services)
            if tries == SUBMIT_TRIES or (status.retry_after_s or 0.0) > rate_limit.LONGEST_WAIT_S:
                return status
            self.tell(CallProgress("waiting", waits_for="rate_limit"))
            await self.services.sleep(_backoff_s(tries, status.retry_after_s))
            if self.provider.is_remote:
                await rate_limit.acquire_slot(await self._gate(), self.services)

    async def _sent(self, request: Request) -> Operation | Status:
        """One request, seen through to its answer: cut off in the middle, nobody would know what it started."""
        failpoint(Failpoint.BEFORE_SUBMIT)
        sending = asyncio.ensure_future(self.provider.submit(request, idempotency_key=self.job_id))
        self.services.sending.add(sending)
        sending.add_done_callback(self.services.sending.discard)
        try:
            status = await asyncio.shield(sending)
        except asyncio.CancelledError:
            await _seen_to(sending)
            if not sending.done() or sending.cancelled():
                sending.cancel()
                raise SubmitAmbiguousError("Cancelled before an answer came.") from None
            status = sending.result()
            if isinstance(status, Operation):
                await self._let_go(status, is_new=True)
            elif isinstance(status, Done):
                await self._ended_at_once(status)  # paid for and here: keep it for the next who asks
            raise
        failpoint(Failpoint.AFTER_SUBMIT)
        return status

    async def _followed(self, operation: Operation, *, is_new: bool = False) -> CallResult:
        """Keep the Operation, poll until it has ended, and bring the result home."""
        self.draft = replace(
            self.draft, operation=operation.data, started_at_us=self.draft.started_at_us or self.services.clock()
        )
        node_id, provider = self.draft.node_id, self.entry.provider
        if not is_new:
            self.tell(CallProgress("running", expected=await self._expectation()))
        try:
            if is_new and self.provider.is_remote:
                await self.services.journal.accepted(self.job_id, self.epoch, operation.data)
                failpoint(Failpoint.AFTER_OPERATION)
            try:
                async with asyncio.timeout(self.entry.timeout_s):
                    status = await self._polled(operation)
            except TimeoutError as error:
                status = await self._last_look(operation)
                if isinstance(status, Pending):
                    message = f"No result after {self.entry.timeout_s:g} s."
                    if not self.provider.is_remote:
                        cost = await self._stopped(operation)
                        await self._finish("failed", cost_micro_usd=cost, error_code="timeout", error_message=message)
                    # What a service has accepted may still come, and is paid for: it is put aside, not given up.
                    raise call_errors.timed_out(message, node_id, provider) from error
            return await self._seen_through(status, operation)
        except asyncio.CancelledError:
            if not self._has_ended:
                await asyncio.shield(self._let_go(operation))
            raise
        except errors.FusionFlowError as error:
            await self._put_aside(operation, error)
            raise
        except Exception as error:  # the border to an adapter
            await self._put_aside(operation, error)
            raise call_errors.adapter_broke(error, node_id, provider) from error

    async def _last_look(self, operation: Operation) -> Status:
        """How it stands now that its time is over.

        A laptop that slept, or a kernel that was stopped, has not looked for all that time: it may have been done
        long since.
        """
        try:
            async with asyncio.timeout(LAST_LOOK_S):
                return await self._polled(operation, is_last=True)
        except TimeoutError:
            return Pending()

    async def _polled(self, operation: Operation, *, is_last: bool = False) -> Status:
        """How it ended; with `is_last` also that it has not."""
        failures = 0
        while True:
            try:
                if self.provider.is_remote:
                    await rate_limit.wait_while_paused(await self._gate(), self.services)
                status = await self.provider.poll(operation)
                failures = 0
            except errors.ProviderError as error:
                if not error.is_retryable:
                    return Failed(error.code, error.what)
                failures += 1
                if self.provider.is_remote:
                    await rate_limit.pause_service(await self._gate(), error.retry_after_s, self.services)
                await self.services.sleep(_backoff_s(failures, error.retry_after_s))
                continue
            failpoint(Failpoint.DURING_POLL)
            if is_last or not isinstance(status, Pending):
                return status
            self.tell(CallProgress("running", status.progress, status.queue_position, preview=status.preview))
            if self.provider.poll_interval_s:
                await self.services.sleep(self.provider.poll_interval_s)

    async def _let_go(self, operation: Operation, *, is_new: bool = False) -> None:
        """Cancelled: the work goes to another kernel that waits for it, else the service is asked to stop."""
        try:
            if is_new and self.provider.is_remote:
                await self.services.journal.accepted(self.job_id, self.epoch, operation.data)
            if self.services.is_closing and self.provider.is_remote:
                self._has_ended = True  # for this kernel: its lease ends with it, and the next one brings the work home
                return
            if self.provider.is_remote and await self.services.journal.hand_over(self.job_id, self.epoch):
                self._has_ended = True
                return
            await self._cancelled(await self._stopped(operation))
        except errors.JournalError as error:  # nobody can be told: it stays ours, and the next who asks follows it
            await self._put_aside(operation, error)

    async def _stopped(self, operation: Operation) -> int:
        """Ask the service to stop; what it may bill all the same, in micro-dollars."""
        try:
            answer = await self.provider.cancel(operation)
        except Exception:  # noqa: BLE001 - the border to an adapter: a stop that fails must not leave the job without an end
            answer = CancelAnswer.UNSUPPORTED
        return 0 if answer is CancelAnswer.CONFIRMED or self.entry.is_free else self.reserve_micro_usd

    async def _cancelled(self, cost_micro_usd: int) -> None:
        await self._finish(
            "cancelled", cost_micro_usd=cost_micro_usd, error_code="cancelled", error_message="Cancelled."
        )

    async def _seen_through(self, status: Status, operation: Operation) -> CallResult:
        """Write the end down even if the job is cancelled meanwhile: what is paid for is kept."""
        ending = asyncio.ensure_future(self._ended(status))
        try:
            return await asyncio.shield(ending)
        except asyncio.CancelledError:
            await asyncio.wait([ending])
            error = ending.exception()
            if error is not None:
                await self._put_aside(operation, error)
            raise

    async def _put_aside(self, operation: Operation, error: BaseException) -> None:
        """Where its end could not be written down, accepted work stays ours: the next who asks follows it again."""
        if self._has_ended:
            return
        self._has_ended = True
        if self.provider.is_remote:
            self.services.parked[self.job_id] = Parked(self.epoch, operation.data)
        else:
            code = getattr(error, "code", "adapter")
            await self._finish("failed", cost_micro_usd=0, error_code=code, error_message=str(error))


async def _seen_to(sending: asyncio.Future[Any]) -> None:
    """Wait a short while for an answer, however often this is cancelled: a closing session and a run both do."""
    waiting = asyncio.ensure_future(asyncio.wait([sending], timeout=ANSWER_GRACE_S))
    while not waiting.done():
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.shield(waiting)


def _backoff_s(tries: int, asked_s: float | None = None) -> float:
    """What the service asks for, else exponential; with jitter: many refused together do not come back together."""
    if asked_s is not None:
        return asked_s * random.uniform(1.0, 1.1)  # noqa: S311 - no secret
    whole: float = min(BACKOFF_CAP_S, BACKOFF_S * 2 ** min(tries - 1, 10))
    return whole * random.uniform(0.5, 1.0)  # noqa: S311 - no secret
