"""Stored records: one per call, run and project. Plain data, shared by engine, journal and tape."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from fusionflow_nb.media.values import Outputs

Coordinate = tuple[tuple[str, str], ...]
"""Position of a job in a batch: (axis name, label) pairs in axis order; `()` for a single job."""


@dataclass(frozen=True, slots=True)
class InputRecord:
    """One input item of a call: its digest (`asset:<sha256>` or `json:<sha256>`) and source generation, if known."""

    port: str
    index: int
    digest: str
    source_generation_id: str | None = None


@dataclass(frozen=True, slots=True)
class Generation:
    """One logged call. Times are UTC microseconds, amounts are integer micro-dollars."""

    id: str
    project_id: str
    run_id: str
    node_id: str
    node_type: str
    status: str
    content_key: bytes | None = None
    provider: str | None = None
    model: str | None = None
    served_by: str | None = None
    prompt_snapshot: str | None = None
    settings_snapshot: dict[str, Any] = field(default_factory=dict)
    seed: int | None = None
    take: int = 0
    coordinate: Coordinate = ()
    outputs: Outputs | None = None
    output_url: str | None = None
    inputs: tuple[InputRecord, ...] = ()
    cost_micro_usd: int | None = None
    cost_is_exact: bool = False
    estimate_micro_usd: int | None = None
    """The high estimate, which the budget reserves."""
    estimate_low_micro_usd: int | None = None
    queued_at_us: int | None = None
    started_at_us: int | None = None
    finished_at_us: int | None = None
    operation: dict[str, Any] | None = None
    error_code: str | None = None
    error_message: str | None = None
    flow_hash: str | None = None
    ingredients: dict[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class RunRecord:
    """One execution of a plan. `jobs` has the state and the generation of each node and coordinate."""

    id: str
    project_id: str
    user: str
    status: str
    started_at_us: int
    finished_at_us: int | None = None
    flow_hash: str | None = None
    targets: tuple[str, ...] = ()
    jobs: tuple[JobRecord, ...] = ()
    cost_micro_usd: int = 0


@dataclass(frozen=True, slots=True)
class JobRecord:
    """The end of one job of a run, with its generation (of an earlier run if it was cached)."""

    node_id: str
    coordinate: Coordinate
    state: str
    generation_id: str | None = None


@dataclass(frozen=True, slots=True)
class ProjectRecord:
    """The state of a flow, as logged."""

    id: str
    name: str
    graph_state: dict[str, Any]
    variables: dict[str, Any]
