"""What the engine knows of the journal: claims before money is spent, records after, look-ups in between.

A *claim* is the write-ahead step of a provider call: intent, content key, idempotency key and reservation, made durable
in one transaction before the request may leave. Each claim answers with exactly one of the `Claim` forms.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from fusionflow_nb.journal.records import Coordinate, Generation, ProjectRecord, RunRecord
    from fusionflow_nb.media.values import Outputs


@dataclass(frozen=True, slots=True)
class Gate:
    """How a service may be asked with one key, as documented; what it says itself is kept under `name`, too."""

    name: str
    """Of the service and the key, without the key."""
    per_minute: int | None = None
    """Starts in any minute."""
    concurrent: int | None = None
    """Calls at once."""
    longest_us: int = 0
    """How long a call may take: a slot that nobody gave back is free after it."""


@dataclass(frozen=True, slots=True)
class Intent:
    """A provider call that is about to be made. `reserve_micro_usd` is the high estimate (0 where it costs nothing)."""

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
    """What is known before the call; `finish` and a resume after a dead kernel complete it."""
    replaces: str | None = None
    """A generation whose bytes are lost: it does not count as `Stored`, so that a person can have it made again."""
    gate: Gate | None = None
    """What a start has to wait for, where it has to."""


@dataclass(frozen=True, slots=True)
class Granted:
    """Submit now. Later writes must carry the epoch."""

    job_id: str
    epoch: int


@dataclass(frozen=True, slots=True)
class Stored:
    """The result exists: nothing is to be paid."""

    generation_id: str
    outputs: Outputs


@dataclass(frozen=True, slots=True)
class Held:
    """A living kernel works on the same key; we are registered as a waiter."""

    job_id: str
    kernel_id: str


@dataclass(frozen=True, slots=True)
class Inherited:
    """A dead kernel's accepted work is ours now: poll and fetch it, do not submit."""

    job_id: str
    epoch: int
    operation: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Unknown:
    """A dead kernel may or may not have submitted this key: a person decides."""

    job_id: str
    at_stake_micro_usd: int


@dataclass(frozen=True, slots=True)
class OverBudget:
    """The reservation would pass a cap. All figures in micro-dollars."""

    scope: str
    cap_micro_usd: int
    spent_micro_usd: int
    reserved_micro_usd: int
    asked_micro_usd: int


@dataclass(frozen=True, slots=True)
class Later:
    """The service may not be asked now: nothing is written; claim again after a while."""

    wait_us: int
    is_asked_for: bool
    """The service itself said so (429, Retry-After); else its limits do."""


Claim: TypeAlias = Granted | Stored | Held | Inherited | Unknown | OverBudget | Later


@dataclass(frozen=True, slots=True)
class OpenJob:
    """A job that has not ended: what a fresh kernel sees of it."""

    job_id: str
    state: str
    """`intent` (no Operation yet), `accepted` (has one), `unknown`."""
    kernel_id: str
    is_held: bool
    """Whether the kernel that holds it lives."""
    operation: dict[str, Any] | None
    reserve_micro_usd: int
    draft: Generation
    notebook: str | None = None
    """Where it was begun, if that is known."""


@dataclass(frozen=True, slots=True)
class Ended:
    """How a job that somebody waited for ended."""

    status: str
    generation: Generation


@dataclass(frozen=True, slots=True)
class Shown:
    """What a node last showed in a project: the base of `stale, because ... old -> new`."""

    generation_id: str
    content_key: bytes
    outputs: Outputs
    ingredients: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Spending:
    """What a scope has used of its cap, in micro-dollars; `at_stake` no longer counts against it."""

    spent_micro_usd: int
    reserved_micro_usd: int
    at_stake_micro_usd: int


