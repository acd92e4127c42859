"""Paid results while the journal cannot be written: they go to the outbox, and come home."""

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
    """Somebody holds the turnstile until the test lets go."""
    commit_lock = CommitLock(tmp_path / "journal.turnstile")
    turn = commit_lock.hold()
    turn.__enter__()
    is_held = [True]

    def let_go():
        if is_held:
            is_held.clear()
            turn.__exit__(None, None, None)

    yield let_go
    let_go()
    commit_lock.close()


def abandon(journal):
    """As after kill -9: the lock falls, the files stay."""
    journal._writer.close()
    journal._reader._executor.shutdown()
    journal._outbox.close_in_child()
    journal._kernel_lock.close_in_child()
    journal._is_closed = True


async def test_paid_result_goes_to_the_outbox_and_comes_home_once(tmp_path, journal, request):
    """Finishing while the journal is held succeeds; the next write brings everything home, each thing once."""
    intent = an_intent("paid", reserve=9)
    (granted,) = await journal.claim([intent], {})
    let_go = request.getfixturevalue("held_lock")
    assert await journal.accepted(intent.job_id, granted.epoch, {"id": 1})
    assert await journal.finish(intent.job_id, granted.epoch, ended(intent, cost_micro_usd=7))
    await journal.record([a_generation("local")])
    await journal.record_run(RunRecord("r", "p", "ann", "succeeded", 1))
    assert len(outbox.read_entries(journal._outbox.path)) == 4
    let_go()
    (answer,) = await journal.claim([an_intent("paid")], {})
    assert isinstance(answer, Stored)
    assert (await journal.ended(intent.job_id)).generation.cost_micro_usd == 7
    assert set(await journal.lookup([key_of("paid"), key_of("local")])) == {key_of("paid"), key_of("local")}
    assert journal._outbox.is_empty
    kinds = sorted(kind for kind, _, _ in events_of(tmp_path))
    assert kinds == ["generation", "generation", "intent", "operation", "run"]


async def test_claim_never_goes_to_the_outbox(journal, held_lock):
    """An intent that is not durable is no intent."""
    with pytest.raises(errors.JournalBusyError):
        await journal.claim([an_intent("unpaid")], {})
    assert journal._outbox.is_empty


async def test_outbox_of_a_dead_kernel_is_drained_at_open(tmp_path):
    """What a killed kernel had to put aside is found by the next that opens, and its file removed."""
    intent = await die_with_a_paid_result(tmp_path)
    with Journal.open(tmp_path) as journal:
        assert set(await journal.lookup([key_of("paid")])) == {key_of("paid")}
        assert (await journal.ended(intent.job_id)).status == "succeeded"
        assert [path.name for path in (tmp_path / "kernels").glob("*.jsonl")] == [journal._outbox.path.name]
    assert [kind for kind, _, _ in events_of(tmp_path)].count("generation") == 1


async def test_dead_kernels_outbox_counts_before_its_job_is_inherited(tmp_path):
    """A kernel that was open all the time finds the paid result too, instead of fetching it again."""
    with Journal.open(tmp_path) as journal:
        intent = await die_with_a_paid_result(tmp_path)
        (answer,) = await journal.claim([an_intent("paid")], {})
        assert isinstance(answer, Stored)
        assert isinstance(await journal.adopt(intent.job_id), Stored)
    Journal.open(tmp_path).close()
    assert [kind for kind, _, _ in events_of(tmp_path)].count("generation") == 1


async def die_with_a_paid_result(home):
    """A kernel is killed after its result went to the outbox."""
    dying = Journal.open(home)
    intent = an_intent("paid")
    await dying.claim([intent], {})
    await dying.accepted(intent.job_id, 1, {"id": 1})
    replay.append(
        dying._outbox, [replay.finish_entry(dying._stamp(), (intent.job_id, 1), ended(intent))], messages.busy()
    )
    abandon(dying)
    return intent


def test_torn_last_line_is_cut(tmp_path):
    """What a crash tore off ends before the last newline; set-aside space is not content."""
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


def test_line_that_is_no_json_is_reported_and_the_rest_is_read(tmp_path, caplog):
    """One spoilt line costs one line."""
    path = tmp_path / "k.outbox.jsonl"
    path.write_bytes(b'{"a":1}\n\xff\xfe\n[1]\n{"b":2}\n')
    assert outbox.read_entries(path) == [{"a": 1}, {"b": 2}]
    assert len(caplog.records) == 2


def test_append_after_reading_is_not_cleared(tmp_path):
    """Clearing forgets only what was read."""
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


async def test_line_that_does_not_fit_is_kept_aside(tmp_path, journal, caplog):
    """A line the journal refuses for good stops no other line, and is not thrown away."""
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
    """No file can grow any further: finishing still succeeds, and the next kernel finds the results."""
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
def test_really_full_disk_keeps_paid_results(tmp_path):
    """The same on a real, small, full file system: nothing is lost, claims are refused in clear words."""
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


async def test_outbox_that_fails_too_says_where_the_result_is(journal, held_lock, monkeypatch):
    """When neither journal nor outbox can be written the error says that the result is in memory still."""

    def full(_entry):
        raise OSError(28, "No space left on device")

    intent = an_intent("paid")
    monkeypatch.setattr(journal._outbox, "append", full)
    with pytest.raises(errors.JournalError, match="still in memory"):
        await journal.finish(intent.job_id, 1, ended(intent))
