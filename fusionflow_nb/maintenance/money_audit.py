"""`fusionflow doctor --money`: checks reservations against the event log, results against the store, and outboxes."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from fusionflow_nb import errors
from fusionflow_nb.journal import outbox

if TYPE_CHECKING:
    from collections.abc import Iterator

    from fusionflow_nb.journal.audit import AuditReport
    from fusionflow_nb.session import Session

_NEXT = {
    "stray_reservation": "`fusionflow doctor --money --repair` deletes it.",
    "missing_reservation": "`fusionflow doctor --money --repair` restores it.",
    "wrong_reservation": "`fusionflow doctor --money --repair` sets it by the log.",
    "wrong_settlement": "`fusionflow doctor --money --repair` sets it by the log.",
    "unbooked_cost": "`fusionflow doctor --money --repair` counts it.",
    "unended_job": "Keep a copy of the journal and report it: the log does not show which status is right.",
    "no_operation": "Check the service's account, then write it off with `fusionflow operations forget`.",
    "dangling_result": "Run another take of its node, and report it with a copy of the journal.",
    "missing_result": "`fusionflow doctor --money --repair` restores it.",
    "no_outputs": "Look for the result in the service's account, or generate it again with another take.",
    "lost_bytes": "Put the file back into the assets folder, or run its node again, which is paid again.",
    "store": "Check the store with `fusionflow doctor`, then run the audit again.",
    "outbox": "It is written automatically once the journal can be written; see the finding `journal`.",
    "rejected": "Keep the file and report it: these lines are paid results that do not fit the journal.",
}
REPAIRABLE = frozenset(kind for kind, step in _NEXT.items() if "--repair" in step)


class Finding(NamedTuple):
    """One discrepancy with its next step."""

    kind: str
    message: str
    next: str


def examine(session: Session) -> tuple[AuditReport, list[Finding]]:
    """Return the sums of the audit and all discrepancies.

    Raises:
        JournalError: the journal cannot be read.
    """
    report = session.call(session.journal.audit())
    findings = [Finding(item.kind, item.message, _NEXT[item.kind]) for item in report.discrepancies]
    findings += _lost_bytes(report, session)
    return report, [*findings, *outbox_findings(session)]


def _lost_bytes(report: AuditReport, session: Session) -> Iterator[Finding]:
    """Report results whose bytes are in no store; stop at the first error of the store."""
    for sha256, generation_id in report.assets.items():
        try:
            is_stored = session.store.has(sha256)
        except errors.StoreError as error:
            yield Finding("store", f"The results in the store could not be checked: {error}", _NEXT["store"])
            return
        if not is_stored:
            message = f"The bytes {sha256[:12]} of {generation_id} are missing."
            yield Finding("lost_bytes", message, _NEXT["lost_bytes"])


def outbox_findings(session: Session) -> Iterator[Finding]:
    """Report paid results that were not written to the journal yet, or do not fit it."""
    folder = session.journal.path.parent / "kernels"
    for path in sorted(folder.glob(f"*{outbox.SUFFIX}")):
        count = len(outbox.read_entries(path))
        if count:
            yield Finding("outbox", f"{_lines(count)} in {path}: not written to the journal yet.", _NEXT["outbox"])
    for path in sorted(folder.glob("*.rejected.jsonl")):
        yield Finding("rejected", f"{_lines(len(outbox.read_entries(path)))} in {path}.", _NEXT["rejected"])


def _lines(count: int) -> str:
    return f"{count} line{'' if count == 1 else 's'}"
