"""Who is alive: each kernel holds a lock on `kernels/<id>.lock` for its life, and the system drops it on death.

No heartbeat: a sleeping or stopped kernel keeps its lock, so its work is never taken over by mistake.
"""

from __future__ import annotations

import os
import weakref
from contextlib import contextmanager
from typing import TYPE_CHECKING

import portalocker

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

NOBODY = ""
"""The kernel id of a job that was handed over: no such kernel lives, so the first who asks inherits it."""

_SHARED_NOW = portalocker.LockFlags.SHARED | portalocker.LockFlags.NON_BLOCKING
_living: weakref.WeakSet[KernelLife]


class KernelLife:
    """This kernel's own lock, from construction to `end`."""

    def __init__(self, folder: Path, kernel_id: str) -> None:
        """Take the lock `folder/<kernel_id>.lock`.

        Raises:
            OSError: the folder cannot be written.
        """
        self.kernel_id = kernel_id
        self._path = lock_path(folder, kernel_id)
        self._descriptor: int | None = _take_new(self._path)
        _living.add(self)

    def end(self) -> None:
        """Give the lock up and remove its file."""
        if self._descriptor is not None:
            self._path.unlink(missing_ok=True)
            os.close(self._descriptor)
            self._descriptor = None

    def leave_to_parent(self) -> None:
        """In a forked child: close our copy, else the child would keep its dead parent alive."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None


def lock_path(folder: Path, kernel_id: str) -> Path:
    """The lock file of a kernel."""
    return folder / f"{kernel_id}.lock"


def is_alive(folder: Path, kernel_id: str) -> bool:
    """Whether a kernel holds its lock. One whose file is gone is dead."""
    if kernel_id == NOBODY:
        return False
    with taken_from_dead(folder, kernel_id) as is_dead:
        return not is_dead


@contextmanager
def taken_from_dead(folder: Path, kernel_id: str) -> Iterator[bool]:
    """Hold a dead kernel's lock for a while; yields False, holding nothing, if it lives.

    The lock is shared: two who look at once must not take each other for the one who is dead.
    """
    try:
        descriptor = os.open(lock_path(folder, kernel_id), os.O_RDWR)
    except FileNotFoundError:
        yield True
        return
    try:
        try:
            portalocker.lock(descriptor, _SHARED_NOW)
        except portalocker.LockException:
            yield False
            return
        yield True
    finally:
        os.close(descriptor)


def sweep(folder: Path, *, keep: frozenset[str]) -> list[str]:
    """Remove the lock files of dead kernels, except of those in `keep`; returns the ids removed."""
    removed = []
    for path in folder.glob("*.lock"):
        if path.stem in keep:
            continue
        with taken_from_dead(folder, path.stem) as is_dead:
            if is_dead:
                path.unlink(missing_ok=True)
                removed.append(path.stem)
    return removed


def _take_new(path: Path) -> int:
    """Create and lock; again, if a sweeping kernel removed the file between the two."""
    while True:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
        portalocker.lock(descriptor, portalocker.LockFlags.EXCLUSIVE)
        try:
            if path.stat().st_ino == os.fstat(descriptor).st_ino:
                return descriptor
        except FileNotFoundError:
            pass
        os.close(descriptor)


def _after_fork() -> None:
    for life in list(_living):
        life.leave_to_parent()


_living = weakref.WeakSet()
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
