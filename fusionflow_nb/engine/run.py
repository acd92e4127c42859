"""A run: the handle of one execution of a plan. It can be awaited and cancelled, and holds the results so far.

`scheduler.JobScheduler` executes its jobs on the session's loop thread.
"""

from __future__ import annotations

import asyncio
import concurrent.futures
import logging
from typing import TYPE_CHECKING, Any

from fusionflow_nb import errors
from fusionflow_nb.engine.cache_lookup import scope_of
from fusionflow_nb.engine.events import Event, EventEmitter
from fusionflow_nb.engine.function_threads import lend_slot
from fusionflow_nb.engine.scheduler import JobScheduler
from fusionflow_nb.engine.status import Facts, JobStatus, run_status
from fusionflow_nb.journal.records import JobRecord, RunRecord
from fusionflow_nb.plan.graph import reachable

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

    from fusionflow_nb.engine.context import EngineState
    from fusionflow_nb.errors import FusionFlowError
    from fusionflow_nb.journal.records import Coordinate
    from fusionflow_nb.media.values import Outputs
    from fusionflow_nb.plan.plan import Plan

_log = logging.getLogger("fusionflow_nb.engine")

__all__ = ["Facts", "JobStatus", "Run", "scope_of"]


class Run:
    """One execution of a plan.

    Args:
        plan: looked up; owned by this run until it ends.
        scope: ids of the nodes it may run (its targets and everything upstream of them).
        facts: its place on the tape.
        engine: shared state of the kernel.
        loop: the session's, on which it executes.
    """

    def __init__(
        self,
        plan: Plan,
        scope: frozenset[str],
        facts: Facts,
        engine: EngineState,
        loop: asyncio.AbstractEventLoop,
    ) -> None:
        self.plan = plan
        self.scope = scope
        self.facts = facts
        self.status = "queued"
        self.started_at_us = 0
        self.finished_at_us = 0
        self._engine = engine
        self._loop = loop
        self._events = EventEmitter()
        self._scheduler = JobScheduler(plan, scope, facts, engine, self._events)
        self._future: concurrent.futures.Future[None] = concurrent.futures.Future()
        self._future.set_running_or_notify_cancel()  # a caller that stops awaiting the run does not cancel it
        self._has_begun = False
        self._early_cancels: list[tuple[str | None, bool]] = []

    # --- for callers (any thread) ------------------------------------------------------------------------------------

    @property
    def id(self) -> str:
        """Unique, and sorted by time."""
        return self.facts.run_id

    @property
    def jobs(self) -> dict[tuple[str, Coordinate], JobStatus]:
        """By node id and coordinate: every job that has begun or ended."""
        return self._scheduler.jobs

    @property
    def is_done(self) -> bool:
        """Whether it has ended, successfully or not."""
        return self._future.done()

    def subscribe(self, listener: Callable[[Event], None]) -> Callable[[], None]:
        """Call `listener` with every event from now on, on the loop thread; returns a function that unsubscribes it."""
        return self._events.subscribe(listener)

    def wait(self, timeout_s: float | None = None) -> Run:
        """Block until the run has ended, successfully or not. An interrupt ends the wait, not the run."""
        if not self._future.done():
            with lend_slot():
                self._future.result(timeout_s)
        self._future.result()
        return self

    def cancel(self, node_id: str | None = None, *, branch: bool = False) -> None:
        """Cancel everything, the jobs of one node, or (`branch`) a node and everything downstream of it.

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
        """The outputs of a node, by coordinate; jobs without a result are absent."""
        return [
            (job.coordinate, job.outputs) for job in self.plan.nodes[node_id].jobs.values() if job.outputs is not None
        ]

    def __await__(self) -> Generator[Any, None, Run]:
        yield from asyncio.wrap_future(self._future).__await__()
        return self

    def spent_micro_usd(self) -> int:
        """What its own calls have cost so far; cached results cost nothing."""
        return sum(status.cost_micro_usd for status in self.jobs.values())

    # --- the execution (loop thread) ---------------------------------------------------------------------------------

    async def execute(self) -> None:
        """Run to the end; a job's failure does not raise."""
        context = self._engine.context
        self.status, self.started_at_us = "running", context.clock()
        try:
            await context.journal.record_run(self._record())
            self._has_begun = True
            _log.info("run %s started with %d nodes in scope", self.id, len(self.scope))
            self._events.emit(Event("run-start", self.id, state="running", at_us=self.started_at_us))
            for node_id, branch in self._early_cancels:
                self._cancel(node_id, branch)
            await self._scheduler.execute()
            self.status = run_status(self.jobs.values())
            await self._engine.flush()
            self.finished_at_us = context.clock()
            await context.journal.record_run(self._record())
        except BaseException as error:
            self.give_up(error)
            if not isinstance(error, errors.FusionFlowError):
                raise
        else:
            self._close()
            self._future.set_result(None)

    def give_up(self, error: BaseException) -> None:
        """End with an error that belongs to no job: the journal cannot be written, or the session is closed."""
        if self._future.done():
            return
        while isinstance(error, BaseExceptionGroup):
            error = error.exceptions[0]
        self.status = "failed"
        if isinstance(error, asyncio.CancelledError):
            self.status = "cancelled"
            error = errors.JobCancelledError(
                "The session was closed during this run.",
                hint="Finished results are kept; ff.resume() fetches those of calls that services had accepted.",
            )
        self._close()
        self._future.set_exception(error)

    def _cancel(self, node_id: str | None, branch: bool) -> None:  # noqa: FBT001 - called by call_soon
        if self.is_done:
            return
        if not self._has_begun:
            self._early_cancels.append((node_id, branch))
        elif node_id is None:
            self._scheduler.cancel(set(self.scope), everything=True)
        else:
            self._scheduler.cancel({node_id} | (self._downstream(node_id) if branch else set()))

    def _downstream(self, node_id: str) -> set[str]:
        """The nodes in scope that depend on this node, directly or indirectly."""
        root = self.plan.nodes[node_id]
        return {
            node.id
            for node in reachable([root], lambda node: [child for child in node.children if child.id in self.scope])
        }

    def _close(self) -> None:
        self.finished_at_us = self.finished_at_us or self._engine.context.clock()
        _log.info(
            "run %s ended: %s, %d jobs, $%.4f", self.id, self.status, len(self.jobs), self.spent_micro_usd() / 1e6
        )
        self._events.emit(
            Event(
                "run-end", self.id, state=self.status, at_us=self.finished_at_us, cost_micro_usd=self.spent_micro_usd()
            )
        )

    def _record(self) -> RunRecord:
        """The run for the tape: which generation answered each job, and the total cost."""
        return RunRecord(
            id=self.id,
            project_id=self.facts.project_id,
            user=self._engine.context.user,
            status=self.status,
            started_at_us=self.started_at_us,
            finished_at_us=self.finished_at_us or None,
            flow_hash=self.facts.flow_hash,
            targets=self.facts.targets,
            jobs=tuple(
                JobRecord(node_id, coordinate, status.state, status.generation_id)
                for (node_id, coordinate), status in self.jobs.items()
                if status.generation_id is not None or status.error is not None
            ),
            cost_micro_usd=self.spent_micro_usd(),
        )
