"""The user's secret: `<home>/secret`, shared by kernel and server and never sent anywhere.

The kernel creates it once; the server only reads it. Deleting the file invalidates every URL signed so far.
"""

from __future__ import annotations

import os
import re
import secrets
from typing import TYPE_CHECKING
from uuid import uuid4

from fusionflow_nb import errors

if TYPE_CHECKING:
    from pathlib import Path

SECRET_FILE = "secret"  # noqa: S105 - a file name
_SECRET_BYTES = 32
_TEXT = re.compile(rb"[0-9a-f]{64}\n")
_FOR_OTHERS = 0o077
_FOR_OWNER = 0o600


def ensure_secret(home: Path) -> bytes:
    """The secret of a home folder (32 bytes). The first call creates it; concurrent processes get the same secret.

    Raises:
        SecretError: the file cannot be read or created, or is not a secret.
    """
    secret = read_secret(home)
    if secret is not None:
        return secret
    try:
        home.mkdir(parents=True, exist_ok=True)
        _publish(home / SECRET_FILE, f"{secrets.token_hex(_SECRET_BYTES)}\n".encode())
    except OSError as error:
        raise _unusable(home, error) from error
    secret = read_secret(home)
    if secret is None:
        message = f"The file {home / SECRET_FILE} was deleted while it was created."
        raise errors.SecretError(message, hint="Try again.", is_retryable=True)
    return secret


def read_secret(home: Path) -> bytes | None:
    """The secret of a home folder; None if no kernel has created it yet. Restricts the file's mode to the owner.

    Raises:
        SecretError: the file cannot be read, or is not a secret.
    """
    path = home / SECRET_FILE
    try:
        text = path.read_bytes()
        if os.name == "posix" and path.stat().st_mode & _FOR_OTHERS:
            path.chmod(_FOR_OWNER)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        raise _unusable(home, error) from error
    if not _TEXT.fullmatch(text):
        message = f"The file {path} is not a valid secret."
        raise errors.SecretError(message, hint="Delete it and run the cell again: a new secret is created.")
    return bytes.fromhex(text.decode())


def _publish(path: Path, text: bytes) -> None:
    """Publish a complete file, unless another process has published its own."""
    draft = path.with_name(f"{path.name}.{uuid4().hex}")
    # The mode is set at creation: before a later chmod others could read the file.
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, _FOR_OWNER)
    try:
        with os.fdopen(descriptor, "wb") as stream:
            stream.write(text)
            stream.flush()
            os.fsync(stream.fileno())
        _publish_name(draft, path)
    finally:
        draft.unlink(missing_ok=True)


def _publish_name(draft: Path, path: Path) -> None:
    try:
        if os.name == "nt":
            draft.rename(path)  # never replaces on Windows
        else:
            path.hardlink_to(draft)  # unlike rename, never replaces
    except FileExistsError:
        return
    except OSError:
        # A file system without hard links: still only one process creates the file. Between creation and write a
        # reader finds no valid secret; its next try succeeds.
        try:
            descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, _FOR_OWNER)
        except FileExistsError:
            return
        with os.fdopen(descriptor, "wb") as stream:
            stream.write(draft.read_bytes())


def _unusable(home: Path, error: OSError) -> errors.SecretError:
    message = f"The file {home / SECRET_FILE} cannot be used ({error.strerror or type(error).__name__})."
    return errors.SecretError(message, hint="Set FUSIONFLOW_HOME to a folder that you can write to.")
