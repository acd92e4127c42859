"""The moving parts of a plan: a node as it is planned, and its jobs."""

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

FIRST = "1"
"""Label of the first of several outputs of one call."""


class JobState(IntEnum):
    """Where a job stands in a plan (the engine has finer words while it runs)."""

    PENDING = 0
    """An input is not known yet: no key."""
    READY = 1
    """All inputs known, no result: it would run."""
    DONE = 2
    """Its outputs are known."""
    HOLE = 3
    """It cannot have a result: it failed, or an input it needs is a hole."""
    DROPPED = 4
    """An edit replaced it."""


Digest: TypeAlias = "tuple[str, int, str, str | None]"
"""(port, index, digest, generation that made it) of a connected item."""


@dataclass(slots=True)
class Bound:
    """The inputs of a job: one item per mapped port, lists and batches for collecting ports, and values by name."""

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
        """Upstream jobs that have not ended."""
        self.dependents: dict[Job, bool] = {}
        """Jobs that wait for this one -> whether they tolerate a hole here; empty once it has ended."""
        self.key: bytes | None = None
        self.bound: Bound | None = None
        self.digests: list[Digest] = []
        self.outputs: Outputs | None = None
        self.items: dict[str, dict[str, Item]] = {}
        """Port -> label -> item of the series among its outputs, made when first asked for."""
        self.generation_id: str | None = None
        self.estimate: Estimate | None = None
        self.error: errors.FusionFlowError | None = None
        self.is_lost = False

    def __repr__(self) -> str:
        return f"<Job {self.node.id}{list(self.labels) if self.labels else ''} {self.state.name.lower()}>"

    def item(self, port: str, label: str | None) -> Item | None:
        """What stands on an output port at a label of the axis its node adds (None: it adds no axis)."""
        value = (self.outputs or {}).get(port)
        if not isinstance(value, Series):
            # Asked for one picture instead of several, a model gives it bare: it is the first of them.
            is_other = label not in (None, FIRST) and self.node.varies
            return None if is_other else value
        if port not in self.items:
            self.items[port] = dict(zip(value.labels, value.items, strict=True))
        return self.items[port].get(label) if label is not None else None


@dataclass(slots=True, eq=False)
class Link:
    """An edge as planned: into `port` of its node, from `source_port` of `source`."""

    port: InputPort
    source: NodePlan
    source_port: str
    picks: tuple[int, ...] = ()
    """For each axis of the source's jobs, its position among the axes of the target."""
    series_pick: int | None = None
    """Position, among the target's axes, of the axis the source adds."""
    shared: tuple[tuple[int, int], ...] = ()
    """Collecting ports: (position among the source's output axes, position among the target's axes)."""


@dataclass(slots=True, eq=False)
class NodePlan:
    """A node as it is planned."""

    id: str
    type_name: str = ""
    type: NodeType | None = None
    """None where nothing declares it."""
    prepared: Prepared | None = None
    links: list[Link] = field(default_factory=list)
    """Its edges that fit, by port, then in the order of the document."""
    inputs: list[tuple[InputPort, list[Link]]] = field(default_factory=list)
    """The same, one entry per port."""
    connected: frozenset[str] = frozenset()
    """Names of its ports with an edge."""
    sources: dict[NodePlan, None] = field(default_factory=dict)
    """Nodes with an edge into this one, those that do not fit included."""
    children: dict[NodePlan, None] = field(default_factory=dict)
    """The same, the other way: nodes below."""
    axes: tuple[Axis, ...] | None = None
    """Axes of its jobs; None while the length of a batch above is not known."""
    out_axes: tuple[Axis, ...] | None = None
    """Axes of what it gives: its own, and the one it adds."""
    jobs: dict[tuple[str, ...], Job] = field(default_factory=dict)
    unended: int = 0
    """Jobs that are neither done nor a hole."""
    unshaped: int = 0
    """Sources whose axes are not known."""
    misfit: errors.FusionFlowError | None = None
    """What is wrong with its type or edges."""
    fault: errors.FusionFlowError | None = None
    """What is wrong with its parameters, or with how its batches meet: it has no cells."""
    finding: errors.FusionFlowError | None = None
    """What turned out to be wrong with the inputs of a cell."""
    has_cells: bool = False
    """False: it cannot run at all, and stands as one hole."""
    is_muted: bool = False
    take: int = 0
    locked: str | None = None
    """Id of the generation whose outputs it keeps: neither its settings nor what is above it count."""

    @property
    def is_locked(self) -> bool:
        """Whether it keeps a result; what nothing declares has no outputs that could be passed on."""
        return self.locked is not None and self.type is not None

    @property
    def problem(self) -> errors.FusionFlowError | None:
        """Why a run could not do this node; None where it can, or need not."""
        if self.is_locked:
            return self.finding
        if self.misfit or self.fault or self.finding:
            return self.misfit or self.fault or self.finding
        if self.prepared is None or self.prepared.retired is None:
            return None
        # What a retired model once made is shown; only new work is impossible.
        is_open = self.axes is None or any(
            job.state in (JobState.PENDING, JobState.READY) for job in self.jobs.values()
        )
        return self.prepared.retired if is_open else None

    @property
    def varies(self) -> bool:
        """Whether how many outputs a call gives comes over an edge."""
        return "count" in self.connected and self.type is not None and self.type.kind is Kind.PROVIDER

    @property
    def grows(self) -> bool:
        """Whether it adds an axis whose length is known only when its outputs are."""
        is_open_ended = self.type is not None and any(port.is_series for port in self.type.outputs)
        return self.is_locked or self.varies or is_open_ended

    @property
    def state(self) -> str:
        """`fresh`, `stale`, `pending` or `lost`, over all its jobs; `invalid` where the node cannot run."""
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
        return "stale" if JobState.HOLE in states else "fresh"
