"""Claims: the lease on a content key, from the intent to the settlement.

States of a job: `intent` (written ahead, perhaps submitted) -> `accepted` (its Operation is stored) -> its final
status. `unknown` is an open state too: the service may or may not have accepted the job. Each transfer of a lease
increments its epoch, and every later write must carry the current epoch. All functions run inside the caller's
transaction.
"""

from __future__ import annotations

import json
import logging
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from fusionflow_nb.failpoints import Failpoint, failpoint
from fusionflow_nb.journal import codec, event_log, liveness, messages, rate_limits, reservations
from fusionflow_nb.journal.protocol import Claim, Granted, Held, Inherited, Stored, Throttled, Unknown
from fusionflow_nb.media.values import outputs_from_json

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Callable, Mapping, Sequence

    from fusionflow_nb.journal.protocol import Intent
    from fusionflow_nb.journal.records import Generation

_log = logging.getLogger(__name__)

INTENT, ACCEPTED, UNKNOWN = "intent", "accepted", "unknown"
OPEN_STATES = frozenset({INTENT, ACCEPTED, UNKNOWN})

_COLUMNS = """SELECT job_id, content_key, state, operation, kernel_id, epoch, run_id, project_id, reserve_micro_usd,
claimed_at_us, draft, ended_seq, notebook FROM jobs """
_RELEASE = "UPDATE jobs SET kernel_id = ? WHERE job_id = ? AND epoch = ? AND state = 'accepted'"


@dataclass(frozen=True, slots=True)
class JobRow:
    """A row of `jobs`."""

    job_id: str
    content_key: bytes
    state: str
    operation: str | None
    kernel_id: str
    epoch: int
    run_id: str
    project_id: str
    reserve_micro_usd: int
    claimed_at_us: int
    draft: str
    ended_seq: int | None
    notebook: str | None

    @property
    def scopes(self) -> tuple[str, ...]:
        """The scopes of its reservation."""
        return reservations.scopes_of(self.run_id, self.project_id, self.day)

    @property
    def day(self) -> str:
        """The UTC day of its claim."""
        return reservations.day_of(self.claimed_at_us)

    def draft_generation(self) -> Generation:
        """Return the generation as it was before the call."""
        return codec.generation_from_json(json.loads(self.draft))


def job_by_id(cursor: sqlite3.Cursor, job_id: str) -> JobRow | None:
    """Return a job, open or ended; None if there is no such job."""
    row = cursor.execute(_COLUMNS + "WHERE job_id = ?", (job_id,)).fetchone()
    return None if row is None else JobRow(*row)


def open_jobs(cursor: sqlite3.Cursor) -> list[JobRow]:
    """Return all open jobs in order of id, which is the order of claims."""
    rows = cursor.execute(_COLUMNS + "WHERE state IN ('intent', 'accepted', 'unknown') ORDER BY job_id")
    return [JobRow(*row) for row in rows]


