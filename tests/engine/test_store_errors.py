"""Runs on a full disk or a read-only home folder (real mounts): no paid result is lost."""

from __future__ import annotations

import contextlib
import os
import subprocess
from typing import TYPE_CHECKING, Any

import pytest
from engine.test_paid_results_kept import Synchronous
from support.engine import PATIENCE_S, counts

import fusionflow_nb as ff
from fusionflow_nb import errors
from fusionflow_nb.providers.registry import Registry
from fusionflow_nb.session import Session, use_session
from fusionflow_nb.testing.fake import FakeProvider

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = pytest.mark.skipif(
    not hasattr(os, "geteuid") or os.geteuid() != 0, reason="only root may mount a small disk"
)


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of eight megabytes."""
    mount_point = tmp_path / "disk"
    mount_point.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=8m", "tmpfs", str(mount_point)], check=False, capture_output=True
    )
    if mounted.returncode:
        pytest.skip("mounting is not allowed here")
    yield mount_point
    use_session(None)
    subprocess.run(["umount", "--lazy", str(mount_point)], check=True)


def open_session(home: Path, fake: FakeProvider) -> Session:
    """Open a session in this home folder, with one service."""
    session = Session(home, Registry([fake]))
    use_session(session)
    return session


def one_picture() -> ff.Flow:
    """A flow with one paid image."""
    flow = ff.Flow("Place", id="place")
    flow.generate_image("dawn", model="fake/image", name="still")
    return flow


@pytest.mark.parametrize("kind", [FakeProvider, Synchronous], ids=["queue", "synchronous"])
def test_disk_that_fills_up_during_a_call_loses_nothing(disk: Path, kind: type[FakeProvider]) -> None:
    """The error is clear, and with free space the same kernel has the result: one submit, one payment."""
    fake = kind()
    filler = disk / "filler"
    original_poll = fake.poll

    async def full(operation: Any) -> Any:
        if not filler.exists():
            fill(filler)
        return await original_poll(operation)

    fake.poll = full  # type: ignore[method-assign]
    session = open_session(disk / "home", fake)
    flow = one_picture()
    with contextlib.suppress(errors.JournalError):  # the end of the run may fail to be written, too
        run = flow.run()
        run.wait(PATIENCE_S)
    assert isinstance(run.errors[0], errors.DiskFullError | errors.JournalUnwritableError)
    fake.poll = original_poll  # type: ignore[method-assign]
    filler.unlink()
    assert set(counts(flow.run().wait(PATIENCE_S))) <= {"succeeded", "cached"}
    assert len(fake.log()) == 1
    spent = session.call(session.journal.spending(["project:place"]))["project:place"]
    assert (spent.spent_micro_usd, spent.reserved_micro_usd) == (40_000, 0)


def test_full_disk_submits_nothing(disk: Path) -> None:
    """What cannot be journaled is not sent; with free space it is."""
    fake = FakeProvider()
    open_session(disk / "home", fake)
    flow = one_picture()
    filler = disk / "filler"
    fill(filler)
    with pytest.raises(errors.FusionFlowError, match=r"Free disk space"):
        flow.run().result(PATIENCE_S)
    assert fake.log() == []
    filler.unlink()
    flow.run().result(PATIENCE_S)
    assert len(fake.log()) == 1


@pytest.mark.parametrize("is_used", [True, False], ids=["used before", "new"])
def test_read_only_home_submits_nothing(disk: Path, is_used: bool) -> None:  # noqa: FBT001 - a case
    """No session without a journal, and no submit without a session; the error names the setting."""
    fake = FakeProvider()
    if is_used:
        open_session(disk / "home", fake)
        use_session(None)
    subprocess.run(["mount", "-o", "remount,ro", str(disk)], check=True)
    with pytest.raises(errors.FusionFlowError, match="FUSIONFLOW_HOME"):
        open_session(disk / "home", fake)
    assert fake.log() == []


def fill(path: Path) -> None:
    """Write until the disk is full."""
    with path.open("wb", buffering=0) as file, contextlib.suppress(OSError):
        while True:
            file.write(bytes(4096))
