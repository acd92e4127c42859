"""Outbox: paid results are kept there while the journal cannot be written, and applied later."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys

import pytest
from support.journal import (
    a_generation,
    an_intent,
    ended,
    events_of,
    finish_on_a_full_disk,
    key_of,
    stored_names,
    worker,
)

from fusionflow_nb import errors
from fusionflow_nb.journal import messages, outbox, replay
from fusionflow_nb.journal.commit_lock import CommitLock
from fusionflow_nb.journal.journal import Journal
from fusionflow_nb.journal.outbox import Outbox
from fusionflow_nb.journal.protocol import Stored
from fusionflow_nb.journal.records import RunRecord

needs_posix = pytest.mark.skipif(sys.platform == "win32", reason="limits of POSIX systems")


@pytest.fixture
def journal(tmp_path):
    with Journal.open(tmp_path, timeout_s=1.5) as opened:
        yield opened


@pytest.fixture
def held_lock(tmp_path):
    """Hold the commit lock until the test releases it."""
    commit_lock = CommitLock(tmp_path / "journal.turnstile")
    hold = commit_lock.hold()
    hold.__enter__()
    is_held = [True]

    def release():
        if is_held:
            is_held.clear()
            hold.__exit__(None, None, None)

    yield release
    release()
    commit_lock.close()


def abandon(journal):
    """Release the kernel lock and keep the files, as after kill -9."""
    journal._writer.close()
    journal._reader._executor.shutdown()
    journal._outbox.close_in_child()
    journal._kernel_lock.close_in_child()
    journal._is_closed = True


async def test_paid_result_is_applied_from_the_outbox_once(tmp_path, journal, request):
    """Writes while the journal is locked succeed; the next transaction applies each entry once."""
    intent = an_intent("paid", reserve=9)
    (granted,) = await journal.claim([intent], {})
    release = request.getfixturevalue("held_lock")
    assert await journal.accepted(intent.job_id, granted.epoch, {"id": 1})
    assert await journal.finish(intent.job_id, granted.epoch, ended(intent, cost_micro_usd=7))
    await journal.record([a_generation("local")])
    await journal.record_run(RunRecord("r", "p", "ann", "succeeded", 1))
    assert len(outbox.read_entries(journal._outbox.path)) == 4
    release()
    (answer,) = await journal.claim([an_intent("paid")], {})
    assert isinstance(answer, Stored)
    assert (await journal.ended(intent.job_id)).generation.cost_micro_usd == 7
    assert set(await journal.lookup([key_of("paid"), key_of("local")])) == {key_of("paid"), key_of("local")}
    assert journal._outbox.is_empty
    kinds = sorted(kind for kind, _, _ in events_of(tmp_path))
    assert kinds == ["generation", "generation", "intent", "operation", "run"]


async def test_claim_never_goes_to_the_outbox(journal, held_lock):
    """A claim must be durable in the journal."""
    with pytest.raises(errors.JournalBusyError):
        await journal.claim([an_intent("unpaid")], {})
    assert journal._outbox.is_empty


async def test_outbox_of_a_dead_kernel_is_drained_at_open(tmp_path):
    """The next kernel applies the entries of a killed kernel and removes the file."""
    intent = await die_with_a_paid_result(tmp_path)
    with Journal.open(tmp_path) as journal:
        assert set(await journal.lookup([key_of("paid")])) == {key_of("paid")}
        assert (await journal.ended(intent.job_id)).status == "succeeded"
        assert [path.name for path in (tmp_path / "kernels").glob("*.jsonl")] == [journal._outbox.path.name]
    assert [kind for kind, _, _ in events_of(tmp_path)].count("generation") == 1


async def test_outbox_is_applied_before_a_job_is_inherited(tmp_path):
    """A kernel that was open all the time gets the paid result instead of fetching it again."""
    with Journal.open(tmp_path) as journal:
        intent = await die_with_a_paid_result(tmp_path)
        (answer,) = await journal.claim([an_intent("paid")], {})
        assert isinstance(answer, Stored)
        assert isinstance(await journal.adopt(intent.job_id), Stored)
    Journal.open(tmp_path).close()
    assert [kind for kind, _, _ in events_of(tmp_path)].count("generation") == 1


async def die_with_a_paid_result(home):
    """Kill a kernel after its result went to the outbox."""
    dying = Journal.open(home)
    intent = an_intent("paid")
    await dying.claim([intent], {})
    await dying.accepted(intent.job_id, 1, {"id": 1})
    replay.append(
        dying._outbox, [replay.finish_entry(dying._stamp(), (intent.job_id, 1), ended(intent))], messages.busy()
    )
    abandon(dying)
    return intent


def test_incomplete_last_line_is_ignored(tmp_path):
    """A line without a newline and preallocated space are ignored."""
    box = Outbox(tmp_path, "k")
    box.append('{"a":1}')
    box.append('{"b":2}')
    whole = box.path.read_bytes()
    assert outbox.read_entries(box.path) == [{"a": 1}, {"b": 2}]
    for cut in range(9, 16):
        box.path.write_bytes(whole[:cut])
        assert outbox.read_entries(box.path) == ([{"a": 1}, {"b": 2}] if cut == 16 else [{"a": 1}])
    assert outbox.read_entries(tmp_path / "missing") == []
    box.close()


def test_invalid_line_is_logged_and_skipped(tmp_path, caplog):
    """An invalid line affects no other line."""
    path = tmp_path / "k.outbox.jsonl"
    path.write_bytes(b'{"a":1}\n\xff\xfe\n[1]\n{"b":2}\n')
    assert outbox.read_entries(path) == [{"a": 1}, {"b": 2}]
    assert len(caplog.records) == 2


def test_clear_keeps_entries_appended_after_reading(tmp_path):
    """Clearing removes only entries that were read."""
    box = Outbox(tmp_path, "k")
    box.append('{"a":1}')
    entries, clear = box.pending()
    box.append('{"b":2}')
    clear()
    assert entries == [{"a": 1}]
    assert [entry for entry in box.pending()[0] if "b" in entry] == [{"b": 2}]
    box.pending()[1]()
    assert box.is_empty
    assert box.pending()[0] == []
    box.close()
    assert not box.path.exists()


async def test_invalid_entry_is_saved_as_rejected(tmp_path, journal, caplog):
    """An entry that cannot be applied affects no other entry, and is saved."""
    journal._outbox.append('{"kind":"finish","stamp":["e",1,"k"]}')
    journal._outbox.append('{"kind":"of a newer version","stamp":["e",1,"k"]}')
    journal._outbox.append('{"kind":"run","stamp":["e-3",1,"k"],"run":{"id":"r"}}')
    await journal.record([])
    assert [kind for kind, _, _ in events_of(tmp_path)] == ["run"]
    rejects = tmp_path / "kernels" / f"{journal.kernel_id}.rejected.jsonl"
    assert len(rejects.read_text().splitlines()) == 2
    assert journal._outbox.is_empty


@needs_posix
def test_full_disk_keeps_paid_results(tmp_path):
    """When files cannot grow, finish succeeds, and the next kernel has the results."""
    with worker(finish_on_a_full_disk, str(tmp_path), 20) as (process, pipe):
        assert pipe.recv() == [True] * 20
        process.kill()
        process.join()
    names = [f"full-{number}" for number in range(20)]
    with Journal.open(tmp_path) as journal:
        assert stored_names(journal, names) == set(names)
        assert journal.call(journal.open_jobs()) == []


@needs_posix
@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() != 0, reason="only root may mount a small disk")
def test_small_file_system_keeps_paid_results(tmp_path):
    """On a real, full file system no result is lost, and claims raise a clear error."""
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=3m", "tmpfs", str(tmp_path)],
        check=False,
        capture_output=True,
    )
    if mounted.returncode:
        pytest.skip("mounting is not allowed here")
    try:
        with Journal.open(tmp_path) as journal:
            intents = [an_intent(number) for number in range(10)]
            journal.call(journal.claim(intents, {}))
            filler = tmp_path / "filler"
            fill(filler)
            with pytest.raises(errors.JournalError, match=r"[Ff]ree disk space"):
                claim_until_refused(journal)
            for intent in intents:
                assert journal.call(journal.finish(intent.job_id, 1, ended(intent)))
            filler.unlink()
            journal.call(journal.record([]))
            assert stored_names(journal, range(10)) == set(range(10))
    finally:
        subprocess.run(["umount", str(tmp_path)], check=True)


def fill(path):
    """Write until the disk is full."""
    with path.open("wb", buffering=0) as file, contextlib.suppress(OSError):
        while True:
            file.write(bytes(4096))


def claim_until_refused(journal):
    for number in range(100):
        journal.call(journal.claim([an_intent(f"more-{number}")], {}))


async def test_error_of_outbox_tells_that_the_result_is_in_memory(journal, held_lock, monkeypatch):
    """If neither journal nor outbox can be written, the error states that the result is in memory."""

    def full(_entry):
        raise OSError(28, "No space left on device")

    intent = an_intent("paid")
    monkeypatch.setattr(journal._outbox, "append", full)
    with pytest.raises(errors.JournalError, match="still in memory"):
        await journal.finish(intent.job_id, 1, ended(intent))