@dataclass(frozen=True, slots=True)
class Claims:
    """Claims and ends jobs for one kernel."""

    kernel_id: str
    is_alive: Callable[[str], bool]
    apply_outbox_of: Callable[[sqlite3.Cursor, str], None]
    """Applies the outbox of a dead kernel: its paid results must count before its jobs are inherited."""
    now_us: Callable[[], int]
    new_id: Callable[[], str]
    notebook: str | None = None
    """The notebook of this kernel, stored with its jobs and shown when they are resumed."""

    def claim(self, cursor: sqlite3.Cursor, intents: Sequence[Intent], caps: Mapping[str, int]) -> list[Claim]:
        """Return one answer per intent, in order; earlier intents of the call count for later intents."""
        budget = reservations.BudgetCheck(cursor, caps, reservations.day_of(self.now_us()))
        return [self._claim_one(cursor, intent, budget) for intent in intents]

    def withdraw(self, cursor: sqlite3.Cursor, intents: Sequence[Intent], answers: Sequence[Claim]) -> None:
        """Undo claims whose caller was cancelled: it submitted nothing, so no waiter must wait for it."""
        for intent, answer in zip(intents, answers, strict=True):
            if isinstance(answer, Granted):
                cancelled = replace(intent.draft, status="cancelled", finished_at_us=self.now_us(), cost_micro_usd=0)
                self.finish(cursor, self._stamp(), (answer.job_id, answer.epoch), cancelled)
            elif isinstance(answer, Held):
                remove_waiter(cursor, answer.job_id, intent.job_id)
            else:
                self.release(cursor, answer)

    def release(self, cursor: sqlite3.Cursor, answer: Claim) -> None:
        """Release an inherited job, so that the next kernel that asks inherits it; other answers hold no lease."""
        if isinstance(answer, Inherited):
            cursor.execute(_RELEASE, (liveness.NO_KERNEL, answer.job_id, answer.epoch))

    def adopt(self, cursor: sqlite3.Cursor, job_id: str, waiting_job_id: str | None = None) -> Claim:
        """Take over a job if its kernel is dead; otherwise register `waiting_job_id` as a waiter.

        Raises:
            JournalError: the job has ended without a result, or does not exist.
        """
        job = job_by_id(cursor, job_id)
        if job is not None and job.kernel_id != self.kernel_id and not self.is_alive(job.kernel_id):
            self.apply_outbox_of(cursor, job.kernel_id)
            job = job_by_id(cursor, job_id)
        if job is None or job.state not in OPEN_STATES:
            stored = None if job is None else _stored(cursor, job.content_key)
            if stored is None:
                raise messages.not_open(job_id)
            return stored
        return self._answer_for(cursor, job, waiting_job_id)

    def accepted(
        self, cursor: sqlite3.Cursor, stamp: event_log.Stamp, lease: tuple[str, int], operation: dict[str, Any]
    ) -> bool:
        """Store the Operation of a job, also of an unknown job that the service knows."""
        job_id, epoch = lease
        job = job_by_id(cursor, job_id)
        if job is None or job.epoch != epoch or job.state not in OPEN_STATES:
            return False
        cursor.execute(
            "UPDATE jobs SET state = 'accepted', operation = ?, ended_seq = NULL WHERE job_id = ?",
            (codec.dumps(operation), job_id),
        )
        draft = job.draft_generation()
        if job.state == UNKNOWN:
            reservations.restore(cursor, job_id)
            payload = codec.dumps(codec.generation_to_json(replace(draft, operation=operation)))
            event_log.append(cursor, stamp, "generation", draft.id, payload)  # running again
        else:
            payload = codec.dumps({"id": draft.id, "operation": operation})
            event_log.append(cursor, stamp, "operation", draft.id, payload)
        return True

    def finish(
        self, cursor: sqlite3.Cursor, stamp: event_log.Stamp, lease: tuple[str, int], generation: Generation
    ) -> bool:
        """Log, settle and release; `unknown` keeps the reservation. Repeating the same end returns True."""
        job_id, epoch = lease
        job = job_by_id(cursor, job_id)
        if job is None or job.epoch != epoch:
            return False
        if job.state not in OPEN_STATES:
            return _has_ended_as(cursor, job, generation)
        self._end(cursor, stamp, job, generation)
        return True

    def resolve(self, cursor: sqlite3.Cursor, stamp: event_log.Stamp, job_id: str, generation: Generation) -> bool:
        """End an unknown job, whichever kernel held it."""
        job = job_by_id(cursor, job_id)
        if job is None or job.state != UNKNOWN:
            return False
        self._end(cursor, stamp, job, generation)
        return True

    def release_to_waiter(self, cursor: sqlite3.Cursor, job_id: str, epoch: int) -> bool:
        """Release an accepted job if a live kernel waits for it; that kernel's `adopt` then inherits it."""
        waiters = cursor.execute("SELECT waiting_job_id, kernel_id FROM waiters WHERE job_id = ?", (job_id,)).fetchall()
        if not any(self.is_alive(kernel_id) for _, kernel_id in waiters):
            return False
        cursor.execute(_RELEASE, (liveness.NO_KERNEL, job_id, epoch))
        return bool(cursor.rowcount)

    def _claim_one(self, cursor: sqlite3.Cursor, intent: Intent, budget: reservations.BudgetCheck) -> Claim:
        held = _open_job_for(cursor, intent.content_key)
        if held is not None and held.kernel_id != self.kernel_id and not self.is_alive(held.kernel_id):
            self.apply_outbox_of(cursor, held.kernel_id)
            held = _open_job_for(cursor, intent.content_key)
        stored = _stored(cursor, intent.content_key) or _stored_for_fallback(cursor, intent)
        if stored is not None and stored.generation_id != intent.replaces:
            return stored
        if held is not None:
            if held.job_id == intent.job_id and held.state == INTENT and held.kernel_id == self.kernel_id:
                return Granted(held.job_id, held.epoch)  # a repeated claim: its first answer was lost
            return self._answer_for(cursor, held, intent.job_id)
        return self._grant(cursor, intent, budget)

    def _grant(self, cursor: sqlite3.Cursor, intent: Intent, budget: reservations.BudgetCheck) -> Claim:
        now_us = self.now_us()
        if job_by_id(cursor, intent.job_id) is not None:
            raise messages.job_id_taken(intent.job_id)
        limit = intent.rate_limit
        if limit is not None and (wait_us := rate_limits.wait_us(cursor, limit, now_us, self.is_alive)):
            is_by_service = bool(rate_limits.blocked_until_us(cursor, limit.name, now_us))
            return Throttled(wait_us, is_by_service=is_by_service)
        scopes = reservations.scopes_of(intent.run_id, intent.project_id, reservations.day_of(now_us))
        over = budget.reserve(intent.job_id, scopes, intent.reserve_micro_usd)
        if over is not None:
            return over
        if limit is not None:
            rate_limits.take(cursor, limit, now_us, intent.job_id)
        draft = codec.dumps(codec.generation_to_json(intent.draft))
        cursor.execute(
            """
            INSERT INTO jobs (job_id, content_key, state, operation, idempotency_key, kernel_id, epoch, run_id,
                              project_id, reserve_micro_usd, claimed_at_us, draft, ended_seq, notebook)
            VALUES (?, ?, 'intent', NULL, ?, ?, 1, ?, ?, ?, ?, ?, NULL, ?)
            """,
            (
                intent.job_id,
                intent.content_key,
                intent.idempotency_key,
                self.kernel_id,
                intent.run_id,
                intent.project_id,
                intent.reserve_micro_usd,
                now_us,
                draft,
                self.notebook,
            ),
        )
        event_log.append(cursor, self._stamp(), "intent", intent.draft.id, draft)
        return Granted(intent.job_id, 1)

    def _answer_for(self, cursor: sqlite3.Cursor, job: JobRow, waiting_job_id: str | None) -> Claim:
        """Answer a claim of an open job: wait for it, take it over, or find its outcome unknown."""
        if job.state == UNKNOWN:
            return Unknown(job.job_id, job.reserve_micro_usd)
        if job.kernel_id == self.kernel_id or self.is_alive(job.kernel_id):
            if waiting_job_id is not None:
                cursor.execute(
                    "INSERT OR REPLACE INTO waiters (job_id, waiting_job_id, kernel_id) VALUES (?, ?, ?)",
                    (job.job_id, waiting_job_id, self.kernel_id),
                )
            return Held(job.job_id, job.kernel_id)
        if job.operation is None:
            unknown = replace(job.draft_generation(), status=UNKNOWN)
            self._end(cursor, self._stamp(), job, unknown)
            _log.info("Job %s of the dead kernel %s has an unknown outcome.", job.job_id, job.kernel_id)
            return Unknown(job.job_id, job.reserve_micro_usd)
        epoch = job.epoch + 1
        cursor.execute("UPDATE jobs SET kernel_id = ?, epoch = ? WHERE job_id = ?", (self.kernel_id, epoch, job.job_id))
        if job.kernel_id == liveness.NO_KERNEL:
            _log.info("Took over the released job %s.", job.job_id)
        else:
            _log.info("Took over job %s of the dead kernel %s.", job.job_id, job.kernel_id)
        return Inherited(job.job_id, epoch, json.loads(job.operation))

    def _end(self, cursor: sqlite3.Cursor, stamp: event_log.Stamp, job: JobRow, generation: Generation) -> None:
        if generation.status == UNKNOWN:
            reservations.mark_at_stake(cursor, job.job_id)
        else:
            generation = _priced(generation, job)
            reservations.settle(cursor, job.job_id, job.scopes, generation.cost_micro_usd or 0, job.day)
            cursor.execute("DELETE FROM waiters WHERE job_id = ?", (job.job_id,))
            failpoint(Failpoint.IN_SETTLEMENT)
        payload = codec.dumps(codec.generation_to_json(generation))
        seq = event_log.log_generation(cursor, stamp, generation, payload)
        if generation.status == event_log.SUCCEEDED and generation.content_key != job.content_key:
            # Served by a fallback: store the result under the requested key too.
            outputs = codec.outputs_text(generation.outputs or {})
            event_log.store_result(cursor, job.content_key, generation.id, outputs)
        cursor.execute(
            "UPDATE jobs SET state = ?, ended_seq = coalesce(?, ended_seq) WHERE job_id = ?",
            (generation.status, seq, job.job_id),
        )

    def _stamp(self) -> event_log.Stamp:
        return event_log.Stamp(self.new_id(), self.now_us(), self.kernel_id)


