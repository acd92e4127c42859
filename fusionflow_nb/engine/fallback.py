"""When a service is out: the models that a node names to stand in, each before anything was accepted.

A fallback's result is stored under its own key and as the answer to the asked one; `served_by` says who made it. Only
an outage leads on: a refusal, missing funds or a failed job would cost twice, or be refused twice.
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

    from fusionflow_nb.engine.context import Services
    from fusionflow_nb.engine.single_flight import CallResult
    from fusionflow_nb.engine.status import Facts
    from fusionflow_nb.plan.job import Bound, Job
    from fusionflow_nb.plan.prepare import Models
    from fusionflow_nb.providers.model import Estimate


class Calls:
    """The calls that may answer a job, in the order in which they are tried. Made when the job begins.

    Raises:
        OverBudgetError: a model has no price, and no allowance was given.
    """

    def __init__(
        self, job: Job, models: Models, facts: Facts, services: Services, tell: Callable[[CallProgress], None]
    ) -> None:
        node_type, prepared = job.node.type, job.node.prepared
        assert node_type is not None  # noqa: S101 - ready jobs are typed, bound and keyed
        assert job.bound is not None  # noqa: S101
        self._job = job
        self._facts = facts
        self._services = services
        self._tell = tell
        self._task = task_of(node_type, frozenset(link.port.name for link in job.node.links))
        self._calls = [self._call(job.bound, job.key, job.estimate)]
        for instead in prepared.fallbacks if prepared is not None else ():
            found = bind_inputs(job, node_type, instead, models, [])
            if found is not None:
                self._calls.append(self._call(*found, estimate_of(found[0])))

    async def run(self) -> CallResult:
        """The answer of the first whose service is there.

        Raises:
            OutageError: none of them is.
            other errors: as `Call.run`.
        """
        out: list[errors.OutageError] = []
        for call in self._calls:
            if out:
                self._tell(CallProgress("waiting", waits_for=f"fallback {call.entry.id}"))
            try:
                return self._said(await call.run(), call)
            except errors.OutageError as outage:
                out.append(outage)
        if len(out) > 1:
            out[0].what += "".join(f" So is its fallback {one.provider}: {one.what}" for one in out[1:])
        raise out[0]

    def _said(self, answer: CallResult, call: ProviderCall) -> CallResult:
        """The answer, with the model that made it where that is not the asked one."""
        asked = self._calls[0].asked
        if call.entry.id == asked.id:
            return answer
        return answer._replace(served_by=call.entry.id, is_same_model=asked.is_same_as(call.entry.id))

    def _call(self, given: Bound, key: bytes | None, estimate: Estimate | None) -> ProviderCall:
        entry, asked = given.entry, self._job.bound
        assert entry is not None  # noqa: S101 - provider jobs have a model
        draft = draft_of(self._job, self._facts, self._services, self._services.clock())
        if given is not asked:
            seed = given.values.get("seed")
            draft = replace(
                draft,
                provider=entry.provider,
                served_by=entry.id,
                content_key=key,
                seed=seed if isinstance(seed, int) else None,
                estimate_micro_usd=estimate.high_micro_usd if estimate else None,
            )
        return ProviderCall(
            given,
            self._task,
            draft,
            asked_key=self._job.key,
            reserve_micro_usd=self._reserve(entry.id, estimate),
            services=self._services,
            tell=self._tell,
            replaces=self._job.generation_id if self._job.is_lost else None,
        )

    def _reserve(self, model: str, estimate: Estimate | None) -> int:
        if estimate is None or not estimate.is_unpriced:
            return estimate.high_micro_usd if estimate else 0
        if self._facts.unpriced_micro_usd is None:
            raise errors.OverBudgetError(
                f"{model} has no known price.",
                node_id=self._job.node.id,
                hint="Allow it an amount per call in dollars: run(unpriced=0.50).",
            )
        return self._facts.unpriced_micro_usd
