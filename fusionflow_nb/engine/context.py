"""What a run works with: the concrete parts, given by the session; the engine knows their protocols only."""

from __future__ import annotations

import asyncio
import time
from collections import OrderedDict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

import uuid_utils

from fusionflow_nb.engine.function_threads import FunctionThreads

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from concurrent.futures import Executor

    from fusionflow_nb.assets.protocol import AssetStore
    from fusionflow_nb.engine.single_flight import SingleFlight
    from fusionflow_nb.journal.protocol import Journal, Stored, Unknown
    from fusionflow_nb.journal.records import Generation
    from fusionflow_nb.plan.job import Job
    from fusionflow_nb.providers.model import ModelEntry
    from fusionflow_nb.providers.protocol import Done, Provider

FUNCTIONS_AT_ONCE = 4
MEMO_SIZE = 200_000
FLUSH_S = 0.05
FLUSH_ROWS = 100
"""Rows handed over at once: turning them into text must not hold the loop up."""
PEEK_KEYS = 64
"""Up to so many keys are looked up on the loop itself (well under a millisecond)."""


def now_us() -> int:
    """UTC now in microseconds."""
    return time.time_ns() // 1000


def new_id() -> str:
    """A UUIDv7: unique, and sorted by time."""
    return str(uuid_utils.uuid7())


class Parked(NamedTuple):
    """An accepted job that nobody follows any more."""

    epoch: int
    operation: dict[str, Any]


class Unwritten(NamedTuple):
    """How a job of ours ended, while neither the journal nor its outbox could take it."""

    epoch: int
    generation: Generation


class Providers(Protocol):
    """What the engine needs of the registry."""

    def provider(self, name: str) -> Provider:
        """The adapter of a service."""
        ...

    def resolve(self, name: str, *, node_id: str | None = None) -> ModelEntry:
        """The entry that a name or alias means, if it may be used."""
        ...

    def entry(self, name: str) -> ModelEntry | None:
        """The entry of exactly this id, retired or not."""
        ...


