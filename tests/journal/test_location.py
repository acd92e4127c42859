"""Folder of the journal: the home folder, or a local folder if home is on a network file system."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from fusionflow_nb import errors
from fusionflow_nb.journal import location

TABLE = """\
/dev/sda1 / ext4 rw 0 0
server:/homes /home nfs4 rw 0 0
/dev/sdb1 /home/ann/scratch xfs rw 0 0
ann@far:/data /home/ann/my\\040data fuse.sshfs rw 0 0
tmpfs /tmp tmpfs rw 0 0
"""


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("/home/ann", "nfs4"),
        ("/home/ann/scratch/ff", "xfs"),
        ("/home/ann/my data/x", "fuse.sshfs"),
        ("/srv", "ext4"),
        ("/homes", "ext4"),
    ],
)
def test_longest_mount_point_wins(path, expected):
    """A local disk mounted inside a network home is local, and the reverse."""
    assert location.file_system_of(Path(path), TABLE) == expected


@pytest.mark.parametrize("kind", ["nfs", "nfs4", "cifs", "smb3", "fuse.sshfs", "fuse.rclone", "9p", "lustre"])
def test_network_file_systems_are_detected(kind):
    """Types of network file systems."""
    assert location.is_network(kind)


@pytest.mark.parametrize("kind", ["ext4", "xfs", "btrfs", "tmpfs", "overlay", "apfs", "fuse.ntfs-3g", "fuseblk"])
def test_local_file_systems_are_used(kind):
    """Types of local disks."""
    assert not location.is_network(kind)


@pytest.mark.skipif(sys.platform == "win32", reason="owners and modes of POSIX systems")
def test_network_home_moves_the_journal_with_one_warning(tmp_path, monkeypatch):
    """The journal moves to a private local folder, the same every time; the warning names the setting."""
    monkeypatch.setattr(location, "_LASTING_TEMPORARY_FOLDER", tmp_path)
    home = Path("/home/ann/fusionflow")
    with pytest.warns(UserWarning, match=r"network.*nfs4.*FUSIONFLOW_HOME") as caught:
        folder = location.journal_folder(home, mounts=TABLE)
    assert len(caught) == 1
    assert folder.parent == tmp_path
    assert folder.stat().st_mode & 0o777 == 0o700
    with pytest.warns(UserWarning, match="network"):
        assert location.journal_folder(home, mounts=TABLE) == folder
    with pytest.warns(UserWarning, match="network"):
        assert location.journal_folder(Path("/home/ben/fusionflow"), mounts=TABLE) != folder
    folder.chmod(0o755)
    with pytest.raises(errors.JournalError, match="open to others"):
        location.journal_folder(home, mounts=TABLE)


def test_local_home_is_used_unchanged(tmp_path):
    """No warning and no other folder."""
    assert location.journal_folder(tmp_path, mounts="/dev/sda1 / ext4 rw 0 0\nshort line\n") == tmp_path
    assert location.journal_folder(tmp_path, mounts="") == tmp_path
