"""The journal's interface for the engine: claims before a paid submit, records after it, and look-ups.

A *claim* is the write-ahead step of a provider call: intent, content key, idempotency key and reservation become
durable in one transaction before the request is sent. Each claim returns exactly one of the `Claim` types.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from fusionflow_nb.journal.records import Coordinate, Generation, ProjectRecord, RunRecord
    from fusionflow_nb.media.values import Outputs


@dataclass(frozen=True, slots=True)
class RateLimit:
    """The documented limits of a service for one key. Pauses requested by the service are stored under `name` too."""

    name: str
    """Service and account, without the key itself."""
    per_minute: int | None = None
    """Starts in any minute."""
    concurrent: int | None = None
    """Concurrent calls."""
    slot_timeout_us: int = 0
    """The longest duration of a call: its slot is free afterwards even if it was not released."""


@dataclass(frozen=True, slots=True)
class Intent:
    """A provider call to be made. `reserve_micro_usd` is the high estimate (0 if the call is free)."""

    job_id: str
    run_id: str
    project_id: str
    node_id: str
    coordinate: Coordinate
    content_key: bytes
    provider: str
    model: str
    idempotency_key: str
    reserve_micro_usd: int
    draft: Generation
    """The generation before the call; `finish`, or a resume after a dead kernel, completes it."""
    replaces: str | None = None
    """A generation whose bytes are lost: it does not count as `Stored`, so that the user can generate it again."""
    rate_limit: RateLimit | None = None
    """The limits that the start must respect, if any."""


@dataclass(frozen=True, slots=True)
class Granted:
    """Submit now. Later writes must carry the epoch."""

    job_id: str
    epoch: int


@dataclass(frozen=True, slots=True)
class Stored:
    """The result exists; nothing is paid."""

    generation_id: str
    outputs: Outputs


@dataclass(frozen=True, slots=True)
class Held:
    """A live kernel holds the lease on this key; the claiming job is registered as a waiter."""

    job_id: str
    kernel_id: str


@dataclass(frozen=True, slots=True)
class Inherited:
    """The lease of an accepted job passed from a dead kernel to this kernel: poll and fetch it, do not submit."""

    job_id: str
    epoch: int
    operation: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Unknown:
    """A dead kernel may or may not have submitted this key: the user decides."""

    job_id: str
    at_stake_micro_usd: int


@dataclass(frozen=True, slots=True)
class OverBudget:
    """The reservation would exceed a cap. Amounts are in micro-dollars."""

    scope: str
    cap_micro_usd: int
    spent_micro_usd: int
    reserved_micro_usd: int
    requested_micro_usd: int


@dataclass(frozen=True, slots=True)
class Throttled:
    """A rate limit does not allow the start now: nothing was written; claim again after `wait_us`."""

    wait_us: int
    is_by_service: bool
    """Whether the service requested the pause (429, Retry-After); else its documented limits require it."""


Claim: TypeAlias = Granted | Stored | Held | Inherited | Unknown | OverBudget | Throttled


@dataclass(frozen=True, slots=True)
class OpenJob:
    """A job that has not ended, as any kernel reads it."""

    job_id: str
    state: str
    """`intent` (no Operation yet), `accepted` (has an Operation) or `unknown`."""
    kernel_id: str
    is_held: bool
    """Whether the kernel that holds it is alive."""
    operation: dict[str, Any] | None
    reserve_micro_usd: int
    draft: Generation
    notebook: str | None = None
    """The notebook that started it, if known."""


@dataclass(frozen=True, slots=True)
class Ended:
    """The end of a job, for its waiters."""

    status: str
    generation: Generation


@dataclass(frozen=True, slots=True)
class NodeResult:
    """The result that a node last showed in a project: the base of `stale, because ... old -> new`."""

    generation_id: str
    content_key: bytes
    outputs: Outputs
    ingredients: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Spending:
    """The part of its cap that a scope has used, in micro-dollars; `at_stake` does not count against the cap."""

    spent_micro_usd: int
    reserved_micro_usd: int
    at_stake_micro_usd: int


class Journal(Protocol):
    """The durable log. Writes are durable when they return. They raise JournalBusyError after 10 s, or JournalError."""

    async def lookup(self, keys: Sequence[bytes]) -> dict[bytes, Stored]:
        """Return results by content key, without the misses."""
        ...

    def lookup_now(self, keys: Sequence[bytes]) -> dict[bytes, Stored]:
        """`lookup` for a few keys on the calling thread: some 10 us, while a thread hop costs 100 us."""
        ...

    async def node_results(self, project_id: str) -> dict[tuple[str, Coordinate], NodeResult]:
        """Return the result that each node of a project last showed."""
        ...

    async def generations(self, generation_ids: Sequence[str]) -> dict[str, Generation]:
        """Return generations by id, without unknown ids."""
        ...

    async def durations_by_model(self) -> dict[str, list[float]]:
        """Return the durations in seconds of the latest successful calls by serving model, the newest last."""
        ...

    async def claim(self, intents: Sequence[Intent], caps: Mapping[str, int]) -> list[Claim]:
        """Write intents ahead in one commit; returns one answer per intent, in order.

        `caps`: scope, or kind of scope (`run`, `day` ...) -> cap in micro-dollars, used where the user set no cap.
        """
        ...

    async def accepted(self, job_id: str, epoch: int, operation: dict[str, Any]) -> bool:
        """Store the Operation before the first poll. False: the lease is lost; stop following the job."""
        ...

    async def finish(self, job_id: str, epoch: int, generation: Generation) -> bool:
        """Log the generation, settle and release in one transaction. False: the lease is lost, nothing was settled."""
        ...

    async def project_names(self, project_ids: Sequence[str]) -> dict[str, str]:
        """Return the last logged names of flows by id, without unknown ids."""
        ...

    async def ended(self, job_id: str) -> Ended | None:
        """Return how a job ended; None while it is open."""
        ...

    async def record(self, generations: Sequence[Generation]) -> None:
        """Log calls without write-ahead (local and Python nodes) in one commit."""
        ...

    async def record_run(self, run: RunRecord) -> None:
        """Log the start or the end of a run; the latest record of an id counts."""
        ...

    async def record_project(self, project: ProjectRecord) -> None:
        """Log the state of a flow, unless it equals the last logged state."""
        ...

    async def open_jobs(self) -> list[OpenJob]:
        """Return the open jobs of all kernels."""
        ...

    async def adopt(self, job_id: str) -> Claim:
        """Take over the job of a dead kernel: Inherited, Unknown, Stored, or Held if its kernel is alive."""
        ...

    async def record_node_results(self, project_id: str, results: Mapping[tuple[str, Coordinate], NodeResult]) -> None:
        """Store the results that nodes show now without a generation of the run (cached hits)."""
        ...

    async def release_to_waiter(self, job_id: str, epoch: int) -> bool:
        """Release an accepted job. True: a live kernel waits and may adopt it. False: cancel the Operation."""
        ...

    async def stop_waiting(self, job_id: str, waiting_job_id: str) -> None:
        """Stop waiting for a `Held` job."""
        ...

    async def resolve(self, job_id: str, generation: Generation) -> bool:
        """Set how an `unknown` job ended, as the user decided. False: it is not unknown."""
        ...

    async def spending(self, scopes: Sequence[str]) -> dict[str, Spending]:
        """Return what each scope has used so far."""
        ...

    async def acquire_start(self, limit: RateLimit) -> int:
        """Request another start of a claimed job: 0 if it may be sent now, else microseconds until the next try."""
        ...

    async def block(self, name: str, until_us: int) -> None:
        """Block a service for all kernels until a time, as the service requested."""
        ...

    def blocked_until_us(self, name: str) -> int:
        """Return until when a service is blocked, 0 if it is not; runs on the calling thread, like `lookup_now`."""
        ...

    async def is_known(self, name: str) -> bool:
        """Return whether an Operation of an open or ended job contains the service's name for its job."""
        ...

    async def reconcile(self, job_id: str, operation: dict[str, Any]) -> Inherited | None:
        """Store the Operation that a service reported for an unknown job, and hold its lease. None: not unknown."""
        ...
