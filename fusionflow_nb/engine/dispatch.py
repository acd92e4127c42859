"""Calling a provider: claim, submit, poll, fetch, settle. The engine owns this loop; adapters only map the wire.

The order is what keeps money safe: the claim (intent, key, reservation) is durable before a request leaves, the
Operation before the first poll, the bytes before the generation that names them. A process may die between any two
lines.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fusionflow_nb import errors, steps
from fusionflow_nb.engine import gates, verdicts
from fusionflow_nb.engine.admitted import admitted
from fusionflow_nb.engine.expected import Expected, learn, typical_s
from fusionflow_nb.engine.flight import Answer, News
from fusionflow_nb.engine.references import reference_of
from fusionflow_nb.engine.services import Parked, Unwritten
from fusionflow_nb.journal.protocol import (
    Granted,
    Held,
    Inherited,
    Intent,
    OverBudget,
    Stored,
    Unknown,
)
from fusionflow_nb.media.values import Series
from fusionflow_nb.plan.plan import VARIANT
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
from fusionflow_nb.steps import Step

if TYPE_CHECKING:
    from collections.abc import Callable

    from fusionflow_nb.engine.services import Services
    from fusionflow_nb.journal.protocol import Gate
    from fusionflow_nb.journal.records import Generation
    from fusionflow_nb.media.values import Outputs
    from fusionflow_nb.plan.job import Bound
    from fusionflow_nb.providers.model import ModelEntry
    from fusionflow_nb.providers.protocol import Output, Provider, Status

SUBMIT_TRIES = 3
BACKOFF_S = 0.5
BACKOFF_CAP_S = 8.0
HELD_LOOK_S = 0.25
NOTHING = Cost(0, is_exact=True)
"""Of a call that the service never took."""
LAST_LOOK_S = 300.0
"""For one more look at a job whose time is over, its download included."""
ANSWER_GRACE_S = 5.0
"""How long a cancelled submit may still answer, so that what it started can be stopped."""


class Call:
    """One provider call of one job.

    Args:
        bound: the job's inputs.
        task: what is asked of the model.
        draft: the generation as far as it is known; completed here.
        asked_key: the content key that this answers: the draft's own, or, for a fallback, that of the model it stands
            in for.
        reserve_micro_usd: what the budget holds for it: its high estimate, or an allowance where it has no price.
        services: the engine's living parts.
        tell: told how it stands.
        replaces: the generation whose bytes are lost, where a person has it made again.
    """

    def __init__(
        self,
        bound: Bound,
        task: str,
        draft: Generation,
        *,
        asked_key: bytes | None,
        reserve_micro_usd: int,
        services: Services,
        tell: Callable[[News], None],
        replaces: str | None = None,
    ) -> None:
        assert bound.entry is not None  # noqa: S101 - provider jobs have a model
        self.asked = bound.entry
        self.entry = bound.entry
        """Who serves it: the asked model, or the fallback that a dead kernel had turned to."""
        self.bound = bound
        self.task = task
        self.draft = draft
        self.asked_key = asked_key
        self.reserve_micro_usd = reserve_micro_usd
        self.services = services
        self.tell = tell
        self.provider: Provider = services.providers.provider(self.entry.provider)
        self.job_id = services.ids()
        self.epoch = 0
        self.gate: Gate | None = None
        self.replaces = replaces
        self.begun_at_us: int | None = None
        """When another kernel sent it, if one did."""
        self._has_ended = False

    async def run(self) -> Answer:
        """Make the call, or find that it was made.

        Raises:
            JobError: refused, failed, no funds, unknown, timed out: each its own class.
            OverBudgetError: the reservation would pass a cap; nothing was sent.
            JournalBusyError: the log could not be written; nothing was sent.
        """
        slot = self.services.slot(self.provider)
        if slot.locked():
            self.tell(News("waiting", waits_for="slot"))
        async with slot:
            if not self.provider.is_remote:
                return await self._submitted_and_settled()
            claim = await self._claim()
            match claim:
                case Stored():
                    return Answer(claim.outputs, claim.generation_id, is_hit=True)
                case Inherited():
                    await self._inherit(claim)
                    return await self._followed(Operation(claim.operation))
                case _:
                    return await self._submitted_and_settled()

    async def resume(self, job_id: str, epoch: int, operation: dict[str, Any]) -> Answer:
        """Finish what a dead kernel began: poll and fetch only."""
        self.job_id, self.epoch = job_id, epoch
        steps.reached(Step.INHERITED)
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

    @property
    def _key(self) -> bytes:
        """What is asked for."""
        assert self.draft.content_key is not None  # noqa: S101 - provider jobs are keyed
        return self.draft.content_key

    # --- before the money ------------------------------------------------------------------------------------------

    async def _claim(self) -> Granted | Stored | Inherited:
        """The right to submit, somebody else's result, or somebody else's work to finish."""
        draft = self.draft
        assert self.asked_key is not None  # noqa: S101 - provider jobs are keyed
        intent = Intent(
            job_id=self.job_id,
            run_id=draft.run_id,
            project_id=draft.project_id,
            node_id=draft.node_id,
            coordinate=draft.coordinate,
            content_key=self.asked_key,
            provider=self.entry.provider,
            model=self.entry.id,
            idempotency_key=self.job_id,
            reserve_micro_usd=0 if self._key in self.services.undelivered else self.reserve_micro_usd,
            draft=draft,
            replaces=self.replaces,
            gate=await self._gate(),
        )
        while True:
            steps.reached(Step.BEFORE_INTENT)
            claim = await gates.claimed(
                intent, self.services, lambda: self.tell(News("waiting", waits_for="rate_limit"))
            )
            match claim:
                case Granted():
                    self.job_id, self.epoch = claim.job_id, claim.epoch
                    steps.reached(Step.AFTER_INTENT)
                    return claim
                case Stored() | Inherited():
                    return claim
                case Unknown() if await self.services.settle_unknown(claim):
                    continue
                case Unknown():
                    raise verdicts.unknown(claim.at_stake_micro_usd, draft.node_id, self.entry.provider)
                case OverBudget():
                    raise verdicts.over_budget(claim, draft.node_id)
                case Held():
                    own = await self._waited_for(claim)
                    if own is not None:
                        return own

    async def _waited_for(self, held: Held) -> Inherited | None:
        """Accepted work of this kernel that nobody follows; None once it is worth asking again."""
        unwritten = self.services.unwritten.get(held.job_id)
        if unwritten is not None:
            await self._write_at_last(held.job_id, unwritten)
            return None
        parked = self.services.parked.pop(held.job_id, None)
        if parked is not None:
            await self.services.journal.leave(held.job_id, self.job_id)
            return Inherited(held.job_id, parked.epoch, parked.operation)
        self.tell(News("waiting", waits_for="lease"))
        try:
            await self._until_let_go(held)
        except asyncio.CancelledError:
            await asyncio.shield(self.services.journal.leave(held.job_id, self.job_id))
            raise
        return None

    async def _write_at_last(self, job_id: str, unwritten: Unwritten) -> None:
        """How a job of ours ended, which the journal could not be told then. Raises JournalError if it still cannot."""
        await self.services.journal.leave(job_id, self.job_id)
        await self.services.journal.finish(job_id, unwritten.epoch, unwritten.generation)
        self.services.unwritten.pop(job_id, None)
        self.services.parked.pop(job_id, None)

    async def _gate(self) -> Gate:
        if self.gate is None:
            self.gate = await gates.gate_of(self.provider, self.entry, self.services)
        return self.gate

    async def _inherit(self, claim: Inherited) -> None:
        """Go on under the job's first name, so that the tape sees one generation and not one that never ends."""
        self.job_id, self.epoch = claim.job_id, claim.epoch
        steps.reached(Step.INHERITED)
        for job in await self.services.journal.open_jobs():
            if job.job_id != claim.job_id:
                continue
            begun = job.draft
            self.begun_at_us = begun.started_at_us
            self.draft = replace(self.draft, id=begun.id, queued_at_us=begun.queued_at_us)
            if begun.served_by != self.draft.served_by:  # a fallback took it: it alone knows the Operation
                self.entry = serving(begun, self.services)
                self.provider = self.services.providers.provider(self.entry.provider)
                self.draft = replace(
                    self.draft, provider=begun.provider, served_by=begun.served_by, content_key=begun.content_key
                )

    async def _until_let_go(self, held: Held) -> None:
        """Wait while another kernel works on the same key; its refusal is our refusal, its death ends the wait."""
        while True:
            await self.services.sleep(HELD_LOOK_S)
            ended = await self.services.journal.ended(held.job_id)
            if ended is not None:
                if ended.status in {"refused", "no_funds", "unknown"}:
                    raise verdicts.final(
                        ended.status, ended.generation.error_message or "", self.draft.node_id, self.entry.provider
                    )
                return
            open_jobs = {job.job_id: job for job in await self.services.journal.open_jobs()}
            if held.job_id not in open_jobs or not open_jobs[held.job_id].is_held:
                return

    # --- the call itself -------------------------------------------------------------------------------------------

    async def _submitted_and_settled(self) -> Answer:
        node_id, provider = self.draft.node_id, self.entry.provider
        try:
            request = await self._request()
            self.draft = replace(self.draft, started_at_us=self.services.clock())
            self.tell(News("running", expected=await self._expectation()))
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
            raise verdicts.unknown(self.reserve_micro_usd, node_id, provider) from error
        if isinstance(status, Operation):
            return await self._followed(status, is_new=True)
        if isinstance(status, Failed) and status.is_retryable:
            await self._finish("failed", cost=NOTHING, error_code="outage", error_message=status.message)
            raise verdicts.outage(status, node_id, provider)
        return await self._ended_at_once(status)

    async def _ended_at_once(self, status: Status) -> Answer:
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
                self.tell(News("waiting", waits_for="upload"))
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
        found = admitted(media, self.entry, store, may_reduce=may_reduce, node_id=self.draft.node_id)
        if found.reduced:  # what the tape says was sent, is what was
            settings = {**self.draft.settings_snapshot, "reduced": found.reduced}
            self.draft = replace(self.draft, settings_snapshot=settings)
        references = {
            port: [reference_of(asset, self.provider, store) for asset in assets]
            for port, assets in found.media.items()
        }
        return Request(self.entry, self.task, prompt, values, references, self._hear)

    async def _expectation(self) -> Expected | None:
        """From now on, or since somebody sent it, the service is at work; None where nobody knows for how long."""
        usual_s = await typical_s(self.entry, self.services) if self.provider.is_remote else self.entry.typical_s
        since_us = self.begun_at_us or self.draft.started_at_us or self.services.clock()
        return Expected(since_us, usual_s) if usual_s else None

    def _hear(self, pending: Pending) -> None:
        """News while the submit itself waits."""
        self.tell(News("running", pending.progress, pending.queue_position, preview=pending.preview))

    async def _submit(self, request: Request) -> Operation | Status:
        """One logical start: tried again only where the service said it took nothing."""
        tries = 0
        while True:
            tries += 1
            status = await self._sent(request)
            if not (isinstance(status, Failed) and status.is_retryable):
                return status
            if self.provider.is_remote:
                await gates.leave_alone(await self._gate(), status.retry_after_s, self.services)
            if tries == SUBMIT_TRIES or (status.retry_after_s or 0.0) > gates.LONGEST_WAIT_S:
                return status
            self.tell(News("waiting", waits_for="rate_limit"))
            await self.services.sleep(_backoff_s(tries, status.retry_after_s))
            if self.provider.is_remote:
                await gates.next_turn(await self._gate(), self.services)

    async def _sent(self, request: Request) -> Operation | Status:
        """One request, seen through to its answer: cut off in the middle, nobody would know what it started."""
        steps.reached(Step.BEFORE_SUBMIT)
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
        steps.reached(Step.AFTER_SUBMIT)
        return status

    async def _followed(self, operation: Operation, *, is_new: bool = False) -> Answer:
        """Keep the Operation, poll until it has ended, and bring the result home."""
        self.draft = replace(
            self.draft, operation=operation.data, started_at_us=self.draft.started_at_us or self.services.clock()
        )
        node_id, provider = self.draft.node_id, self.entry.provider
        if not is_new:
            self.tell(News("running", expected=await self._expectation()))
        try:
            if is_new and self.provider.is_remote:
                await self.services.journal.accepted(self.job_id, self.epoch, operation.data)
                steps.reached(Step.AFTER_OPERATION)
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
                    raise verdicts.timed_out(message, node_id, provider) from error
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
            raise verdicts.adapter_broke(error, node_id, provider) from error

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
                    await gates.until_not_blocked(await self._gate(), self.services)
                status = await self.provider.poll(operation)
                failures = 0
            except errors.ProviderError as error:
                if not error.is_retryable:
                    return Failed(error.code, error.what)
                failures += 1
                if self.provider.is_remote:
                    await gates.leave_alone(await self._gate(), error.retry_after_s, self.services)
                await self.services.sleep(_backoff_s(failures, error.retry_after_s))
                continue
            steps.reached(Step.DURING_POLL)
            if is_last or not isinstance(status, Pending):
                return status
            self.tell(News("running", status.progress, status.queue_position, preview=status.preview))
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

    async def _seen_through(self, status: Status, operation: Operation) -> Answer:
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

    # --- after -----------------------------------------------------------------------------------------------------

    async def _ended(self, status: Status) -> Answer:
        """Write the end down and turn it into an answer or an error."""
        match status:
            case Done():
                return await self._done(status)
            case Refused():
                await self._finish("refused", cost=status.cost, error_code="refused", error_message=status.message)
                raise verdicts.final("refused", status.message, self.draft.node_id, self.entry.provider)
            case NoFunds():
                await self._finish("no_funds", cost=NOTHING, error_code="no_funds", error_message=status.message)
                raise verdicts.final("no_funds", status.message, self.draft.node_id, self.entry.provider)
            case Cancelled():
                await self._finish(
                    "cancelled", cost=status.cost, error_code="cancelled", error_message="Cancelled at the service."
                )
                raise verdicts.final(
                    "cancelled", "It was cancelled at the service.", self.draft.node_id, self.entry.provider
                )
            case Failed():
                await self._finish("failed", cost=status.cost, error_code=status.code, error_message=status.message)
                raise verdicts.failed(status, self.draft.node_id, self.entry.provider)
            case _:
                message = f"The service answered {type(status).__name__} to a submit."
                raise errors.ProviderError(message, node_id=self.draft.node_id, provider=self.entry.provider)

    async def _done(self, status: Done) -> Answer:
        steps.reached(Step.AFTER_DOWNLOAD)
        try:
            outputs = await self.services.in_thread(self._stored, status.outputs)
        except errors.MediaError as error:  # asking again makes it no better
            await self._spoilt(status, error)
            raise
        steps.reached(Step.BEFORE_SETTLEMENT)
        cost = self._billed(status)
        generation = await self._finish(
            "succeeded", cost=status.cost, outputs=outputs, cost_micro_usd=cost, seed=status.seed
        )
        if generation.started_at_us and generation.finished_at_us:
            learn(self.entry, (generation.finished_at_us - generation.started_at_us) / 1e6, self.services)
        return Answer(outputs, generation.id, cost, cost_is_exact=generation.cost_is_exact)

    async def _spoilt(self, status: Done, error: errors.FusionFlowError) -> None:
        """It is paid for, and cannot be kept."""
        cost_micro_usd = self._billed(status)
        await self._finish(
            "failed", cost=status.cost, cost_micro_usd=cost_micro_usd, error_code=error.code, error_message=str(error)
        )

    def _billed(self, status: Done) -> int:
        """What a result costs, in micro-dollars: as the service says, else as was estimated."""
        if status.cost is not None:
            return status.cost.micro_usd
        return 0 if self.entry.is_free else self.reserve_micro_usd

    def _stored(self, made: tuple[Output, ...]) -> Outputs:
        """What the service made, in the store, by port. Blocking."""
        by_port: dict[str, list[Any]] = {}
        recipe = self.draft.content_key.hex() if self.draft.content_key else None
        for output in made:
            asset = self.services.store.put(output.content, media_type=output.media_type, recipe=recipe)
            by_port.setdefault(output.port, []).append(asset)
        for output in made:  # all of them are safe
            if isinstance(output.content, Path):
                output.content.unlink(missing_ok=True)
        is_series = int(self.bound.values.get("count") or 1) > 1
        outputs: Outputs = {}
        for port, assets in by_port.items():
            labels = tuple(str(index + 1) for index in range(len(assets)))
            outputs[port] = Series(VARIANT, labels, tuple(assets)) if is_series else assets[0]
        return outputs

    async def _finish(
        self,
        status: str,
        *,
        outputs: Outputs | None = None,
        cost: Cost | None = None,
        cost_micro_usd: int | None = None,
        seed: int | None = None,
        error_code: str | None = None,
        error_message: str | None = None,
    ) -> Generation:
        first = next(iter(outputs.values())) if outputs else None
        asset = first.items[0] if isinstance(first, Series) else first
        generation = replace(
            self.draft,
            status=status,
            outputs=outputs,
            output_url=self.services.store.uri(asset) if asset is not None and hasattr(asset, "sha256") else None,  # type: ignore[arg-type]
            cost_micro_usd=cost.micro_usd if cost else (cost_micro_usd or 0),
            cost_is_exact=cost.is_exact if cost is not None else self.entry.is_free,
            seed=seed if seed is not None else self.draft.seed,
            finished_at_us=self.services.clock(),
            error_code=error_code,
            error_message=error_message,
        )
        if self.provider.is_remote:
            try:
                is_ours = await self.services.journal.finish(self.job_id, self.epoch, generation)
            except errors.JournalError:
                self.services.unwritten[self.job_id] = Unwritten(self.epoch, generation)
                raise
            steps.reached(Step.AFTER_SETTLEMENT)
            if not is_ours:
                self._has_ended = True
                raise verdicts.taken_over(self.draft.node_id, self.entry.provider)
        else:
            self.services.record(generation)
        self._has_ended = True
        return generation


def serving(draft: Generation, services: Services) -> ModelEntry:
    """The model that works on a job that somebody had begun: the asked one, or the fallback that took it.

    Raises:
        ModelError: its provider is not installed here; another kernel may have it.
    """
    model = draft.served_by or draft.model or ""
    entry = services.providers.entry(model)
    if entry is None:
        raise errors.ModelError(
            f"Nothing installed here serves {model}.",
            node_id=draft.node_id,
            hint="Install the package of its provider, or resume it where that is installed.",
        )
    return entry


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
