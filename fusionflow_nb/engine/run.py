"""A run: one execution of a plan. It starts each job the moment its own inputs are there; there are no layers.

Lives on the session's loop thread. `Run` is what a person holds: awaitable, cancellable, with every result so far.
A failure takes along only what needs it; everything finished is kept.
"""

from __future__ import annotations

import asyncio
import concurrent.futures
import functools
from collections import deque
from typing import TYPE_CHECKING, Any

from fusionflow_nb import errors
from fusionflow_nb.catalog.node_type import Kind
from fusionflow_nb.engine.cache_lookup import scope_of
from fusionflow_nb.engine.context import PEEK_KEYS
from fusionflow_nb.engine.events import Event
from fusionflow_nb.engine.fallback import Calls
from fusionflow_nb.engine.function_threads import waiting
from fusionflow_nb.engine.generation_records import finished, run_record
from fusionflow_nb.engine.local_nodes import failure, run_local
from fusionflow_nb.engine.single_flight import CallProgress, CallResult, SingleFlight
from fusionflow_nb.engine.status import Facts, JobStatus, state_of, verdict
from fusionflow_nb.journal.protocol import Stored
from fusionflow_nb.plan.job import Job, JobState

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

    from fusionflow_nb.engine.context import Services
    from fusionflow_nb.errors import FusionFlowError
    from fusionflow_nb.journal.records import Coordinate
    from fusionflow_nb.media.values import Outputs
    from fusionflow_nb.plan.plan import Plan

    Listener = Callable[[Event], None]

__all__ = ["Facts", "JobStatus", "Run", "scope_of"]

RELAYS = 8
"""Tasks at hand: each turn of the loop starts at most so many jobs that wait."""
BREATH_S = 0.005
"""The loop is given back at least this often, however many jobs end at once."""


