"""The journal as the engine uses it: the protocol's promises over one SQLite file, a writing and a reading thread."""

from __future__ import annotations

import asyncio
import os
import sqlite3
import threading
import time
import weakref
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, Self, TypeVar

from fusionflow_nb import errors
from fusionflow_nb.failpoints import Failpoint, failpoint
from fusionflow_nb.journal import (
    codec,
    database,
    event_log,
    ids,
    liveness,
    location,
    messages,
    outbox,
    queries,
    replay,
    reservations,
)
from fusionflow_nb.journal.claims import Claims, leave
from fusionflow_nb.journal.commit_lock import CommitLock
from fusionflow_nb.journal.shared import Shared
from fusionflow_nb.journal.uploads import UploadRows
from fusionflow_nb.journal.writer import Writer

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Mapping, Sequence
    from pathlib import Path

    from fusionflow_nb.journal.protocol import Claim, Ended, Intent, OpenJob, Shown, Spending, Stored
    from fusionflow_nb.journal.records import Coordinate, Generation, ProjectRecord, RunRecord

T = TypeVar("T")

PATIENCE_S = 10.0
_LOCK_FILE = "journal.turnstile"
_living: weakref.WeakSet[Journal] = weakref.WeakSet()


def now_us() -> int:
    """The time in UTC microseconds."""
    return time.time_ns() // 1000


