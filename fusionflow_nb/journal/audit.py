"""Do the books agree? The log of events is the truth; what follows from it is computed anew and compared, row by row.

Reads only, in one read transaction. What differs is named by kind; `mend` writes again what follows from the log.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from fusionflow_nb.journal import claims, codec, event_log, reservations
from fusionflow_nb.media.values import assets_of, outputs_from_json

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterator

    from fusionflow_nb.journal.claims import JobRow

Kind: TypeAlias = Literal[
    "stray_reservation",
    "missing_reservation",
    "wrong_reservation",
    "wrong_settlement",
    "unbooked_cost",
    "unended_job",
    "no_operation",
    "dangling_result",
    "missing_result",
    "no_outputs",
]
Rows: TypeAlias = dict[str, tuple[int, str]]
"""Of one job: scope -> (micro-dollars, state)."""
_ALL_JOBS = """SELECT job_id, content_key, state, operation, kernel_id, epoch, run_id, project_id, reserve_micro_usd,
claimed_at_us, draft, ended_seq, notebook FROM jobs ORDER BY job_id"""


@dataclass(frozen=True, slots=True)
class Discrepancy:
    """One thing that does not agree."""

    kind: Kind
    entity_id: str
    """A job's or a generation's id."""
    says: str


@dataclass(slots=True)
class Audit:
    """What was found, and the sums it was found by."""

    discrepancies: list[Discrepancy] = field(default_factory=list)
    spent_micro_usd: int = 0
    """By the budgets; the log says the same where there is no discrepancy."""
    held_micro_usd: int = 0
    """Of open calls, those of unknown outcome among them."""
    calls: int = 0
    """Paid calls that have ended."""
    open_calls: int = 0
    assets: dict[str, str] = field(default_factory=dict)
    """Digest of every result -> the last generation that gave it; whether its bytes are there is the store's to say."""


@dataclass(slots=True)
class _Logged:
    """A generation as it was last logged."""

    seq: int
    at_us: int
    status: str
    cost: int
    run_id: str
    project_id: str
    content_key: bytes | None
    is_bought: bool
    digests: tuple[str, ...] | None


def audit(cursor: sqlite3.Cursor) -> Audit:
    """Compare everything that follows from the log with the log."""
    cursor.execute("BEGIN")
    try:
        return _audited(cursor)
    finally:
        cursor.execute("COMMIT")


def mend(cursor: sqlite3.Cursor) -> int:
    """Write again what follows from the log: reservations, settlements, and which result answers a key; how many.

    Inside the caller's write transaction.
    """
    logged = _logged(cursor)
    jobs = {job.job_id: job for job in _jobs(cursor)}
    mended = 0
    for one in _audited(cursor).discrepancies:
        if one.kind in {"stray_reservation", "missing_reservation", "wrong_reservation", "wrong_settlement"}:
            job = jobs.get(one.entity_id)
            rows = _expected(job, _end_of(job, logged)) if job is not None else {}
            _rewrite(cursor, one.entity_id, rows, job.day if job is not None else "")
        elif one.kind == "unbooked_cost":
            found = logged[one.entity_id]
            day = reservations.day_of(found.at_us)
            _rewrite(cursor, one.entity_id, _settled(found, day), day)
        elif one.kind == "missing_result":
            _answer_again(cursor, one.entity_id)
        else:
            continue
        mended += 1
    return mended


def _audited(cursor: sqlite3.Cursor) -> Audit:
    found = Audit()
    logged = _logged(cursor)
    kept = _reservations(cursor)
    booked: set[str] = set()
    for job in _jobs(cursor):
        end = _end_of(job, logged)
        rows = kept.pop(job.job_id, {})
        _count(found, job)
        found.discrepancies += _about_job(job, end)
        found.discrepancies += _about_money(job, end, rows)
        if job.ended_seq is not None:
            booked.add(job.draft_generation().id)
    (found.spent_micro_usd, found.held_micro_usd) = cursor.execute(
        """
        SELECT coalesce(sum(micro_usd) FILTER (WHERE state = 'settled'), 0),
               coalesce(sum(micro_usd) FILTER (WHERE state <> 'settled'), 0)
        FROM reservations WHERE scope LIKE 'project:%'
        """
    ).fetchone()
    for job_id, rows in kept.items():  # of no job: a call without write-ahead, or nothing at all
        one = logged.get(job_id)
        if one is None or not one.cost:
            says = f"{_amount(rows)} is held or counted for {job_id}, which the log does not know."
            found.discrepancies.append(Discrepancy("stray_reservation", job_id, says))
        elif rows != _settled(one, reservations.day_of(one.at_us)):
            says = f"{_amount(rows)} is counted for {job_id}; the log says {_usd(one.cost)}."
            found.discrepancies.append(Discrepancy("unbooked_cost", job_id, says))
    for generation_id, one in logged.items():
        if one.cost and generation_id not in booked and generation_id not in kept:
            says = f"{generation_id} cost {_usd(one.cost)}, and no budget counts it."
            found.discrepancies.append(Discrepancy("unbooked_cost", generation_id, says))
    found.discrepancies += _about_results(cursor, logged, found)
    return found


def _about_job(job: JobRow, end: _Logged | None) -> Iterator[Discrepancy]:
    if job.state not in claims.OPEN_STATES and (end is None or end.status != job.state):
        logged = "nothing" if end is None else end.status
        yield Discrepancy("unended_job", job.job_id, f"{job.job_id} ended as {job.state}; the log says {logged}.")
    if job.state == claims.ACCEPTED and not job.operation:
        says = f"{job.job_id} was accepted, and how to ask for it is not kept."
        yield Discrepancy("no_operation", job.job_id, says)


