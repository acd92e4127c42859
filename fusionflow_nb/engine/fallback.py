"""Fallbacks: alternative models that a node names, tried in order if a service is unavailable.

A fallback's result is stored under its own key and under the requested key; `served_by` names the model. Only an outage
before acceptance leads to the next model: after a refusal, missing funds or a failed job another call would cost again.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from fusionflow_nb import errors
from fusionflow_nb.engine.generation_records import draft_of
from fusionflow_nb.engine.provider_call import ProviderCall
from fusionflow_nb.engine.single_flight import CallProgress
from fusionflow_nb.plan.bind import bind_inputs
from fusionflow_nb.plan.estimate import estimate_of
from fusionflow_nb.plan.prepare import task_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from fusionflow_nb.engine.context import EngineState
    from fusionflow_nb.engine.single_flight import CallResult
    from fusionflow_nb.engine.status import Facts
    from fusionflow_nb.plan.job import Bound, Job
    from fusionflow_nb.plan.prepare import Models
    from fusionflow_nb.providers.model import Estimate


class CallChain:
    """The calls that can serve a job, in the order in which they are tried. Created when the job begins.

    Args:
        job: bound and keyed.
        models: the model catalogue.
        facts: the run's place on the tape, and the allowance for models without a price.
        engine: shared state of the kernel.
        report: receives progress.

    Raises:
        OverBudgetError: a model has no price, and no allowance is set.
    """

    def __init__(
        self, job: Job, models: Models, facts: Facts, engine: EngineState, report: Callable[[CallProgress], None]
    ) -> None:
        node_type, prepared = job.node.type, job.node.prepared
        assert node_type is not None  # noqa: S101 - ready jobs are typed, bound and keyed
        assert job.bound is not None  # noqa: S101
        self._job = job
        self._facts = facts
        self._engine = engine
        self._report = report
        self._task = task_of(node_type, frozenset(link.port.name for link in job.node.links))
        self._calls = [self._call(job.bound, job.key, job.estimate)]
        for fallback in prepared.fallbacks if prepared is not None else ():
            binding = bind_inputs(job, node_type, fallback, models, [])
            if binding is not None:
                self._calls.append(self._call(*binding, estimate_of(binding[0])))

    async def run(self) -> CallResult:
        """The result of the first model whose service is available.

        Raises:
            OutageError: no service is available.
            other errors: as `ProviderCall.run`.
        """
        outages: list[errors.OutageError] = []
        for call in self._calls:
            if outages:
                self._report(CallProgress("waiting", waits_for=f"fallback {call.entry.id}"))
            try:
                return self._with_model(await call.run(), call)
            except errors.OutageError as outage:
                outages.append(outage)
        first, *others = outages
        first.what += "".join(f" Its fallback {other.provider} is unavailable too: {other.what}" for other in others)
        raise first

    def _with_model(self, result: CallResult, call: ProviderCall) -> CallResult:
        """The result, with the model that served it if that is not the requested model."""
        requested = self._calls[0].requested
        if call.entry.id == requested.id:
            return result
        return result._replace(served_by=call.entry.id, is_same_model=requested.is_same_as(call.entry.id))

    def _call(self, bound: Bound, key: bytes | None, estimate: Estimate | None) -> ProviderCall:
        entry, requested = bound.entry, self._job.bound
        assert entry is not None  # noqa: S101 - provider jobs have a model
        context = self._engine.context
        draft = draft_of(self._job, self._facts, context, context.clock())
        if bound is not requested:
            seed = bound.values.get("seed")
            draft = replace(
                draft,
                provider=entry.provider,
                served_by=entry.id,
                content_key=key,
                seed=seed if isinstance(seed, int) else None,
                estimate_micro_usd=estimate.high_micro_usd if estimate else None,
            )
        return ProviderCall(
            bound,
            self._task,
            draft,
            requested_key=self._job.key,
            reserve_micro_usd=self._reserve(entry.id, estimate),
            engine=self._engine,
            report=self._report,
            replaces=self._job.generation_id if self._job.is_lost else None,
        )

    def _reserve(self, model: str, estimate: Estimate | None) -> int:
        if estimate is None or not estimate.is_unpriced:
            return estimate.high_micro_usd if estimate else 0
        if self._facts.unpriced_micro_usd is None:
            raise errors.OverBudgetError(
                f"{model} has no known price.",
                node_id=self._job.node.id,
                hint="Allow an amount per call in dollars: run(unpriced=0.50).",
            )
        return self._facts.unpriced_micro_usd
