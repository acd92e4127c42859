"""`ff.Flow`: a flow that can be planned, priced, saved and run."""

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
from fusionflow_nb.flow import edits, file, to_python
from fusionflow_nb.flow.document import FlowDocument
from fusionflow_nb.flow.file_state import FileState
from fusionflow_nb.flow.variables import variables_used
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
        name: the title, and the default file name.
        id: project id on the tape; pass an existing id to continue a project. By default a new id.
        variables: values for `{{name}}` in any parameter.

    >>> flow = Flow("Doc")
    >>> still = flow.generate_image("dawn", model="local/landscape", seed=1)
    >>> still
    <generate_image generate_image_1>
    """

    def __init__(
        self,
        name: str = "Untitled",
        *,
        id: str | None = None,  # noqa: A002 - the field's name in the document
        variables: dict[str, Any] | None = None,
    ) -> None:
        document = FlowDocument(name=name, variables=dict(variables or {}))
        if id is not None:
            document.id = id
        self._set_document(document)

    def _set_document(self, document: FlowDocument) -> None:
        super().__init__(document)
        self.path: Path | None = None
        self.disk = FileState(self.history)
        self._plan: Plan | None = None
        self._must_look_up = False
        self._planning = threading.RLock()
        """Cells and canvases plan and run the same flow from different threads."""
        self._replans = self.history.track_replans()
        self._catalog_rev = -1
        self._snapshot: _Snapshot | None = None
        self._run_listeners: list[Callable[[RunHandle], None]] = []
        self._runs: list[RunHandle] = []
        """Runs that had not ended when they were last checked."""

    @classmethod
    def from_document(cls, document: FlowDocument) -> Flow:
        """Create a flow from a document."""
        flow = cls()
        flow._set_document(document)
        return flow

    @classmethod
    def load(cls, path: str | Path) -> Flow:
        """Read a `.flow.json`. Nothing in it is executed.

        Raises:
            FlowFileError: the file is unreadable, corrupt or from a newer version.
        """
        data = file.read(Path(path))
        flow = cls.from_document(file.decode(data, Path(path)))
        flow.path = Path(path)
        flow.disk.record_content(flow.path, data, rev=0)
        return flow

    def rename(self, node: Output | str, name: str) -> None:
        """Change the id of a node. A seed that was derived from the old id is stored, so the result stays valid."""
        node_id = id_of(node)
        changes: list[Any] = []
        placed = self.document.nodes.get(node_id)
        if placed is not None and self.node_type(node_id).kind is Kind.PROVIDER and "seed" not in placed.params:
            planned = self.plan().nodes[node_id].prepared
            if planned is not None and "seed" in planned.params:
                changes.append(edits.SetParam(node_id=node_id, name="seed", value=planned.params["seed"]))
        self._do(*changes, edits.RenameNode(old=node_id, new=name))

    def lock(self, node: Output | str, generation_id: str | None = None) -> None:
        """Lock a node to a result: it outputs exactly this, never runs, and does not need its inputs.

        Args:
            node: a node with a single result, not a batch.
            generation_id: the result; by default the current result of the node.

        Raises:
            EditError: the node has no result, or a batch of results.
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
                raise errors.EditError("It has no result to lock.", node_id=node_id, hint="Run it first.")
        self._do(edits.SetNode(node_id=node_id, field="locked", value=generation_id))

    def unlock(self, node: Output | str) -> None:
        """Unlock a node: it follows its settings and inputs again."""
        self._do(edits.SetNode(node_id=id_of(node), field="locked", value=None))

    def restore(self, generation_id: str, position: tuple[float, float] | None = None) -> PlacedNode:
        """Place the nodes that generated a result: its node with the former settings, and its inputs.

        This is one undoable edit. The placed node shows that result, and running it submits nothing.

        Args:
            generation_id: `generations.id` on the tape.
            position: position on the canvas in pixels; by default below all other nodes.

        Raises:
            TapeError: there is no such generation.
            UnknownNodeTypeError: its node type is not declared here.
            LostAssetError: an input of the generation is lost.
        """
        part = restore.part_of(generation_id)
        changes, node_id = restore.edits_for(self.document, part, position)
        self._do(*changes)
        declared = current_session().catalog.find(self.document.nodes[node_id].type)
        return PlacedNode(self, node_id, declared.first_output if declared is not None else "")

    @property
    def name(self) -> str:
        """The title."""
        return self.document.name

    @property
    def id(self) -> str:
        """The project id on the tape."""
        return self.document.id

    @property
    def hash(self) -> str:
        """Hex sha256 of nodes, edges and variables; the name and the layout do not count."""
        return self._take_snapshot().hash

    def save(self, path: str | Path | None = None) -> Path:
        """Write the flow to `name.flow.json` atomically and return the path."""
        target = Path(path) if path is not None else self.path or self.default_path()
        self.disk.write(target, overwrite=True)
        self.path = target
        return target

    def default_path(self) -> Path:
        """The path used by `save()` without a path: the name of the flow, in the working folder."""
        return Path(f"{_file_name(self.name)}.flow.json")

    def to_python(self, *, layout: bool = False) -> str:
        """Return Python code that rebuilds this flow with the same hash."""
        catalog = current_session().catalog
        forms = {
            node.type: PythonSource(node_type)
            for node in self.document.nodes.values()
            if (node_type := catalog.find(node.type))
        }
        return to_python.to_python(self.document, forms, reserved={*dir(Flow), *vars(self)}, layout=layout)

    def invalidate_lookups(self) -> None:
        """Have the next plan look up all results again: other kernels or resumed calls may have added some."""
        self._must_look_up = True

    def plan(self) -> Plan:
        """Plan what would run, after a lookup of all cached results.

        Raises:
            CycleError: the flow has a cycle; names its nodes.
        """
        session = current_session()
        session.catalog.refresh()
        with self._planning:
            with self.history.locked_document() as document:
                replanned, is_structural = self._replans.take()
                if self._plan is None or self._catalog_rev != session.catalog.rev:
                    self._plan, self._catalog_rev = None, session.catalog.rev
                    self._plan = Plan(document, session.catalog, session.registry)
                elif replanned:
                    try:
                        self._plan.update(document, _touched(document, replanned), is_structural=is_structural)
                    except errors.FlowError:
                        self._plan = None
                        raise
            if self._runs or self._must_look_up:
                self._must_look_up = False
                # Runs may have produced results since the plan's last lookup.
                self._plan.requeue_ready()
                self._runs = [run for run in self._runs if not run.is_done]
            session.look_up(self._plan)
            session.mark_lost(self._plan, self._plan.nodes)
            return self._plan

    def estimate(self, *targets: Output | str) -> Price:
        """Low and high price of a run to these targets (by default all nodes).

        Returns:
            Micro-dollars in total (`low_micro_usd`, `high_micro_usd`) and of each node that would run (`by_node`).
            Cached results cost nothing, unless a run needs their bytes and these are lost. Jobs that wait for another
            node count only in the high price. After the run, `SELECT * FROM cost_against_estimate` on the tape
            compares the estimate with the actual cost.
        """
        with self._planning:
            plan = self.plan()
            scope = scope_of(plan, self._targets(targets))
            current_session().mark_lost(plan, scope)
            return price(plan, scope)

    def stale(self) -> dict[str, list[str]]:
        """Why each node that is not fresh would run: the changes as `old → new`."""
        plan = self.plan()
        reasons = stale_reasons(plan, current_session().last_ingredients(self.id))
        return {node_id: list(map(str, node_reasons)) for node_id, node_reasons in reasons.items()}

    def why(self, node: Output | str) -> list[str]:
        """Why a node would run: the changed parts of its key, `old → new`. For a fresh node, which result it shows.

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
        if node_id in plan.not_fresh:
            return list(map(str, reasons_of(planned, plan, current_session().last_ingredients(self.id))))
        generation_ids = [job.generation_id for job in planned.jobs.values() if job.generation_id]
        if planned.is_locked:
            return [f"locked to generation {planned.locked}, independent of its settings"]
        if not generation_ids:
            return ["fresh: it is computed when it is read"]
        return [f"fresh: same inputs and settings as generation {generation_id}" for generation_id in generation_ids]

    def states(self) -> dict[str, str]:
        """The state of each node: fresh, stale, pending, lost or invalid."""
        return {node_id: node.state for node_id, node in self.plan().nodes.items()}

    def run(
        self,
        *targets: Output | str,
        unpriced: float | None = None,
        confirmed: bool = False,
    ) -> RunHandle:
        """Start a run of the targets (by default all nodes) and their inputs; returns immediately.

        Cached results are reused. Nodes that failed before are run again.

        Args:
            targets: nodes to run.
            unpriced: dollars that a call to a model without a known price may cost.
            confirmed: confirm a run of more than 100 paid calls or $10.

        Raises:
            FlowError, ModelError, LostAssetError: a node cannot run; nothing was started and nothing spent.
            UnconfirmedError: a large run without confirmation.
        """
        session = current_session()
        target_ids = self._targets(targets)
        with self._planning:
            plan = self.plan()
            plan.retry(
                job for node_id in plan.not_fresh for job in plan.nodes[node_id].jobs.values() if job.error is not None
            )
            session.look_up(plan)
            # The run owns this plan; later edits need a new plan.
            self._plan = None
            snapshot = self._take_snapshot()

            def announce(started: Run) -> None:
                handle = RunHandle(started, snapshot.document, session)
                self._runs = [*(run for run in self._runs if not run.is_done), handle]
                for listener in tuple(self._run_listeners):
                    listener(handle)

            session.start(
                plan,
                snapshot.project,
                target_ids,
                flow_hash=snapshot.hash,
                unpriced_usd=unpriced,
                confirmed=confirmed,
                announce=announce,
            )
            return self._runs[-1]

    def on_run(self, listener: Callable[[RunHandle], None]) -> Callable[[], None]:
        """Call `listener` with each run of this flow: immediately for running runs, later before a run starts.

        Returns:
            A function that unsubscribes the listener.
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

    def _take_snapshot(self) -> _Snapshot:
        """A copy of the flow, cached per revision, so that later edits do not change runs and recipes."""
        with self.history.locked_document() as current:
            if self._snapshot is not None and self._snapshot.rev == self.history.rev:
                return self._snapshot
            rev, document = self.history.rev, current.model_copy(deep=True)
        project = ProjectRecord(document.id, document.name, file.to_wire(document), dict(document.variables))
        self._snapshot = _Snapshot(rev, document, file.flow_hash(document), project)
        return self._snapshot


def _touched(document: FlowDocument, replanned: set[str]) -> set[str]:
    """Ids of the nodes to plan again, with all nodes that use variables if a variable changed."""
    if edits.VARIABLES not in replanned:
        return replanned
    readers = {node_id for node_id, node in document.nodes.items() if variables_used(node.params)}
    return (replanned - {edits.VARIABLES}) | readers


def _file_name(name: str) -> str:
    """Convert a title to a portable file name."""
    portable = "".join(letter if letter.isalnum() or letter in " -_" else "-" for letter in name).strip()
    return "-".join(portable.lower().split()) or "flow"
