"""The journal of one kernel: implements `protocol.Journal` with a reader, a writer thread, claims and an outbox."""

from __future__ import annotations

import asyncio
import logging
import os
import time
import weakref
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Self, TypeVar

from fusionflow_nb import errors
from fusionflow_nb.journal import (
    audit,
    budgets,
    claims,
    codec,
    commit_lock,
    database,
    event_log,
    ids,
    liveness,
    location,
    messages,
    outbox,
    queries,
    rate_limits,
    reconcile,
    replay,
    reservations,
    uploads,
)
from fusionflow_nb.journal.reader import Reader
from fusionflow_nb.journal.writer import Writer

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Callable, Coroutine, Mapping, Sequence
    from pathlib import Path

    from fusionflow_nb.journal.protocol import (
        Claim,
        Ended,
        Inherited,
        Intent,
        NodeResult,
        OpenJob,
        RateLimit,
        Spending,
        Stored,
    )
    from fusionflow_nb.journal.records import Coordinate, Generation, ProjectRecord, RunRecord

T = TypeVar("T")

TIMEOUT_S = 10.0
_log = logging.getLogger(__name__)
_open_journals: weakref.WeakSet[Journal] = weakref.WeakSet()


def now_us() -> int:
    """Return the time in UTC microseconds."""
    return time.time_ns() // 1000


