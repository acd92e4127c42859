"""Filling outboxes and applying them to the journal: by id, with one savepoint per line."""

from __future__ import annotations

import logging
import sqlite3
from typing import TYPE_CHECKING, Any

from fusionflow_nb import errors
from fusionflow_nb.failpoints import Failpoint, failpoint
from fusionflow_nb.journal import codec, event_log, liveness, messages, outbox, reservations

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path

    from fusionflow_nb.journal.claims import Claims
    from fusionflow_nb.journal.records import Generation, RunRecord

_log = logging.getLogger(__name__)


def accepted_entry(stamp: event_log.Stamp, lease: tuple[str, int], operation: dict[str, Any]) -> str:
    """Return the outbox entry of an accepted Operation."""
    return _entry("accepted", stamp, lease=lease, operation=operation)


def finish_entry(stamp: event_log.Stamp, lease: tuple[str, int], generation: Generation) -> str:
    """Return the outbox entry of a claimed job's end."""
    return _entry("finish", stamp, lease=lease, generation=codec.generation_to_json(generation))


def record_entry(stamp: event_log.Stamp, generation: Generation) -> str:
    """Return the outbox entry of a call without write-ahead."""
    return _entry("record", stamp, generation=codec.generation_to_json(generation))


def run_entry(stamp: event_log.Stamp, run: RunRecord) -> str:
    """Return the outbox entry of the start or end of a run."""
    return _entry("run", stamp, run=codec.run_to_json(run))


def append(box: outbox.Outbox, entries: Iterable[str], reason: errors.JournalError) -> None:
    """Append entries to the outbox of this kernel.

    Args:
        box: the outbox.
        entries: JSON texts.
        reason: why the journal could not be written.

    Raises:
        JournalError: the outbox cannot be written either.
    """
    count = 0
    for entry in entries:
        try:
            box.append(entry)
        except OSError as error:
            raise messages.outbox_unwritable(box.path, str(error), reason) from error
        count += 1
    _log.warning("Wrote %d records to the outbox %s: %s", count, box.path, reason.what)
    failpoint(Failpoint.AFTER_OUTBOX_WRITE)


def apply_own(cursor: sqlite3.Cursor, claims: Claims, box: outbox.Outbox) -> Callable[[], None] | None:
    """Apply the outbox of this kernel; returns a callback that empties it after the commit, None if it is empty."""
    if box.is_empty:
        return None
    entries, clear = box.pending()
    apply(cursor, claims, entries, _rejects(box.path.parent, claims.kernel_id))

    def drained() -> None:
        clear()
        _log.info("Wrote %d records of the outbox %s to the journal.", len(entries), box.path)

    return drained


def apply_dead(cursor: sqlite3.Cursor, claims: Claims, folder: Path, kernel_id: str) -> None:
    """Apply the outbox of a dead kernel; the file stays until `drain_dead` removes it."""
    apply(cursor, claims, outbox.read_entries(outbox.outbox_path(folder, kernel_id)), _rejects(folder, kernel_id))


def drain_dead(folder: Path, own_kernel_id: str, apply_outbox_of: Callable[[str], None]) -> None:
    """Apply and remove the outboxes of dead kernels, then remove their lock files.

    Args:
        folder: `kernels/` of the home folder.
        own_kernel_id: the kernel whose files stay.
        apply_outbox_of: applies the outbox of a kernel in a transaction of its own; may raise a storage failure.
    """
    for path in folder.glob(f"*{outbox.SUFFIX}"):
        kernel_id = path.name.removesuffix(outbox.SUFFIX)
        with liveness.lock_if_dead(folder, kernel_id) as is_dead:
            if is_dead and kernel_id != own_kernel_id:
                _drain_dead(path, kernel_id, apply_outbox_of)
    liveness.remove_dead_locks(folder, keep=frozenset({own_kernel_id}))


def _drain_dead(path: Path, kernel_id: str, apply_outbox_of: Callable[[str], None]) -> None:
    entries = outbox.read_entries(path)
    if entries:
        try:
            apply_outbox_of(kernel_id)
        except messages.CANNOT_WRITE:
            return  # the file stays for the next kernel that opens the journal
        _log.info("Wrote %d records of the outbox of the dead kernel %s to the journal.", len(entries), kernel_id)
    path.unlink(missing_ok=True)


def apply(cursor: sqlite3.Cursor, claims: Claims, entries: Iterable[dict[str, Any]], rejects: Path) -> None:
    """Apply entries in the caller's transaction; invalid entries are appended to the file `rejects`.

    Raises:
        sqlite3.Error: the journal cannot be written; no entry was applied.
    """
    for entry in entries:
        cursor.execute("SAVEPOINT entry")
        try:
            _apply_one(cursor, claims, entry)
        except sqlite3.Error as error:
            if messages.is_storage_failure(error) or not cursor.connection.in_transaction:
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
        reservations.record_generation(cursor, stamp, generation, codec.dumps(entry["generation"]))
    elif kind == "run":
        event_log.append(cursor, stamp, "run", entry["run"]["id"], codec.dumps(entry["run"]))
    else:
        raise KeyError(kind)


def _entry(kind: str, stamp: event_log.Stamp, **parts: Any) -> str:  # noqa: ANN401 - JSON parts
    return codec.dumps({"kind": kind, "stamp": [stamp.event_id, stamp.at_us, stamp.kernel_id], **parts})


def _reject(cursor: sqlite3.Cursor, entry: dict[str, Any], rejects: Path, error: Exception) -> None:
    cursor.execute("ROLLBACK TO entry")
    # Not the message of the error: it may quote a prompt.
    _log.warning("Could not apply an outbox entry (%s); saved it in %s.", type(error).__name__, rejects)
    with rejects.open("a", encoding="utf-8") as file:
        file.write(codec.dumps(entry) + "\n")


def _rejects(folder: Path, kernel_id: str) -> Path:
    return folder / f"{kernel_id}.rejected.jsonl"