class Journal(Shared):
    """The durable log of one kernel. Async methods may be awaited on any event loop.

    >>> import tempfile, pathlib
    >>> with tempfile.TemporaryDirectory() as folder, Journal.open(pathlib.Path(folder)) as journal:
    ...     journal.call(journal.lookup([bytes(32)]))
    {}
    """

    def __init__(
        self, folder: Path, *, clock_us: Callable[[], int], patience_s: float, notebook: str | None = None
    ) -> None:
        """Use `Journal.open`."""
        self.path = folder / database.FILE_NAME
        self.kernel_id = ids.new_id()
        self._kernels = folder / "kernels"
        self._clock_us = clock_us
        self._pid = os.getpid()
        self._is_closed = False
        self._memo = queries.ResultMemo()
        self._reader: sqlite3.Connection | None = None
        self._peeker: sqlite3.Connection | None = None
        self._peeking = threading.Lock()
        try:
            self._kernels.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._turnstile = CommitLock(folder / _LOCK_FILE)
            self._life = liveness.KernelLife(self._kernels, self.kernel_id)
            self._outbox = outbox.Outbox(self._kernels, self.kernel_id)
        except OSError as error:
            raise messages.unusable(self.path, str(error)) from error
        self._claims = Claims(self.kernel_id, self._is_alive, self._settle_dead, clock_us, ids.new_id, notebook)
        try:
            self._writer = Writer(self.path, self._turnstile, prologue=self._drain_own, patience_s=patience_s)
        except errors.JournalError:
            self._outbox.close()
            self._life.end()
            raise
        self._readers = ThreadPoolExecutor(max_workers=1, thread_name_prefix="journal-reader")
        _living.add(self)
        self._clear_up_after_the_dead()

    @staticmethod
    def open(
        home: Path,
        *,
        clock_us: Callable[[], int] = now_us,
        patience_s: float = PATIENCE_S,
        notebook: str | None = None,
    ) -> Journal:
        """Open the journal of a home folder, making what is missing.

        Args:
            home: the folder of FUSIONFLOW_HOME; on a network file system a local folder takes its place.
            clock_us: the time in UTC microseconds.
            patience_s: how long a call waits for other processes.
            notebook: where this kernel runs, as a person knows it.

        Raises:
            JournalError: the folder or the file cannot be used, or a newer version wrote it.
            JournalBusyError: another process held it for too long.
        """
        return Journal(location.journal_folder(home), clock_us=clock_us, patience_s=patience_s, notebook=notebook)

    def close(self) -> None:
        """Write what waits, end the threads, give up the kernel's lock. Harmless twice, and in a forked child."""
        if self._is_closed or os.getpid() != self._pid:
            return
        self._is_closed = True
        self._readers.shutdown(wait=True)
        if self._peeker is not None:
            self._peeker.close()
        if self._reader is not None:
            self._reader.close()  # before the writer: the last to close folds the WAL into the file
        self._writer.close()
        self._outbox.close()
        self._life.end()

    def __enter__(self) -> Self:
        """Close at the end of the block."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close, whatever happened."""
        self.close()

    def call(self, work: Coroutine[Any, Any, T]) -> T:
        """Make one call where no event loop runs (command line, tests): `journal.call(journal.lookup(keys))`."""
        return asyncio.run(work)

    # Looking up

    async def lookup(self, keys: Sequence[bytes]) -> dict[bytes, Stored]:
        """Results by content key; misses are absent."""
        return await self._read(lambda cursor: queries.lookup(cursor, keys, self._memo))

    def peek(self, keys: Sequence[bytes]) -> dict[bytes, Stored]:
        """The same for a few keys, at once and on this thread; readers of a WAL wait for nobody."""
        return self._peek(lambda cursor: queries.lookup(cursor, keys, self._memo))

    def _peek(self, work: Callable[[sqlite3.Cursor], T]) -> T:
        self._refuse_forked()
        if self._is_closed:
            raise messages.closed()
        with self._peeking:
            try:
                if self._peeker is None:
                    self._peeker = database.open_reader(self.path)
                return work(self._peeker.cursor())
            except sqlite3.Error as error:
                raise messages.translate(error, self.path) from error

    async def shown(self, project_id: str) -> dict[tuple[str, Coordinate], Shown]:
        """What each node of a project last showed."""
        return await self._read(lambda cursor: queries.shown(cursor, project_id))

    async def generations(self, generation_ids: Sequence[str]) -> dict[str, Generation]:
        """Generations by id; unknown ids are absent."""
        return await self._read(lambda cursor: queries.generations(cursor, generation_ids))

    async def took_s(self) -> dict[str, list[float]]:
        """By model, how many seconds the latest calls took that ended well; the newest last."""
        return await self._read(queries.durations_by_model)

    async def projects_before(self, generation_id: str, *, most: int) -> list[ProjectRecord]:
        """The latest states of a generation's project that were logged before it ended, the newest first."""
        return await self._read(lambda cursor: queries.projects_before(cursor, generation_id, most))

    async def ended(self, job_id: str) -> Ended | None:
        """How a job ended; None while it goes on."""
        return await self._read(lambda cursor: queries.ended(cursor, job_id))

    async def open_jobs(self) -> list[OpenJob]:
        """Every job that has not ended, of all kernels."""
        return await self._read(lambda cursor: queries.open_jobs(cursor, self._is_alive))

    async def spending(self, scopes: Sequence[str]) -> dict[str, Spending]:
        """What each scope (`run:<id>`, `day:<YYYY-MM-DD>`, `month:<YYYY-MM>`, `project:<id>`) has used so far."""
        today = reservations.day_of(self._clock_us())
        return await self._read(lambda cursor: queries.spending(cursor, scopes, today))

    # Leases

    async def claim(self, intents: Sequence[Intent], caps: Mapping[str, int]) -> list[Claim]:
        """Write intents ahead, in one commit; one answer each, in order. A caller who leaves holds nothing."""
        self._refuse_forked()
        return await self._writer.ask(
            lambda cursor: self._claims.claim(cursor, intents, caps),
            undo=lambda cursor, answers: self._claims.withdraw(cursor, intents, answers),
        )

    async def adopt(self, job_id: str) -> Claim:
        """Take over a dead kernel's job: Inherited, Unknown, Held if its kernel lives, Stored if it ended well."""
        self._refuse_forked()
        return await self._writer.ask(
            lambda cursor: self._claims.adopt(cursor, job_id),
            undo=self._claims.give_back,
        )

    async def accepted(self, job_id: str, epoch: int, operation: dict[str, Any]) -> bool:
        """Keep the Operation, before the first poll. False: the lease is lost, keep out of the way."""
        stamp, lease = self._stamp(), (job_id, epoch)
        return await self._write_for_sure(
            lambda cursor: self._claims.accepted(cursor, stamp, lease, operation),
            lambda: [replay.accepted_entry(stamp, lease, operation)],
            otherwise=True,
        )

    async def finish(self, job_id: str, epoch: int, generation: Generation) -> bool:
        """Outputs, generation, settlement and release in one transaction. False: the lease is lost, nothing settled."""
        stamp, lease = self._stamp(), (job_id, epoch)
        return await self._write_for_sure(
            lambda cursor: self._claims.finish(cursor, stamp, lease, generation),
            lambda: [replay.finish_entry(stamp, lease, generation)],
            otherwise=True,
        )

    async def resolve(self, job_id: str, generation: Generation) -> bool:
        """A person decides how an `unknown` job ended. False: it is not unknown (any more)."""
        stamp = self._stamp()
        return await self._write(lambda cursor: self._claims.resolve(cursor, stamp, job_id, generation))

    async def hand_over(self, job_id: str, epoch: int) -> bool:
        """Let go of an accepted job. True: a living kernel waits and may adopt it. False: cancel the Operation."""
        return await self._write(lambda cursor: self._claims.hand_over(cursor, job_id, epoch))

    async def leave(self, job_id: str, waiting_job_id: str) -> None:
        """Wait no longer for a job that was `Held`."""
        await self._write(lambda cursor: leave(cursor, job_id, waiting_job_id))

    # Logging

    async def record(self, generations: Sequence[Generation]) -> None:
        """Log calls that needed no write-ahead (local and Python nodes), in one commit."""
        rows = [(self._stamp(), one, codec.dumps(codec.generation_to_json(one))) for one in generations]

        def write(cursor: sqlite3.Cursor) -> None:
            for stamp, generation, payload in rows:
                event_log.record_generation(cursor, stamp, generation, payload)

        await self._write_for_sure(
            write, lambda: [replay.record_entry(stamp, one) for stamp, one, _ in rows], otherwise=None
        )

    async def record_run(self, run: RunRecord) -> None:
        """Log the beginning or the end of a run (same id: the later one counts)."""
        stamp, payload = self._stamp(), codec.dumps(codec.run_to_json(run))

        def write(cursor: sqlite3.Cursor) -> None:
            event_log.append(cursor, stamp, "run", run.id, payload)

        await self._write_for_sure(write, lambda: [replay.run_entry(stamp, run)], otherwise=None)

    async def record_project(self, project: ProjectRecord) -> None:
        """Log a flow as it is now; equal states are written once."""
        stamp = self._stamp()
        payload = await asyncio.to_thread(lambda: codec.dumps(codec.project_to_json(project)))
        await self._write(lambda cursor: event_log.record_project(cursor, stamp, project.id, payload))

    async def record_shown(self, project_id: str, shown: Mapping[tuple[str, Coordinate], Shown]) -> None:
        """Keep what nodes show now where no generation says so (cached hits)."""

        def write(cursor: sqlite3.Cursor) -> None:
            for (node_id, coordinate), one in shown.items():
                event_log.show(cursor, project_id, node_id, coordinate, one)

        await self._write(write)

    # Uploads, whose threads have no event loop

    def uploads(self, store: str) -> UploadRows:
        """What is remembered of uploads to one bucket."""
        return UploadRows(self, store)

    def write_now(self, work: Callable[[sqlite3.Cursor], T]) -> T:
        """Do something in a transaction and wait for its commit. Raises JournalError."""
        self._refuse_forked()
        return self._writer.wait(work)

    def read_now(self, work: Callable[[sqlite3.Cursor], T]) -> T:
        """Read and wait for the answer. Raises JournalError."""
        self._refuse_forked()
        if self._is_closed:
            raise messages.closed()
        return self._readers.submit(self._read_now, work).result()

    def is_alive(self, kernel_id: str) -> bool:
        """Whether a kernel holds its lock."""
        return self._is_alive(kernel_id)

    # How

    async def _write(self, work: Callable[[sqlite3.Cursor], T]) -> T:
        self._refuse_forked()
        return await self._writer.ask(work)

    async def _write_for_sure(
        self, work: Callable[[sqlite3.Cursor], T], entries: Callable[[], list[str]], *, otherwise: T
    ) -> T:
        """Write what has happened: into the outbox if need be, and even if the caller is cancelled meanwhile."""
        self._refuse_forked()

        def put_aside(reason: errors.JournalError) -> T:
            self._put_aside(entries(), reason)
            return otherwise

        return await self._writer.ask(work, or_else=put_aside)

    def _put_aside(self, entries: list[str], reason: errors.JournalError) -> None:
        for entry in entries:
            try:
                self._outbox.append(entry)
            except OSError as error:
                raise messages.outbox_unwritable(self._outbox.path, str(error), reason) from error
        failpoint(Failpoint.PUT_ASIDE)

    async def _read(self, work: Callable[[sqlite3.Cursor], T]) -> T:
        self._refuse_forked()
        if self._is_closed:
            raise messages.closed()
        return await asyncio.get_running_loop().run_in_executor(self._readers, self._read_now, work)

    def _read_now(self, work: Callable[[sqlite3.Cursor], T]) -> T:
        try:
            if self._reader is None:
                self._reader = database.open_reader(self.path)
            return work(self._reader.cursor())
        except sqlite3.Error as error:
            raise messages.translate(error, self.path) from error

    def _stamp(self) -> event_log.Stamp:
        return event_log.Stamp(ids.new_id(), self._clock_us(), self.kernel_id)

    def _is_alive(self, kernel_id: str) -> bool:
        return kernel_id == self.kernel_id or liveness.is_alive(self._kernels, kernel_id)

    def _refuse_forked(self) -> None:
        if os.getpid() != self._pid:
            raise messages.forked()

    def _drain_own(self, cursor: sqlite3.Cursor) -> Callable[[], None] | None:
        """Before anything else is written: what had to wait in our outbox."""
        if self._outbox.is_empty:
            return None
        entries, clear = self._outbox.pending()
        replay.apply(cursor, self._claims, entries, self._rejects(self.kernel_id))
        return clear

    def _settle_dead(self, cursor: sqlite3.Cursor, kernel_id: str) -> None:
        entries = outbox.read_entries(outbox.outbox_path(self._kernels, kernel_id))
        replay.apply(cursor, self._claims, entries, self._rejects(kernel_id))

    def _clear_up_after_the_dead(self) -> None:
        """Drain and remove the outboxes of dead kernels, then their lock files."""
        for path in self._kernels.glob(f"*{outbox.SUFFIX}"):
            kernel_id = path.name.removesuffix(outbox.SUFFIX)
            with liveness.taken_from_dead(self._kernels, kernel_id) as is_dead:
                if is_dead and kernel_id != self.kernel_id:
                    self._drain_dead(kernel_id, path)
        liveness.sweep(self._kernels, keep=frozenset({self.kernel_id}))

    def _drain_dead(self, kernel_id: str, path: Path) -> None:
        if outbox.read_entries(path):
            try:
                self._writer.wait(lambda cursor: self._settle_dead(cursor, kernel_id))
            except messages.CANNOT_WRITE:
                return  # its lines stay where they are, for the next who opens
        path.unlink(missing_ok=True)

    def _rejects(self, kernel_id: str) -> Path:
        return self._kernels / f"{kernel_id}.rejected.jsonl"

    def _after_fork(self) -> None:
        """In a forked child: let go of the parent's files; our thread and SQLite's locks did not come along."""
        self._turnstile.close()
        self._outbox.leave_to_parent()


def _after_fork() -> None:
    for journal in list(_living):
        journal._after_fork()  # noqa: SLF001 - same module


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
