"""Acknowledged records are on disk; records that could not be synced are not acknowledged."""

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
    """A disk that counts the syncs of the WAL, and can fail them."""

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
def failing_checkpoint(monkeypatch):
    """Make checkpoints fail too."""
    monkeypatch.setattr(durability.CommitSync, "_checkpoint", lambda *_: (1, 5, 0))


async def test_write_returns_after_the_sync(tmp_path, disk):
    """Each commit is followed by a sync of the WAL before its caller is notified."""
    with Journal.open(tmp_path) as journal:
        for count in range(1, 4):
            await journal.record([a_generation(count)])
            assert disk.synced == count


async def test_failed_sync_is_followed_by_a_checkpoint(tmp_path, disk):
    """After a failed sync a row is acknowledged once it is in the database file."""
    with Journal.open(tmp_path) as journal:
        disk.is_failing = True
        await journal.record([a_generation("a")])
        copy = tmp_path / "copy.sqlite"
        copy.write_bytes((tmp_path / "journal.sqlite").read_bytes())  # without the WAL
        connection = sqlite3.connect(copy)
        (count,) = connection.execute("SELECT count(*) FROM events").fetchone()
        connection.close()
        assert count == 1


async def test_claim_that_is_not_durable_is_undone(tmp_path, disk, failing_checkpoint):
    """The claim raises, and reserves nothing once the disk works again."""
    with Journal.open(tmp_path) as journal:
        disk.is_failing = True
        with pytest.raises(errors.JournalUnwritableError):
            await journal.claim([an_intent(reserve=7)], {})
    disk.is_failing = False
    with Journal.open(tmp_path) as journal:
        (answer,) = await journal.claim([an_intent()], {})
        assert isinstance(answer, Granted)


async def test_record_that_is_not_durable_goes_to_the_outbox(tmp_path, disk, failing_checkpoint):
    """Applying the outbox has no effect on a row that was durable after all."""
    with Journal.open(tmp_path) as journal:
        disk.is_failing = True
        await journal.record([a_generation("a")])
        assert not journal._outbox.is_empty
        content = journal._outbox.path.read_bytes()
    assert content.count(b"\n") == 1
    disk.is_failing = False
    Journal.open(tmp_path).close()
    assert len(events_of(tmp_path)) == 1
