"""Scheduling the jobs of a run: each starts as soon as its own inputs are ready; there are no layers.

Lives on the session's loop thread. A failure affects only the jobs that need the failed one; finished results are kept.
"""

from __future__ import annotations

import asyncio
import functools
from collections import deque
from typing import TYPE_CHECKING, Any

from fusionflow_nb import errors
from fusionflow_nb.catalog.node_type import Kind
from fusionflow_nb.engine.context import MAX_LOOKUP_NOW
from fusionflow_nb.engine.events import Event
from fusionflow_nb.engine.fallback import CallChain
from fusionflow_nb.engine.generation_records import finished_generation
from fusionflow_nb.engine.local_nodes import as_node_error, run_local
from fusionflow_nb.engine.single_flight import CallProgress, CallResult, SingleFlight
from fusionflow_nb.engine.status import JobStatus, state_of
from fusionflow_nb.journal.protocol import Stored
from fusionflow_nb.plan.job import Job, JobState

if TYPE_CHECKING:
    from fusionflow_nb.engine.context import EngineState
    from fusionflow_nb.engine.events import EventEmitter
    from fusionflow_nb.engine.status import Facts
    from fusionflow_nb.errors import FusionFlowError
    from fusionflow_nb.journal.records import Coordinate
    from fusionflow_nb.media.values import Outputs
    from fusionflow_nb.plan.plan import Plan

MAX_IDLE_WORKERS = 8
"""Worker tasks that exist before they have a job: each turn of the loop starts at most this many jobs that wait."""
YIELD_INTERVAL_S = 0.005
"""The scheduler yields to the event loop at least this often, however many jobs end together."""