@dataclass
class Services:
    """The living parts a run uses.

    Args:
        store: where bytes live (blocking calls: used in worker threads).
        journal: the durable log.
        providers: adapters and the model catalogue.
        workers: runs our own blocking work (storing, hashing).
        functions: threads for Python nodes and transforms.
        caps_micro_usd: budget scope kind (`run`, `day`, `month`, `project`) -> cap, where a person has set no other.
        clock: UTC microseconds; an argument so that tests own time.
        sleep: how to wait; likewise.
        ids: makes unique ids.
        user: who runs, for the tape.
        unknown_policy: what a claim does that meets a job of unknown outcome: `ask` a person (fail), `reconcile` with
            the service where it can say, or `resend`, counting what is at stake as spent.
    """

    store: AssetStore
    journal: Journal
    providers: Providers
    workers: Executor
    functions: FunctionThreads = field(default_factory=lambda: FunctionThreads(FUNCTIONS_AT_ONCE))
    caps_micro_usd: dict[str, int] = field(default_factory=dict)
    clock: Callable[[], int] = now_us
    sleep: Callable[[float], Any] = asyncio.sleep
    ids: Callable[[], str] = new_id
    user: str = ""
    unknown_policy: str = "ask"
    memo: OrderedDict[bytes, Stored] = field(default_factory=OrderedDict)
    flights: dict[bytes, SingleFlight] = field(default_factory=dict)
    slots: dict[str, asyncio.Semaphore] = field(default_factory=dict)
    account: Callable[[str], str] = lambda _provider: ""
    """Provider -> which of a person's keys is in use, as a name that gives nothing away. Blocking."""
    accounts: dict[str, str] = field(default_factory=dict)
    doors: dict[str, asyncio.Lock] = field(default_factory=dict)
    took_s: dict[str, list[float]] | None = None
    """By model: how long a person's last calls of it took; None until somebody wants to know."""
    leftovers: set[Job] = field(default_factory=set)
    """Jobs whose cancelled function still runs in a thread that nobody can stop."""
    records: list[Generation] = field(default_factory=list)
    parked: dict[str, Parked] = field(default_factory=dict)
    """By job id: accepted work of ours whose result could not be brought home (disk full, say); the next asks again."""
    unwritten: dict[str, Unwritten] = field(default_factory=dict)
    """By job id: ends that could not be written down; the next who asks writes them first."""
    undelivered: dict[bytes, Done] = field(default_factory=dict)
    """By content key: paid results that no disk could take and no service will give again; their cost is booked."""
    sending: set[asyncio.Future[Any]] = field(default_factory=set)
    """Submits whose answer is not here yet: cancelling one would leave what it started unknown."""
    is_closing: bool = False
    """The session ends: accepted work is left to the next kernel instead of being cancelled."""
    _flusher: asyncio.Task[None] | None = None

    # --- results ---------------------------------------------------------------------------------------------------

    async def find(self, keys: Sequence[bytes]) -> dict[bytes, Stored]:
        """Results by content key, from memory first, then from the journal."""
        found = {key: self.memo[key] for key in keys if key in self.memo}
        missing = [key for key in keys if key not in found]
        if missing:
            few = len(missing) <= PEEK_KEYS
            stored = self.journal.peek(missing) if few else await self.journal.lookup(missing)
            for key, result in stored.items():
                self.remember(key, result)
            found.update(stored)
        return found

    def remember(self, key: bytes, result: Stored) -> None:
        """Keep a result in memory; the oldest leave first."""
        self.memo[key] = result
        if len(self.memo) > MEMO_SIZE:
            self.memo.popitem(last=False)

    # --- the tape --------------------------------------------------------------------------------------------------

    def record(self, generation: Generation) -> None:
        """Log a call that needed no write-ahead; committed together with others within 50 ms."""
        self.records.append(generation)
        if self._flusher is None or self._flusher.done():
            self._flusher = asyncio.get_running_loop().create_task(self._flush_soon())

    async def flush(self) -> None:
        """Make every record so far durable.

        Raises:
            JournalError: the log cannot be written; the records are kept for the next flush.
        """
        records, self.records = self.records, []
        parts = [records[at : at + FLUSH_ROWS] for at in range(0, len(records), FLUSH_ROWS)]
        try:
            # One commit all the same: the journal takes together what comes together.
            ends = await asyncio.gather(*map(self.journal.record, parts), return_exceptions=True)
        except BaseException:
            self.records = records + self.records
            raise
        failed = [(part, end) for part, end in zip(parts, ends, strict=True) if end is not None]
        if failed:
            self.records = [record for part, _ in failed for record in part] + self.records
            raise failed[0][1]

    async def _flush_soon(self) -> None:
        await asyncio.sleep(FLUSH_S)
        await self.flush()

    # --- limits ----------------------------------------------------------------------------------------------------

    def slot(self, provider: Provider) -> asyncio.Semaphore:
        """The queue in front of a service: as many calls at once as it allows."""
        slot = self.slots.get(provider.name)
        if slot is None:
            slot = self.slots[provider.name] = asyncio.Semaphore(provider.max_concurrency)
        return slot

    def door(self, name: str) -> asyncio.Lock:
        """Where this kernel's callers stand in line for a service that may not be asked now."""
        return self.doors.setdefault(name, asyncio.Lock())

    async def settle_unknown(self, unknown: Unknown) -> bool:
        """Whether a job of unknown outcome has ended now, by the person's policy, so that its key may be claimed."""
        if self.unknown_policy == "ask":
            return False
        from fusionflow_nb.engine.open_jobs import by_policy  # noqa: PLC0415 - it makes calls, which need services

        return await by_policy(unknown, self)

    async def in_thread(self, function: Callable[..., Any], *args: Any) -> Any:  # noqa: ANN401 - the function's own
        """Run blocking work off the loop."""
        return await asyncio.get_running_loop().run_in_executor(self.workers, function, *args)
