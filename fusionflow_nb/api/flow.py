"""A flow that can be planned, priced, saved and run."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from fusionflow_nb import errors
from fusionflow_nb.api import restore
from fusionflow_nb.api.flow_builder import FlowBuilder
from fusionflow_nb.api.placed_node import PlacedNode, id_of
from fusionflow_nb.api.python_source import PythonSource
from fusionflow_nb.api.run import RunHandle
from fusionflow_nb.catalog.node_type import Kind
from fusionflow_nb.engine.run import scope_of
from fusionflow_nb.flow import checks, edits, file, to_python
from fusionflow_nb.flow.document import FlowDocument
from fusionflow_nb.flow.file_state import FileState
from fusionflow_nb.journal.records import ProjectRecord
from fusionflow_nb.plan.plan import Plan
from fusionflow_nb.plan.price import Price, price
from fusionflow_nb.plan.reasons import reasons_of, stale_reasons
from fusionflow_nb.session import current_session

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from fusionflow_nb.api.placed_node import Output
    from fusionflow_nb.engine.run import Run


class _Snapshot(NamedTuple):
    """A flow at one revision."""

    rev: int
    document: FlowDocument
    hash: str
    project: ProjectRecord


class Flow(FlowBuilder):
    """A graph of generative media that can be run.

    Args:
        name: shown as title; also the first part of file names.
        id: the project on the tape; a new one by default, so give it to continue one.
        variables: read by `{{name}}` in any parameter.

    >>> flow = Flow("Doc")
    >>> still = flow.generate_image("dawn", model="local/landscape", seed=1)
    >>> still
    <generate_image generate_image_1>
    """

    def __init__(
        self,
        name: str = "Untitled",
        *,
        id: str | None = None,  # noqa: A002 - the document's own word
        variables: dict[str, Any] | None = None,
    ) -> None:
        document = FlowDocument(name=name, variables=dict(variables or {}))
        if id is not None:
            document.id = id
        self._hold(document)

    def _hold(self, document: FlowDocument) -> None:
        super().__init__(document)
        self.path: Path | None = None
        self.disk = FileState(self.history)
        self._plan: Plan | None = None
        self._looks_again = False
        self._planning = threading.RLock()
        """Cells and canvases plan and run the same flow from threads of their own."""
        self._watch = self.history.watch()
        self._catalog_rev = -1
        self._snapshot: _Snapshot | None = None
        self._run_listeners: list[Callable[[RunHandle], None]] = []
        self._runs: list[RunHandle] = []
        """Those that have not ended, as far as is known."""

    @classmethod
    def from_document(cls, document: FlowDocument) -> Flow:
        """A flow around a document that was read from somewhere."""
        flow = cls()
        flow._hold(document)
        return flow

    @classmethod
    def load(cls, path: str | Path) -> Flow:
        """Read a `.flow.json`. Nothing in it is executed.

        Raises:
            FlowFileError: unreadable, corrupt or from a newer version.
        """
        data = file.read(Path(path))
        flow = cls.from_document(file.decoded(data, Path(path)))
        flow.path = Path(path)
        flow.disk.holds(flow.path, data, rev=0)
        return flow

    def rename(self, node: Output | str, name: str) -> None:
        """Give a node another id. A seed derived from the old id is kept, so that its result stays its result."""
        node_id = id_of(node)
        changes: list[Any] = []
        placed = self.document.nodes.get(node_id)
        if placed is not None and self.node_type(node_id).kind is Kind.PROVIDER and "seed" not in placed.params:
            planned = self.plan().nodes[node_id].prepared
            if planned is not None and "seed" in planned.params:
                changes.append(edits.SetParam(node_id=node_id, name="seed", value=planned.params["seed"]))
        self._do(*changes, edits.RenameNode(old=node_id, new=name))

    def lock(self, node: Output | str, generation_id: str | None = None) -> None:
        """Keep a result: from now on the node gives exactly this, never runs, and needs nothing above it.

        Args:
            node: one that gives one result, not a batch of cells.
            generation_id: what to keep; by default what the node shows now.

        Raises:
            EditError: it has no result to keep, or one for each cell of a batch.
        """
        node_id = id_of(node)
        self.node_type(node_id)
        if generation_id is None:
            jobs = list(self.plan().nodes[node_id].jobs.values())
            if len(jobs) > 1 or (jobs and jobs[0].coordinate):
                raise errors.EditError(
                    f"It has {len(jobs)} cells; only a node with one result can be locked.",
                    node_id=node_id,
                    hint="Choose a cell with a pick node below it.",
                )
            generation_id = jobs[0].generation_id if jobs and not jobs[0].is_lost else None
            if generation_id is None:
                raise errors.EditError("It has no result to keep.", node_id=node_id, hint="Run it first.")
        self._do(edits.SetNode(node_id=node_id, field="locked", value=generation_id))

    def unlock(self, node: Output | str) -> None:
        """Let go of a kept result: the node follows its settings and what is above it again."""
        self._do(edits.SetNode(node_id=id_of(node), field="locked", value=None))

    def restore(self, generation_id: str, position: tuple[float, float] | None = None) -> PlacedNode:
        """Place again how a generation was made: its node as it was, with what it needs above, as one undoable edit.

        The placed node shows that very result, and running it submits nothing.

        Args:
            generation_id: as `ff.tape` has it.
            position: where the node goes on the canvas, in pixels; below everything by default.

        Raises:
            TapeError: there is no such generation.
            UnknownNodeTypeError: nothing here declares what made it.
            LostAssetError: what went into it is gone.
        """
        part = restore.part_of(generation_id)
        changes, node_id = restore.edits_for(self.document, part, position)
        self._do(*changes)
        declared = current_session().catalog.find(self.document.nodes[node_id].type)
        return PlacedNode(self, node_id, declared.first_output if declared is not None else "")

    @property
    def name(self) -> str:
        """Its title."""
        return self.document.name

    @property
    def id(self) -> str:
        """The project on the tape."""
        return self.document.id

    @property
    def hash(self) -> str:
        """Hex sha256 of the logic: nodes, edges, variables; not names or layout."""
        return self._now().hash

    def save(self, path: str | Path | None = None) -> Path:
        """Write the flow to `name.flow.json` (atomically) and return the path."""
        target = Path(path) if path is not None else self.path or self.default_path()
        self.disk.write(target, over_others=True)
        self.path = target
        return target

    def default_path(self) -> Path:
        """Where it is saved if nobody says where: under its name, in the working folder."""
        return Path(f"{_file_name(self.name)}.flow.json")

    def to_python(self, *, layout: bool = False) -> str:
        """Python that rebuilds this flow, with the same hash."""
        catalog = current_session().catalog
        forms = {
            node.type: PythonSource(found)
            for node in self.document.nodes.values()
            if (found := catalog.find(node.type))
        }
        return to_python.to_python(self.document, forms, reserved={*dir(Flow), *vars(self)}, layout=layout)

    def look_again(self) -> None:
        """Let the next plan ask anew for every result: another kernel, or a resumed call, may have made some."""
        self._looks_again = True

    def plan(self) -> Plan:
        """What would run, with everything already known looked up.

        Raises:
            CycleError: names the nodes of a circle.
        """
        living = current_session()
        living.catalog.refresh()
        with self._planning:
            with self.history.held() as document:
                replanned, is_structural = self._watch.take()
                if self._plan is None or self._catalog_rev != living.catalog.rev:
                    self._plan, self._catalog_rev = None, living.catalog.rev
                    self._plan = Plan(document, living.catalog, living.registry)
                elif replanned:
                    try:
                        self._plan.update(document, _touched(document, replanned), is_structural=is_structural)
                    except errors.FlowError:
                        self._plan = None
                        raise
            if self._runs or self._looks_again:
                self._looks_again = False
                # A plan made while they went on does not know what they have made since.
                self._plan.ask_again()
                self._runs = [run for run in self._runs if not run.is_done]
            living.look_up(self._plan)
            living.mark_lost(self._plan, self._plan.nodes)
            return self._plan

    def estimate(self, *targets: Output | str) -> Price:
        """Low and high price of exactly what a run to these targets (all by default) would do.

        Returns:
            Micro-dollars in total (`low_micro_usd`, `high_micro_usd`) and of each node that would run (`by_node`).
            Known results cost nothing, unless a run would need their bytes and those are lost; what waits for another
            node counts in the high one alone. After the run, `SELECT * FROM cost_against_estimate` on the tape tells
            what it came to.
        """
        with self._planning:
            plan = self.plan()
            scope = scope_of(plan, self._targets(targets))
            current_session().mark_lost(plan, scope)
            return price(plan, scope)

    def stale(self) -> dict[str, list[str]]:
        """Why each node that is not fresh would run: what changed, old → new."""
        plan = self.plan()
        reasons = stale_reasons(plan, current_session().last_ingredients(self.id))
        return {node_id: list(map(str, said)) for node_id, said in reasons.items()}

    def why(self, node: Output | str) -> list[str]:
        """Why a node would run, which part of its key missed, old → new; or, where it would not, what it shows and why.

        Raises:
            GoneError: there is no such node.

        >>> flow = Flow("Doc")
        >>> still = flow.generate_image("dawn", model="local/landscape", width=64, height=64)
        >>> flow.why(still)
        ['never ran']
        """
        node_id = id_of(node)
        self.node_type(node_id)
        plan = self.plan()
        planned = plan.nodes[node_id]
        if planned.is_muted:
            return ["muted: it does not run"]
        if node_id in plan.unfresh:
            return list(map(str, reasons_of(planned, plan, current_session().last_ingredients(self.id))))
        made = [job.generation_id for job in planned.jobs.values() if job.generation_id]
        if planned.is_locked:
            return [f"locked: it keeps the generation {planned.locked}, whatever its settings are"]
        if not made:
            return ["fresh: it is computed as it is read"]
        return [f"fresh: everything that goes in is as it was for the generation {one}" for one in made]

    def states(self) -> dict[str, str]:
        """Each node's state: fresh, stale, pending, lost or invalid."""
        return {node_id: node.state for node_id, node in self.plan().nodes.items()}

    def run(
        self,
        *targets: Output | str,
        unpriced: float | None = None,
        confirmed: bool = False,
    ) -> RunHandle:
        """Run the targets (all nodes by default) and what they need; return at once.

        Results that are known are not made again; a node that failed is tried again, alone.

        Args:
            targets: nodes to run to.
            unpriced: dollars that one call to a model without a known price may cost.
            confirmed: go ahead with more than 100 paid calls or $10.

        Raises:
            FlowError, ModelError, LostAssetError: a node cannot run; nothing was started and nothing spent.
            UnconfirmedError: a large run that was not confirmed.
        """
        living = current_session()
        wanted = self._targets(targets)
        with self._planning:
            plan = self.plan()
            plan.retry(
                job for node_id in plan.unfresh for job in plan.nodes[node_id].jobs.values() if job.error is not None
            )
            living.look_up(plan)
            # The run owns this plan: edits made meanwhile are planned anew.
            self._plan = None
            now = self._now()

            def announce(begun: Run) -> None:
                self._runs = [*(run for run in self._runs if not run.is_done), RunHandle(begun, now.document, living)]
                for listener in tuple(self._run_listeners):
                    listener(self._runs[-1])

            living.start(
                plan,
                now.project,
                wanted,
                flow_hash=now.hash,
                unpriced_usd=unpriced,
                confirmed=confirmed,
                announce=announce,
            )
            return self._runs[-1]

    def on_run(self, listener: Callable[[RunHandle], None]) -> Callable[[], None]:
        """Hear of every run of this flow: of those that go on at once, of others before they begin.

        Returns:
            How to stop.
        """
        with self._planning:
            self._run_listeners.append(listener)
            for run in self._runs:
                if not run.is_done:
                    listener(run)
        return lambda: self._run_listeners.remove(listener)

    def _targets(self, targets: Iterable[Output | str]) -> tuple[str, ...]:
        chosen = tuple(id_of(target) for target in targets)
        for node_id in chosen:
            self.node_type(node_id)
        return chosen or tuple(node_id for node_id, node in self.document.nodes.items() if not node.is_muted)

    def _repr_html_(self) -> str:
        from fusionflow_nb.display import flow_html  # noqa: PLC0415

        return flow_html(self)

    def __repr__(self) -> str:
        return f"<Flow {self.name!r}: {len(self.document.nodes)} nodes, {len(self.document.edges)} edges>"

    def _now(self) -> _Snapshot:
        """The flow as it stands, taken once per revision: runs and recipes tell what was run, not what came later."""
        with self.history.held() as living:
            if self._snapshot is not None and self._snapshot.rev == self.history.rev:
                return self._snapshot
            rev, document = self.history.rev, living.model_copy(deep=True)
        project = ProjectRecord(document.id, document.name, file.to_wire(document), dict(document.variables))
        self._snapshot = _Snapshot(rev, document, file.flow_hash(document), project)
        return self._snapshot


def _touched(document: FlowDocument, replanned: set[str]) -> set[str]:
    """Ids of the nodes to plan again, those that read a variable among them where one changed."""
    if edits.VARIABLES not in replanned:
        return replanned
    readers = {node_id for node_id, node in document.nodes.items() if checks.variables_used(node.params)}
    return (replanned - {edits.VARIABLES}) | readers


def _file_name(name: str) -> str:
    """A name that every file system takes."""
    kept = "".join(letter if letter.isalnum() or letter in " -_" else "-" for letter in name).strip()
    return "-".join(kept.lower().split()) or "flow"
