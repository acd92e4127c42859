"""Real places that fail a run: a full disk, a home that cannot be written. What is paid for is not lost by them."""

from __future__ import annotations

import contextlib
import os
import subprocess
from typing import TYPE_CHECKING, Any

import pytest
from engine.test_paid_results_kept import AtOnce
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
    place = tmp_path / "disk"
    place.mkdir()
    made = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=8m", "tmpfs", str(place)], check=False, capture_output=True
    )
    if made.returncode:
        pytest.skip("mounting is not allowed here")
    yield place
    use_session(None)
    subprocess.run(["umount", "--lazy", str(place)], check=True)


def begin(home: Path, fake: FakeProvider) -> Session:
    """A session on this home, with one service."""
    made = Session(home, Registry([fake]))
    use_session(made)
    return made


def one_picture() -> ff.Flow:
    """A flow that pays for one."""
    flow = ff.Flow("Place", id="place")
    flow.generate_image("dawn", model="fake/image", name="still")
    return flow


@pytest.mark.parametrize("kind", [FakeProvider, AtOnce], ids=["a queue", "at once"])
def test_a_disk_that_fills_up_while_work_is_out(disk: Path, kind: type[FakeProvider]) -> None:
    """Clear words, and with room again the same kernel has the result: submitted once, paid once."""
    fake = kind()
    filler = disk / "filler"
    whole = fake.poll

    async def full(operation: Any) -> Any:
        if not filler.exists():
            fill(filler)
        return await whole(operation)

    fake.poll = full  # type: ignore[method-assign]
    session = begin(disk / "home", fake)
    flow = one_picture()
    with contextlib.suppress(errors.JournalError):  # the end of the run may not find room either
        run = flow.run()
        run.wait(PATIENCE_S)
    assert isinstance(run.errors[0], errors.DiskFullError | errors.JournalUnwritableError)
    fake.poll = whole  # type: ignore[method-assign]
    filler.unlink()
    assert set(counts(flow.run().wait(PATIENCE_S))) <= {"succeeded", "cached"}
    assert len(fake.log()) == 1
    spent = session.call(session.journal.spending(["project:place"]))["project:place"]
    assert (spent.spent_micro_usd, spent.reserved_micro_usd) == (40_000, 0)


def test_a_full_disk_submits_nothing(disk: Path) -> None:
    """What cannot be written ahead is not sent; with room again it is."""
    fake = FakeProvider()
    begin(disk / "home", fake)
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
def test_a_read_only_home_submits_nothing(disk: Path, is_used: bool) -> None:  # noqa: FBT001 - a case
    """There is no session without a journal, and no submission without a session; the error names the setting."""
    fake = FakeProvider()
    if is_used:
        begin(disk / "home", fake)
        use_session(None)
    subprocess.run(["mount", "-o", "remount,ro", str(disk)], check=True)
    with pytest.raises(errors.FusionFlowError, match="FUSIONFLOW_HOME"):
        begin(disk / "home", fake)
    assert fake.log() == []


def fill(path: Path) -> None:
    """Write until nothing more goes."""
    with path.open("wb", buffering=0) as file, contextlib.suppress(OSError):
        while True:
            file.write(bytes(4096))
