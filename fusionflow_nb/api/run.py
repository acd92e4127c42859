"""`RunHandle`: the result of `flow.run()`. Observe a run, wait for it, cancel it, read and save its results."""

from __future__ import annotations

import asyncio
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fusionflow_nb import display, errors
from fusionflow_nb.api import recipe_files
from fusionflow_nb.catalog.node_type import Kind
from fusionflow_nb.display import run_card
from fusionflow_nb.engine.events import Event
from fusionflow_nb.media.batch import Batch, Cell
from fusionflow_nb.media.handles import Media, handle
from fusionflow_nb.media.values import Asset, Series

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterator

    from fusionflow_nb.engine.run import JobStatus, Run
    from fusionflow_nb.errors import FusionFlowError
    from fusionflow_nb.flow.document import FlowDocument
    from fusionflow_nb.journal.records import Coordinate
    from fusionflow_nb.media.ports import PortType
    from fusionflow_nb.media.values import Item
    from fusionflow_nb.plan.job import Job
    from fusionflow_nb.session import Session

LISTED_CAUSES = 3
"""Number of failures in an error message; `.errors` has all."""

WAKE_INTERVAL_S = 0.2


class RunHandle:
    """A started run. A cell displays its progress.

    `.result()` blocks until the end, `await run` awaits it; an interrupt stops the waiting, not the run.
    `run["node"]` is the result of a node: a media handle, a value, or a `Batch` of them. The flow may be edited
    meanwhile: the run uses the flow as it was at the start.
    """

    def __init__(self, run: Run, document: FlowDocument, session: Session) -> None:
        self._run = run
        self._session = session
        self._document = document
        self._cards: list[run_card.Card] = []

    # --- state -------------------------------------------------------------------------------------------------------

    @property
    def id(self) -> str:
        """The run's id on the tape."""
        return self._run.id

    @property
    def status(self) -> str:
        """queued, running, succeeded, failed or cancelled."""
        return self._run.status

    @property
    def is_done(self) -> bool:
        """Whether the run has ended, in any status."""
        return self._run.is_done

    @property
    def name(self) -> str:
        """The flow's title."""
        return self._document.name

    @property
    def jobs(self) -> dict[tuple[str, Coordinate], JobStatus]:
        """Status of each job, by (node id, coordinate)."""
        return dict(self._run.jobs)

    @property
    def errors(self) -> list[FusionFlowError]:
        """Errors of failed jobs, without the jobs that were skipped because of them."""
        return self._run.errors()

    @property
    def cost_usd(self) -> float:
        """Cost so far, in dollars."""
        return self._run.spent_micro_usd() / 1e6

    @property
    def cost_is_exact(self) -> bool:
        """Whether services reported all costs; False if a cost is computed from a price table."""
        return all(status.cost_is_exact for status in list(self._run.jobs.values()))

    @property
    def cost_text(self) -> str:
        """The cost so far as text: `$0.04`, or `~$0.04` if it is not exact."""
        return f"{'' if self.cost_is_exact else '~'}${self.cost_usd:.2f}"

    def node_states(self) -> dict[str, list[JobStatus]]:
        """Job statuses of each node in scope, in the flow's order."""
        by_node: dict[str, list[JobStatus]] = {name: [] for name in self._document.nodes if name in self._run.scope}
        for (node_id, _), status in list(self._run.jobs.items()):
            by_node.setdefault(node_id, []).append(status)
        return by_node

    def job_count(self, node_id: str) -> int:
        """Number of jobs of a node that are known so far."""
        return len(self._run.plan.nodes[node_id].jobs)

    @property
    def elapsed_s(self) -> float:
        """Seconds since the start, or the duration of an ended run."""
        end_us = self._run.finished_at_us or self._session.engine.context.clock()
        return max(0.0, (end_us - self._run.started_at_us) / 1e6) if self._run.started_at_us else 0.0

    @property
    def scope(self) -> frozenset[str]:
        """Ids of the nodes that the run includes."""
        return self._run.scope

    def job(self, node_id: str, coordinate: Coordinate) -> tuple[Job | None, JobStatus | None]:
        """A job of the plan, with its outputs, and its status."""
        planned = self._run.plan.nodes[node_id]
        return planned.jobs.get(tuple([label for _, label in coordinate])), self._run.jobs.get((node_id, coordinate))

    def is_fresh(self, node_id: str) -> bool:
        """Whether every job of a node has its result, for the flow at the start of the run."""
        return node_id not in self._run.plan.not_fresh

    def subscribe(self, listener: Callable[[Event], None]) -> Callable[[], None]:
        """Call `listener` with every event from now on, on the loop thread: it must return quickly.

        Returns:
            A function that unsubscribes the listener.
        """
        return self._run.subscribe(listener)

    def current_events(self) -> list[Event]:
        """Events that describe the current state to a new subscriber: the start, and the latest of each job."""
        run = self._run
        if run.status == "queued":
            return []
        events = [Event("run-start", run.id, state="running", at_us=run.started_at_us)]
        for (node_id, coordinate), job in list(run.jobs.items()):
            if not job.finished_at_us:
                events.append(Event("job-start", run.id, node_id, coordinate, job.state, at_us=job.started_at_us))
            at_us = job.finished_at_us or job.started_at_us
            events.append(
                Event(
                    "job-end" if job.finished_at_us else "job-progress",
                    run.id,
                    node_id,
                    coordinate,
                    job.state,
                    job.progress,
                    job.queue_position,
                    job.waits_for,
                    at_us,
                    job.cost_micro_usd,
                    job.generation_id,
                    expected=job.expected if job.progress is None else None,
                )
            )
        return events

    def on_change(self, listener: Callable[[], None], *, at_most_every_s: float) -> None:
        """Call a function after changes, rate-limited, and once more at the end.

        It is called on the loop thread: it must return quickly.
        """
        last = 0.0

        def on_event(event: Event) -> None:
            nonlocal last
            now = time.monotonic()
            if event.kind == "run-end" or now - last >= at_most_every_s:
                last = now
                listener()

        self._run.subscribe(on_event)

    # --- waiting and cancelling --------------------------------------------------------------------------------------

    def wait(self, timeout_s: float | None = None) -> RunHandle:
        """Block until the run has ended, in any status; a terminal shows progress meanwhile.

        Raises:
            TimeoutError: the run has not ended in time; it continues.
            JournalError: the journal is not writable, so no paid call was started.
        """
        display.watch(self, timeout_s)
        self._run.wait(timeout_s)
        self._redraw()
        return self

    def result(self, timeout_s: float | None = None) -> Any:  # noqa: ANN401 - any result
        """Block until the end and return the results of the targets: a single result, or a dict by node id.

        Raises:
            RunFailedError: a job failed; `.run` of the error has the results that succeeded.
        """
        self.wait(timeout_s)
        return self._target_results()

    async def ended(self) -> RunHandle:
        """Await the end, in any status."""
        with _waking_loop():
            await self._run
        self._redraw()
        return self

    def __await__(self) -> Generator[Any, None, Any]:
        yield from self.ended().__await__()
        return self._target_results()

    def cancel(self, node: Any = None, *, branch: bool = False) -> None:  # noqa: ANN401 - a placed node or its id
        """Cancel the run, the jobs of a node, or (`branch=True`) a node and its descendants. Finished results stay."""
        self._run.cancel(None if node is None else getattr(node, "node_id", node), branch=branch)

    def _target_results(self) -> Any:  # noqa: ANN401
        failed = self._run.errors()
        if failed or self.status != "succeeded":
            raise self._failure(failed)
        targets = self._run.facts.targets
        results = {node_id: self[node_id] for node_id in targets}
        return results[targets[0]] if len(targets) == 1 else results

    def _failure(self, failed: list[FusionFlowError]) -> FusionFlowError:
        if not failed:
            skipped = [s.error for s in self._run.jobs.values() if s.error is not None and s.state == "skipped"]
            message = "The run was cancelled." if self.status == "cancelled" or not skipped else str(skipped[0])
            return errors.RunFailedError(message, run=self, causes=skipped)
        listed = "; ".join(str(error) for error in failed[:LISTED_CAUSES])
        more = f" (and {len(failed) - LISTED_CAUSES} more)" if len(failed) > LISTED_CAUSES else ""
        count = "1 job" if len(failed) == 1 else f"{len(failed)} jobs"
        return errors.RunFailedError(f"{count} of {self.name!r} failed: {listed}{more}.", run=self, causes=failed)

    # --- results -----------------------------------------------------------------------------------------------------

    def __getitem__(self, node: Any) -> Any:  # noqa: ANN401 - a placed node, an output or an id
        node_id = getattr(node, "node_id", node)
        if node_id not in self._document.nodes:
            raise KeyError(node_id)
        planned = self._run.plan.nodes[node_id]
        port = getattr(node, "port", "") or (planned.type.first_output if planned.type else "")
        cells = self._cells(node_id, port)
        if len(cells) == 1 and not cells[0].labels:
            return cells[0].value
        names = tuple(name for name, _ in cells[0].labels) if cells else ()
        return Batch(names, cells)

    @property
    def outputs(self) -> dict[str, Any]:
        """The results of all nodes so far, by node id."""
        return {node_id: self[node_id] for node_id in self._document.nodes if node_id in self._run.scope}

    def _cells(self, node_id: str, port: str) -> list[Cell[Any]]:
        planned = self._run.plan.nodes[node_id]
        port_type = planned.type.output(port).type if planned.type and port else None
        cells: list[Cell[Any]] = []
        for job in planned.jobs.values():
            value = (job.outputs or {}).get(port)
            if value is None:
                status = self._run.jobs.get((node_id, job.coordinate))
                cells.append(Cell(job.coordinate, None, status.state if status else "waiting"))
            elif isinstance(value, Series):
                for label, item in zip(value.labels, value.items, strict=True):
                    coordinate = (*job.coordinate, (value.axis, label))
                    cells.append(Cell(coordinate, self._to_user_value(item, port_type, node_id, job.coordinate)))
            else:
                cells.append(Cell(job.coordinate, self._to_user_value(value, port_type, node_id, job.coordinate)))
        return cells

    def _to_user_value(self, item: Item, port_type: PortType | None, node_id: str, coordinate: Coordinate) -> Any:  # noqa: ANN401
        if not isinstance(item, Asset):
            return item.data
        return handle(item, self._session.store, port_type, recipe_files.writer(self._document, node_id, coordinate))

    def save(self, folder: str | Path = "out") -> list[Path]:
        """Save every picture, video and sound of this run with its recipe, and return the paths.

        Files are named `<node id>.png`, with labels if there are several: `generate_image_1 seed=7.png`. Duplicate
        names get a number: `(2)`.

        Raises:
            UnwritableError, DiskFullError: files that were already written stay.
        """
        media = list(self._media())
        names = display.distinct(name for name, _ in media)
        return [
            medium.save(Path(folder) / f"{name}{display.extension(medium.asset.media_type)}")
            for name, (_, medium) in zip(names, media, strict=True)
        ]

    def _media(self) -> Iterator[tuple[str, Media]]:
        for node_id in self._document.nodes:
            if node_id not in self._run.scope:
                continue
            planned = self._run.plan.nodes[node_id]
            if planned.type is None or planned.type.kind is Kind.STRUCTURAL:
                continue  # input files, and results of other nodes
            for port in planned.type.outputs:
                stem = node_id if port.name == planned.type.first_output else f"{node_id} {port.name}"
                for cell in self._cells(node_id, port.name):
                    if isinstance(cell.value, Media):
                        yield display.file_stem(stem, cell.labels), cell.value

    # --- display -----------------------------------------------------------------------------------------------------

    def _redraw(self) -> None:
        """Draw the final state before the cell ends, so that it is stored in notebooks that run unattended."""
        for card in self._cards:
            card.draw()

    def _ipython_display_(self) -> None:
        self._cards.append(run_card.show(self))

    def _repr_mimebundle_(self, **_: Any) -> dict[str, Any]:  # noqa: ANN401 - IPython passes include and exclude
        return display.bundle(self)

    def __repr__(self) -> str:
        return f"<Run of {self.name!r}: {self.status}, {len(self._run.jobs)} jobs, {self.cost_text}>"


@contextmanager
def _waking_loop() -> Iterator[None]:
    """Wake the running loop regularly: ipykernel's interrupt schedules a callback without waking an idle loop."""
    loop = asyncio.get_running_loop()
    timers: list[asyncio.TimerHandle] = []

    def wake() -> None:
        timers[:] = [loop.call_later(WAKE_INTERVAL_S, wake)]

    wake()
    try:
        yield
    finally:
        timers[0].cancel()
