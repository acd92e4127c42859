"""Who may submit what: the lease on a content key, from the intent to the settlement.

States of a job: `intent` (written ahead, maybe submitted) -> `accepted` (its Operation is known) -> how it ended;
`unknown` is open too: nobody knows whether the service took it. Each passing on of a lease raises its epoch, and every
later write must carry the epoch it was given. All functions run inside the caller's transaction.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from fusionflow_nb.failpoints import Failpoint, failpoint
from fusionflow_nb.journal import codec, event_log, liveness, messages, rate_limits, reservations
from fusionflow_nb.journal.protocol import Claim, Granted, Held, Inherited, Later, Stored, Unknown
from fusionflow_nb.media.values import outputs_from_json

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Callable, Mapping, Sequence

    from fusionflow_nb.journal.protocol import Intent
    from fusionflow_nb.journal.records import Generation

INTENT, ACCEPTED, UNKNOWN = "intent", "accepted", "unknown"
OPEN_STATES = frozenset({INTENT, ACCEPTED, UNKNOWN})

_COLUMNS = """SELECT job_id, content_key, state, operation, kernel_id, epoch, run_id, project_id, reserve_micro_usd,
claimed_at_us, draft, ended_seq, notebook FROM jobs """
_GIVE_TO_NOBODY = "UPDATE jobs SET kernel_id = ? WHERE job_id = ? AND epoch = ? AND state = 'accepted'"


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
        """Where its money counts."""
        return reservations.scopes_of(self.run_id, self.project_id, self.day)

    @property
    def day(self) -> str:
        """The UTC day of its claim."""
        return reservations.day_of(self.claimed_at_us)

    def draft_generation(self) -> Generation:
        """What was known of it before the call."""
        return codec.generation_from_json(json.loads(self.draft))


def job_by_id(cursor: sqlite3.Cursor, job_id: str) -> JobRow | None:
    """A job, open or ended."""
    row = cursor.execute(_COLUMNS + "WHERE job_id = ?", (job_id,)).fetchone()
    return None if row is None else JobRow(*row)


def open_jobs(cursor: sqlite3.Cursor) -> list[JobRow]:
    """Every job that has not ended, in order of id (which is the order of claims)."""
    found = cursor.execute(_COLUMNS + "WHERE state IN ('intent', 'accepted', 'unknown') ORDER BY job_id")
    return [JobRow(*row) for row in found]


@dataclass(frozen=True, slots=True)
class Claims:
    """What a kernel needs to claim: its id, who else lives, a clock, ids, and the outboxes of the dead."""

    kernel_id: str
    is_alive: Callable[[str], bool]
    settle_dead: Callable[[sqlite3.Cursor, str], None]
    """Applies what a dead kernel had to leave in its outbox: its paid results count before anything is inherited."""
    now_us: Callable[[], int]
    new_id: Callable[[], str]
    notebook: str | None = None
    """Where this kernel runs, for whoever brings its work home."""

    def claim(self, cursor: sqlite3.Cursor, intents: Sequence[Intent], caps: Mapping[str, int]) -> list[Claim]:
        """One answer per intent, in order; earlier ones of the same call count for later ones."""
        till = reservations.BudgetCheck(cursor, caps, reservations.day_of(self.now_us()))
        return [self._claim_one(cursor, intent, till) for intent in intents]

    def withdraw(self, cursor: sqlite3.Cursor, intents: Sequence[Intent], answers: Sequence[Claim]) -> None:
        """Undo claims whose caller has gone: it submitted nothing, so nobody must wait for it."""
        for intent, answer in zip(intents, answers, strict=True):
            if isinstance(answer, Granted):
                gone = replace(intent.draft, status="cancelled", finished_at_us=self.now_us(), cost_micro_usd=0)
                self.finish(cursor, self._stamp(), (answer.job_id, answer.epoch), gone)
            elif isinstance(answer, Held):
                leave(cursor, answer.job_id, intent.job_id)
            else:
                self.give_back(cursor, answer)

    def give_back(self, cursor: sqlite3.Cursor, answer: Claim) -> None:
        """Give an inherited job back to nobody, for the next who asks; other answers hold nothing."""
        if isinstance(answer, Inherited):
            cursor.execute(_GIVE_TO_NOBODY, (liveness.NOBODY, answer.job_id, answer.epoch))

    def adopt(self, cursor: sqlite3.Cursor, job_id: str, asker: str | None = None) -> Claim:
        """Take over a job if its kernel is dead; `asker` is registered as a waiter if it lives.

        Raises:
            JournalError: the job has ended, or never was.
        """
        job = job_by_id(cursor, job_id)
        if job is not None and job.kernel_id != self.kernel_id and not self.is_alive(job.kernel_id):
            self.settle_dead(cursor, job.kernel_id)
            job = job_by_id(cursor, job_id)
        if job is None or job.state not in OPEN_STATES:
            stored = None if job is None else _stored(cursor, job.content_key)
            if stored is None:
                raise messages.not_open(job_id)
            return stored
        return self._take(cursor, job, asker)

    def accepted(
        self, cursor: sqlite3.Cursor, stamp: event_log.Stamp, lease: tuple[str, int], operation: dict[str, Any]
    ) -> bool:
        """Keep the Operation; also of an unknown job that the service turned out to know."""
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
            reservations.hold_again(cursor, job_id)
            payload = codec.dumps(codec.generation_to_json(replace(draft, operation=operation)))
            event_log.append(cursor, stamp, "generation", draft.id, payload)  # it runs again
        else:
            payload = codec.dumps({"id": draft.id, "operation": operation})
            event_log.append(cursor, stamp, "operation", draft.id, payload)
        return True

    def finish(
        self, cursor: sqlite3.Cursor, stamp: event_log.Stamp, lease: tuple[str, int], generation: Generation
    ) -> bool:
        """Log, settle and release; `unknown` keeps the reservation. Saying the same thing twice is True twice."""
        job_id, epoch = lease
        job = job_by_id(cursor, job_id)
        if job is None or job.epoch != epoch:
            return False
        if job.state not in OPEN_STATES:
            return _has_ended_as(cursor, job, generation)
        self._end(cursor, stamp, job, generation)
        return True

    def resolve(self, cursor: sqlite3.Cursor, stamp: event_log.Stamp, job_id: str, generation: Generation) -> bool:
        """End an unknown job, whoever held it."""
        job = job_by_id(cursor, job_id)
        if job is None or job.state != UNKNOWN:
            return False
        self._end(cursor, stamp, job, generation)
        return True

    def hand_over(self, cursor: sqlite3.Cursor, job_id: str, epoch: int) -> bool:
        """Give an accepted job to nobody if a living kernel waits for it; its `adopt` then inherits it."""
        waiting = cursor.execute("SELECT waiting_job_id, kernel_id FROM waiters WHERE job_id = ?", (job_id,)).fetchall()
        if not any(self.is_alive(kernel_id) for _, kernel_id in waiting):
            return False
        cursor.execute(_GIVE_TO_NOBODY, (liveness.NOBODY, job_id, epoch))
        return bool(cursor.rowcount)

    def _claim_one(self, cursor: sqlite3.Cursor, intent: Intent, till: reservations.BudgetCheck) -> Claim:
        held = _open_job_for(cursor, intent.content_key)
        if held is not None and held.kernel_id != self.kernel_id and not self.is_alive(held.kernel_id):
            self.settle_dead(cursor, held.kernel_id)
            held = _open_job_for(cursor, intent.content_key)
        stored = _stored(cursor, intent.content_key) or _stored_for_fallback(cursor, intent)
        if stored is not None and stored.generation_id != intent.replaces:
            return stored
        if held is not None:
            if held.job_id == intent.job_id and held.state == INTENT and held.kernel_id == self.kernel_id:
                return Granted(held.job_id, held.epoch)  # the same claim again: its first answer never arrived
            return self._take(cursor, held, intent.job_id)
        return self._grant(cursor, intent, till)

    def _grant(self, cursor: sqlite3.Cursor, intent: Intent, till: reservations.BudgetCheck) -> Claim:
        now_us = self.now_us()
        if job_by_id(cursor, intent.job_id) is not None:
            raise messages.job_id_taken(intent.job_id)
        wait_us = rate_limits.wait_us(cursor, intent.gate, now_us, self.is_alive) if intent.gate is not None else 0
        if wait_us:
            blocked = rate_limits.blocked_until_us(cursor, intent.gate.name, now_us) if intent.gate is not None else 0
            return Later(wait_us, is_asked_for=bool(blocked))
        scopes = reservations.scopes_of(intent.run_id, intent.project_id, reservations.day_of(now_us))
        over = till.reserve(intent.job_id, scopes, intent.reserve_micro_usd)
        if over is not None:
            return over
        if intent.gate is not None:
            rate_limits.take(cursor, intent.gate, now_us, intent.job_id)
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

    def _take(self, cursor: sqlite3.Cursor, job: JobRow, asker: str | None) -> Claim:
        """The answer to somebody who wants a job that is open."""
        if job.state == UNKNOWN:
            return Unknown(job.job_id, job.reserve_micro_usd)
        if job.kernel_id == self.kernel_id or self.is_alive(job.kernel_id):
            if asker is not None:
                cursor.execute(
                    "INSERT OR REPLACE INTO waiters (job_id, waiting_job_id, kernel_id) VALUES (?, ?, ?)",
                    (job.job_id, asker, self.kernel_id),
                )
            return Held(job.job_id, job.kernel_id)
        if job.operation is None:
            unknown = replace(job.draft_generation(), status=UNKNOWN)
            self._end(cursor, self._stamp(), job, unknown)
            return Unknown(job.job_id, job.reserve_micro_usd)
        epoch = job.epoch + 1
        cursor.execute("UPDATE jobs SET kernel_id = ?, epoch = ? WHERE job_id = ?", (self.kernel_id, epoch, job.job_id))
        return Inherited(job.job_id, epoch, json.loads(job.operation))

    def _end(self, cursor: sqlite3.Cursor, stamp: event_log.Stamp, job: JobRow, generation: Generation) -> None:
        if generation.status == UNKNOWN:
            reservations.put_at_stake(cursor, job.job_id)
        else:
            generation = _priced(generation, job)
            reservations.settle(cursor, job.job_id, job.scopes, generation.cost_micro_usd or 0, job.day)
            cursor.execute("DELETE FROM waiters WHERE job_id = ?", (job.job_id,))
            failpoint(Failpoint.IN_SETTLEMENT)
        payload = codec.dumps(codec.generation_to_json(generation))
        seq = event_log.log_generation(cursor, stamp, generation, payload)
        if generation.status == event_log.SUCCEEDED and generation.content_key != job.content_key:
            # Served by a fallback: the result answers for the asked key too.
            outputs = codec.outputs_text(generation.outputs or {})
            event_log.store_answer(cursor, job.content_key, generation.id, outputs)
        cursor.execute(
            "UPDATE jobs SET state = ?, ended_seq = coalesce(?, ended_seq) WHERE job_id = ?",
            (generation.status, seq, job.job_id),
        )

    def _stamp(self) -> event_log.Stamp:
        return event_log.Stamp(self.new_id(), self.now_us(), self.kernel_id)


def leave(cursor: sqlite3.Cursor, job_id: str, waiting_job_id: str) -> None:
    """Take a waiter off the list."""
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
    """What the model that stands in has made of the same before; from now on it answers for the asked key too."""
    own_key = intent.draft.content_key
    if own_key is None or own_key == intent.content_key:
        return None
    stored = _stored(cursor, own_key)
    if stored is not None:
        event_log.store_answer(cursor, intent.content_key, stored.generation_id, codec.outputs_text(stored.outputs))
    return stored


def _priced(generation: Generation, job: JobRow) -> Generation:
    """A success of unknown cost counts with its estimate and says so; any other end costs what it says, or nothing."""
    if generation.cost_micro_usd is not None or generation.status != event_log.SUCCEEDED:
        return generation
    return replace(generation, cost_micro_usd=job.reserve_micro_usd, cost_is_exact=False)


def _has_ended_as(cursor: sqlite3.Cursor, job: JobRow, generation: Generation) -> bool:
    row = cursor.execute("SELECT entity_id FROM events WHERE seq = ?", (job.ended_seq,)).fetchone()
    return job.state == generation.status and row is not None and row[0] == generation.id
