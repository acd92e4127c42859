"""What the journal sees of a provider call: the claim before a request leaves, and the end with all that it holds."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fusionflow_nb import errors
from fusionflow_nb.engine import call_errors, rate_limit
from fusionflow_nb.engine.context import Unwritten
from fusionflow_nb.engine.eta import record_duration
from fusionflow_nb.engine.single_flight import CallProgress, CallResult
from fusionflow_nb.failpoints import Failpoint, failpoint
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
    Cancelled,
    Cost,
    Done,
    Failed,
    NoFunds,
    Refused,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from fusionflow_nb.engine.context import Services
    from fusionflow_nb.journal.protocol import Gate
    from fusionflow_nb.journal.records import Generation
    from fusionflow_nb.media.values import Outputs
    from fusionflow_nb.plan.job import Bound
    from fusionflow_nb.providers.model import ModelEntry
    from fusionflow_nb.providers.protocol import Output, Provider, Status

HELD_LOOK_S = 0.25
NOTHING = Cost(0, is_exact=True)
"""Of a call that the service never took."""


class Booked:
    """A call of a job, as far as the journal is concerned.

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
        tell: Callable[[CallProgress], None],
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

    # --- the claim --------------------------------------------------------------------------------------------------

    @property
    def _key(self) -> bytes:
        """What is asked for."""
        assert self.draft.content_key is not None  # noqa: S101 - provider jobs are keyed
        return self.draft.content_key

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
            failpoint(Failpoint.BEFORE_INTENT)
            claim = await rate_limit.claim_when_allowed(
                intent, self.services, lambda: self.tell(CallProgress("waiting", waits_for="rate_limit"))
            )
            match claim:
                case Granted():
                    self.job_id, self.epoch = claim.job_id, claim.epoch
                    failpoint(Failpoint.AFTER_INTENT)
                    return claim
                case Stored() | Inherited():
                    return claim
                case Unknown() if await self.services.settle_unknown(claim):
                    continue
                case Unknown():
                    raise call_errors.unknown(claim.at_stake_micro_usd, draft.node_id, self.entry.provider)
                case OverBudget():
                    raise call_errors.over_budget(claim, draft.node_id)
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
        self.tell(CallProgress("waiting", waits_for="lease"))
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
            self.gate = await rate_limit.gate_of(self.provider, self.entry, self.services)
        return self.gate

    async def _inherit(self, claim: Inherited) -> None:
        """Go on under the job's first name, so that the tape sees one generation and not one that never ends."""
        self.job_id, self.epoch = claim.job_id, claim.epoch
        failpoint(Failpoint.INHERITED)
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
                    raise call_errors.final(
                        ended.status, ended.generation.error_message or "", self.draft.node_id, self.entry.provider
                    )
                return
            open_jobs = {job.job_id: job for job in await self.services.journal.open_jobs()}
            if held.job_id not in open_jobs or not open_jobs[held.job_id].is_held:
                return

    # --- the end ----------------------------------------------------------------------------------------------------

    async def _ended(self, status: Status) -> CallResult:
        """Write the end down and turn it into an answer or an error."""
        match status:
            case Done():
                return await self._done(status)
            case Refused():
                await self._finish("refused", cost=status.cost, error_code="refused", error_message=status.message)
                raise call_errors.final("refused", status.message, self.draft.node_id, self.entry.provider)
            case NoFunds():
                await self._finish("no_funds", cost=NOTHING, error_code="no_funds", error_message=status.message)
                raise call_errors.final("no_funds", status.message, self.draft.node_id, self.entry.provider)
            case Cancelled():
                await self._finish(
                    "cancelled", cost=status.cost, error_code="cancelled", error_message="Cancelled at the service."
                )
                raise call_errors.final(
                    "cancelled", "It was cancelled at the service.", self.draft.node_id, self.entry.provider
                )
            case Failed():
                await self._finish("failed", cost=status.cost, error_code=status.code, error_message=status.message)
                raise call_errors.failed(status, self.draft.node_id, self.entry.provider)
            case _:
                message = f"The service answered {type(status).__name__} to a submit."
                raise errors.ProviderError(message, node_id=self.draft.node_id, provider=self.entry.provider)

    async def _done(self, status: Done) -> CallResult:
        failpoint(Failpoint.AFTER_DOWNLOAD)
        try:
            outputs = await self.services.in_thread(self._stored, status.outputs)
        except errors.MediaError as error:  # asking again makes it no better
            await self._spoilt(status, error)
            raise
        failpoint(Failpoint.BEFORE_SETTLEMENT)
        cost = self._billed(status)
        generation = await self._finish(
            "succeeded", cost=status.cost, outputs=outputs, cost_micro_usd=cost, seed=status.seed
        )
        if generation.started_at_us and generation.finished_at_us:
            record_duration(self.entry, (generation.finished_at_us - generation.started_at_us) / 1e6, self.services)
        return CallResult(outputs, generation.id, cost, cost_is_exact=generation.cost_is_exact)

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
            failpoint(Failpoint.AFTER_SETTLEMENT)
            if not is_ours:
                self._has_ended = True
                raise call_errors.taken_over(self.draft.node_id, self.entry.provider)
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
