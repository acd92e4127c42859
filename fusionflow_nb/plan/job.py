"""The parts of a plan: planned nodes, their links and their jobs."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import IntEnum
from typing import TYPE_CHECKING, Any, TypeAlias

from fusionflow_nb.catalog.node_type import Kind
from fusionflow_nb.media.values import Series

if TYPE_CHECKING:
    from fusionflow_nb import errors
    from fusionflow_nb.catalog.node_type import InputPort, NodeType
    from fusionflow_nb.journal.records import Coordinate
    from fusionflow_nb.media.batch import Axis
    from fusionflow_nb.media.values import Item, Outputs
    from fusionflow_nb.plan.prepare import Prepared
    from fusionflow_nb.providers.model import Estimate, ModelEntry

FIRST_LABEL = "1"
"""Label of the first of several outputs of a call."""


class JobState(IntEnum):
    """State of a job in a plan (the engine's run states are finer)."""

    PENDING = 0
    """An input is not known yet; the job has no key."""
    READY = 1
    """All inputs are known and there is no result: a run would execute it."""
    DONE = 2
    """Its outputs are known."""
    UNREACHABLE = 3
    """It cannot have a result: it failed, or an input it needs is unreachable."""
    DROPPED = 4
    """An edit replaced the job."""


Digest: TypeAlias = "tuple[str, int, str, str | None]"
"""(port, index, digest, generation that made it) of a connected item."""


@dataclass(slots=True)
class Bound:
    """The inputs of a job: an item per mapped port, lists and batches for collecting ports, and values by name."""

    media: dict[str, Any]
    """Port -> Asset, list[Item] or Batch[Item]."""
    values: dict[str, Any]
    """Parameters and connected values, as plain data."""
    entry: ModelEntry | None = None


class Job:
    """The work of one node at one coordinate."""

    __slots__ = (
        "bound",
        "coordinate",
        "dependents",
        "digests",
        "error",
        "estimate",
        "generation_id",
        "is_lost",
        "items",
        "key",
        "labels",
        "node",
        "outputs",
        "state",
        "waiting",
    )

    def __init__(self, node: NodePlan, labels: tuple[str, ...], coordinate: Coordinate) -> None:
        self.node = node
        self.labels = labels
        self.coordinate = coordinate
        self.state = JobState.PENDING
        self.waiting = 0
        """Number of upstream jobs that have not ended."""
        self.dependents: dict[Job, bool] = {}
        """Jobs that wait for this job -> whether they can run without its result; empty once it has ended."""
        self.key: bytes | None = None
        self.bound: Bound | None = None
        self.digests: list[Digest] = []
        self.outputs: Outputs | None = None
        self.items: dict[str, dict[str, Item]] = {}
        """Port -> label -> item of the series among its outputs, built on first use."""
        self.generation_id: str | None = None
        self.estimate: Estimate | None = None
        self.error: errors.FusionFlowError | None = None
        self.is_lost = False

    def __repr__(self) -> str:
        return f"<Job {self.node.id}{list(self.labels) if self.labels else ''} {self.state.name.lower()}>"

    def item(self, port: str, label: str | None) -> Item | None:
        """The item of an output port at a label of the axis that the node adds (None: it adds no axis)."""
        value = (self.outputs or {}).get(port)
        if not isinstance(value, Series):
            # A call for one picture instead of several returns it without a series; it has the first label.
            is_other = label not in (None, FIRST_LABEL) and self.node.has_variable_count
            return None if is_other else value
        if port not in self.items:
            self.items[port] = dict(zip(value.labels, value.items, strict=True))
        return self.items[port].get(label) if label is not None else None


@dataclass(slots=True, eq=False)
class Link:
    """A planned edge, from `source_port` of `source` into `port` of the node that holds the link."""

    port: InputPort
    source: NodePlan
    source_port: str
    picks: tuple[int, ...] = ()
    """For each axis of the source's jobs, its index among the axes of the target."""
    series_pick: int | None = None
    """Index, among the target's axes, of the axis that the source adds."""
    shared: tuple[tuple[int, int], ...] = ()
    """Collecting ports: (index among the source's output axes, index among the target's axes)."""


@dataclass(slots=True, eq=False)
class NodePlan:
    """A planned node."""

    id: str
    type_name: str = ""
    type: NodeType | None = None
    """None if no node type of this name is declared."""
    prepared: Prepared | None = None
    links: list[Link] = field(default_factory=list)
    """Edges into the node that fit, by port, then in document order."""
    inputs: list[tuple[InputPort, list[Link]]] = field(default_factory=list)
    """The links grouped by port."""
    connected: frozenset[str] = frozenset()
    """Names of the ports with an edge."""
    sources: dict[NodePlan, None] = field(default_factory=dict)
    """Nodes with an edge into this node, including edges that do not fit."""
    children: dict[NodePlan, None] = field(default_factory=dict)
    """Nodes with an edge from this node."""
    axes: tuple[Axis, ...] | None = None
    """Axes of its jobs; None while the length of an upstream batch is not known."""
    out_axes: tuple[Axis, ...] | None = None
    """Axes of its outputs: those of its jobs and the axis it adds."""
    jobs: dict[tuple[str, ...], Job] = field(default_factory=dict)
    open_jobs: int = 0
    """Number of jobs that are pending or ready."""
    open_sources: int = 0
    """Number of sources whose output axes are not known."""
    wiring_error: errors.FusionFlowError | None = None
    """Error in its type or edges."""
    param_error: errors.FusionFlowError | None = None
    """Error in its parameters, or in the combination of its axes; the node has no cells."""
    cell_error: errors.FusionFlowError | None = None
    """Error in the inputs of one of its cells, or in its locked result."""
    has_cells: bool = False
    """False: the node cannot run and has one unreachable job."""
    is_muted: bool = False
    take: int = 0
    locked: str | None = None
    """Id of the generation whose outputs the node keeps, whatever its parameters and inputs are."""

    @property
    def is_locked(self) -> bool:
        """Whether the node keeps a result. A node of an unknown type has no outputs, so it is never locked."""
        return self.locked is not None and self.type is not None

    @property
    def problem(self) -> errors.FusionFlowError | None:
        """The error that prevents a run of this node; None if it can run or need not."""
        if self.is_locked:
            return self.cell_error
        if self.wiring_error or self.param_error or self.cell_error:
            return self.wiring_error or self.param_error or self.cell_error
        if self.prepared is None or self.prepared.retired is None:
            return None
        # Results of a retired model are still shown; only new calls are impossible.
        is_open = self.axes is None or any(
            job.state in (JobState.PENDING, JobState.READY) for job in self.jobs.values()
        )
        return self.prepared.retired if is_open else None

    @property
    def has_variable_count(self) -> bool:
        """Whether the number of outputs of a call comes over an edge."""
        return "count" in self.connected and self.type is not None and self.type.kind is Kind.PROVIDER

    @property
    def has_late_axis(self) -> bool:
        """Whether the node adds an axis whose length is known only after it has run."""
        is_open_ended = self.type is not None and any(port.is_series for port in self.type.outputs)
        return self.is_locked or self.has_variable_count or is_open_ended

    @property
    def state(self) -> str:
        """`fresh`, `stale`, `pending` or `lost`, over all its jobs; `invalid` if the node cannot run."""
        if self.problem is not None:
            return "invalid"
        if self.axes is None:
            return "pending"
        states = {job.state for job in self.jobs.values()}
        if any(job.is_lost for job in self.jobs.values()):
            return "lost"
        if JobState.READY in states:
            return "stale"
        if JobState.PENDING in states:
            return "pending"
        return "stale" if JobState.UNREACHABLE in states else "fresh"
