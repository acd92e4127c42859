"""The moving parts of a plan: a node as it is planned, and its jobs."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import IntEnum
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from fusionflow_nb import errors
    from fusionflow_nb.catalog.node_type import InputPort, NodeType
    from fusionflow_nb.journal.records import Coordinate
    from fusionflow_nb.media.batch import Axis
    from fusionflow_nb.media.values import Item, Outputs
    from fusionflow_nb.plan.prepare import Prepared
    from fusionflow_nb.providers.model import Estimate, ModelEntry


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
        self.dependents: list[tuple[Job, bool]] = []
        """(job, whether it tolerates a hole here), downstream; kept only while this job is not done."""
        self.key: bytes | None = None
        self.bound: Bound | None = None
        self.digests: list[tuple[str, int, str, str | None]] = []
        """(port, index, digest, generation that made it) of each connected item."""
        self.outputs: Outputs | None = None
        self.generation_id: str | None = None
        self.estimate: Estimate | None = None
        self.error: errors.FusionFlowError | None = None
        self.is_lost = False

    def __repr__(self) -> str:
        return f"<Job {self.node.id}{list(self.labels) if self.labels else ''} {self.state.name.lower()}>"


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
    type: NodeType | None
    prepared: Prepared | None = None
    links: list[Link] = field(default_factory=list)
    children: list[NodePlan] = field(default_factory=list)
    axes: tuple[Axis, ...] | None = None
    """Axes of its jobs; None while the length of a batch above is not known."""
    out_axes: tuple[Axis, ...] | None = None
    """Axes of what it gives: its own, and the one it adds."""
    jobs: dict[tuple[str, ...], Job] = field(default_factory=dict)
    unended: int = 0
    unshaped: int = 0
    """Sources whose axes are not known."""
    wiring: errors.FusionFlowError | None = None
    """What is wrong with its type or edges."""
    problem: errors.FusionFlowError | None = None
    """Why it cannot run, whatever the reason."""
    is_muted: bool = False
    take: int = 0

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


def series_items(job: Job, port: str) -> dict[str, Item] | None:
    """Label -> item of a series a job gave on a port; None where it gave a single item."""
    value = (job.outputs or {}).get(port)
    labels = getattr(value, "labels", None)
    return None if labels is None else dict(zip(labels, value.items, strict=True))  # type: ignore[union-attr]
