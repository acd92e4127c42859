"""Errors of the journal with their messages, and the translation of SQLite's error codes."""

from __future__ import annotations

import sqlite3
from typing import TYPE_CHECKING

from fusionflow_nb import errors

if TYPE_CHECKING:
    from pathlib import Path

_SETTING = "set FUSIONFLOW_HOME to another folder"
_BUSY_CODES = frozenset({sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED})
_DAMAGED_CODES = frozenset({sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB})
_STORAGE_CODES = frozenset(
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
"""Storage failures: paid results then go to the outbox."""


def busy(holder: str | None = None, timeout_s: float | None = None) -> errors.JournalBusyError:
    """The commit lock was not acquired in time; `holder` is the pid in its file, if it could be read."""
    process = f"process {holder}" if holder else "another process"
    duration = "for too long" if timeout_s is None else f"for more than {timeout_s:g} s"
    return errors.JournalBusyError(
        f"The journal was locked by {process} {duration}; nothing paid was submitted.",
        hint="Try again. If that process hangs, end it: its committed records are kept.",
        is_retryable=True,
    )


def unusable(path: Path, reason: str) -> errors.JournalUnwritableError:
    """The folder or the file cannot be opened or written."""
    return errors.JournalUnwritableError(
        f"The journal {path} cannot be used: {reason}.",
        hint=f"Free disk space and check the folder's permissions, or {_SETTING}.",
    )


def damaged(path: Path, reason: str) -> errors.JournalUnwritableError:
    """The file is not a valid SQLite database."""
    return errors.JournalUnwritableError(
        f"The journal {path} is damaged ({reason}). It was not changed.",
        hint=f"Copy it and its -wal file to a safe place and restore a backup, or {_SETTING}.",
    )


def newer(path: Path, version: int, supported: int) -> errors.JournalError:
    """A newer version of the package migrated the file."""
    return errors.JournalError(
        f"The journal {path} has schema {version}; this version supports schemas up to {supported}.",
        hint=f"Upgrade fusionflow-nb, or {_SETTING}.",
    )


def forked() -> errors.JournalError:
    """A forked child uses the journal of its parent: it has neither SQLite's locks nor the writer thread."""
    return errors.JournalError(
        "This journal was opened before the process was forked.",
        hint="Open a new journal in the child process.",
    )


def closed() -> errors.JournalError:
    """The journal was used after close()."""
    return errors.JournalError("This journal is closed.", hint="Open a new session.")


def caller_left() -> errors.JournalError:
    """A claim was rolled back because its caller was cancelled; the error is not shown."""
    return errors.JournalError("The claim was withdrawn because its caller was cancelled.")


def replaced(path: Path) -> errors.JournalUnwritableError:
    """The file was removed or replaced while it was open: further writes would be lost."""
    return errors.JournalUnwritableError(
        f"The journal {path} was removed or replaced while it was in use.",
        hint="Put the file back, or restart the kernel to create a new journal.",
    )


def job_id_taken(job_id: str) -> errors.JournalError:
    """A claim reuses the id of a job that ended."""
    return errors.JournalError(f"The job id {job_id} was used before.", hint="Use a new id for each claim.")


def broken_request(error: Exception) -> errors.JournalError:
    """The package's own code failed inside a transaction; the request was rolled back."""
    failure = errors.JournalError(
        f"A record could not be written: {type(error).__name__}: {error}.", hint="Please report this."
    )
    failure.__cause__ = error
    return failure


def not_open(job_id: str) -> errors.JournalError:
    """The job to adopt has ended without a result, or does not exist."""
    return errors.JournalError(f"The job {job_id} is not open.", hint="Check how it ended, or claim its key again.")


def not_json() -> errors.JournalError:
    """A record cannot be encoded as JSON."""
    return errors.JournalError(
        "This record cannot be stored: it contains itself, or is nested too deeply.",
        hint="Use text, numbers, lists and dicts only.",
    )


def outbox_unwritable(path: Path, reason: str, first: errors.JournalError) -> errors.JournalUnwritableError:
    """Neither the journal nor the outbox could store a paid result; it is kept in memory and in the asset store."""
    return errors.JournalUnwritableError(
        f"{first.what} The outbox {path} could not be written either: {reason}.",
        hint="The result is still in memory. Free disk space, then save it or run the node again.",
    )


def foreign_folder(path: Path) -> errors.JournalError:
    """A folder inside a shared temporary folder belongs to another user."""
    return errors.JournalError(
        f"The folder {path} belongs to another user or is open to others.",
        hint=f"To store the journal elsewhere, {_SETTING} on a local disk.",
    )


def is_storage_failure(error: sqlite3.Error) -> bool:
    """Return whether the cause is the disk, the file or another process: the same request may succeed later."""
    return _primary_code(error) in _STORAGE_CODES | _DAMAGED_CODES | _BUSY_CODES


def is_busy(error: sqlite3.Error) -> bool:
    """Return whether the cause is another connection that writes."""
    return _primary_code(error) in _BUSY_CODES


def translate(error: sqlite3.Error, path: Path) -> errors.JournalError:
    """Return the JournalError for an SQLite error, by its code and never by its text."""
    code = _primary_code(error)
    if code in _BUSY_CODES:
        return busy()
    if code in _DAMAGED_CODES:
        return damaged(path, str(error))
    if code in _STORAGE_CODES:
        return unusable(path, str(error))
    return errors.JournalError(f"The journal {path} refused a record: {error}.", hint="Please report this.")


def _primary_code(error: sqlite3.Error) -> int | None:
    code: int | None = getattr(error, "sqlite_errorcode", None)
    return None if code is None else code & _PRIMARY_CODE_MASK
