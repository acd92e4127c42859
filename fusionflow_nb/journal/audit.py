"""Audit: recompute reservations, settlements and results from the event log, and compare them row by row.

`audit` reads in one read transaction and reports each difference by kind; `repair` rebuilds the rows from the log.
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
"""The reservation rows of a job: scope -> (micro-dollars, state)."""
_ALL_JOBS = """SELECT job_id, content_key, state, operation, kernel_id, epoch, run_id, project_id, reserve_micro_usd,
claimed_at_us, draft, ended_seq, notebook FROM jobs ORDER BY job_id"""


@dataclass(frozen=True, slots=True)
class Discrepancy:
    """One difference between a table and the event log."""

    kind: Kind
    entity_id: str
    """The id of a job or a generation."""
    message: str


@dataclass(slots=True)
class AuditReport:
    """The discrepancies, and the sums of the audit."""

    discrepancies: list[Discrepancy] = field(default_factory=list)
    spent_micro_usd: int = 0
    """Sum of the settled reservations; equals the log if there is no discrepancy."""
    held_micro_usd: int = 0
    """Sum of the reservations of open calls, including calls of unknown outcome."""
    calls: int = 0
    """Ended paid calls."""
    open_calls: int = 0
    assets: dict[str, str] = field(default_factory=dict)
    """Digest of every result -> the last generation with it. The store knows whether the bytes exist."""


@dataclass(slots=True)
class _Logged:
    """The last logged state of a generation."""

    seq: int
    at_us: int
    status: str
    cost: int
    run_id: str
    project_id: str
    content_key: bytes | None
    is_provider_call: bool
    digests: tuple[str, ...] | None


def audit(cursor: sqlite3.Cursor) -> AuditReport:
    """Compare the tables derived from the event log with the log."""
    cursor.execute("BEGIN")
    try:
        return _audit(cursor)
    finally:
        cursor.execute("COMMIT")


def repair(cursor: sqlite3.Cursor) -> int:
    """Rebuild reservations, settlements and results from the log, in the caller's transaction; returns the number."""
    logged = _logged(cursor)
    jobs = {job.job_id: job for job in _jobs(cursor)}
    count = 0
    for discrepancy in _audit(cursor).discrepancies:
        entity_id = discrepancy.entity_id
        if discrepancy.kind in {"stray_reservation", "missing_reservation", "wrong_reservation", "wrong_settlement"}:
            job = jobs.get(entity_id)
            rows = _expected(job, _end_of(job, logged)) if job is not None else {}
            _rewrite(cursor, entity_id, rows, job.day if job is not None else "")
        elif discrepancy.kind == "unbooked_cost":
            generation = logged[entity_id]
            day = reservations.day_of(generation.at_us)
            _rewrite(cursor, entity_id, _settled(generation, day), day)
        elif discrepancy.kind == "missing_result":
            _restore_result(cursor, entity_id)
        else:
            continue
        count += 1
    return count


def _audit(cursor: sqlite3.Cursor) -> AuditReport:
    report = AuditReport()
    logged = _logged(cursor)
    reserved = _reservations(cursor)
    generations_of_jobs: set[str] = set()
    for job in _jobs(cursor):
        end = _end_of(job, logged)
        rows = reserved.pop(job.job_id, {})
        _count(report, job)
        report.discrepancies += _check_job(job, end)
        report.discrepancies += _check_reservation(job, end, rows)
        if job.ended_seq is not None:
            generations_of_jobs.add(job.draft_generation().id)
    (report.spent_micro_usd, report.held_micro_usd) = cursor.execute(
        """
        SELECT coalesce(sum(micro_usd) FILTER (WHERE state = 'settled'), 0),
               coalesce(sum(micro_usd) FILTER (WHERE state <> 'settled'), 0)
        FROM reservations WHERE scope LIKE 'project:%'
        """
    ).fetchone()
    for entity_id, rows in reserved.items():  # rows without a job: of a call without write-ahead, or stray
        generation = logged.get(entity_id)
        if generation is None or not generation.cost:
            message = f"The budgets have {_amount(rows)} for {entity_id}, which is not in the log."
            report.discrepancies.append(Discrepancy("stray_reservation", entity_id, message))
        elif rows != _settled(generation, reservations.day_of(generation.at_us)):
            message = f"The budgets have {_amount(rows)} for {entity_id}; the log has {_usd(generation.cost)}."
            report.discrepancies.append(Discrepancy("unbooked_cost", entity_id, message))
    for generation_id, generation in logged.items():
        if generation.cost and generation_id not in generations_of_jobs and generation_id not in reserved:
            message = f"{generation_id} cost {_usd(generation.cost)}, which no budget counts."
            report.discrepancies.append(Discrepancy("unbooked_cost", generation_id, message))
    report.discrepancies += _check_results(cursor, logged, report)
    return report


def _check_job(job: JobRow, end: _Logged | None) -> Iterator[Discrepancy]:
    if job.state not in claims.OPEN_STATES and (end is None or end.status != job.state):
        status = "no end" if end is None else end.status
        yield Discrepancy("unended_job", job.job_id, f"{job.job_id} ended as {job.state}; the log has {status}.")
    if job.state == claims.ACCEPTED and not job.operation:
        message = f"{job.job_id} was accepted, but its Operation is missing."
        yield Discrepancy("no_operation", job.job_id, message)