class Run:
    """One execution of a plan.

    Args:
        plan: looked up; owned by this run until it ends.
        scope: ids of the nodes it may run (its targets and all above them).
        facts: where it belongs.
        services: what it works with.
        loop: the session's, on which it will execute.
    """

    def __init__(
        self,
        plan: Plan,
        scope: frozenset[str],
        facts: Facts,
        services: Services,
        loop: asyncio.AbstractEventLoop,
    ) -> None:
        self.plan = plan
        self.scope = scope
        self.facts = facts
        self.services = services
        self.status = "queued"
        self.jobs: dict[tuple[str, Coordinate], JobStatus] = {}
        self.started_at_us = 0
        self.finished_at_us = 0
        self._listeners: list[Listener] = []
        self._future: concurrent.futures.Future[None] = concurrent.futures.Future()
        self._future.set_running_or_notify_cancel()  # so that whoever stops awaiting it does not cancel it
        self._loop = loop
        self._has_begun = False
        self._early_cancels: list[tuple[str | None, bool]] = []
        self._tasks: dict[Job, asyncio.Task[None]] = {}
        self._cancelled: set[Job] = set()
        self._is_cancelling = False
        self._queue: deque[Job] = deque()
        self._asked: list[Job] = []
        self._relays = 0
        self._breathed_at = 0.0

    # --- what a person holds (any thread) ----------------------------------------------------------------------------

    @property
    def id(self) -> str:
        """Unique, and sorted by time."""
        return self.facts.run_id

    @property
    def is_done(self) -> bool:
        """Whether it has ended, however it ended."""
        return self._future.done()

    def subscribe(self, listener: Listener) -> Callable[[], None]:
        """Hear every event from now on, on the loop thread; returns how to stop."""
        self._listeners.append(listener)
        return lambda: self._listeners.remove(listener)

    def wait(self, timeout_s: float | None = None) -> Run:
        """Block until the run has ended, however it ended. Interrupting stops the waiting, not the run."""
        if not self._future.done():
            with waiting():
                self._future.result(timeout_s)
        self._future.result()
        return self

    def cancel(self, node_id: str | None = None, *, branch: bool = False) -> None:
        """Cancel everything, the jobs of one node, or (`branch`) a node and all below it.

        Raises:
            EditError: no node of that id is part of this run.
        """
        if node_id is not None and node_id not in self.scope:
            raise errors.EditError(f"There is no node {node_id!r} in this run.", hint="run.outputs lists its nodes.")
        if not self.is_done:
            self._loop.call_soon_threadsafe(self._cancel, node_id, branch)

    def errors(self) -> list[FusionFlowError]:
        """The errors of jobs that failed themselves (not of those skipped because of them)."""
        return [s.error for s in self.jobs.values() if s.error is not None and s.state not in {"skipped", "cancelled"}]

    def outputs_of(self, node_id: str) -> list[tuple[Coordinate, Outputs]]:
        """What a node gave, by coordinate; holes are left out."""
        return [
            (job.coordinate, job.outputs) for job in self.plan.nodes[node_id].jobs.values() if job.outputs is not None
        ]

    def __await__(self) -> Generator[Any, None, Run]:
        yield from asyncio.wrap_future(self._future).__await__()
        return self

    def spent_micro_usd(self) -> int:
        """What its own calls have cost so far; what was known before counts nothing."""
        return sum(status.cost_micro_usd for status in self.jobs.values())

    # --- the execution (loop thread) ---------------------------------------------------------------------------------

    async def execute(self) -> None:
        """Run to the end; never raises for a job's failure."""
        self.status, self.started_at_us = "running", self.services.clock()
        try:
            await self.services.journal.record_run(run_record(self))
            self._has_begun = True
            self._emit(Event("run-start", self.id, state="running", at_us=self.started_at_us))
            for node_id, branch in self._early_cancels:
                self._cancel(node_id, branch)
            await self._execute()
            await self.services.flush()
            self.finished_at_us = self.services.clock()
            await self.services.journal.record_run(run_record(self))
        except BaseException as error:
            self.give_up(error)
            if not isinstance(error, errors.FusionFlowError):
                raise
        else:
            self._close()
            self._future.set_result(None)

    def give_up(self, error: BaseException) -> None:
        """End because of something that is no job's failure: nothing can be written down, or the session is closed."""
        if self._future.done():
            return
        while isinstance(error, BaseExceptionGroup):
            error = error.exceptions[0]
        self.status = "failed"
        if isinstance(error, asyncio.CancelledError):
            self.status = "cancelled"
            error = errors.JobCancelledError(
                "The session was closed during this run.",
                hint="Finished results are kept; ff.resume() brings home what services had accepted.",
            )
        self._close()
        self._future.set_exception(error)

    async def _execute(self) -> None:
        waiting: list[Job] = []
        for node_id, node in self.plan.nodes.items():  # in the flow's order: where money ends, it ends at the last
            if node_id in self.scope:
                for job in node.jobs.values():
                    if job.state is JobState.DONE:
                        self._known(job)
                    elif job.state is JobState.HOLE:
                        self._fell(job)
                    elif job.state is JobState.READY:
                        waiting.append(job)
        self.plan.take_ready()
        self.plan.computed = []
        async with asyncio.TaskGroup() as group:
            self._group = group
            self._breathed_at = self._loop.time()
            for job in waiting:
                self._enqueue(job)
            self._relay()
        self._tell_of_the_rest()
        self.status = verdict(self.jobs.values())

    def _tell_of_the_rest(self) -> None:
        """Jobs that fell while inputs were given to them (text where a number belongs): no run of theirs said so."""
        for node_id in self.scope & self.plan.unfresh:
            for job in self.plan.nodes[node_id].jobs.values():
                if job.state is JobState.HOLE:
                    self._fell(job)

    def _relay(self) -> None:
        """Have a few tasks at hand that go on with the queue as soon as the one at work has to wait.

        So work that waits gets a task for each job, as it must, and work that does not shares one: a task costs more
        than a small node.
        """
        wanted = min(RELAYS, len(self._queue) + bool(self._asked))
        while self._relays < wanted:
            self._relays += 1
            self._group.create_task(self._drive())

    async def _drive(self) -> None:
        """Run jobs, and those they make ready, until the queue is empty."""
        self._relays -= 1
        task = asyncio.current_task()
        assert task is not None  # noqa: S101 - the group's
        while self._queue or self._asked:
            if not self._queue or len(self._asked) >= PEEK_KEYS:
                await self._answer_asked()
                continue
            job = self._queue.popleft()
            self._relay()
            if job.state is not JobState.READY:
                continue
            self._tasks[job] = task
            try:
                await self._one(job)
            except asyncio.CancelledError:
                if job not in self._cancelled and task.cancelling():
                    raise  # the run itself ends
                self._fail(job, errors.JobCancelledError("Cancelled.", node_id=job.node.id), "cancelled")
            finally:
                del self._tasks[job]
                if job in self._cancelled:
                    task.uncancel()
            self._follow()
            if self._loop.time() - self._breathed_at > BREATH_S:
                await asyncio.sleep(0)
                self._breathed_at = self._loop.time()

    def _follow(self) -> None:
        """Sort the jobs that became ready: known, to be asked for, or to be run; tell of those the plan computed."""
        memo = self.services.memo
        while ready := self.plan.take_ready():
            for job in ready:
                node = job.node
                node_type = node.type
                if node.id not in self.scope:
                    continue
                assert node_type is not None  # noqa: S101 - ready jobs are typed
                if node_type.volatile or job.key is None or job.is_lost:
                    self._enqueue(job)
                elif (known := memo.get(job.key)) is not None:
                    self._hit(job, known)
                elif node_type.is_recorded and node_type.kind is not Kind.STRUCTURAL:
                    self._asked.append(job)
                else:
                    self._enqueue(job)
        computed, self.plan.computed = self.plan.computed or (), []
        for job in computed:
            if job.node.id in self.scope and job.state is JobState.DONE:
                self._known(job)

    async def _answer_asked(self) -> None:
        """Look up, together, the jobs whose keys came up since the last time; run what is not known."""
        asked, self._asked = self._asked, []
        found = await self.services.find([job.key for job in asked if job.key is not None])
        for job in asked:
            known = found.get(job.key) if job.key is not None else None
            if known is not None and job.state is JobState.READY:
                self._hit(job, known)
            else:
                self._enqueue(job)
        self._follow()

    def _hit(self, job: Job, known: Stored) -> None:
        self.plan.succeed(job, known.outputs, known.generation_id)
        self._known(job)

    def _enqueue(self, job: Job) -> None:
        if self._is_cancelling and job.state is JobState.READY:
            self._fail(job, errors.JobCancelledError("Cancelled before it began.", node_id=job.node.id), "cancelled")
        else:
            self._queue.append(job)

    async def _one(self, job: Job) -> None:
        node_type = job.node.type
        assert node_type is not None  # noqa: S101 - ready jobs are typed
        status = JobStatus("running", started_at_us=self.services.clock())
        self.jobs[job.node.id, job.coordinate] = status
        if self._listeners:
            self._emit(Event("job-start", self.id, job.node.id, job.coordinate, "running", at_us=status.started_at_us))
        try:
            if node_type.kind is Kind.PROVIDER:
                answer = await self._provided(job, status)
                status.cost_is_exact = answer.cost_is_exact
                status.served_by, status.is_same_model = answer.served_by, answer.is_same_model
                self._succeed(
                    job, status, answer.outputs, answer.generation_id, answer.cost_micro_usd, is_hit=answer.is_hit
                )
            else:
                outputs = await run_local(
                    job, self.services, lambda fraction: self._progress(job, status, CallProgress("running", fraction))
                )
                generation_id = None
                if node_type.is_recorded and node_type.kind is Kind.LOCAL:
                    generation = finished(job, self.facts, self.services, status.started_at_us, outputs=outputs)
                    generation_id = generation.id
                    self.services.record(generation)
                self._succeed(job, status, outputs, generation_id, 0, is_hit=False)
        except Exception as foreign:  # noqa: BLE001 - the border of a job: whatever breaks in it takes only its branch along
            error = failure(foreign, job)
            if node_type.kind is Kind.LOCAL and node_type.is_recorded:
                self.services.record(finished(job, self.facts, self.services, status.started_at_us, error=error))
            self._fail(job, error, state_of(error))

    async def _provided(self, job: Job, status: JobStatus) -> CallResult:
        """The answer of a provider; one call for all jobs of this kernel that ask for the same key."""
        assert job.key is not None  # noqa: S101 - ready jobs are keyed
        known = self.services.memo.get(job.key)
        if known is not None and not job.is_lost:
            return CallResult(known.outputs, known.generation_id, is_hit=True)  # made by another run meanwhile
        flights = self.services.flights
        flight = flights.get(job.key)
        if flight is None:
            flight = SingleFlight()
            calls = Calls(job, self.plan.models, self.facts, self.services, flight.tell)
            flights[job.key] = flight
            flight.start(calls.run(), functools.partial(flights.pop, job.key, None))
        return await flight.join(lambda news: self._progress(job, status, news))

    # --- ends --------------------------------------------------------------------------------------------------------

    def _succeed(
        self, job: Job, status: JobStatus, outputs: Outputs, generation_id: str | None, cost: int, *, is_hit: bool
    ) -> None:
        if job.key is not None and job.node.type is not None and not job.node.type.volatile:
            self.services.remember(job.key, Stored(generation_id or "", outputs))
        self.plan.succeed(job, outputs, generation_id)
        status.state, status.progress = ("cached" if is_hit else "succeeded"), 1.0
        status.cost_micro_usd, status.generation_id = cost, generation_id
        self._ended(job, status)

    def _known(self, job: Job) -> None:
        """A job whose result was there before; structural work that this kernel sees for the first time is done now."""
        state = "cached"
        if _is_structural(job) and job.key is not None and job.key not in self.services.memo:
            state = "succeeded"
            self.services.remember(job.key, Stored("", job.outputs or {}))
        status = self.jobs[job.node.id, job.coordinate] = JobStatus(state, 1.0, generation_id=job.generation_id or None)
        self._ended(job, status)

    def _fell(self, job: Job) -> None:
        """A job that cannot run because of what lies above it."""
        if (job.node.id, job.coordinate) in self.jobs:
            return
        error = job.error or errors.UpstreamError("An input did not arrive.", node_id=job.node.id)
        state = (
            "cancelled"
            if isinstance(error, errors.JobCancelledError)
            else "skipped"
            if isinstance(error, errors.UpstreamError)
            else "failed"
        )
        status = self.jobs[job.node.id, job.coordinate] = JobStatus(state, error=error)
        self._ended(job, status)

    def _fail(self, job: Job, error: FusionFlowError, state: str) -> None:
        status = self.jobs.setdefault((job.node.id, job.coordinate), JobStatus())
        status.state, status.error = state, error
        fallen = self.plan.fail(job, error)
        self._ended(job, status)
        for other in fallen:
            if other.node.id in self.scope:
                self._fell(other)

    def _ended(self, job: Job, status: JobStatus) -> None:
        status.finished_at_us = self.services.clock()
        if self._listeners:
            error = status.error.to_payload() if status.error else None
            self._emit(
                Event("job-end", self.id, job.node.id, job.coordinate, status.state, status.progress,
                      at_us=status.finished_at_us, cost_micro_usd=status.cost_micro_usd,
                      generation_id=status.generation_id, error=error)
            )  # fmt: skip

    def _progress(self, job: Job, status: JobStatus, news: CallProgress) -> None:
        if status.finished_at_us:
            return
        status.state, status.queue_position, status.waits_for = news.state, news.queue_position, news.waits_for
        if news.progress is not None:
            status.progress = max(status.progress or 0.0, news.progress)
        status.expected = news.expected or status.expected
        self._emit(
            Event("job-progress", self.id, job.node.id, job.coordinate, news.state, status.progress,
                  news.queue_position, news.waits_for, at_us=self.services.clock(), preview=news.preview,
                  expected=status.expected if status.progress is None else None)
        )  # fmt: skip

    def _cancel(self, node_id: str | None, branch: bool) -> None:  # noqa: FBT001 - handed over by call_soon
        if self.is_done:
            return
        if not self._has_begun:
            self._early_cancels.append((node_id, branch))
            return
        if node_id is None:
            self._is_cancelling = True
            chosen = set(self.scope)
        else:
            chosen = {node_id} | (self._below(node_id) if branch else set())
        for job in [job for job in self._tasks if job.node.id in chosen and job not in self._cancelled]:
            self._cancelled.add(job)
            self._tasks[job].cancel()
        for name in chosen:
            for job in list(self.plan.nodes[name].jobs.values()):
                if job not in self._tasks and job.state in (JobState.PENDING, JobState.READY):
                    self._fail(job, errors.JobCancelledError("Cancelled before it began.", node_id=name), "cancelled")

    def _below(self, node_id: str) -> set[str]:
        found: set[str] = set()
        stack = [self.plan.nodes[node_id]]
        while stack:
            for child in stack.pop().children:
                if child.id not in found and child.id in self.scope:
                    found.add(child.id)
                    stack.append(child)
        return found

    # --- telling -----------------------------------------------------------------------------------------------------

    def _emit(self, event: Event) -> None:
        for listener in tuple(self._listeners):
            try:
                listener(event)
            except Exception as error:  # noqa: BLE001 - the border to who listens: it must not take the run along
                self._listeners.remove(listener)
                self._loop.call_exception_handler({"message": "A listener of a run failed.", "exception": error})

    def _close(self) -> None:
        self.finished_at_us = self.finished_at_us or self.services.clock()
        self._emit(
            Event(
                "run-end", self.id, state=self.status, at_us=self.finished_at_us, cost_micro_usd=self.spent_micro_usd()
            )
        )


def _is_structural(job: Job) -> bool:
    """Whether the plan itself computed it."""
    return job.node.type is not None and job.node.type.kind is Kind.STRUCTURAL