def _about_money(job: JobRow, end: _Logged | None, rows: Rows) -> Iterator[Discrepancy]:
    expected = _expected(job, end)
    if rows == expected:
        return
    is_open = job.state in claims.OPEN_STATES
    kind: Kind = "wrong_reservation" if is_open else "wrong_settlement"
    if not rows:
        kind = "missing_reservation" if is_open else "wrong_settlement"
    elif not is_open and any(state != reservations.SETTLED for _, state in rows.values()):
        kind = "stray_reservation"
    says = f"{job.job_id} ({job.state}): {_amount(rows)} in {len(rows)} budgets; the log asks for {_amount(expected)}"
    yield Discrepancy(kind, job.job_id, f"{says} in {len(expected)}.")


def _about_results(cursor: sqlite3.Cursor, logged: dict[str, _Logged], found: Audit) -> Iterator[Discrepancy]:
    answered = set()
    for content_key, generation_id in cursor.execute("SELECT content_key, generation_id FROM results"):
        answered.add(content_key)
        one = logged.get(generation_id)
        if one is None or one.status != event_log.SUCCEEDED:
            says = f"A result is kept for {generation_id}, which the log does not know as a success."
            yield Discrepancy("dangling_result", generation_id, says)
    for generation_id, one in logged.items():
        if one.status != event_log.SUCCEEDED:
            continue
        if one.digests is None:
            if one.is_bought:
                yield Discrepancy("no_outputs", generation_id, f"{generation_id} succeeded, and the log has no result.")
            continue
        found.assets.update(dict.fromkeys(one.digests, generation_id))
        if one.content_key is not None and one.content_key not in answered:
            says = f"{generation_id} is a result that no look-up finds: it would be made and paid again."
            yield Discrepancy("missing_result", generation_id, says)


def _expected(job: JobRow, end: _Logged | None) -> Rows:
    """What a job's rows must be, by the log alone."""
    if job.state in claims.OPEN_STATES:
        state = reservations.AT_STAKE if job.state == claims.UNKNOWN else reservations.RESERVED
        amount = job.reserve_micro_usd
    else:
        state, amount = reservations.SETTLED, end.cost if end is not None else 0
    return dict.fromkeys(job.scopes, (amount, state)) if amount else {}


def _settled(one: _Logged, day: str) -> Rows:
    return dict.fromkeys(reservations.scopes_of(one.run_id, one.project_id, day), (one.cost, reservations.SETTLED))


def _end_of(job: JobRow | None, logged: dict[str, _Logged]) -> _Logged | None:
    """How the log says that a job ended; None where it does not."""
    found = None if job is None else logged.get(job.draft_generation().id)
    return found if found is not None and found.seq == (job.ended_seq if job is not None else None) else None


def _count(found: Audit, job: JobRow) -> None:
    if job.state in claims.OPEN_STATES:
        found.open_calls += 1
    else:
        found.calls += 1


def _jobs(cursor: sqlite3.Cursor) -> list[JobRow]:
    return [claims.JobRow(*row) for row in cursor.execute(_ALL_JOBS)]


def _reservations(cursor: sqlite3.Cursor) -> dict[str, Rows]:
    found: dict[str, Rows] = {}
    for job_id, scope, amount, state in cursor.execute("SELECT job_id, scope, micro_usd, state FROM reservations"):
        found.setdefault(job_id, {})[scope] = (amount, state)
    return found


def _logged(cursor: sqlite3.Cursor) -> dict[str, _Logged]:
    """Every generation as it was last logged."""
    found: dict[str, _Logged] = {}
    for seq, at_us, entity_id, payload in cursor.execute(
        "SELECT seq, at_us, entity_id, payload FROM events WHERE kind = 'generation' ORDER BY seq"
    ):
        data: dict[str, Any] = json.loads(payload)
        outputs = data.get("outputs")
        key = data.get("content_key")
        found[entity_id] = _Logged(
            seq,
            at_us,
            data["status"],
            data.get("cost_micro_usd") or 0,
            data["run_id"],
            data["project_id"],
            None if key is None else bytes.fromhex(key),
            data.get("model") is not None,
            None if outputs is None else tuple(asset.sha256 for asset in assets_of(outputs_from_json(outputs))),
        )
    return found


def _rewrite(cursor: sqlite3.Cursor, job_id: str, rows: Rows, day: str) -> None:
    reservations.release(cursor, job_id)
    cursor.executemany(
        "INSERT INTO reservations (job_id, scope, micro_usd, state, day) VALUES (?, ?, ?, ?, ?)",
        [(job_id, scope, amount, state, day) for scope, (amount, state) in rows.items()],
    )


def _answer_again(cursor: sqlite3.Cursor, generation_id: str) -> None:
    (payload,) = cursor.execute(
        "SELECT payload FROM events WHERE kind = 'generation' AND entity_id = ? ORDER BY seq DESC LIMIT 1",
        (generation_id,),
    ).fetchone()
    generation = codec.generation_from_json(json.loads(payload))
    if generation.content_key is not None and generation.outputs is not None:
        event_log.store_answer(cursor, generation.content_key, generation.id, codec.outputs_text(generation.outputs))


def _amount(rows: Rows) -> str:
    amounts = sorted({amount for amount, _ in rows.values()})
    states = sorted({state for _, state in rows.values()})
    return " or ".join(map(_usd, amounts)) + (f" {' or '.join(states)}" if states else "nothing")


def _usd(micro_usd: int) -> str:
    return f"${micro_usd / 1e6:.4f}"