class JobScheduler:
    """Executes the jobs of one plan and keeps their states.

    Args:
        plan: looked up; owned by this scheduler until the run ends.
        scope: ids of the nodes that may run.
        facts: the run's place on the tape.
        engine: shared state of the kernel.
        events: receives job-start, job-progress and job-end.
    """

    def __init__(
        self, plan: Plan, scope: frozenset[str], facts: Facts, engine: EngineState, events: EventEmitter
    ) -> None:
        self.jobs: dict[tuple[str, Coordinate], JobStatus] = {}
        """By node id and coordinate: every job that has begun or ended."""
        self._plan = plan
        self._scope = scope
        self._facts = facts
        self._engine = engine
        self._events = events
        self._queue: deque[Job] = deque()
        self._pending_lookups: list[Job] = []
        self._tasks: dict[Job, asyncio.Task[None]] = {}
        self._cancelled: set[Job] = set()
        self._is_cancelling = False
        self._idle_workers = 0
        self._yielded_at = 0.0

    async def execute(self) -> None:
        """Run every job in scope; returns when all have ended. A job's failure is a state, not an exception."""
        ready: list[Job] = []
        for node_id, node in self._plan.nodes.items():  # the flow's order: a budget cap stops the last jobs
            if node_id in self._scope:
                for job in node.jobs.values():
                    if job.state is JobState.DONE:
                        self._mark_done(job)
                    elif job.state is JobState.UNREACHABLE:
                        self._mark_unreachable(job)
                    elif job.state is JobState.READY:
                        ready.append(job)
        self._plan.take_ready()
        self._plan.computed = []
        async with asyncio.TaskGroup() as group:
            self._group = group
            self._yielded_at = _loop_time()
            for job in ready:
                self._enqueue(job)
            self._spawn_workers()
        self._report_unreachable()

    def cancel(self, node_ids: set[str], *, everything: bool = False) -> None:
        """Cancel the jobs of these nodes that have not ended; with `everything` also those that become ready later."""
        self._is_cancelling = self._is_cancelling or everything
        for job in [job for job in self._tasks if job.node.id in node_ids and job not in self._cancelled]:
            self._cancelled.add(job)
            self._tasks[job].cancel()
        for node_id in node_ids:
            for job in list(self._plan.nodes[node_id].jobs.values()):
                if job not in self._tasks and job.state in (JobState.PENDING, JobState.READY):
                    self._fail(job, _cancelled_before_start(job), "cancelled")

    # --- the queue -----------------------------------------------------------------------------------------------

    def _enqueue(self, job: Job) -> None:
        if self._is_cancelling and job.state is JobState.READY:
            self._fail(job, _cancelled_before_start(job), "cancelled")
        else:
            self._queue.append(job)

    def _spawn_workers(self) -> None:
        """Keep a few idle workers that take over the queue as soon as the running one has to wait.

        A job that waits thus occupies one task, and jobs that do not wait share one: a task costs more than a small
        node.
        """
        target = min(MAX_IDLE_WORKERS, len(self._queue) + bool(self._pending_lookups))
        while self._idle_workers < target:
            self._idle_workers += 1
            self._group.create_task(self._work())

    async def _work(self) -> None:
        """Run jobs, and those they make ready, until the queue is empty."""
        self._idle_workers -= 1
        task = asyncio.current_task()
        assert task is not None  # noqa: S101 - the group's
        while self._queue or self._pending_lookups:
            if not self._queue or len(self._pending_lookups) >= MAX_LOOKUP_NOW:
                await self._lookup_pending()
                continue
            job = self._queue.popleft()
            self._spawn_workers()
            if job.state is not JobState.READY:
                continue
            self._tasks[job] = task
            try:
                await self._run_job(job)
            except asyncio.CancelledError:
                if job not in self._cancelled and task.cancelling():
                    raise  # the whole run ends
                self._fail(job, errors.JobCancelledError("Cancelled.", node_id=job.node.id), "cancelled")
            finally:
                del self._tasks[job]
                if job in self._cancelled:
                    task.uncancel()
            self._route_ready()
            if _loop_time() - self._yielded_at > YIELD_INTERVAL_S:
                await asyncio.sleep(0)
                self._yielded_at = _loop_time()

    def _route_ready(self) -> None:
        """Route the jobs that became ready: cached, to be looked up, or to be run; report those the plan computed."""
        memo = self._engine.memo
        while ready := self._plan.take_ready():
            for job in ready:
                node = job.node
                node_type = node.type
                if node.id not in self._scope:
                    continue
                assert node_type is not None  # noqa: S101 - ready jobs are typed
                if node_type.volatile or job.key is None or job.is_lost:
                    self._enqueue(job)
                elif (result := memo.get(job.key)) is not None:
                    self._resolve_cached(job, result)
                elif node_type.is_recorded and node_type.kind is not Kind.STRUCTURAL:
                    self._pending_lookups.append(job)
                else:
                    self._enqueue(job)
        computed, self._plan.computed = self._plan.computed or (), []
        for job in computed:
            if job.node.id in self._scope and job.state is JobState.DONE:
                self._mark_done(job)

    async def _lookup_pending(self) -> None:
        """Look up the keys computed since the last batch; run the jobs without a stored result."""
        jobs, self._pending_lookups = self._pending_lookups, []
        results = await self._engine.lookup([job.key for job in jobs if job.key is not None])
        for job in jobs:
            result = results.get(job.key) if job.key is not None else None
            if result is not None and job.state is JobState.READY:
                self._resolve_cached(job, result)
            else:
                self._enqueue(job)
        self._route_ready()

    def _resolve_cached(self, job: Job, result: Stored) -> None:
        self._plan.succeed(job, result.outputs, result.generation_id)
        self._mark_done(job)

    # --- one job -------------------------------------------------------------------------------------------------

    async def _run_job(self, job: Job) -> None:
        node_type = job.node.type
        assert node_type is not None  # noqa: S101 - ready jobs are typed
        engine, status = self._engine, JobStatus("running", started_at_us=self._engine.context.clock())
        self.jobs[job.node.id, job.coordinate] = status
        if self._events:
            self._emit("job-start", job, "running", at_us=status.started_at_us)
        try:
            if node_type.kind is Kind.PROVIDER:
                result = await self._call_provider(job, status)
                status.cost_is_exact = result.cost_is_exact
                status.served_by, status.is_same_model = result.served_by, result.is_same_model
                self._succeed(
                    job, status, result.outputs, result.generation_id, result.cost_micro_usd, is_hit=result.is_hit
                )
            else:
                outputs = await run_local(
                    job, engine, lambda fraction: self._progress(job, status, CallProgress("running", fraction))
                )
                generation_id = None
                if node_type.is_recorded and node_type.kind is Kind.LOCAL:
                    started_at_us = status.started_at_us
                    generation = finished_generation(job, self._facts, engine.context, started_at_us, outputs=outputs)
                    generation_id = generation.id
                    engine.record(generation)
                self._succeed(job, status, outputs, generation_id, 0, is_hit=False)
        except Exception as cause:  # noqa: BLE001 - whatever a job raises fails only the job and those that need it
            error = as_node_error(cause, job)
            if node_type.kind is Kind.LOCAL and node_type.is_recorded:
                engine.record(finished_generation(job, self._facts, engine.context, status.started_at_us, error=error))
            self._fail(job, error, state_of(error))

    async def _call_provider(self, job: Job, status: JobStatus) -> CallResult:
        """The result of a provider; one call for all jobs of this kernel that have the same key."""
        assert job.key is not None  # noqa: S101 - ready jobs are keyed
        result = self._engine.memo.get(job.key)
        if result is not None and not job.is_lost:
            return CallResult(result.outputs, result.generation_id, is_hit=True)  # another run has just finished it
        flights = self._engine.flights
        flight = flights.get(job.key)
        if flight is None:
            flight = SingleFlight()
            chain = CallChain(job, self._plan.models, self._facts, self._engine, flight.report)
            flights[job.key] = flight
            flight.start(chain.run(), functools.partial(flights.pop, job.key, None))
        return await flight.join(lambda progress: self._progress(job, status, progress))

    # --- results and failures ------------------------------------------------------------------------------------

    def _succeed(
        self, job: Job, status: JobStatus, outputs: Outputs, generation_id: str | None, cost: int, *, is_hit: bool
    ) -> None:
        if job.key is not None and job.node.type is not None and not job.node.type.volatile:
            self._engine.remember(job.key, Stored(generation_id or "", outputs))
        self._plan.succeed(job, outputs, generation_id)
        status.state, status.progress = ("cached" if is_hit else "succeeded"), 1.0
        status.cost_micro_usd, status.generation_id = cost, generation_id
        self._end(job, status)

    def _mark_done(self, job: Job) -> None:
        """Report a job that has its result: `cached`, or `succeeded` for structural work new to this kernel."""
        state = "cached"
        if _is_structural(job) and job.key is not None and job.key not in self._engine.memo:
            state = "succeeded"
            self._engine.remember(job.key, Stored("", job.outputs or {}))
        status = self.jobs[job.node.id, job.coordinate] = JobStatus(state, 1.0, generation_id=job.generation_id or None)
        self._end(job, status)

    def _report_unreachable(self) -> None:
        """Report jobs that became unreachable while their inputs were bound (text for a number, say)."""
        for node_id in self._scope & self._plan.not_fresh:
            for job in self._plan.nodes[node_id].jobs.values():
                if job.state is JobState.UNREACHABLE:
                    self._mark_unreachable(job)

    def _mark_unreachable(self, job: Job) -> None:
        """Report a job that cannot run because of a job upstream."""
        if (job.node.id, job.coordinate) in self.jobs:
            return
        error = job.error or errors.UpstreamError("An input did not arrive.", node_id=job.node.id)
        match error:
            case errors.JobCancelledError():
                state = "cancelled"
            case errors.UpstreamError():
                state = "skipped"
            case _:
                state = "failed"
        status = self.jobs[job.node.id, job.coordinate] = JobStatus(state, error=error)
        self._end(job, status)

    def _fail(self, job: Job, error: FusionFlowError, state: str) -> None:
        status = self.jobs.setdefault((job.node.id, job.coordinate), JobStatus())
        status.state, status.error = state, error
        unreachable = self._plan.fail(job, error)
        self._end(job, status)
        for other in unreachable:
            if other.node.id in self._scope:
                self._mark_unreachable(other)

    # --- events --------------------------------------------------------------------------------------------------

    def _end(self, job: Job, status: JobStatus) -> None:
        status.finished_at_us = self._engine.context.clock()
        if self._events:
            error = status.error.to_payload() if status.error else None
            self._emit(
                "job-end", job, status.state, status.progress, at_us=status.finished_at_us,
                cost_micro_usd=status.cost_micro_usd, generation_id=status.generation_id, error=error,
            )  # fmt: skip

    def _progress(self, job: Job, status: JobStatus, progress: CallProgress) -> None:
        if status.finished_at_us:
            return
        status.state, status.waits_for = progress.state, progress.waits_for
        status.queue_position = progress.queue_position
        if progress.progress is not None:
            status.progress = max(status.progress or 0.0, progress.progress)
        status.expected = progress.expected or status.expected
        self._emit(
            "job-progress", job, progress.state, status.progress, progress.queue_position, progress.waits_for,
            at_us=self._engine.context.clock(), preview=progress.preview,
            expected=status.expected if status.progress is None else None,
        )  # fmt: skip

    def _emit(self, kind: str, job: Job, *values: Any, **fields: Any) -> None:  # noqa: ANN401 - fields of an Event
        self._events.emit(Event(kind, self._facts.run_id, job.node.id, job.coordinate, *values, **fields))


def _is_structural(job: Job) -> bool:
    """Whether the plan itself computes it."""
    return job.node.type is not None and job.node.type.kind is Kind.STRUCTURAL


def _cancelled_before_start(job: Job) -> errors.JobCancelledError:
    return errors.JobCancelledError("Cancelled before it began.", node_id=job.node.id)


def _loop_time() -> float:
    return asyncio.get_running_loop().time()
