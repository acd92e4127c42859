"""Every sentence the journal says when it cannot do its work, in one place, and what SQLite's codes mean for us."""

from __future__ import annotations

import sqlite3
from typing import TYPE_CHECKING

from fusionflow_nb import errors

if TYPE_CHECKING:
    from pathlib import Path

_SETTING = "set FUSIONFLOW_HOME to another folder"
_BUSY_CODES = frozenset({sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED})
_DAMAGED_CODES = frozenset({sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB})
_PLACE_CODES = frozenset(
    {
        sqlite3.SQLITE_FULL,
        sqlite3.SQLITE_IOERR,
        sqlite3.SQLITE_READONLY,
        sqlite3.SQLITE_CANTOPEN,
        sqlite3.SQLITE_PERM,
        sqlite3.SQLITE_PROTOCOL,
        sqlite3.SQLITE_NOLFS,
    }
)
_PRIMARY_CODE_MASK = 0xFF  # extended result codes carry the primary one in their low byte

CANNOT_WRITE = (errors.JournalBusyError, errors.JournalUnwritableError)
"""Failures of the place: what is already paid for goes to the outbox."""


def busy(holder: str | None = None, patience_s: float | None = None) -> errors.JournalBusyError:
    """The turnstile did not open in time; `holder` is what its file says (a pid), if it could be read."""
    who = f"process {holder}" if holder else "another process"
    how_long = "for too long" if patience_s is None else f"for more than {patience_s:g} s"
    return errors.JournalBusyError(
        f"The journal was held by {who} {how_long}; nothing paid was submitted.",
        hint="Try again; if that process hangs, end it: what it has committed stays.",
        is_retryable=True,
    )


def unusable(path: Path, reason: str) -> errors.JournalUnwritableError:
    """The folder or the file cannot be opened or written."""
    return errors.JournalUnwritableError(
        f"The journal {path} cannot be used: {reason}.",
        hint=f"Make room and check the folder's permissions, or {_SETTING}.",
    )


def damaged(path: Path, reason: str) -> errors.JournalUnwritableError:
    """The file is no SQLite database, or a torn one."""
    return errors.JournalUnwritableError(
        f"The journal {path} is damaged ({reason}). It was left as it is.",
        hint=f"Copy it together with its -wal file to a safe place and restore a backup, or {_SETTING} and go on.",
    )


def newer(path: Path, found: int, known: int) -> errors.JournalError:
    """A later release has migrated the file."""
    return errors.JournalError(
        f"The journal {path} has schema {found}; this version knows schemas up to {known}.",
        hint=f"Upgrade fusionflow-nb, or {_SETTING}.",
    )


def forked() -> errors.JournalError:
    """A child process uses its parent's journal: SQLite's locks and our thread did not come along."""
    return errors.JournalError(
        "This journal was opened before this process was forked.",
        hint="Open a journal of its own in the child process.",
    )


def closed() -> errors.JournalError:
    """A request came after close()."""
    return errors.JournalError("This journal is closed.", hint="Open a new session.")


def caller_left() -> errors.JournalError:
    """A claim was rolled back, because nobody waits for its answer any more; nobody sees this either."""
    return errors.JournalError("The claim was withdrawn: its caller has gone.")


def replaced(path: Path) -> errors.JournalUnwritableError:
    """The file was removed or replaced while we had it open: writes would go nowhere."""
    return errors.JournalUnwritableError(
        f"The journal {path} was removed or replaced while it was in use.",
        hint="Put the file back, or restart the kernel to begin a new one.",
    )


def job_id_taken(job_id: str) -> errors.JournalError:
    """A claim reuses the id of a job that ended."""
    return errors.JournalError(f"The job id {job_id} was used before.", hint="Give each claim a new id.")


def broken_request(error: Exception) -> errors.JournalError:
    """Our own code failed inside a transaction; the request was rolled back."""
    failure = errors.JournalError(
        f"A record was not written: {type(error).__name__}: {error}.", hint="Please report this."
    )
    failure.__cause__ = error
    return failure


def not_open(job_id: str) -> errors.JournalError:
    """Somebody wants to adopt a job that ended without a result, or never was."""
    return errors.JournalError(f"The job {job_id} is not open.", hint="Ask how it ended, or claim its key anew.")


def not_json() -> errors.JournalError:
    """A record cannot be written as JSON at all."""
    return errors.JournalError(
        "This record cannot be stored: it holds itself, or is nested too deeply.",
        hint="Use text, numbers, lists and dicts.",
    )


def outbox_unwritable(path: Path, reason: str, first: errors.JournalError) -> errors.JournalUnwritableError:
    """Neither the journal nor the outbox took a paid result: only memory and the asset store hold it now."""
    return errors.JournalUnwritableError(
        f"{first.what} The outbox {path} could not take the result either: {reason}.",
        hint="The result is still in memory: make room on the disk, then save it or run the node again.",
    )


def foreign_folder(path: Path) -> errors.JournalError:
    """A folder in a shared temporary place belongs to somebody else."""
    return errors.JournalError(
        f"The folder {path} belongs to another user or is open to others.",
        hint=f"To keep the journal elsewhere, {_SETTING} on a local disk.",
    )


def is_of_place(error: sqlite3.Error) -> bool:
    """Whether the disk, the file or another process is at fault: the same request may succeed elsewhere or later."""
    return _primary_code(error) in _PLACE_CODES | _DAMAGED_CODES | _BUSY_CODES


def is_busy(error: sqlite3.Error) -> bool:
    """Whether SQLite says that another connection writes."""
    return _primary_code(error) in _BUSY_CODES


def translate(error: sqlite3.Error, path: Path) -> errors.JournalError:
    """Our error for SQLite's. Codes decide, never message texts."""
    code = _primary_code(error)
    if code in _BUSY_CODES:
        return busy()
    if code in _DAMAGED_CODES:
        return damaged(path, str(error))
    if code in _PLACE_CODES:
        return unusable(path, str(error))
    return errors.JournalError(f"The journal {path} refused a record: {error}.", hint="Please report this.")


def _primary_code(error: sqlite3.Error) -> int | None:
    code: int | None = getattr(error, "sqlite_errorcode", None)
    return None if code is None else code & _PRIMARY_CODE_MASK
