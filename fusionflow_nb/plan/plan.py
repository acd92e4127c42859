"""The plan: what a run would do, held as a state machine and moved on by results and edits.

`take_ready()` hands out jobs whose inputs are known, with their content keys. Whoever holds the plan looks the keys up
and answers each with `succeed` (cached or computed, the plan does not care), `fail`, or nothing (it stays stale). The
job of a locked node has no inputs and no key: it is answered with the outputs that the node keeps, or refused. So
the same machine prices a flow, explains it, and drives a run, and no walk is done twice: an edit touches what lies
below it.

Values flow source -> target; `children` point downstream. The plan never does I/O; structural nodes, whose functions
only rearrange values, are computed on the way.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

from fusionflow_nb import errors
from fusionflow_nb.catalog.node_type import Collects, Kind
from fusionflow_nb.plan import axes as axes_of
from fusionflow_nb.plan import graph, shape
from fusionflow_nb.plan.bind import bind
from fusionflow_nb.plan.job import Job, JobState, NodePlan
from fusionflow_nb.plan.price import estimate_of
from fusionflow_nb.plan.structural import structural_outputs
from fusionflow_nb.plan.upstream import upstream

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
    """What a flow's nodes would do, kept up to date.

    Args:
        document: the flow; read now and at each `update`, never kept in between.
        catalog: node types by name.
        models: the model catalogue.

    Raises:
        CycleError: names the nodes of a circle.
    """

    def __init__(self, document: FlowDocument, catalog: Catalog, models: Models) -> None:
        self.models = models
        self._catalog = catalog
        self.nodes: dict[str, NodePlan] = {}
        self.unfresh: set[str] = set()
        """Nodes with a job that is not done: what a run would touch."""
        self.computed: list[Job] | None = None
        """Structural jobs as they get their values, for a run that tells of them; None: nobody listens."""
        self._ready: list[Job] = []
        self._to_read: dict[str, None] = {}
        self._to_wire: dict[str, None] = {}
        """Ids that updates named; kept while a circle keeps the plan from following."""
        self._ended: deque[tuple[Job, JobState | None]] = deque()
        self._shapes: deque[NodePlan] = deque()
        self.update(document, document.nodes)

    # --- keeping up with edits ------------------------------------------------------------------------------------

    def update(self, document: FlowDocument, touched: Iterable[str], *, is_structural: bool = True) -> None:
        """Follow edits: plan the touched nodes and all below them again; the rest is not looked at.

        Args:
            document: the flow after the edits.
            touched: ids of nodes whose parameters, inputs, type or existence changed.
            is_structural: False where no edge came or went: then no edge is looked at.

        Raises:
            CycleError: edges close a circle; nothing is planned until it is gone, then all that was touched meanwhile.
        """
        touched = dict.fromkeys(touched)
        self._to_read |= touched
        if is_structural:
            self._to_wire |= touched
        self._wire(document)
        read = [self.nodes[node_id] for node_id in self._to_read if node_id in document.nodes]
        for node in read:
            graph.read_form(node, document, self.models)
        affected = graph.below(read)
        self._to_read, self._to_wire = {}, {}
        for node in affected:
            self._reset(node)
        self._shapes.extend([node for node in affected if node.unshaped == 0])
        self._settle()

    def _wire(self, document: FlowDocument) -> None:
        """Make nodes of what is new, drop what is gone, and draw the edges into what is new, rewired or below it."""
        wanted: dict[str, None] = {}
        for node_id in self._to_read | self._to_wire:
            placed, node = document.nodes.get(node_id), self.nodes.get(node_id)
            if placed is None:
                if node is not None:
                    wanted |= dict.fromkeys(child.id for child in node.children)
                    self._remove(node)
                continue
            node_type = self._catalog.find(placed.type)
            if node is None:
                node = self.nodes[node_id] = NodePlan(node_id)
                wanted[node_id] = None
            elif node.type is not node_type or node.type_name != placed.type:
                wanted |= dict.fromkeys((node_id, *(child.id for child in node.children)))
            elif node_id in self._to_wire:
                wanted[node_id] = None
            node.type_name, node.type = placed.type, node_type
        wanted = {node_id: None for node_id in wanted if node_id in document.nodes}
        if not wanted:
            return
        self._to_read |= wanted
        edges = graph.incoming(document, wanted)
        for node_id in wanted:
            self._drop_jobs(self.nodes[node_id])
            graph.unwire(self.nodes[node_id])
        for node_id in wanted:
            graph.wire(self.nodes[node_id], edges.get(node_id, ()), self.nodes, self._catalog)

    def _remove(self, node: NodePlan) -> None:
        self._drop_jobs(node)
        graph.unwire(node)
        for child in node.children:
            child.sources.pop(node, None)
        del self.nodes[node.id]
        self.unfresh.discard(node.id)

    def _reset(self, node: NodePlan) -> None:
        self._drop_jobs(node)
        node.axes = node.out_axes = node.finding = None
        if node.prepared is not None:
            node.fault = None
        node.unended = 0
        node.unshaped = 0 if node.is_locked else sum([source.out_axes is None for source in node.sources])
        self.unfresh.add(node.id)

    def _drop_jobs(self, node: NodePlan) -> None:
        for job in node.jobs.values():
            if job.waiting and job.state is JobState.PENDING:
                for link in node.links:
                    for source in upstream(link, job) if link.source.jobs else ():
                        source.dependents.pop(job, None)
            job.state = JobState.DROPPED
        node.jobs = {}

    # --- moving on ------------------------------------------------------------------------------------------------

    def take_ready(self) -> list[Job]:
        """Jobs that got their key since the last call; look each up, then `succeed` those that are known."""
        ready = [job for job in dict.fromkeys(self._ready) if job.state is JobState.READY]
        self._ready = []
        return ready

    def ask_again(self) -> None:
        """Let `take_ready` hand out what would run once more: its result may have been made meanwhile."""
        for node_id in self.unfresh:
            self._ready += [job for job in self.nodes[node_id].jobs.values() if job.state is JobState.READY]

    def succeed(self, job: Job, outputs: Outputs, generation_id: str | None = None) -> None:
        """A job's outputs are known, from a store of results or from work just done. Late answers are ignored."""
        if job.state is not JobState.READY:
            return
        job.outputs, job.items, job.generation_id = outputs, {}, generation_id
        job.error, job.is_lost = None, False
        self._ended.append((job, JobState.DONE))
        self._settle()

    def fail(self, job: Job, error: errors.FusionFlowError) -> list[Job]:
        """A job cannot have a result; returns those below that fall with it. Late answers are ignored."""
        if job.state not in _OPEN:
            return []
        job.error, job.is_lost, job.outputs = error, False, None
        self._ended.append((job, JobState.HOLE))
        return [other for other in self._settle() if other is not job]

    def refuse(self, job: Job, error: errors.FusionFlowError) -> None:
        """A job's node is found to be impossible: like `fail`, and a run to it does not begin."""
        if job.state in _OPEN:
            job.node.finding = error
            self.fail(job, error)

    def lose(self, job: Job) -> None:
        """A job's bytes are gone: it would have to run again. Its digests stay known, so results below stay."""
        if job.state is not JobState.DONE:
            return
        job.is_lost, job.state = True, JobState.READY
        job.node.unended += 1
        self.unfresh.add(job.node.id)
        for child in job.node.children:
            for link in child.links:
                if link.source is job.node:
                    for below in child.jobs.values():
                        if below.state in _OPEN and below not in job.dependents and job in upstream(link, below):
                            below.state, below.waiting = JobState.PENDING, below.waiting + 1
                            job.dependents[below] = link.port.collects is Collects.CELLS
        self._ready.append(job)

    def retry(self, jobs: Iterable[Job]) -> None:
        """Put failed jobs back, and what fell with them or went on without them: a new run tries them again."""
        again = {job for job in jobs if job.state is JobState.HOLE and job.node.has_cells}
        if not again:
            return
        to_shape: set[NodePlan] = set()
        for node in graph.below({job.node: None for job in again}):
            if node in to_shape:
                self._reset(node)
                to_shape.update(node.children)
                continue
            stirred = [job for job in node.jobs.values() if job in again or self._stands_on(job, again)]
            for job in stirred:
                self._put_back(job)
            again.update(stirred)
            if stirred and node.grows:
                node.out_axes = None
                to_shape.update(node.children)
        self._settle()

    def _stands_on(self, job: Job, others: set[Job]) -> bool:
        if job.node.is_locked:
            return False
        return job.node.has_cells and any(source in others for link in job.node.links for source in upstream(link, job))

    def _put_back(self, job: Job) -> None:
        node = job.node
        node.unended += job.state not in _OPEN
        node.finding = None
        self.unfresh.add(node.id)
        job.state = JobState.PENDING
        job.error = job.key = job.bound = job.outputs = job.generation_id = job.estimate = None
        job.items, job.is_lost = {}, False
        self._await(job)

    def _settle(self) -> list[Job]:
        """Work off everything that follows: shapes, inputs, structural values, holes. Returns the jobs that fell.

        No recursion: flows are deep. First come, first served, so that jobs become ready in the order of their labels.
        An entry (job, None) is a job whose inputs have all ended.
        """
        fallen: list[Job] = []
        ended, shapes = self._ended, self._shapes
        while ended or shapes:
            if not ended:
                node = shapes.popleft()
                if node.axes is None and node.unshaped == 0:
                    self._shape(node)
                continue
            job, state = ended.popleft()
            if job.state not in _OPEN:
                continue
            if state is None:
                self._bind(job)
                continue
            if state is JobState.HOLE:
                fallen.append(job)
            self._end(job, state)
        return fallen

    def _shape(self, node: NodePlan) -> None:
        """All axes above are known: make the node's jobs."""
        if node.prepared is None and not node.is_locked:
            self._no_cells(node)
            return
        try:
            axes = () if node.is_locked else shape.own_axes(node)
        except errors.AxisError as error:
            node.fault = error
            self._no_cells(node)
            return
        node.axes, node.has_cells = axes, True
        if axes:
            node.jobs = {labels: Job(node, labels, axes_of.coordinate(axes, labels)) for labels in axes_of.cells(axes)}
        else:
            node.jobs = {(): Job(node, (), ())}
        node.unended = len(node.jobs)
        added = shape.early_axis(node)
        if added is not None:
            self._give(node, (*axes, *added))
        if not node.jobs:
            self._all_ended(node)
        for job in node.jobs.values():
            self._await(job)

    def _await(self, job: Job) -> None:
        """Ask the upstream jobs that have not ended to tell; none: the job can have its inputs."""
        waits: dict[Job, bool] = {}
        for link in () if job.node.is_locked else job.node.links:
            is_tolerant = link.port.collects is Collects.CELLS
            for source in upstream(link, job):
                if source.state in _OPEN:
                    waits[source] = is_tolerant and waits.get(source, True)
        for source, is_tolerant in waits.items():
            source.dependents[job] = is_tolerant
        job.waiting = len(waits)
        if not waits:
            self._ended.append((job, None))

    def _give(self, node: NodePlan, out_axes: tuple[Axis, ...]) -> None:
        """The axes of what a node gives are known: the nodes below may get their jobs."""
        if node.out_axes is not None:
            return
        node.out_axes = out_axes
        for child in node.children:
            if child.is_locked:
                continue
            child.unshaped -= 1
            if child.unshaped == 0:
                self._shapes.append(child)

    def _no_cells(self, node: NodePlan) -> None:
        """A node that cannot run stands as one hole: what lies below it cannot run either."""
        node.axes, node.has_cells = (), False
        job = Job(node, (), ())
        job.state, job.error = JobState.HOLE, node.problem
        node.jobs = {(): job}
        self._give(node, ())

    def _bind(self, job: Job) -> None:
        node = job.node
        if node.is_locked and not node.is_muted:
            job.state = JobState.READY
            self._ready.append(job)
            return
        try:
            if node.is_muted or not bind(job, self.models):
                job.error = _missing_input(job)
                self._ended.append((job, JobState.HOLE))
                return
            if node.type is not None and node.type.kind is Kind.STRUCTURAL and not node.type.is_async:
                job.outputs, job.items, job.is_lost = structural_outputs(job), {}, False
                if self.computed is not None:
                    self.computed.append(job)
                self._ended.append((job, JobState.DONE))
                return
        except errors.FusionFlowError as error:
            job.error = node.finding = error.at(node.id)
            self._ended.append((job, JobState.HOLE))
            return
        job.state = JobState.READY
        job.estimate = estimate_of(job.bound)
        self._ready.append(job)

    def _end(self, job: Job, state: JobState) -> None:
        job.state = state
        node = job.node
        node.unended -= 1
        dependents, job.dependents = job.dependents, {}
        for below, is_tolerant in dependents.items():
            if below.state is not JobState.PENDING:
                continue
            below.waiting -= 1
            if state is JobState.HOLE and not is_tolerant:
                below.error = below.error or errors.UpstreamError.below(below.node.id, node.id, job.error)
                self._ended.append((below, JobState.HOLE))
            elif below.waiting == 0:
                self._ended.append((below, None))
        if node.unended == 0:
            self._all_ended(node)

    def _all_ended(self, node: NodePlan) -> None:
        if all(job.state is JobState.DONE for job in node.jobs.values()):
            self.unfresh.discard(node.id)
        if node.out_axes is None:
            added: tuple[Axis, ...] = ()
            try:
                added = shape.late_axis(node)
            except errors.AxisError as error:
                node.finding = error
                self.unfresh.add(node.id)
            self._give(node, (*(node.axes or ()), *added))


def _missing_input(job: Job) -> errors.UpstreamError:
    """Why a job whose upstream has ended cannot run: the first input that is a hole."""
    if job.node.is_muted:
        return errors.UpstreamError("The node is muted.", node_id=job.node.id)
    for link in job.node.links:
        for source in upstream(link, job):
            if source.state is JobState.HOLE:
                return errors.UpstreamError.below(job.node.id, source.node.id, source.error)
    return errors.UpstreamError("This cell has no input.", node_id=job.node.id)
