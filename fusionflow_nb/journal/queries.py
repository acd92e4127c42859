"""Read queries. WAL readers see every commit and wait for no writer."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from fusionflow_nb.journal import claims, codec, reservations
from fusionflow_nb.journal.protocol import Ended, NodeResult, OpenJob, Stored
from fusionflow_nb.media.values import outputs_from_json

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Callable, Sequence

    from fusionflow_nb.journal.protocol import Spending
    from fusionflow_nb.journal.records import Coordinate, Generation, ProjectRecord

_MEMO_LIMIT = 50_000
_LATEST_EVENTS = 3000


class ResultMemo:
    """Cache of decoded outputs by content key; valid while the key has the same generation, which never changes."""

    def __init__(self) -> None:
        """Create an empty cache."""
        self._stored: dict[bytes, Stored] = {}

    def stored(self, content_key: bytes, generation_id: str, outputs: str) -> Stored:
        """Return the result of a key, decoding its outputs once."""
        stored = self._stored.get(content_key)
        if stored is None or stored.generation_id != generation_id:
            if len(self._stored) >= _MEMO_LIMIT:
                self._stored.clear()
            stored = self._stored[content_key] = Stored(generation_id, outputs_from_json(json.loads(outputs)))
        return stored


def lookup(cursor: sqlite3.Cursor, keys: Sequence[bytes], memo: ResultMemo) -> dict[bytes, Stored]:
    """Return results by content key, without the misses. Runs one prepared statement in one read transaction."""
    statement = "SELECT generation_id, outputs FROM results WHERE content_key = ?"
    results: dict[bytes, Stored] = {}
    cursor.execute("BEGIN")
    try:
        for key in keys:
            row = cursor.execute(statement, (key,)).fetchone()
            if row is not None:
                results[key] = memo.stored(key, row[0], row[1])
    finally:
        cursor.execute("COMMIT")
    return results


def generations(cursor: sqlite3.Cursor, generation_ids: Sequence[str]) -> dict[str, Generation]:
    """Return the last state of generations by id, without unknown ids."""
    statement = "SELECT payload FROM events WHERE kind = 'generation' AND entity_id = ? ORDER BY seq DESC LIMIT 1"
    results: dict[str, Generation] = {}
    for generation_id in generation_ids:
        row = cursor.execute(statement, (generation_id,)).fetchone()
        if row is not None:
            results[generation_id] = codec.generation_from_json(json.loads(row[0]))
    return results


def durations_by_model(cursor: sqlite3.Cursor) -> dict[str, list[float]]:
    """Return the durations in seconds of the latest successful calls by serving model, the newest last.

    Reads only the last few thousand events, because calls wait for the result before they are sent.
    """
    rows = cursor.execute(
        """
        SELECT model, (finished - started) / 1e6 FROM (
            SELECT seq, payload ->> '$.served_by' AS model, payload ->> '$.finished_at_us' AS finished,
                   payload ->> '$.started_at_us' AS started, payload ->> '$.status' AS status
            FROM events WHERE kind = 'generation' AND seq > (SELECT max(seq) FROM events) - ?
        ) WHERE status = 'succeeded' AND model IS NOT NULL AND finished > started ORDER BY seq""",
        (_LATEST_EVENTS,),
    )
    durations: dict[str, list[float]] = {}
    for model, seconds in rows:
        durations.setdefault(model, []).append(seconds)
    return durations


def projects_before(cursor: sqlite3.Cursor, generation_id: str, most: int) -> list[ProjectRecord]:
    """Return the last `most` states of a generation's project logged before it ended, the newest first."""
    row = cursor.execute(
        "SELECT seq, payload FROM events WHERE kind = 'generation' AND entity_id = ? ORDER BY seq LIMIT 1",
        (generation_id,),
    ).fetchone()
    if row is None:
        return []
    seq, project_id = row[0], json.loads(row[1])["project_id"]
    states = cursor.execute(
        "SELECT payload FROM events WHERE kind = 'project' AND entity_id = ? AND seq < ? ORDER BY seq DESC LIMIT ?",
        (project_id, seq, most),
    )
    return [codec.project_from_json(json.loads(payload)) for (payload,) in states]


def project_names(cursor: sqlite3.Cursor, project_ids: Sequence[str]) -> dict[str, str]:
    """Return the last logged names of flows by id, without unknown ids."""
    statement = "SELECT payload FROM events WHERE kind = 'project' AND entity_id = ? ORDER BY seq DESC LIMIT 1"
    rows = {project_id: cursor.execute(statement, (project_id,)).fetchone() for project_id in project_ids}
    return {project_id: json.loads(row[0])["name"] for project_id, row in rows.items() if row is not None}


def node_results(cursor: sqlite3.Cursor, project_id: str) -> dict[tuple[str, Coordinate], NodeResult]:
    """Return the result that each node of a project last showed."""
    rows = cursor.execute(
        "SELECT node_id, coordinate, generation_id, content_key, outputs, ingredients FROM shown WHERE project_id = ?",
        (project_id,),
    )
    return {
        (node_id, codec.coordinate_from_json(json.loads(coordinate))): NodeResult(
            generation_id, content_key, outputs_from_json(json.loads(outputs)), json.loads(ingredients)
        )
        for node_id, coordinate, generation_id, content_key, outputs, ingredients in rows
    }


def ended(cursor: sqlite3.Cursor, job_id: str) -> Ended | None:
    """Return how a job ended (for waiters, `unknown` is an end); None while it is open."""
    row = cursor.execute(
        "SELECT state, payload FROM jobs JOIN events ON seq = ended_seq WHERE job_id = ?", (job_id,)
    ).fetchone()
    return None if row is None else Ended(row[0], codec.generation_from_json(json.loads(row[1])))


def open_jobs(cursor: sqlite3.Cursor, is_alive: Callable[[str], bool]) -> list[OpenJob]:
    """Return the open jobs, each with whether its kernel is alive."""
    return [
        OpenJob(
            job.job_id,
            job.state,
            job.kernel_id,
            is_alive(job.kernel_id),
            None if job.operation is None else json.loads(job.operation),
            job.reserve_micro_usd,
            job.draft_generation(),
            job.notebook,
        )
        for job in claims.open_jobs(cursor)
    ]


def spending(cursor: sqlite3.Cursor, scopes: Sequence[str], today: str) -> dict[str, Spending]:
    """Return what each scope has used so far."""
    return {scope: reservations.spending_in(cursor, scope, today) for scope in scopes}
