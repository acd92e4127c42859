"""`fusionflow doctor --money`: the books against the log, results against their bytes, and what waits in outboxes."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from fusionflow_nb import errors
from fusionflow_nb.journal import outbox

if TYPE_CHECKING:
    from collections.abc import Iterator

    from fusionflow_nb.journal.audit import Audit
    from fusionflow_nb.session import Session

_NEXT = {
    "stray_reservation": "`fusionflow doctor --money --mend` lets go of it.",
    "missing_reservation": "`fusionflow doctor --money --mend` holds it again.",
    "wrong_reservation": "`fusionflow doctor --money --mend` holds what the log says.",
    "wrong_settlement": "`fusionflow doctor --money --mend` counts what the log says.",
    "unbooked_cost": "`fusionflow doctor --money --mend` counts it.",
    "unended_job": "Keep a copy of the journal and report it: the log alone cannot say which is right.",
    "no_operation": "`fusionflow operations forget` writes it off, after a look at the account.",
    "dangling_result": "Ask for another take of its node; report it with a copy of the journal.",
    "missing_result": "`fusionflow doctor --money --mend` lets it be found again.",
    "no_outputs": "Look at the service's account for the result; another take makes it anew.",
    "lost_bytes": "Put the file back into the assets folder, or run its node, which shows as lost and is in the price.",
    "store": "`fusionflow doctor` says what is wrong with it; then look at the books again.",
    "outbox": "It is written by itself as soon as the journal can be; see the finding about the journal.",
    "rejected": "Keep the file and report it: these lines are paid results that the journal would not take.",
}
MENDABLE = frozenset(name for name, says in _NEXT.items() if "--mend" in says)


class Finding(NamedTuple):
    """One discrepancy, with what to do about it."""

    kind: str
    says: str
    next: str


def examine(living: Session) -> tuple[Audit, list[Finding]]:
    """Everything that does not agree, and the sums.

    Raises:
        JournalError: the journal cannot be read.
    """
    found = living.call(living.journal.audit())
    entries = [Finding(one.kind, one.says, _NEXT[one.kind]) for one in found.discrepancies]
    entries += _without_bytes(found, living)
    return found, [*entries, *waiting(living)]


def _without_bytes(found: Audit, living: Session) -> Iterator[Finding]:
    """Results whose bytes no store has; the first that cannot be asked about speaks for the rest."""
    for sha256, generation_id in found.assets.items():
        try:
            is_there = living.store.has(sha256)
        except errors.StoreError as error:
            yield Finding("store", f"The store could not say whether it has all results: {error}", _NEXT["store"])
            return
        if not is_there:
            says = f"The bytes {sha256[:12]}, which {generation_id} made, are gone."
            yield Finding("lost_bytes", says, _NEXT["lost_bytes"])


def waiting(living: Session) -> Iterator[Finding]:
    """Paid results that the journal could not take so far, or would not."""
    folder = living.journal.path.parent / "kernels"
    for path in sorted(folder.glob(f"*{outbox.SUFFIX}")):
        count = len(outbox.read_entries(path))
        if count:
            yield Finding("outbox", f"{_lines(count)} in {path}: the journal could not take it yet.", _NEXT["outbox"])
    for path in sorted(folder.glob("*.rejected.jsonl")):
        yield Finding("rejected", f"{_lines(len(outbox.read_entries(path)))} in {path}.", _NEXT["rejected"])


def _lines(count: int) -> str:
    return f"{count} line{'' if count == 1 else 's'}"
