"""Which kernels are alive: each kernel holds a lock on `kernels/<id>.lock`, which the system releases on its death.

There is no heartbeat: a sleeping or stopped kernel keeps its lock, so its jobs are never taken over by mistake.
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

NO_KERNEL = ""
"""Kernel id of a released job: no such kernel is alive, so the first kernel that asks takes the job over."""

_TRY_SHARED = portalocker.LockFlags.SHARED | portalocker.LockFlags.NON_BLOCKING
_open_locks: weakref.WeakSet[KernelLock]


class KernelLock:
    """The lock of this kernel, held from construction until `release`."""

    def __init__(self, folder: Path, kernel_id: str) -> None:
        """Acquire the lock `folder/<kernel_id>.lock`.

        Raises:
            OSError: the folder cannot be written.
        """
        self.kernel_id = kernel_id
        self._path = lock_path(folder, kernel_id)
        self._descriptor: int | None = _create_and_lock(self._path)
        _open_locks.add(self)

    def release(self) -> None:
        """Release the lock and remove its file."""
        if self._descriptor is not None:
            self._path.unlink(missing_ok=True)
            os.close(self._descriptor)
            self._descriptor = None

    def close_in_child(self) -> None:
        """In a forked child: close the inherited descriptor, which would keep a dead parent alive."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None


def lock_path(folder: Path, kernel_id: str) -> Path:
    """Return the path of a kernel's lock file."""
    return folder / f"{kernel_id}.lock"


def is_alive(folder: Path, kernel_id: str) -> bool:
    """Return whether a kernel holds its lock. A kernel without a lock file is dead."""
    if kernel_id == NO_KERNEL:
        return False
    with lock_if_dead(folder, kernel_id) as is_dead:
        return not is_dead


@contextmanager
def lock_if_dead(folder: Path, kernel_id: str) -> Iterator[bool]:
    """Hold a dead kernel's lock during the block; yields False, without a lock, if the kernel is alive.

    The lock is shared: otherwise two kernels that check a dead kernel at the same time would see it alive.
    """
    try:
        descriptor = os.open(lock_path(folder, kernel_id), os.O_RDWR)
    except FileNotFoundError:
        yield True
        return
    try:
        try:
            portalocker.lock(descriptor, _TRY_SHARED)
        except portalocker.LockException:
            yield False
            return
        yield True
    finally:
        os.close(descriptor)


def remove_dead_locks(folder: Path, *, keep: frozenset[str]) -> list[str]:
    """Remove the lock files of dead kernels, except of those in `keep`; returns the removed kernel ids."""
    removed = []
    for path in folder.glob("*.lock"):
        if path.stem in keep:
            continue
        with lock_if_dead(folder, path.stem) as is_dead:
            if is_dead:
                path.unlink(missing_ok=True)
                removed.append(path.stem)
    return removed


def _create_and_lock(path: Path) -> int:
    """Create and lock a file; retry if another kernel removed the file between the two steps."""
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
    for lock in list(_open_locks):
        lock.close_in_child()


_open_locks = weakref.WeakSet()
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
