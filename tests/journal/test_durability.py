"""What is acknowledged is on the disk; what could not be brought there is never acknowledged."""

from __future__ import annotations

import os
import sqlite3

import pytest
from support.journal import a_generation, an_intent, events_of

from fusionflow_nb import errors
from fusionflow_nb.journal import durability
from fusionflow_nb.journal.journal import Journal
from fusionflow_nb.journal.protocol import Granted


@pytest.fixture
def disk(tmp_path, monkeypatch):
    """A disk whose syncs of the log can be made to fail, and that counts those that did not."""

    class Disk:
        is_failing = False
        synced = 0

    def sync_file(descriptor):
        if not os.path.samestat(os.fstat(descriptor), (tmp_path / "journal.sqlite-wal").stat()):
            return
        if Disk.is_failing:
            raise OSError(5, "Input/output error")
        Disk.synced += 1

    monkeypatch.setattr(durability, "sync_file", sync_file)
    return Disk


@pytest.fixture
def no_way_out(monkeypatch):
    """Folding the log into the file fails too."""
    monkeypatch.setattr(durability.CommitSync, "_checkpoint", lambda *_: (1, 5, 0))


async def test_nothing_is_acknowledged_before_its_sync(tmp_path, disk):
    """Each commit is followed by a sync of the log before its caller hears of it."""
    with Journal.open(tmp_path) as journal:
        for count in range(1, 4):
            await journal.record([a_generation(count)])
            assert disk.synced == count


async def test_failed_sync_is_made_good_by_folding_the_log(tmp_path, disk):
    """After a failed sync a row is acknowledged only once it is in the file itself."""
    with Journal.open(tmp_path) as journal:
        disk.is_failing = True
        await journal.record([a_generation("a")])
        copy = tmp_path / "copy.sqlite"
        copy.write_bytes((tmp_path / "journal.sqlite").read_bytes())  # without its log
        connection = sqlite3.connect(copy)
        (count,) = connection.execute("SELECT count(*) FROM events").fetchone()
        connection.close()
        assert count == 1


async def test_claim_that_is_not_durable_is_undone(tmp_path, disk, no_way_out):
    """A claim whose commit may be lost is an error to its caller, and holds nothing once the disk is well again."""
    with Journal.open(tmp_path) as journal:
        disk.is_failing = True
        with pytest.raises(errors.JournalUnwritableError):
            await journal.claim([an_intent(reserve=7)], {})
    disk.is_failing = False
    with Journal.open(tmp_path) as journal:
        (answer,) = await journal.claim([an_intent()], {})
        assert isinstance(answer, Granted)


async def test_record_that_is_not_durable_goes_to_the_outbox_and_home_once(tmp_path, disk, no_way_out):
    """What is paid for is kept by the outbox, and applying it to a row that survived after all changes nothing."""
    with Journal.open(tmp_path) as journal:
        disk.is_failing = True
        await journal.record([a_generation("a")])
        assert not journal._outbox.is_empty
        kept = journal._outbox.path.read_bytes()
    assert kept.count(b"\n") == 1
    disk.is_failing = False
    Journal.open(tmp_path).close()
    assert len(events_of(tmp_path)) == 1
