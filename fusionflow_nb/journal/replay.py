"""Applying what waited in an outbox: each line by its id, in a savepoint, so that one bad line stops no other."""

from __future__ import annotations

import logging
import sqlite3
from typing import TYPE_CHECKING, Any

from fusionflow_nb import errors
from fusionflow_nb.journal import codec, event_log, messages

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from fusionflow_nb.journal.claims import Claims
    from fusionflow_nb.journal.records import Generation, RunRecord

_log = logging.getLogger(__name__)


def accepted_entry(stamp: event_log.Stamp, lease: tuple[str, int], operation: dict[str, Any]) -> str:
    """An Operation that the journal could not take."""
    return _entry("accepted", stamp, lease=lease, operation=operation)


def finish_entry(stamp: event_log.Stamp, lease: tuple[str, int], generation: Generation) -> str:
    """The end of a claimed job that the journal could not take."""
    return _entry("finish", stamp, lease=lease, generation=codec.generation_to_json(generation))


def record_entry(stamp: event_log.Stamp, generation: Generation) -> str:
    """A call without write-ahead that the journal could not take."""
    return _entry("record", stamp, generation=codec.generation_to_json(generation))


def run_entry(stamp: event_log.Stamp, run: RunRecord) -> str:
    """The beginning or end of a run that the journal could not take."""
    return _entry("run", stamp, run=codec.run_to_json(run))


def apply(cursor: sqlite3.Cursor, claims: Claims, entries: Iterable[dict[str, Any]], rejects: Path) -> None:
    """Write entries into the journal, within the caller's transaction; what does not fit is kept in `rejects`.

    Raises:
        sqlite3.Error: the journal still cannot be written; nothing was applied.
    """
    for entry in entries:
        cursor.execute("SAVEPOINT entry")
        try:
            _apply_one(cursor, claims, entry)
        except sqlite3.Error as error:
            if messages.is_of_place(error) or not cursor.connection.in_transaction:
                raise
            _reject(cursor, entry, rejects, error)
        except (errors.FusionFlowError, KeyError, TypeError, ValueError, AttributeError) as error:
            _reject(cursor, entry, rejects, error)
        cursor.execute("RELEASE entry")


def _apply_one(cursor: sqlite3.Cursor, claims: Claims, entry: dict[str, Any]) -> None:
    stamp = event_log.Stamp(*entry["stamp"])
    kind = entry["kind"]
    if kind == "accepted":
        job_id, epoch = entry["lease"]
        claims.accepted(cursor, stamp, (job_id, epoch), entry["operation"])
    elif kind == "finish":
        job_id, epoch = entry["lease"]
        claims.finish(cursor, stamp, (job_id, epoch), codec.generation_from_json(entry["generation"]))
    elif kind == "record":
        generation = codec.generation_from_json(entry["generation"])
        event_log.record_generation(cursor, stamp, generation, codec.dumps(entry["generation"]))
    elif kind == "run":
        event_log.append(cursor, stamp, "run", entry["run"]["id"], codec.dumps(entry["run"]))
    else:
        raise KeyError(kind)


def _entry(kind: str, stamp: event_log.Stamp, **parts: Any) -> str:  # noqa: ANN401 - JSON parts
    return codec.dumps({"kind": kind, "stamp": [stamp.event_id, stamp.at_us, stamp.kernel_id], **parts})


def _reject(cursor: sqlite3.Cursor, entry: dict[str, Any], rejects: Path, error: Exception) -> None:
    cursor.execute("ROLLBACK TO entry")
    _log.warning("An outbox line did not fit the journal (%s); it is kept in %s.", error, rejects)
    with rejects.open("a", encoding="utf-8") as file:
        file.write(codec.dumps(entry) + "\n")
