"""The plan: what a run would do, held as a state machine and moved on by results and edits.

`take_ready()` hands out jobs whose inputs are known, with their content keys. Whoever holds the plan looks the keys up
and answers each with `succeed` (cached or computed, the plan does not care), `fail`, or nothing (it stays stale). So
the same machine prices a flow, explains it, and drives a run, and no walk is done twice: an edit touches what lies
below it.

Values flow source -> target; `children` point downstream. The plan never does I/O; structural nodes, whose functions
only rearrange values, are computed on the way.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from fusionflow_nb import errors
from fusionflow_nb.catalog.edges import check_edge
from fusionflow_nb.catalog.node_type import Collects, Kind
from fusionflow_nb.media.batch import Axis
from fusionflow_nb.media.values import Asset, Series, Value
from fusionflow_nb.plan import axes as axes_of
from fusionflow_nb.plan.bind import bind, upstream
from fusionflow_nb.plan.job import Job, JobState, Link, NodePlan
from fusionflow_nb.plan.prepare import prepare

if TYPE_CHECKING:
    from collections.abc import Iterable

    from fusionflow_nb.catalog import Catalog
    from fusionflow_nb.flow.document import FlowDocument
    from fusionflow_nb.media.values import Outputs, PortValue
    from fusionflow_nb.plan.prepare import Models

VARIANT = "variant"


class Plan:
    """What a flow's nodes would do, kept up to date.

    Args:
        document: the flow; read now and at each `update`, never kept in between.
        catalog: node types by name.
        models: the model catalogue.

    Raises:
        CycleError: names the nodes of a circle.
    """

    def __init__(self, document: FlowDocument, catalog: Catalog, models: Models) -> None:
        self._catalog = catalog
        self._models = models
        self.nodes: dict[str, NodePlan] = {}
        self._ready: list[Job] = []
        self.unfresh: set[str] = set()
        """Nodes with a job that is not done: what a run would touch."""
        self._build(document, document.nodes, is_structural=True)

    # --- keeping up with edits ------------------------------------------------------------------------------------

    def update(self, document: FlowDocument, touched: Iterable[str], *, is_structural: bool = True) -> None:
        """Follow edits: plan the touched nodes and all below them again; the rest is not looked at.

        Args:
            document: the flow after the edits.
            touched: ids of nodes whose parameters, inputs or existence changed.
            is_structural: False where no node, edge or type came or went: then no edge is looked at either.

        Raises:
            CycleError: an added edge closes a circle; the plan is unusable until it is gone.
        """
        touched = [node_id for node_id in touched if node_id in self.nodes or node_id in document.nodes]
        self._build(document, touched, is_structural=is_structural)

    def _build(self, document: FlowDocument, touched: Iterable[str], *, is_structural: bool) -> None:
        present = [node_id for node_id in touched if node_id in document.nodes]
        if is_structural:
            self._relink(document, list(touched))
        for node_id in present:
            self._prepare(self.nodes[node_id], document)
        affected = self._affected(present)
        for node in affected:
            self._reset(node)
        self._settle([], [node for node in affected if node.unshaped == 0])

    def _relink(self, document: FlowDocument, fresh_nodes: list[str]) -> None:
        """Read the edges of nodes again; nodes come and go."""
        incoming = self._incoming(document, set(fresh_nodes))
        for node_id in fresh_nodes:
            self._unlink(node_id)
            if node_id not in document.nodes:
                gone = self.nodes.pop(node_id, None)
                self.unfresh.discard(node_id)
                if gone is not None:
                    self._drop_jobs(gone)
                continue
            if node_id not in self.nodes:
                self.nodes[node_id] = NodePlan(node_id, None)
        for node_id in fresh_nodes:
            if node_id in document.nodes:
                self._link(self.nodes[node_id], document, incoming.get(node_id, []))

    def _incoming(self, document: FlowDocument, wanted: set[str]) -> dict[str, list[Any]]:
        incoming: dict[str, list[Any]] = {}
        for edge in document.edges:
            if edge.target in wanted:
                incoming.setdefault(edge.target, []).append(edge)
        return incoming

    def _unlink(self, node_id: str) -> None:
        node = self.nodes.get(node_id)
        if node is None:
            return
        for link in node.links:
            if node in link.source.children:
                link.source.children.remove(node)
        node.links = []

    def _link(self, node: NodePlan, document: FlowDocument, edges: list[Any]) -> None:
        """Read a node's type and edges from the document."""
        placed = document.nodes[node.id]
        node.type, node.wiring = self._catalog.find(placed.type), None
        try:
            self._catalog.get(placed.type, node_id=node.id)
            for edge in edges:
                source = self.nodes.get(edge.source)
                if source is None:
                    source_type = self._catalog.find(document.nodes[edge.source].type)
                    source = self.nodes[edge.source] = NodePlan(edge.source, source_type)
                node.links.append(self._checked_link(node, edge, source, document))
                source.children.append(node)
            node.links.sort(key=lambda link: link.port.name)
        except errors.FusionFlowError as error:
            node.wiring = error.at(node.id)

    def _prepare(self, node: NodePlan, document: FlowDocument) -> None:
        """Read a node's parameters from the document."""
        placed = document.nodes[node.id]
        node.problem, node.prepared, node.is_muted, node.take = node.wiring, None, placed.is_muted, placed.take
        if node.type is None or node.wiring is not None:
            return
        connected = frozenset(link.port.name for link in node.links)
        try:
            node.prepared = prepare(
                placed, node.type, connected=connected, variables=document.variables, models=self._models
            )
        except errors.FusionFlowError as error:
            node.problem = error.at(node.id)

    def _checked_link(self, node: NodePlan, edge: Any, source: NodePlan, document: FlowDocument) -> Link:  # noqa: ANN401
        assert node.type is not None  # noqa: S101 - the caller found it
        source_type = self._catalog.get(document.nodes[edge.source].type, node_id=edge.source)
        port = check_edge(edge, source_type, node.type)
        if port.collects is Collects.NO and any(link.port.name == port.name for link in node.links):
            raise errors.PortError(
                f"Two edges end in {port.name!r}, which takes one.", node_id=node.id, hint="Remove one of them."
            )
        return Link(port, source, edge.source_port)

    def _affected(self, roots: list[str]) -> list[NodePlan]:
        """The nodes and everything below them, upstream first."""
        seen: dict[str, NodePlan] = {}
        stack = [self.nodes[node_id] for node_id in roots]
        while stack:
            node = stack.pop()
            if node.id not in seen:
                seen[node.id] = node
                stack.extend(node.children)
        open_inputs = {node_id: sum(link.source.id in seen for link in node.links) for node_id, node in seen.items()}
        order = [node for node in seen.values() if open_inputs[node.id] == 0]
        for node in order:  # grows while we walk: Kahn's algorithm
            for child in node.children:
                open_inputs[child.id] -= 1
                if open_inputs[child.id] == 0:
                    order.append(child)
        if len(order) < len(seen):
            raise errors.CycleError(_circle({id_ for id_ in seen if open_inputs[id_] > 0}, self.nodes))
        return order

    def _reset(self, node: NodePlan) -> None:
        self._drop_jobs(node)
        node.axes = node.out_axes = None
        node.unended = 0
        node.unshaped = sum(1 for link in node.links if link.source.out_axes is None)
        if node.problem is not None and node.prepared is not None:
            node.problem = None  # a problem with inputs that came by; binding will find it again
        self.unfresh.add(node.id)

    def _drop_jobs(self, node: NodePlan) -> None:
        for job in node.jobs.values():
            job.state = JobState.DROPPED
        node.jobs = {}

    # --- moving on ------------------------------------------------------------------------------------------------

    def take_ready(self) -> list[Job]:
        """Jobs that got their key since the last call; look each up, then `succeed` those that are known."""
        ready = [job for job in self._ready if job.state is JobState.READY]
        self._ready = []
        return ready

    def succeed(self, job: Job, outputs: Outputs, generation_id: str | None = None) -> None:
        """A job's outputs are known, from a store of results or from work just done."""
        if job.state is JobState.DROPPED:
            return
        job.outputs, job.generation_id, job.error, job.is_lost = outputs, generation_id, None, False
        self._settle([(job, JobState.DONE)], [])

    def fail(self, job: Job, error: errors.FusionFlowError) -> list[Job]:
        """A job cannot have a result; returns those below that fall with it."""
        if job.state is JobState.DROPPED:
            return []
        job.error = error
        fallen: list[Job] = []
        self._settle([(job, JobState.HOLE)], [], fallen)
        return [other for other in fallen if other is not job]

    def lose(self, job: Job) -> None:
        """A job's bytes are gone: it would have to run again. Its digests stay known, so results below stay."""
        job.is_lost, job.state = True, JobState.READY
        job.node.unended += 1
        self.unfresh.add(job.node.id)
        for child in job.node.children:
            for below in child.jobs.values():
                for link in child.links:
                    if below.state is JobState.READY and link.source is job.node and job in upstream(link, below):
                        below.state, below.waiting = JobState.PENDING, below.waiting + 1
                        job.dependents.append((below, link.port.collects is Collects.CELLS))
        self._ready.append(job)

    def retry(self, jobs: Iterable[Job]) -> None:
        """Put failed jobs and what fell with them back: a new run tries them again."""
        for node in self._affected([job.node.id for job in jobs]):
            again = [job for job in node.jobs.values() if job.state is JobState.HOLE]
            node.unended += len(again)
            for job in again:
                job.state, job.error, job.key, job.bound = JobState.PENDING, None, None, None
                self._await(job)
            if again:
                self.unfresh.add(node.id)
            self._settle([(job, None) for job in again if job.waiting == 0], [])

    def _settle(
        self,
        ended: list[tuple[Job, JobState | None]],
        to_shape: list[NodePlan],
        fallen: list[Job] | None = None,
    ) -> None:
        """Work off everything that follows: shapes, inputs, structural values, holes. No recursion: flows are deep.

        An entry (job, None) is a job whose inputs have all ended.
        """
        shapes = list(reversed(to_shape))
        while ended or shapes:
            if ended:
                job, state = ended.pop()
                if state is None:
                    self._bind(job, ended)
                    continue
                if state is JobState.HOLE and fallen is not None:
                    fallen.append(job)
                self._end(job, state, ended, shapes)
            else:
                node = shapes.pop()
                if node.axes is None and node.unshaped == 0:
                    self._shape(node, ended, shapes)

    def _shape(self, node: NodePlan, ended: list[tuple[Job, JobState | None]], shapes: list[NodePlan]) -> None:
        """All axes above are known: make the node's jobs."""
        if node.type is None or node.prepared is None:
            self._no_cells(node, shapes)
            return
        mapped = [link for link in node.links if link.port.collects is Collects.NO]
        try:
            axes = axes_of.combine(((link.source.id, link.source.out_axes or ()) for link in mapped), node_id=node.id)
        except errors.AxisError as error:
            node.problem = error
            self._no_cells(node, shapes)
            return
        node.axes = axes
        self._place_links(node, axes)
        node.jobs = {labels: Job(node, labels, axes_of.coordinate(axes, labels)) for labels in axes_of.cells(axes)}
        node.unended = len(node.jobs)
        count = int(node.prepared.params.get("count") or 1) if node.type.kind is Kind.PROVIDER else 1
        if count > 1:
            variants = Axis(VARIANT, node.id, tuple(str(index + 1) for index in range(count)))
            self._give(node, (*axes, variants), shapes)
        elif not any(port.is_series for port in node.type.outputs):
            self._give(node, axes, shapes)
        if not node.jobs:
            self._all_ended(node, shapes)
        for job in node.jobs.values():
            self._await(job)
            if job.waiting == 0:
                ended.append((job, None))

    def _place_links(self, node: NodePlan, axes: tuple[Axis, ...]) -> None:
        """Note once, per edge, which of the node's labels choose the upstream cell."""
        if not axes:
            return  # the defaults say: no labels
        at = {axis.identity: index for index, axis in enumerate(axes)}
        for link in node.links:
            own = link.source.axes or ()
            out = link.source.out_axes or ()
            if link.port.collects is Collects.NO:
                link.picks = tuple(at[axis.identity] for axis in own)
                link.series_pick = at[out[-1].identity] if len(out) > len(own) else None
            else:
                link.shared = tuple((there, at[axis.identity]) for there, axis in enumerate(out) if axis.identity in at)

    def _await(self, job: Job) -> None:
        """Count the upstream jobs that have not ended and ask them to tell."""
        job.waiting = 0
        for link in job.node.links:
            for source in upstream(link, job):
                if source.state in (JobState.PENDING, JobState.READY):
                    job.waiting += 1
                    source.dependents.append((job, link.port.collects is Collects.CELLS))

    def _give(self, node: NodePlan, out_axes: tuple[Axis, ...], shapes: list[NodePlan]) -> None:
        """The axes of what a node gives are known: the nodes below may get their jobs."""
        if node.out_axes is not None:
            return
        node.out_axes = out_axes
        for child in node.children:
            child.unshaped -= 1
            if child.unshaped == 0:
                shapes.append(child)

    def _no_cells(self, node: NodePlan, shapes: list[NodePlan]) -> None:
        """A node that cannot run: what lies below it cannot either."""
        node.axes, node.jobs = (), {}
        job = node.jobs[()] = Job(node, (), ())
        job.state, job.error = JobState.HOLE, node.problem
        self._give(node, (), shapes)

    def _bind(self, job: Job, ended: list[tuple[Job, JobState | None]]) -> None:
        node = job.node
        if node.problem is not None and node.prepared is None:
            ended.append((job, JobState.HOLE))
            return
        try:
            is_bound = not node.is_muted and bind(job, self._models)
            if is_bound and node.type is not None and node.type.kind is Kind.STRUCTURAL and not node.type.is_async:
                job.outputs = self._structural(job)
                ended.append((job, JobState.DONE))
                return
        except errors.FusionFlowError as error:
            job.error = error.at(node.id)
            node.problem = job.error
            ended.append((job, JobState.HOLE))
            return
        if not is_bound:
            job.error = _missing_input(job)
            ended.append((job, JobState.HOLE))
            return
        job.state = JobState.READY
        if job.bound is not None and job.bound.entry is not None:
            settings = {name: value for name, value in job.bound.values.items() if name not in ("prompt", "model")}
            job.estimate = job.bound.entry.estimate(settings, prompt=job.bound.values.get("prompt"))
        self._ready.append(job)

    def _structural(self, job: Job) -> Outputs:
        assert job.node.type is not None  # noqa: S101 - bound jobs are typed
        assert job.bound is not None  # noqa: S101
        try:
            given = job.node.type.function()(**{**job.bound.values, **job.bound.media})
        except (TypeError, ValueError, ArithmeticError) as error:
            raise errors.ParameterError(f"{job.node.type.name} failed: {error}.", node_id=job.node.id) from error
        return structural_outputs(job, given)

    def _end(self, job: Job, state: JobState, ended: list[tuple[Job, JobState | None]], shapes: list[NodePlan]) -> None:
        if job.state in (JobState.DONE, JobState.HOLE, JobState.DROPPED):
            return
        job.state = state
        node = job.node
        node.unended -= 1
        for below, tolerates_hole in job.dependents:
            if below.state is not JobState.PENDING:
                continue
            below.waiting -= 1
            if state is JobState.HOLE and not tolerates_hole:
                below.error = below.error or errors.UpstreamError.below(below.node.id, job.node.id, job.error)
                ended.append((below, JobState.HOLE))
            elif below.waiting == 0:
                ended.append((below, None))
        job.dependents = []
        if node.unended == 0:
            self._all_ended(node, shapes)

    def _all_ended(self, node: NodePlan, shapes: list[NodePlan]) -> None:
        if all(job.state is JobState.DONE for job in node.jobs.values()):
            self.unfresh.discard(node.id)
        if node.out_axes is None:
            self._give(node, (*(node.axes or ()), *_added_axis(node)), shapes)