def remove_waiter(cursor: sqlite3.Cursor, job_id: str, waiting_job_id: str) -> None:
    """Remove a waiter of a job."""
    cursor.execute("DELETE FROM waiters WHERE job_id = ? AND waiting_job_id = ?", (job_id, waiting_job_id))


def _open_job_for(cursor: sqlite3.Cursor, content_key: bytes) -> JobRow | None:
    row = cursor.execute(
        _COLUMNS + "WHERE content_key = ? AND state IN ('intent', 'accepted', 'unknown')", (content_key,)
    ).fetchone()
    return None if row is None else JobRow(*row)


def _stored(cursor: sqlite3.Cursor, content_key: bytes) -> Stored | None:
    row = cursor.execute("SELECT generation_id, outputs FROM results WHERE content_key = ?", (content_key,)).fetchone()
    return None if row is None else Stored(row[0], outputs_from_json(json.loads(row[1])))


def _stored_for_fallback(cursor: sqlite3.Cursor, intent: Intent) -> Stored | None:
    """Return a stored result of the fallback model, and store it under the requested key too."""
    own_key = intent.draft.content_key
    if own_key is None or own_key == intent.content_key:
        return None
    stored = _stored(cursor, own_key)
    if stored is not None:
        event_log.store_result(cursor, intent.content_key, stored.generation_id, codec.outputs_text(stored.outputs))
    return stored


def _priced(generation: Generation, job: JobRow) -> Generation:
    """A success without a cost counts with its estimate, marked as inexact; other ends without a cost are free."""
    if generation.cost_micro_usd is not None or generation.status != event_log.SUCCEEDED:
        return generation
    return replace(generation, cost_micro_usd=job.reserve_micro_usd, cost_is_exact=False)


def _has_ended_as(cursor: sqlite3.Cursor, job: JobRow, generation: Generation) -> bool:
    row = cursor.execute("SELECT entity_id FROM events WHERE seq = ?", (job.ended_seq,)).fetchone()
    return job.state == generation.status and row is not None and row[0] == generation.id
