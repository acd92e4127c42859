"""Errors for failed system calls, classified by errno."""

from __future__ import annotations

import errno
from contextlib import contextmanager
from typing import TYPE_CHECKING

from fusionflow_nb import errors

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

# EFBIG: a limit on file size; to the user the same as a full disk or quota.
_FULL = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})
# The last four: a part of the path is a file, is missing, or cannot be created.
_UNWRITABLE = frozenset(
    {errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOTDIR, errno.EEXIST, errno.ENOENT, errno.ENAMETOOLONG}
)

# errno values about the disk and its folders, from any call.
STORE_ERRNOS = _FULL | _UNWRITABLE | {errno.EIO}

EXPORT_HINT = "Choose a writable folder with free space."
STORE_HINT = "Set FUSIONFLOW_HOME to a writable folder, then run again."
_FULL_HINT = "Free space there or set FUSIONFLOW_HOME to a folder on another disk, then run again."


def store_error(error: OSError, folder: Path, *, hint: str | None = None) -> errors.StoreError:
    """The error for a failed write below a folder; `hint` replaces the default hint about FUSIONFLOW_HOME."""
    reason = error.strerror or type(error).__name__
    if error.errno in _FULL:
        message = f"The disk of {folder} is full ({reason}); nothing was stored."
        return errors.DiskFullError(message, hint=hint or _FULL_HINT)
    if error.errno in _UNWRITABLE:
        message = f"The folder {folder} cannot be used ({reason})."
        return errors.UnwritableError(message, hint=hint or STORE_HINT)
    message = f"A file could not be stored in {folder} ({reason})."
    return errors.StoreError(message, hint="The disk may be failing or disconnected; check it, then run again.")


@contextmanager
def store_errors(folder: Path, *, hint: str | None = None) -> Iterator[None]:
    """Turn an OSError of a write below `folder` into a StoreError.

    Raises:
        DiskFullError, UnwritableError, StoreError: by errno.
    """
    try:
        yield
    except OSError as error:
        raise store_error(error, folder, hint=hint) from error


@contextmanager
def source_errors(path: Path) -> Iterator[None]:
    """Turn an OSError of reading a user's file into MediaError."""
    try:
        yield
    except FileNotFoundError as error:
        message = f"There is no file {path}."
        raise errors.MediaError(message, hint="Check the path.") from error
    except OSError as error:
        message = f"The file {path} cannot be read ({error.strerror or type(error).__name__})."
        raise errors.MediaError(message, hint="Check that it is a file and that you may read it.") from error
