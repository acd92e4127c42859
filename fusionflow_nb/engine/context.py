"""What runs depend on (`RunContext`, fixed) and what they share while they execute (`EngineState`, mutable)."""

from __future__ import annotations

import asyncio
import time
from collections import OrderedDict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol, TypeAlias

from fusionflow_nb.engine.function_threads import FunctionThreads
from fusionflow_nb.journal.ids import new_id

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping, Sequence
    from concurrent.futures import Executor

    from fusionflow_nb.assets.protocol import AssetStore
    from fusionflow_nb.engine.single_flight import SingleFlight
    from fusionflow_nb.journal.protocol import Journal, Stored, Unknown
    from fusionflow_nb.journal.records import Generation
    from fusionflow_nb.plan.job import Job
    from fusionflow_nb.providers.model import ModelEntry
    from fusionflow_nb.providers.protocol import Done, Provider

DEFAULT_FUNCTION_THREADS = 4
MEMO_SIZE = 200_000
FLUSH_INTERVAL_S = 0.05
FLUSH_ROWS = 100
"""Rows per request to the journal: serialising more of them in one step would block the loop."""
MAX_LOOKUP_NOW = 64
"""Up to this many keys are looked up on the loop thread (well under a millisecond)."""

UnknownPolicy: TypeAlias = "Callable[[Unknown, EngineState], Awaitable[bool]]"
"""Decides about a job of unknown outcome; True if its key may be claimed again."""


def now_us() -> int:
    """UTC now in microseconds."""
    return time.time_ns() // 1000


async def ask_user(_unknown: Unknown, _engine: EngineState) -> bool:
    """Leave a job of unknown outcome to the user: its key stays blocked."""
    return False


class DetachedOp(NamedTuple):
    """An accepted operation that this kernel holds and no call follows."""

    epoch: int
    operation: dict[str, Any]


class UnsavedEnd(NamedTuple):
    """The end of a job that neither the journal nor its outbox could store."""

    epoch: int
    generation: Generation


class Providers(Protocol):
    """The part of the registry that the engine uses."""

    def provider(self, name: str) -> Provider:
        """The adapter of a service."""
        ...

    def resolve(self, name: str, *, node_id: str | None = None) -> ModelEntry:
        """The entry for a name or alias, if it may be used."""
        ...

    def entry(self, name: str) -> ModelEntry | None:
        """The entry with exactly this id, retired or not."""
        ...


@dataclass(frozen=True)
class RunContext:
    """The dependencies of runs; the session supplies the concrete ones.

    Args:
        store: holds the bytes (blocking calls: used in worker threads).
        journal: the durable log.
        providers: adapters and the model catalogue.
        workers: runs the engine's own blocking work (storing, hashing).
        functions: threads for Python nodes and transforms.
        caps_micro_usd: budget scope kind (`run`, `day`, `month`, `project`) -> cap, where the user has set no other.
        clock: UTC microseconds; injected so that tests control time.
        sleep: waits for some seconds; likewise.
        ids: makes unique ids.
        user: who runs, for the tape.
        unknown_policy: called when a claim meets a job of unknown outcome; see `open_jobs.UNKNOWN_POLICIES`.
        account: provider -> a name for the API key in use that reveals nothing of the key. Blocking.
    """

    store: AssetStore
    journal: Journal
    providers: Providers
    workers: Executor
    functions: FunctionThreads = field(default_factory=lambda: FunctionThreads(DEFAULT_FUNCTION_THREADS))
    caps_micro_usd: Mapping[str, int] = field(default_factory=dict)
    clock: Callable[[], int] = now_us
    sleep: Callable[[float], Any] = asyncio.sleep
    ids: Callable[[], str] = new_id
    user: str = ""
    unknown_policy: UnknownPolicy = ask_user
    account: Callable[[str], str] = lambda _provider: ""

    async def in_thread(self, function: Callable[..., Any], *args: Any) -> Any:  # noqa: ANN401 - the function's own
        """Run blocking work in a worker thread."""
        return await asyncio.get_running_loop().run_in_executor(self.workers, function, *args)