class Journal:
    """The durable log of one kernel. Async methods may be awaited on any event loop.

    >>> import tempfile, pathlib
    >>> with tempfile.TemporaryDirectory() as folder, Journal.open(pathlib.Path(folder)) as journal:
    ...     journal.call(journal.lookup([bytes(32)]))
    {}
    """

    def __init__(
        self, folder: Path, *, clock_us: Callable[[], int], timeout_s: float, notebook: str | None = None
    ) -> None:
        """Use `Journal.open`."""
        self.path = folder / database.FILE_NAME
        self.kernel_id = ids.new_id()
        self._kernels = folder / "kernels"
        self._clock_us = clock_us
        self._pid = os.getpid()
        self._is_closed = False
        self._memo = queries.ResultMemo()
        self._reader = Reader(self.path)
        try:
            self._kernels.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._commit_lock = commit_lock.CommitLock(folder / commit_lock.FILE_NAME)
            self._kernel_lock = liveness.KernelLock(self._kernels, self.kernel_id)
            self._outbox = outbox.Outbox(self._kernels, self.kernel_id)
        except OSError as error:
            raise messages.unusable(self.path, str(error)) from error
        self._claims = claims.Claims(
            self.kernel_id, self.is_alive, self._apply_outbox_of, clock_us, ids.new_id, notebook
        )
        try:
            self._writer = Writer(self.path, self._commit_lock, prologue=self._apply_own_outbox, timeout_s=timeout_s)
        except errors.JournalError:
            self._outbox.close()
            self._kernel_lock.release()
            raise
        _open_journals.add(self)
        replay.drain_dead(
            self._kernels,
            self.kernel_id,
            lambda kernel_id: self._writer.run_blocking(lambda cursor: self._apply_outbox_of(cursor, kernel_id)),
        )
        _log.debug("Opened the journal %s as kernel %s.", self.path, self.kernel_id)

    @staticmethod
    def open(
        home: Path,
        *,
        clock_us: Callable[[], int] = now_us,
        timeout_s: float = TIMEOUT_S,
        notebook: str | None = None,
    ) -> Journal:
        """Open the journal of a home folder, creating missing files.

        Args:
            home: the folder of FUSIONFLOW_HOME; a local folder is used instead of a network file system.
            clock_us: the time in UTC microseconds.
            timeout_s: how long a call waits for other processes.
            notebook: the name of this kernel's notebook, as shown to the user.

        Raises:
            JournalError: the folder or the file cannot be used, or a newer version wrote it.
            JournalBusyError: another process held the commit lock for too long.
        """
        return Journal(location.journal_folder(home), clock_us=clock_us, timeout_s=timeout_s, notebook=notebook)

    def close(self) -> None:
        """Run queued writes, end the threads and release the kernel's lock. No effect twice, or in a forked child."""
        if self._is_closed or os.getpid() != self._pid:
            return
        self._is_closed = True
        self._reader.close()  # before the writer: the last connection to close checkpoints the WAL
        self._writer.close()
        self._outbox.close()
        self._kernel_lock.release()

    def __enter__(self) -> Self:
        """Close at the end of the block."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close, also after an exception."""
        self.close()

    def call(self, work: Coroutine[Any, Any, T]) -> T:
        """Run one call without a running event loop (command line, tests): `journal.call(journal.lookup(keys))`."""
        return asyncio.run(work)

    # Look-ups

    async def lookup(self, keys: Sequence[bytes]) -> dict[bytes, Stored]:
        """Return results by content key, without the misses."""
        return await self._read(lambda cursor: queries.lookup(cursor, keys, self._memo))

    def lookup_now(self, keys: Sequence[bytes]) -> dict[bytes, Stored]:
        """`lookup` for a few keys on the calling thread."""
        self._refuse_forked()
        return self._reader.run_inline(lambda cursor: queries.lookup(cursor, keys, self._memo))

    async def node_results(self, project_id: str) -> dict[tuple[str, Coordinate], NodeResult]:
        """Return the result that each node of a project last showed."""
        return await self._read(lambda cursor: queries.node_results(cursor, project_id))

    async def generations(self, generation_ids: Sequence[str]) -> dict[str, Generation]:
        """Return generations by id, without unknown ids."""
        return await self._read(lambda cursor: queries.generations(cursor, generation_ids))

    async def durations_by_model(self) -> dict[str, list[float]]:
        """Return the durations in seconds of the latest successful calls by serving model, the newest last."""
        return await self._read(queries.durations_by_model)

    async def projects_before(self, generation_id: str, *, most: int) -> list[ProjectRecord]:
        """Return the last `most` states of a generation's project logged before it ended, the newest first."""
        return await self._read(lambda cursor: queries.projects_before(cursor, generation_id, most))

    async def project_names(self, project_ids: Sequence[str]) -> dict[str, str]:
        """Return the last logged names of flows by id, without unknown ids."""
        return await self._read(lambda cursor: queries.project_names(cursor, project_ids))

    async def ended(self, job_id: str) -> Ended | None:
        """Return how a job ended; None while it is open."""
        return await self._read(lambda cursor: queries.ended(cursor, job_id))

    async def open_jobs(self) -> list[OpenJob]:
        """Return the open jobs of all kernels."""
        return await self._read(lambda cursor: queries.open_jobs(cursor, self.is_alive))

    async def is_known(self, name: str) -> bool:
        """Return whether an Operation of an open or ended job contains the service's name for its job."""
        return await self._read(lambda cursor: reconcile.is_known(cursor, name))

    # Leases

    async def claim(self, intents: Sequence[Intent], caps: Mapping[str, int]) -> list[Claim]:
        """Write intents ahead in one commit; one answer per intent. A cancelled caller holds no lease."""
        self._refuse_forked()
        return await self._writer.run(
            lambda cursor: self._claims.claim(cursor, intents, caps),
            undo=lambda cursor, answers: self._claims.withdraw(cursor, intents, answers),
        )

    async def adopt(self, job_id: str) -> Claim:
        """Take over the job of a dead kernel: Inherited, Unknown, Stored, or Held if its kernel is alive."""
        self._refuse_forked()
        return await self._writer.run(lambda cursor: self._claims.adopt(cursor, job_id), undo=self._claims.release)

    async def accepted(self, job_id: str, epoch: int, operation: dict[str, Any]) -> bool:
        """Store the Operation before the first poll. False: the lease is lost; stop following the job."""
        stamp, lease = self._stamp(), (job_id, epoch)
        return await self._write_or_put_aside(
            lambda cursor: self._claims.accepted(cursor, stamp, lease, operation),
            lambda: [replay.accepted_entry(stamp, lease, operation)],
            otherwise=True,
        )

    async def finish(self, job_id: str, epoch: int, generation: Generation) -> bool:
        """Log the generation, settle and release in one transaction. False: the lease is lost, nothing was settled."""
        stamp, lease = self._stamp(), (job_id, epoch)
        return await self._write_or_put_aside(
            lambda cursor: self._claims.finish(cursor, stamp, lease, generation),
            lambda: [replay.finish_entry(stamp, lease, generation)],
            otherwise=True,
        )

    async def resolve(self, job_id: str, generation: Generation) -> bool:
        """Set how an `unknown` job ended, as the user decided. False: it is not unknown."""
        stamp = self._stamp()
        return await self._write(lambda cursor: self._claims.resolve(cursor, stamp, job_id, generation))

    async def reconcile(self, job_id: str, operation: dict[str, Any]) -> Inherited | None:
        """Store the Operation that a service reported for an unknown job, and hold its lease. None: not unknown."""
        stamp = self._stamp()
        return await self._write(lambda cursor: reconcile.reconcile(cursor, self._claims, stamp, job_id, operation))

    async def release_to_waiter(self, job_id: str, epoch: int) -> bool:
        """Release an accepted job. True: a live kernel waits and may adopt it. False: cancel the Operation."""
        return await self._write(lambda cursor: self._claims.release_to_waiter(cursor, job_id, epoch))

    async def stop_waiting(self, job_id: str, waiting_job_id: str) -> None:
        """Stop waiting for a `Held` job."""
        await self._write(lambda cursor: claims.remove_waiter(cursor, job_id, waiting_job_id))

    # Rate limits

    async def acquire_start(self, limit: RateLimit) -> int:
        """Request another start of a claimed job: 0 if it may be sent now, else microseconds until the next try."""
        at_us = self._clock_us()

        def acquire(cursor: sqlite3.Cursor) -> int:
            wait_us = rate_limits.wait_us(cursor, replace(limit, concurrent=None), at_us, self.is_alive)
            if not wait_us:
                rate_limits.take(cursor, limit, at_us, None)
            return wait_us

        return await self._write(acquire)

    async def block(self, name: str, until_us: int) -> None:
        """Block a service for all kernels until a time, as the service requested."""
        at_us = self._clock_us()
        await self._write(lambda cursor: rate_limits.block(cursor, name, until_us, at_us))

    def blocked_until_us(self, name: str) -> int:
        """Return until when a service is blocked, 0 if it is not; runs on the calling thread."""
        self._refuse_forked()
        at_us = self._clock_us()
        return self._reader.run_inline(lambda cursor: rate_limits.blocked_until_us(cursor, name, at_us))

    # Budgets and audit

    async def spending(self, scopes: Sequence[str]) -> dict[str, Spending]:
        """Return what each scope (`run:<id>`, `day:<date>`, `month:<YYYY-MM>`, `project:<id>`) has used so far."""
        today = reservations.day_of(self._clock_us())
        return await self._read(lambda cursor: queries.spending(cursor, scopes, today))

    async def budgets(self) -> dict[str, int | None]:
        """Return the caps set by the user: scope -> micro-dollars, None for no cap."""
        return await self._read(budgets.read)

    async def set_budgets(self, changes: Mapping[str, int | str | None]) -> None:
        """Set caps in micro-dollars; None removes the cap, `budgets.BY_DEFAULT` deletes the setting."""
        stamp = self._stamp()
        await self._write(lambda cursor: budgets.write(cursor, stamp, changes))

    async def audit(self) -> audit.AuditReport:
        """Compare reservations, jobs and look-up tables with the event log."""
        return await self._read(audit.audit)

    async def repair(self) -> int:
        """Rebuild the rows where an audit finds a difference to the event log; returns their number."""
        return await self._write(audit.repair)

    # Records

    async def record(self, generations: Sequence[Generation]) -> None:
        """Log calls without write-ahead (local and Python nodes) in one commit."""
        rows = [
            (self._stamp(), generation, codec.dumps(codec.generation_to_json(generation))) for generation in generations
        ]

        def write(cursor: sqlite3.Cursor) -> None:
            for stamp, generation, payload in rows:
                reservations.record_generation(cursor, stamp, generation, payload)

        await self._write_or_put_aside(
            write, lambda: [replay.record_entry(stamp, generation) for stamp, generation, _ in rows], otherwise=None
        )

    async def record_run(self, run: RunRecord) -> None:
        """Log the start or the end of a run; the latest record of an id counts."""
        stamp, payload = self._stamp(), codec.dumps(codec.run_to_json(run))

        def write(cursor: sqlite3.Cursor) -> None:
            event_log.append(cursor, stamp, "run", run.id, payload)

        await self._write_or_put_aside(write, lambda: [replay.run_entry(stamp, run)], otherwise=None)

    async def record_project(self, project: ProjectRecord) -> None:
        """Log the state of a flow, unless it equals the last logged state."""
        stamp = self._stamp()
        payload = await asyncio.to_thread(lambda: codec.dumps(codec.project_to_json(project)))
        await self._write(lambda cursor: event_log.record_project(cursor, stamp, project.id, payload))

    async def record_node_results(self, project_id: str, results: Mapping[tuple[str, Coordinate], NodeResult]) -> None:
        """Store the results that nodes show now without a generation of the run (cached hits)."""

        def write(cursor: sqlite3.Cursor) -> None:
            for (node_id, coordinate), result in results.items():
                event_log.store_node_result(cursor, project_id, node_id, coordinate, result)

        await self._write(write)

    # Access for threads without an event loop

    def uploads(self, store: str) -> uploads.UploadRows:
        """Return the upload rows of one bucket."""
        return uploads.UploadRows(self, store)

    def write_blocking(self, work: Callable[[sqlite3.Cursor], T]) -> T:
        """Run a function in a transaction and wait for its commit. Raises JournalError."""
        self._refuse_forked()
        return self._writer.run_blocking(work)

    def read_blocking(self, work: Callable[[sqlite3.Cursor], T]) -> T:
        """Run a query and wait for its result. Raises JournalError."""
        self._refuse_forked()
        return self._reader.run_blocking(work)

    def is_alive(self, kernel_id: str) -> bool:
        """Return whether a kernel holds its lock."""
        return kernel_id == self.kernel_id or liveness.is_alive(self._kernels, kernel_id)

    async def _read(self, query: Callable[[sqlite3.Cursor], T]) -> T:
        self._refuse_forked()
        return await self._reader.run(query)

    async def _write(self, work: Callable[[sqlite3.Cursor], T]) -> T:
        self._refuse_forked()
        return await self._writer.run(work)

    async def _write_or_put_aside(
        self, work: Callable[[sqlite3.Cursor], T], entries: Callable[[], list[str]], *, otherwise: T
    ) -> T:
        """Write to the journal, else to the outbox (then return `otherwise`); also if the caller is cancelled."""
        self._refuse_forked()

        def put_aside(reason: errors.JournalError) -> T:
            replay.append(self._outbox, entries(), reason)
            return otherwise

        return await self._writer.run(work, or_else=put_aside)

    def _apply_own_outbox(self, cursor: sqlite3.Cursor) -> Callable[[], None] | None:
        return replay.apply_own(cursor, self._claims, self._outbox)

    def _apply_outbox_of(self, cursor: sqlite3.Cursor, kernel_id: str) -> None:
        replay.apply_dead(cursor, self._claims, self._kernels, kernel_id)

    def _stamp(self) -> event_log.Stamp:
        return event_log.Stamp(ids.new_id(), self._clock_us(), self.kernel_id)

    def _refuse_forked(self) -> None:
        if os.getpid() != self._pid:
            raise messages.forked()

    def _close_in_child(self) -> None:
        """In a forked child: close the inherited descriptors; the writer thread exists in the parent only."""
        self._commit_lock.close()
        self._outbox.close_in_child()


def _after_fork() -> None:
    for journal in list(_open_journals):
        journal._close_in_child()  # noqa: SLF001 - same module


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