def _missing_input(job: Job) -> errors.UpstreamError:
    """Why a job whose upstream has ended cannot run: the first input that is a hole."""
    if job.node.is_muted:
        return errors.UpstreamError("The node is muted.", node_id=job.node.id)
    for link in job.node.links:
        for source in upstream(link, job):
            if source.state is JobState.HOLE:
                return errors.UpstreamError.below(job.node.id, source.node.id, source.error)
    return errors.UpstreamError("This cell has no input.", node_id=job.node.id)


def structural_outputs(job: Job, given: Any) -> Outputs:  # noqa: ANN401 - what a structural function returned
    """What a structural function returned, by port."""
    assert job.node.type is not None  # noqa: S101 - bound jobs are typed
    if isinstance(given, dict) and given and all(isinstance(value, Series | Asset | Value) for value in given.values()):
        return dict(given)
    value: PortValue = given if isinstance(given, Series | Asset | Value) else Value.of(given)
    return {job.node.type.first_output: value}


def _added_axis(node: NodePlan) -> tuple[Axis, ...]:
    """The axis that a node's results turned out to add: the labels of all its jobs, in order of appearance."""
    labels: dict[str, None] = {}
    name, is_shared = "item", False
    found = False
    for job in node.jobs.values():
        for value in (job.outputs or {}).values():
            if isinstance(value, Series):
                found = True
                name, is_shared = value.axis, value.is_shared
                labels.update(dict.fromkeys(value.labels))
    is_series = node.type is not None and any(port.is_series for port in node.type.outputs)
    if not found and not is_series:
        return ()
    return (Axis(name, axes_of.SHARED if is_shared else node.id, tuple(labels)),)


def _circle(among: set[str], nodes: dict[str, NodePlan]) -> list[str]:
    """One circle among nodes that all lie on or below one: walk up until a node comes twice."""
    path: list[str] = []
    current = min(among)
    while current not in path:
        path.append(current)
        current = next(link.source.id for link in nodes[current].links if link.source.id in among)
    return list(reversed(path[path.index(current) :]))