@dataclass
class EngineState:
    """What all runs of a kernel share: caches, queues and unfinished paid work. Used on the loop thread only."""

    context: RunContext
    memo: OrderedDict[bytes, Stored] = field(default_factory=OrderedDict)
    """By content key: results, cached in memory."""
    flights: dict[bytes, SingleFlight] = field(default_factory=dict)
    """By content key: provider calls under way."""
    slots: dict[str, asyncio.Semaphore] = field(default_factory=dict)
    accounts: dict[str, str] = field(default_factory=dict)
    """By provider: the name of the API key in use."""
    locks: dict[str, asyncio.Lock] = field(default_factory=dict)
    durations_by_model: dict[str, list[float]] | None = None
    """Seconds that the user's last calls took; None until an estimate needs them."""
    abandoned_threads: set[Job] = field(default_factory=set)
    """Jobs whose cancelled function still runs, in a thread that cannot be stopped."""
    records: list[Generation] = field(default_factory=list)
    detached_ops: dict[str, DetachedOp] = field(default_factory=dict)
    """By job id: accepted work whose result could not be fetched or stored; the next request for it resumes it."""
    unsaved_ends: dict[str, UnsavedEnd] = field(default_factory=dict)
    """By job id: ends that could not be stored; the next request for the job's key stores them first."""
    unstored_results: dict[bytes, Done] = field(default_factory=dict)
    """By content key: paid results that could not be stored and cannot be fetched again; their cost is settled."""
    in_flight_submits: set[asyncio.Future[Any]] = field(default_factory=set)
    """Submits without an answer yet: cancelling one would make its outcome unknown."""
    is_closing: bool = False
    """The session ends: accepted work is left to the next kernel instead of being cancelled."""
    _flusher: asyncio.Task[None] | None = None

    # --- results ---------------------------------------------------------------------------------------------------

    async def lookup(self, keys: Sequence[bytes]) -> dict[bytes, Stored]:
        """Results by content key, from memory first, then from the journal; misses are absent."""
        results = {key: self.memo[key] for key in keys if key in self.memo}
        missing = [key for key in keys if key not in results]
        if missing:
            journal = self.context.journal
            stored = journal.lookup_now(missing) if len(missing) <= MAX_LOOKUP_NOW else await journal.lookup(missing)
            for key, result in stored.items():
                self.remember(key, result)
            results.update(stored)
        return results

    def remember(self, key: bytes, result: Stored) -> None:
        """Cache a result in memory; the oldest are evicted first."""
        self.memo[key] = result
        if len(self.memo) > MEMO_SIZE:
            self.memo.popitem(last=False)

    # --- the tape --------------------------------------------------------------------------------------------------

    def record(self, generation: Generation) -> None:
        """Queue a generation that needs no write-ahead; committed together with others within 50 ms."""
        self.records.append(generation)
        if self._flusher is None or self._flusher.done():
            self._flusher = asyncio.get_running_loop().create_task(self._flush_soon())

    async def flush(self) -> None:
        """Make every queued record durable.

        Raises:
            JournalError: the log cannot be written; the records are kept for the next flush.
        """
        records, self.records = self.records, []
        batches = [records[start : start + FLUSH_ROWS] for start in range(0, len(records), FLUSH_ROWS)]
        try:
            # Still one commit: the journal batches requests that arrive together.
            results = await asyncio.gather(*map(self.context.journal.record, batches), return_exceptions=True)
        except BaseException:
            self.records = records + self.records
            raise
        failed = [(batch, error) for batch, error in zip(batches, results, strict=True) if error is not None]
        if failed:
            self.records = [record for batch, _ in failed for record in batch] + self.records
            raise failed[0][1]

    async def _flush_soon(self) -> None:
        await asyncio.sleep(FLUSH_INTERVAL_S)
        await self.flush()

    # --- limits ----------------------------------------------------------------------------------------------------

    def slot(self, provider: Provider) -> asyncio.Semaphore:
        """The queue in front of a service: as many concurrent calls as it allows."""
        slot = self.slots.get(provider.name)
        if slot is None:
            slot = self.slots[provider.name] = asyncio.Semaphore(provider.max_concurrency)
        return slot

    def lock(self, name: str) -> asyncio.Lock:
        """The lock of this name; a paused service has one, so that its callers retry one by one, in order."""
        return self.locks.setdefault(name, asyncio.Lock())

    async def account(self, provider: str) -> str:
        """A name for the API key in use at a provider, cached: reading a keyring blocks."""
        name = self.accounts.get(provider)
        if name is None:
            name = self.accounts[provider] = await self.context.in_thread(self.context.account, provider)
        return name
