"""A run as a person holds it: look at it, wait for it, cancel it, take its results, save them."""

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

CAUSES_SAID = 3
"""How many failures a sentence names; `.errors` has all."""

TURN_S = 0.2


class RunHandle:
    """What `flow.run()` returns at once. In a cell it shows itself, live.

    `.result()` blocks until the end, `await run` awaits it; interrupting either stops the waiting, not the run.
    `run["node"]` is what a node gave: a handle, a value, or a `Batch` of them. The flow may be edited meanwhile: a run
    tells of the flow as it was at its start.
    """

    def __init__(self, run: Run, document: FlowDocument, session: Session) -> None:
        self._run = run
        self._session = session
        self._document = document
        self._cards: list[run_card.Card] = []

    # --- how it stands -----------------------------------------------------------------------------------------------

    @property
    def id(self) -> str:
        """The run on the tape."""
        return self._run.id

    @property
    def status(self) -> str:
        """queued, running, succeeded, failed or cancelled."""
        return self._run.status

    @property
    def is_done(self) -> bool:
        """Whether it has ended, however it ended."""
        return self._run.is_done

    @property
    def name(self) -> str:
        """The flow's title."""
        return self._document.name

    @property
    def jobs(self) -> dict[tuple[str, Coordinate], JobStatus]:
        """How each job stands, by (node id, coordinate)."""
        return dict(self._run.jobs)

    @property
    def errors(self) -> list[FusionFlowError]:
        """Why jobs failed; those skipped because of them are not repeated."""
        return self._run.errors()

    @property
    def cost_usd(self) -> float:
        """What this run has paid so far, in dollars."""
        return self._run.spent_micro_usd() / 1e6

    @property
    def cost_is_exact(self) -> bool:
        """Whether the services have said all of it; False where a price table stands in for one."""
        return all(status.cost_is_exact for status in list(self._run.jobs.values()))

    @property
    def cost_text(self) -> str:
        """What this run has paid, in words: `$0.04`, or `~$0.04` where it is not exact."""
        return f"{'' if self.cost_is_exact else '~'}${self.cost_usd:.2f}"

    def node_states(self) -> dict[str, list[JobStatus]]:
        """How the jobs of each node in scope stand, in the flow's order."""
        by_node: dict[str, list[JobStatus]] = {name: [] for name in self._document.nodes if name in self._run.scope}
        for (node_id, _), status in list(self._run.jobs.items()):
            by_node.setdefault(node_id, []).append(status)
        return by_node

    def job_count(self, node_id: str) -> int:
        """How many jobs a node has, as far as is known."""
        return len(self._run.plan.nodes[node_id].jobs)

    @property
    def elapsed_s(self) -> float:
        """Seconds since its start, or that it took."""
        ended = self._run.finished_at_us or self._session.services.clock()
        return max(0.0, (ended - self._run.started_at_us) / 1e6) if self._run.started_at_us else 0.0

    @property
    def scope(self) -> frozenset[str]:
        """Ids of the nodes it may run."""
        return self._run.scope

    def job(self, node_id: str, coordinate: Coordinate) -> tuple[Job | None, JobStatus | None]:
        """One job as it is planned, with what it gave, and how it stands."""
        planned = self._run.plan.nodes[node_id]
        return planned.jobs.get(tuple([label for _, label in coordinate])), self._run.jobs.get((node_id, coordinate))

    def is_fresh(self, node_id: str) -> bool:
        """Whether every job of a node has its result, as the flow was when the run began."""
        return node_id not in self._run.plan.not_fresh

    def subscribe(self, listener: Callable[[Event], None]) -> Callable[[], None]:
        """Hear every event from now on, on the loop thread: be quick. Returns how to stop."""
        return self._run.subscribe(listener)

    def standing(self) -> list[Event]:
        """Events that bring who listens from now on to where the run is: its start, and the newest of each job."""
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
        """Call a function when something has changed, and once more at the end.

        It is called on the loop thread, so it must be quick.
        """
        last = 0.0

        def hear(event: Event) -> None:
            nonlocal last
            now = time.monotonic()
            if event.kind == "run-end" or now - last >= at_most_every_s:
                last = now
                listener()

        self._run.subscribe(hear)

    # --- waiting and cancelling --------------------------------------------------------------------------------------

    def wait(self, timeout_s: float | None = None) -> RunHandle:
        """Block until the run has ended, however it ended; a terminal shows progress meanwhile.

        Raises:
            TimeoutError: it has not ended by then; it goes on.
            JournalError: nothing could be written down, so nothing paid was started.
        """
        display.watch(self, timeout_s)
        self._run.wait(timeout_s)
        self._redraw()
        return self

    def result(self, timeout_s: float | None = None) -> Any:  # noqa: ANN401 - what the targets give
        """Block until the end and return what the targets gave: one result, or a dict by node id.

        Raises:
            RunFailedError: a job failed; `.run` of the error has everything that succeeded.
        """
        self.wait(timeout_s)
        return self._given()

    async def ended(self) -> RunHandle:
        """Await the end, however it ended."""
        with _stirred():
            await self._run
        self._redraw()
        return self

    def __await__(self) -> Generator[Any, None, Any]:
        yield from self.ended().__await__()
        return self._given()

    def cancel(self, node: Any = None, *, branch: bool = False) -> None:  # noqa: ANN401 - a placed node or its id
        """Cancel everything, one node's jobs, or (`branch=True`) a node and all below it. Finished results stay."""
        self._run.cancel(None if node is None else getattr(node, "node_id", node), branch=branch)

    def _given(self) -> Any:  # noqa: ANN401
        failed = self._run.errors()
        if failed or self.status != "succeeded":
            raise self._failure(failed)
        targets = self._run.facts.targets
        given = {node_id: self[node_id] for node_id in targets}
        return given[targets[0]] if len(targets) == 1 else given

    def _failure(self, failed: list[FusionFlowError]) -> FusionFlowError:
        if not failed:
            skipped = [s.error for s in self._run.jobs.values() if s.error is not None and s.state == "skipped"]
            what = "The run was cancelled." if self.status == "cancelled" or not skipped else str(skipped[0])
            return errors.RunFailedError(what, run=self, causes=skipped)
        said = "; ".join(str(error) for error in failed[:CAUSES_SAID])
        more = f" (and {len(failed) - CAUSES_SAID} more)" if len(failed) > CAUSES_SAID else ""
        count = "1 job" if len(failed) == 1 else f"{len(failed)} jobs"
        return errors.RunFailedError(f"{count} of {self.name!r} failed: {said}{more}.", run=self, causes=failed)

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
        """What every node of the run gave so far, by node id."""
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
                    place = (*job.coordinate, (value.axis, label))
                    cells.append(Cell(place, self._handed(item, port_type, node_id, job.coordinate)))
            else:
                cells.append(Cell(job.coordinate, self._handed(value, port_type, node_id, job.coordinate)))
        return cells

    def _handed(self, item: Item, port_type: PortType | None, node_id: str, coordinate: Coordinate) -> Any:  # noqa: ANN401
        if not isinstance(item, Asset):
            return item.data
        return handle(item, self._session.store, port_type, recipe_files.writer(self._document, node_id, coordinate))

    def save(self, folder: str | Path = "out") -> list[Path]:
        """Write every picture, video and sound of this run under human names, recipe inside; returns the paths.

        Names are `<node id>.png`, with labels where there are several: `generate_image_1 seed=7.png`. What would have
        the same name is numbered: `(2)`.

        Raises:
            UnwritableError, DiskFullError: what was written until then stays.
        """
        found = list(self._media())
        names = display.distinct(name for name, _ in found)
        return [
            medium.save(Path(folder) / f"{name}{display.extension(medium.asset.media_type)}")
            for name, (_, medium) in zip(names, found, strict=True)
        ]

    def _media(self) -> Iterator[tuple[str, Media]]:
        for node_id in self._document.nodes:
            if node_id not in self._run.scope:
                continue
            planned = self._run.plan.nodes[node_id]
            if planned.type is None or planned.type.kind is Kind.STRUCTURAL:
                continue  # files that were put in, and what another node made
            for port in planned.type.outputs:
                stem = node_id if port.name == planned.type.first_output else f"{node_id} {port.name}"
                for cell in self._cells(node_id, port.name):
                    if isinstance(cell.value, Media):
                        yield display.file_stem(stem, cell.labels), cell.value

    # --- showing -----------------------------------------------------------------------------------------------------

    def _redraw(self) -> None:
        """Whoever waited sees the end at once; and a notebook that is run without a person keeps it."""
        for card in self._cards:
            card.draw()

    def _ipython_display_(self) -> None:
        self._cards.append(run_card.show(self))

    def _repr_mimebundle_(self, **_: Any) -> dict[str, Any]:  # noqa: ANN401 - IPython passes include and exclude
        return display.bundle(self)

    def __repr__(self) -> str:
        return f"<Run of {self.name!r}: {self.status}, {len(self._run.jobs)} jobs, {self.cost_text}>"


@contextmanager
def _stirred() -> Iterator[None]:
    """Let the running loop turn now and then: ipykernel's interrupt asks for a callback without waking a quiet loop."""
    loop = asyncio.get_running_loop()
    due: list[asyncio.TimerHandle] = []

    def turn() -> None:
        due[:] = [loop.call_later(TURN_S, turn)]

    turn()
    try:
        yield
    finally:
        due[0].cancel()