def _check_reservation(job: JobRow, end: _Logged | None, rows: Rows) -> Iterator[Discrepancy]:
    expected = _expected(job, end)
    if rows == expected:
        return
    is_open = job.state in claims.OPEN_STATES
    kind: Kind = "wrong_reservation" if is_open else "wrong_settlement"
    if not rows:
        kind = "missing_reservation" if is_open else "wrong_settlement"
    elif not is_open and any(state != reservations.SETTLED for _, state in rows.values()):
        kind = "stray_reservation"
    message = (
        f"{job.job_id} ({job.state}) has {_amount(rows)} in {len(rows)} budgets; "
        f"by the log it is {_amount(expected)} in {len(expected)}."
    )
    yield Discrepancy(kind, job.job_id, message)


def _check_results(cursor: sqlite3.Cursor, logged: dict[str, _Logged], report: AuditReport) -> Iterator[Discrepancy]:
    stored_keys = set()
    for content_key, generation_id in cursor.execute("SELECT content_key, generation_id FROM results"):
        stored_keys.add(content_key)
        generation = logged.get(generation_id)
        if generation is None or generation.status != event_log.SUCCEEDED:
            message = f"A result is stored for {generation_id}, which is not a success in the log."
            yield Discrepancy("dangling_result", generation_id, message)
    for generation_id, generation in logged.items():
        if generation.status != event_log.SUCCEEDED:
            continue
        if generation.digests is None:
            if generation.is_provider_call:
                message = f"{generation_id} succeeded, but the log has no result."
                yield Discrepancy("no_outputs", generation_id, message)
            continue
        report.assets.update(dict.fromkeys(generation.digests, generation_id))
        if generation.content_key is not None and generation.content_key not in stored_keys:
            message = (
                f"The result {generation_id} is missing from the look-up table: it would be generated and paid again."
            )
            yield Discrepancy("missing_result", generation_id, message)


def _expected(job: JobRow, end: _Logged | None) -> Rows:
    """Return the reservation rows of a job according to the log."""
    if job.state in claims.OPEN_STATES:
        state = reservations.AT_STAKE if job.state == claims.UNKNOWN else reservations.RESERVED
        amount = job.reserve_micro_usd
    else:
        state, amount = reservations.SETTLED, end.cost if end is not None else 0
    return dict.fromkeys(job.scopes, (amount, state)) if amount else {}


def _settled(generation: _Logged, day: str) -> Rows:
    scopes = reservations.scopes_of(generation.run_id, generation.project_id, day)
    return dict.fromkeys(scopes, (generation.cost, reservations.SETTLED))


def _end_of(job: JobRow | None, logged: dict[str, _Logged]) -> _Logged | None:
    """Return the logged end of a job, or None."""
    generation = None if job is None else logged.get(job.draft_generation().id)
    if job is None or generation is None or generation.seq != job.ended_seq:
        return None
    return generation


def _count(report: AuditReport, job: JobRow) -> None:
    if job.state in claims.OPEN_STATES:
        report.open_calls += 1
    else:
        report.calls += 1


def _jobs(cursor: sqlite3.Cursor) -> list[JobRow]:
    return [claims.JobRow(*row) for row in cursor.execute(_ALL_JOBS)]


def _reservations(cursor: sqlite3.Cursor) -> dict[str, Rows]:
    rows: dict[str, Rows] = {}
    for job_id, scope, amount, state in cursor.execute("SELECT job_id, scope, micro_usd, state FROM reservations"):
        rows.setdefault(job_id, {})[scope] = (amount, state)
    return rows


def _logged(cursor: sqlite3.Cursor) -> dict[str, _Logged]:
    """Return the last logged state of every generation."""
    generations: dict[str, _Logged] = {}
    for seq, at_us, entity_id, payload in cursor.execute(
        "SELECT seq, at_us, entity_id, payload FROM events WHERE kind = 'generation' ORDER BY seq"
    ):
        data: dict[str, Any] = json.loads(payload)
        outputs = data.get("outputs")
        key = data.get("content_key")
        generations[entity_id] = _Logged(
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
    return generations


def _rewrite(cursor: sqlite3.Cursor, job_id: str, rows: Rows, day: str) -> None:
    reservations.release(cursor, job_id)
    cursor.executemany(
        "INSERT INTO reservations (job_id, scope, micro_usd, state, day) VALUES (?, ?, ?, ?, ?)",
        [(job_id, scope, amount, state, day) for scope, (amount, state) in rows.items()],
    )


def _restore_result(cursor: sqlite3.Cursor, generation_id: str) -> None:
    (payload,) = cursor.execute(
        "SELECT payload FROM events WHERE kind = 'generation' AND entity_id = ? ORDER BY seq DESC LIMIT 1",
        (generation_id,),
    ).fetchone()
    generation = codec.generation_from_json(json.loads(payload))
    if generation.content_key is not None and generation.outputs is not None:
        event_log.store_result(cursor, generation.content_key, generation.id, codec.outputs_text(generation.outputs))


def _amount(rows: Rows) -> str:
    amounts = sorted({amount for amount, _ in rows.values()})
    states = sorted({state for _, state in rows.values()})
    return " or ".join(map(_usd, amounts)) + (f" {' or '.join(states)}" if states else "nothing")


def _usd(micro_usd: int) -> str:
    return f"${micro_usd / 1e6:.4f}"