class Journal(Protocol):
    """The durable log. Writes are durable when they return; JournalBusyError after 10 s, JournalError otherwise."""

    async def lookup(self, keys: Sequence[bytes]) -> dict[bytes, Stored]:
        """Results by content key; misses are absent."""
        ...

    def peek(self, keys: Sequence[bytes]) -> dict[bytes, Stored]:
        """The same for a few keys, at once and on this thread: some 10 us, against a thread hop of 100."""
        ...

    async def shown(self, project_id: str) -> dict[tuple[str, Coordinate], Shown]:
        """What each node of a project last showed."""
        ...

    async def generations(self, generation_ids: Sequence[str]) -> dict[str, Generation]:
        """Generations by id; unknown ids are absent."""
        ...

    async def took_s(self) -> dict[str, list[float]]:
        """By the model that served them, how many seconds the latest calls took that ended well; the newest last."""
        ...

    async def claim(self, intents: Sequence[Intent], caps: Mapping[str, int]) -> list[Claim]:
        """Write intents ahead, in one commit; one answer each, in order.

        `caps`: scope, or kind of scope (`run`, `day` ...) -> cap in micro-dollars, where a person has set no other.
        """
        ...

    async def accepted(self, job_id: str, epoch: int, operation: dict[str, Any]) -> bool:
        """Keep the Operation, before the first poll. False: the lease is lost, keep out of the way."""
        ...

    async def finish(self, job_id: str, epoch: int, generation: Generation) -> bool:
        """Outputs, generation, settlement and release in one transaction. False: the lease is lost, nothing settled."""
        ...

    async def project_names(self, project_ids: Sequence[str]) -> dict[str, str]:
        """The names of flows by id, as they were logged last; unknown ones are absent."""
        ...

    async def ended(self, job_id: str) -> Ended | None:
        """How a job ended; None while it goes on."""
        ...

    async def record(self, generations: Sequence[Generation]) -> None:
        """Log calls that needed no write-ahead (local and Python nodes), in one commit."""
        ...

    async def record_run(self, run: RunRecord) -> None:
        """Log the beginning or the end of a run (same id: the later one counts)."""
        ...

    async def record_project(self, project: ProjectRecord) -> None:
        """Log a flow as it is now; equal states are written once."""
        ...

    async def open_jobs(self) -> list[OpenJob]:
        """Every job that has not ended, of all kernels."""
        ...

    async def adopt(self, job_id: str) -> Claim:
        """Take over a dead kernel's job: Inherited, Unknown, or Held if its kernel lives."""
        ...

    async def record_shown(self, project_id: str, shown: Mapping[tuple[str, Coordinate], Shown]) -> None:
        """Keep what nodes show now where no generation says so (cached hits)."""
        ...

    async def hand_over(self, job_id: str, epoch: int) -> bool:
        """Let go of an accepted job. True: a living kernel waits and may adopt it. False: cancel the Operation."""
        ...

    async def leave(self, job_id: str, waiting_job_id: str) -> None:
        """Wait no longer for a job that was `Held`."""
        ...

    async def resolve(self, job_id: str, generation: Generation) -> bool:
        """A person decides how an `unknown` job ended. False: it is not unknown (any more)."""
        ...

    async def spending(self, scopes: Sequence[str]) -> dict[str, Spending]:
        """What each scope has used so far."""
        ...

    async def turn(self, gate: Gate) -> int:
        """A further start of a claimed job: 0 where it may leave now, else the microseconds until it may ask again."""
        ...

    async def block(self, name: str, until_us: int) -> None:
        """A service asked to be left alone until then; every kernel obeys."""
        ...

    def blocked_until_us(self, name: str) -> int:
        """Until when a service wants to be left alone, 0 where it does not; at once and on this thread, as `peek`."""
        ...

    async def is_known(self, name: str) -> bool:
        """Whether a service's name for its work stands in an Operation of ours, open or ended."""
        ...

    async def recognise(self, job_id: str, operation: dict[str, Any]) -> Inherited | None:
        """The service knows a job of unknown outcome: keep its Operation and follow it. None: it is not unknown."""
        ...
