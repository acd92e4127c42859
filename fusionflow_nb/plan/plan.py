"""The plan: a state machine of the jobs a run would do, advanced by results and edits.

`take_ready()` returns jobs whose inputs are known, with their content keys. The caller looks the keys up and calls
`succeed` (for a cached or a computed result), `fail`, or neither (the job stays stale). The job of a locked node has no
inputs and no key: the caller gives it the locked outputs, or calls `refuse`. The same plan therefore prices a flow,
explains it and drives a run. An edit replans only the edited nodes and their descendants.

Values flow from source to target; `children` point downstream. The plan does no I/O. Structural nodes, whose functions
only rearrange values, are computed during planning.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

from fusionflow_nb import errors
from fusionflow_nb.catalog.node_type import Collects, Kind
from fusionflow_nb.plan import axes as axes_of
from fusionflow_nb.plan import graph, shape
from fusionflow_nb.plan.bind import bind
from fusionflow_nb.plan.estimate import estimate_of
from fusionflow_nb.plan.job import Job, JobState, NodePlan
from fusionflow_nb.plan.structural import structural_outputs
from fusionflow_nb.plan.upstream import upstream_jobs

if TYPE_CHECKING:
    from collections.abc import Iterable

    from fusionflow_nb.catalog import Catalog
    from fusionflow_nb.flow.document import FlowDocument
    from fusionflow_nb.media.batch import Axis
    from fusionflow_nb.media.values import Outputs
    from fusionflow_nb.plan.prepare import Models

VARIANT = shape.VARIANT
_OPEN = (JobState.PENDING, JobState.READY)


class Plan:
    """The jobs of a flow's nodes, kept up to date with edits and results.

    Args:
        document: the flow; read now and in each `update`, not stored.
        catalog: node types by name.
        models: the model catalogue.

    Raises:
        CycleError: edges form a cycle; names its nodes.
    """

    def __init__(self, document: FlowDocument, catalog: Catalog, models: Models) -> None:
        self.models = models
        self._catalog = catalog
        self.nodes: dict[str, NodePlan] = {}
        self.not_fresh: set[str] = set()
        """Ids of nodes with a job that is not done."""
        self.computed: list[Job] | None = None
        """Structural jobs that were computed, for a run that reports them; None: not recorded."""
        self._ready: list[Job] = []
        self._to_read: dict[str, None] = {}
        self._to_link: dict[str, None] = {}
        """Ids passed to `update`; kept while a cycle prevents planning."""
        self._ended: deque[tuple[Job, JobState | None]] = deque()
        self._shapes: deque[NodePlan] = deque()
        self.update(document, document.nodes)

    # --- edits ------------------------------------------------------------------------------------

    def update(self, document: FlowDocument, touched: Iterable[str], *, is_structural: bool = True) -> None:
        """Replan the touched nodes and their descendants after edits. Other nodes are not visited.

        Args:
            document: the flow after the edits.
            touched: ids of nodes whose parameters, inputs, type or existence changed.
            is_structural: False if no edge was added or removed; then no edge is visited.

        Raises:
            CycleError: edges form a cycle. Nothing is planned until an update without a cycle, which then replans all
                nodes touched in the meantime.
        """
        touched = dict.fromkeys(touched)
        self._to_read |= touched
        if is_structural:
            self._to_link |= touched
        self._connect(document)
        changed = [self.nodes[node_id] for node_id in self._to_read if node_id in document.nodes]
        for node in changed:
            graph.read_params(node, document, self.models)
        affected = graph.downstream(changed)
        self._to_read, self._to_link = {}, {}
        for node in affected:
            self._reset(node)
        self._shapes.extend([node for node in affected if node.open_sources == 0])
        self._process()

    def _connect(self, document: FlowDocument) -> None:
        """Create new nodes, remove deleted nodes, and rebuild the links into nodes whose edges or types changed."""
        to_connect: dict[str, None] = {}
        for node_id in self._to_read | self._to_link:
            placed, node = document.nodes.get(node_id), self.nodes.get(node_id)
            if placed is None:
                if node is not None:
                    to_connect |= dict.fromkeys(child.id for child in node.children)
                    self._remove(node)
                continue
            node_type = self._catalog.find(placed.type)
            if node is None:
                node = self.nodes[node_id] = NodePlan(node_id)
                to_connect[node_id] = None
            elif node.type is not node_type or node.type_name != placed.type:
                to_connect |= dict.fromkeys((node_id, *(child.id for child in node.children)))
            elif node_id in self._to_link:
                to_connect[node_id] = None
            node.type_name, node.type = placed.type, node_type
        to_connect = {node_id: None for node_id in to_connect if node_id in document.nodes}
        if not to_connect:
            return
        self._to_read |= to_connect
        edges = graph.edges_by_target(document, to_connect)
        for node_id in to_connect:
            self._drop_jobs(self.nodes[node_id])
            graph.disconnect(self.nodes[node_id])
        for node_id in to_connect:
            graph.connect(self.nodes[node_id], edges.get(node_id, ()), self.nodes, self._catalog)

    def _remove(self, node: NodePlan) -> None:
        self._drop_jobs(node)
        graph.disconnect(node)
        for child in node.children:
            child.sources.pop(node, None)
        del self.nodes[node.id]
        self.not_fresh.discard(node.id)

    def _reset(self, node: NodePlan) -> None:
        self._drop_jobs(node)
        node.axes = node.out_axes = node.cell_error = None
        if node.prepared is not None:
            node.param_error = None
        node.open_jobs = 0
        node.open_sources = 0 if node.is_locked else sum([source.out_axes is None for source in node.sources])
        self.not_fresh.add(node.id)

    def _drop_jobs(self, node: NodePlan) -> None:
        for job in node.jobs.values():
            if job.waiting and job.state is JobState.PENDING:
                for link in node.links:
                    for source in upstream_jobs(link, job) if link.source.jobs else ():
                        source.dependents.pop(job, None)
            job.state = JobState.DROPPED
        node.jobs = {}

    # --- results ------------------------------------------------------------------------------------------------

    def take_ready(self) -> list[Job]:
        """Jobs that got their key since the last call. The caller looks the keys up and calls `succeed` on hits."""
        ready = [job for job in dict.fromkeys(self._ready) if job.state is JobState.READY]
        self._ready = []
        return ready

    def requeue_ready(self) -> None:
        """Return all ready jobs from `take_ready` again: another run may have stored their results meanwhile."""
        for node_id in self.not_fresh:
            self._ready += [job for job in self.nodes[node_id].jobs.values() if job.state is JobState.READY]

    def succeed(self, job: Job, outputs: Outputs, generation_id: str | None = None) -> None:
        """Set a job's outputs, cached or just computed. Ignored unless the job is ready."""
        if job.state is not JobState.READY:
            return
        job.outputs, job.items, job.generation_id = outputs, {}, generation_id
        job.error, job.is_lost = None, False
        self._ended.append((job, JobState.DONE))
        self._process()

    def fail(self, job: Job, error: errors.FusionFlowError) -> list[Job]:
        """Mark a job as failed; returns the jobs downstream that became unreachable. Ignored if the job has ended."""
        if job.state not in _OPEN:
            return []
        job.error, job.is_lost, job.outputs = error, False, None
        self._ended.append((job, JobState.UNREACHABLE))
        return [other for other in self._process() if other is not job]

    def refuse(self, job: Job, error: errors.FusionFlowError) -> None:
        """Like `fail`, and the error becomes the node's problem, so that no run with this node as a target starts."""
        if job.state in _OPEN:
            job.node.cell_error = error
            self.fail(job, error)

    def mark_lost(self, job: Job) -> None:
        """Make a done job ready again because its bytes are missing. Its digests stay, and so do results downstream."""
        if job.state is not JobState.DONE:
            return
        job.is_lost, job.state = True, JobState.READY
        job.node.open_jobs += 1
        self.not_fresh.add(job.node.id)
        for child in job.node.children:
            for link in child.links:
                if link.source is job.node:
                    for dependent in child.jobs.values():
                        if (
                            dependent.state in _OPEN
                            and dependent not in job.dependents
                            and job in upstream_jobs(link, dependent)
                        ):
                            dependent.state, dependent.waiting = JobState.PENDING, dependent.waiting + 1
                            job.dependents[dependent] = link.port.collects is Collects.CELLS
        self._ready.append(job)

    def retry(self, jobs: Iterable[Job]) -> None:
        """Reset failed jobs and every job that depends on them, so that a new run tries them again."""
        reset = {job for job in jobs if job.state is JobState.UNREACHABLE and job.node.has_cells}
        if not reset:
            return
        to_shape: set[NodePlan] = set()
        for node in graph.downstream({job.node: None for job in reset}):
            if node in to_shape:
                self._reset(node)
                to_shape.update(node.children)
                continue
            jobs_to_reset = [job for job in node.jobs.values() if job in reset or self._depends_on(job, reset)]
            for job in jobs_to_reset:
                self._reset_job(job)
            reset.update(jobs_to_reset)
            if jobs_to_reset and node.has_late_axis:
                node.out_axes = None
                to_shape.update(node.children)
        self._process()

    def _depends_on(self, job: Job, others: set[Job]) -> bool:
        if job.node.is_locked:
            return False
        return job.node.has_cells and any(
            source in others for link in job.node.links for source in upstream_jobs(link, job)
        )

    def _reset_job(self, job: Job) -> None:
        node = job.node
        node.open_jobs += job.state not in _OPEN
        node.cell_error = None
        self.not_fresh.add(node.id)
        job.state = JobState.PENDING
        job.error = job.key = job.bound = job.outputs = job.generation_id = job.estimate = None
        job.items, job.is_lost = {}, False
        self._wait_for_sources(job)

    def _process(self) -> list[Job]:
        """Process the queues until both are empty. Returns the jobs that became unreachable.

        A queue and not recursion, because flows are deep. First in, first out, so that jobs become ready in the order
        of their labels. An entry (job, None) is a job whose sources have all ended.
        """
        unreachable: list[Job] = []
        ended, shapes = self._ended, self._shapes
        while ended or shapes:
            if not ended:
                node = shapes.popleft()
                if node.axes is None and node.open_sources == 0:
                    self._shape(node)
                continue
            job, state = ended.popleft()
            if job.state not in _OPEN:
                continue
            if state is None:
                self._bind(job)
                continue
            if state is JobState.UNREACHABLE:
                unreachable.append(job)
            self._finish(job, state)
        return unreachable

    def _shape(self, node: NodePlan) -> None:
        """Create the node's jobs; the axes of all its sources are known."""
        if node.prepared is None and not node.is_locked:
            self._set_unreachable(node)
            return
        try:
            axes = () if node.is_locked else shape.own_axes(node)
        except errors.AxisError as error:
            node.param_error = error
            self._set_unreachable(node)
            return
        node.axes, node.has_cells = axes, True
        if axes:
            node.jobs = {labels: Job(node, labels, axes_of.coordinate(axes, labels)) for labels in axes_of.cells(axes)}
        else:
            node.jobs = {(): Job(node, (), ())}
        node.open_jobs = len(node.jobs)
        added = shape.early_axis(node)
        if added is not None:
            self._set_out_axes(node, (*axes, *added))
        if not node.jobs:
            self._finish_node(node)
        for job in node.jobs.values():
            self._wait_for_sources(job)

    def _wait_for_sources(self, job: Job) -> None:
        """Register the job with its upstream jobs that have not ended; queue it for binding if all have ended."""
        waits: dict[Job, bool] = {}
        for link in () if job.node.is_locked else job.node.links:
            is_tolerant = link.port.collects is Collects.CELLS
            for source in upstream_jobs(link, job):
                if source.state in _OPEN:
                    waits[source] = is_tolerant and waits.get(source, True)
        for source, is_tolerant in waits.items():
            source.dependents[job] = is_tolerant
        job.waiting = len(waits)
        if not waits:
            self._ended.append((job, None))

    def _set_out_axes(self, node: NodePlan, out_axes: tuple[Axis, ...]) -> None:
        """Set the axes of a node's outputs, and queue the children whose axes can now be computed."""
        if node.out_axes is not None:
            return
        node.out_axes = out_axes
        for child in node.children:
            if child.is_locked:
                continue
            child.open_sources -= 1
            if child.open_sources == 0:
                self._shapes.append(child)

    def _set_unreachable(self, node: NodePlan) -> None:
        """Give a node that cannot run one unreachable job, which makes its descendants unreachable, too."""
        node.axes, node.has_cells = (), False
        job = Job(node, (), ())
        job.state, job.error = JobState.UNREACHABLE, node.problem
        node.jobs = {(): job}
        self._set_out_axes(node, ())

    def _bind(self, job: Job) -> None:
        node = job.node
        if node.is_locked and not node.is_muted:
            job.state = JobState.READY
            self._ready.append(job)
            return
        try:
            if node.is_muted or not bind(job, self.models):
                job.error = _missing_input(job)
                self._ended.append((job, JobState.UNREACHABLE))
                return
            if node.type is not None and node.type.kind is Kind.STRUCTURAL and not node.type.is_async:
                job.outputs, job.items, job.is_lost = structural_outputs(job), {}, False
                if self.computed is not None:
                    self.computed.append(job)
                self._ended.append((job, JobState.DONE))
                return
        except errors.FusionFlowError as error:
            job.error = node.cell_error = error.at(node.id)
            self._ended.append((job, JobState.UNREACHABLE))
            return
        job.state = JobState.READY
        job.estimate = estimate_of(job.bound)
        self._ready.append(job)

    def _finish(self, job: Job, state: JobState) -> None:
        job.state = state
        node = job.node
        node.open_jobs -= 1
        dependents, job.dependents = job.dependents, {}
        for dependent, is_tolerant in dependents.items():
            if dependent.state is not JobState.PENDING:
                continue
            dependent.waiting -= 1
            if state is JobState.UNREACHABLE and not is_tolerant:
                dependent.error = dependent.error or errors.UpstreamError.below(dependent.node.id, node.id, job.error)
                self._ended.append((dependent, JobState.UNREACHABLE))
            elif dependent.waiting == 0:
                self._ended.append((dependent, None))
        if node.open_jobs == 0:
            self._finish_node(node)

    def _finish_node(self, node: NodePlan) -> None:
        if all(job.state is JobState.DONE for job in node.jobs.values()):
            self.not_fresh.discard(node.id)
        if node.out_axes is None:
            added: tuple[Axis, ...] = ()
            try:
                added = shape.late_axis(node)
            except errors.AxisError as error:
                node.cell_error = error
                self.not_fresh.add(node.id)
            self._set_out_axes(node, (*(node.axes or ()), *added))


def _missing_input(job: Job) -> errors.UpstreamError:
    """The error of a job that lacks an input although its sources have ended; names the first missing input."""
    if job.node.is_muted:
        return errors.UpstreamError("The node is muted.", node_id=job.node.id)
    for link in job.node.links:
        for source in upstream_jobs(link, job):
            if source.state is JobState.UNREACHABLE:
                return errors.UpstreamError.below(job.node.id, source.node.id, source.error)
    return errors.UpstreamError("This cell has no input.", node_id=job.node.id)
