"""Folder of the journal: SQLite's WAL mode needs shared memory, which network file systems do not provide."""

from __future__ import annotations

import getpass
import hashlib
import logging
import os
import socket
import stat
import tempfile
import warnings
from pathlib import Path

from fusionflow_nb.journal import messages

_log = logging.getLogger(__name__)
_MOUNTS = Path("/proc/self/mounts")
_LASTING_TEMPORARY_FOLDER = Path("/var/tmp")  # noqa: S108 - survives a reboot; owner and mode are checked below
_NETWORK_TYPES = frozenset(
    {"nfs", "nfs4", "cifs", "smb3", "smbfs", "9p", "afs", "ceph", "glusterfs", "lustre", "beegfs", "gpfs", "davfs"}
)
_NETWORK_HELPERS = ("sshfs", "s3fs", "rclone", "gcsfuse", "goofys", "glusterfs", "ceph", "davfs", "blobfuse", "juicefs")


def journal_folder(home: Path, *, mounts: str | None = None) -> Path:
    """Return the folder for `journal.sqlite` and `kernels/`: `home`, or a local one (with a warning) if it is remote.

    Args:
        home: the folder of the setting FUSIONFLOW_HOME; it may be missing.
        mounts: the text of the mount table; read from the system if None.

    Raises:
        JournalError: the local folder belongs to another user.
    """
    table = _read_mounts() if mounts is None else mounts
    file_system = file_system_of(home, table)
    if file_system is None or not is_network(file_system):
        return home
    folder = _local_folder(home)
    _make_private(folder)
    _log.info("%s is on a network file system (%s): using %s for the journal.", home, file_system, folder)
    warnings.warn(
        f"{home} is on a network file system ({file_system}), which does not support the journal. "
        f"The journal is stored in {folder}. Set FUSIONFLOW_HOME to choose another local folder.",
        stacklevel=2,
    )
    return folder


def file_system_of(path: Path, mounts: str) -> str | None:
    """Return the file system type of a path: the longest mount point that contains it wins, of equals the last.

    >>> file_system_of(Path("/home/ann/x"), "srv:/h /home nfs4 rw 0 0")
    'nfs4'
    """
    resolved = path.expanduser().resolve()
    best: tuple[int, str] | None = None
    for line in mounts.splitlines():
        fields = line.split()
        if len(fields) < 3:  # noqa: PLR2004 - device, mount point, type
            continue
        point = Path(_unescape(fields[1]))
        depth = len(point.parts)
        if resolved.is_relative_to(point) and (best is None or depth >= best[0]):
            best = (depth, fields[2])
    return None if best is None else best[1]


def is_network(file_system: str) -> bool:
    """Return whether a file system type is a network file system.

    >>> is_network("fuse.sshfs"), is_network("ext4")
    (True, False)
    """
    kind, _, helper = file_system.partition(".")
    return kind in _NETWORK_TYPES or (kind == "fuse" and helper.startswith(_NETWORK_HELPERS))


def _local_folder(home: Path) -> Path:
    base = _LASTING_TEMPORARY_FOLDER if _LASTING_TEMPORARY_FOLDER.is_dir() else Path(tempfile.gettempdir())
    which_home = hashlib.sha256(str(home.expanduser().resolve()).encode()).hexdigest()[:8]
    return base / f"fusionflow-{getpass.getuser()}-{socket.gethostname()}-{which_home}"


def _make_private(folder: Path) -> None:
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    if not hasattr(os, "getuid"):
        return
    status = folder.lstat()
    is_private = stat.S_ISDIR(status.st_mode) and status.st_uid == os.getuid() and not status.st_mode & 0o077
    if not is_private:
        raise messages.foreign_folder(folder)


def _read_mounts() -> str:
    try:
        return _MOUNTS.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""  # the system has no mount table: assume a local folder


def _unescape(mount_point: str) -> str:
    r"""Decode the octal escapes of the mount table: \040 space, \011 tab, \134 backslash."""
    for code, character in (("\\040", " "), ("\\011", "\t"), ("\\012", "\n"), ("\\134", "\\")):
        mount_point = mount_point.replace(code, character)
    return mount_point
