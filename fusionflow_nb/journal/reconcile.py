"""Reconciling jobs of unknown outcome with the jobs that their service reports."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from fusionflow_nb.journal import claims as leases
from fusionflow_nb.journal.protocol import Inherited

if TYPE_CHECKING:
    import sqlite3

    from fusionflow_nb.journal import event_log
    from fusionflow_nb.journal.claims import Claims


def reconcile(
    cursor: sqlite3.Cursor, claims: Claims, stamp: event_log.Stamp, job_id: str, operation: dict[str, Any]
) -> Inherited | None:
    """Store the Operation of an unknown job and take over its lease; None if the job is not unknown."""
    job = leases.job_by_id(cursor, job_id)
    if job is None or job.state != leases.UNKNOWN:
        return None
    epoch = job.epoch + 1
    cursor.execute("UPDATE jobs SET kernel_id = ?, epoch = ? WHERE job_id = ?", (claims.kernel_id, epoch, job_id))
    claims.accepted(cursor, stamp, (job_id, epoch), operation)
    return Inherited(job_id, epoch, operation)


def is_known(cursor: sqlite3.Cursor, name: str) -> bool:
    """Return whether a stored Operation contains the service's name for a job: such a job is not a lost submit."""
    row = cursor.execute("SELECT 1 FROM jobs WHERE operation IS NOT NULL AND instr(operation, ?) LIMIT 1", (name,))
    return row.fetchone() is not None
