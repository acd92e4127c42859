"""The user's secret: `<home>/secret`, shared by kernel and server and never sent anywhere.

The kernel makes it, once; the server only reads it. Who deletes it makes every address signed so far worthless.
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


def make_secret(home: Path) -> bytes:
    """The secret of a home folder (32 bytes); made at the first call, however many processes make it at once.

    Raises:
        SecretError: it cannot be read or made, or the file holds something else.
    """
    found = read_secret(home)
    if found is not None:
        return found
    try:
        home.mkdir(parents=True, exist_ok=True)
        _publish(home / SECRET_FILE, f"{secrets.token_hex(_SECRET_BYTES)}\n".encode())
    except OSError as error:
        raise _unusable(home, error) from error
    made = read_secret(home)
    if made is None:
        message = f"The file {home / SECRET_FILE} vanished while it was made."
        raise errors.SecretError(message, hint="Try again.", is_retryable=True)
    return made


def read_secret(home: Path) -> bytes | None:
    """The secret of a home folder, or None where no kernel has made one yet. Takes others' access to it away.

    Raises:
        SecretError: it cannot be read, or the file holds something else.
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
        message = f"The file {path} holds no secret of this program."
        raise errors.SecretError(message, hint="Delete it, then run the cell again: a new secret is created.")
    return bytes.fromhex(text.decode())


def _publish(path: Path, text: bytes) -> None:
    """Publish a complete file, unless another process was faster: then its file is used."""
    draft = path.with_name(f"{path.name}.{uuid4().hex}")
    # The mode counts from the first moment on: a chmod afterwards would leave a gap to read in.
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, _FOR_OWNER)
    try:
        with os.fdopen(descriptor, "wb") as stream:
            stream.write(text)
            stream.flush()
            os.fsync(stream.fileno())
        _name(draft, path)
    finally:
        draft.unlink(missing_ok=True)


def _name(draft: Path, path: Path) -> None:
    try:
        if os.name == "nt":
            draft.rename(path)  # refuses to replace there, which is what we want
        else:
            path.hardlink_to(draft)  # unlike rename, never replaces
    except FileExistsError:
        return
    except OSError:
        # A file system without hard links: the name is still taken by one process only. Who reads in the instant
        # between the two steps is told that the file holds no secret, and succeeds the next time.
        try:
            descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, _FOR_OWNER)
        except FileExistsError:
            return
        with os.fdopen(descriptor, "wb") as stream:
            stream.write(draft.read_bytes())


def _unusable(home: Path, error: OSError) -> errors.SecretError:
    message = f"The file {home / SECRET_FILE} cannot be used ({error.strerror or type(error).__name__})."
    return errors.SecretError(message, hint="Point the setting FUSIONFLOW_HOME at a folder that you can write.")
