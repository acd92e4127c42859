"""The writer thread: one transaction for all queued requests, and its errors when the file cannot be written."""

from __future__ import annotations

import asyncio
import os
import sqlite3
import sys
import threading

import pytest
from support.journal import a_generation, an_intent, ended, events_of, is_sound, key_of, worker, write_for_ever

from fusionflow_nb import errors
from fusionflow_nb.journal import event_log, messages, schema
from fusionflow_nb.journal.commit_lock import CommitLock
from fusionflow_nb.journal.journal import Journal, now_us
from fusionflow_nb.journal.protocol import Granted, Held, Inherited, Spending
from fusionflow_nb.journal.write_queue import WriteRequest

LOCK = "journal.turnstile"


class StoppingClock:
    """A clock that stops the writer thread inside a transaction until `may_continue` is set."""

    def __init__(self):
        self.is_reached = threading.Event()
        self.may_continue = threading.Event()
        self.is_armed = False

    def __call__(self):
        if self.is_armed and threading.current_thread().name == "journal-writer":
            self.is_reached.set()
            assert self.may_continue.wait(30)
        return now_us()


@pytest.fixture
def journal(tmp_path):
    with Journal.open(tmp_path, timeout_s=2.0) as opened:
        yield opened


async def test_failing_request_affects_no_other(journal, tmp_path, monkeypatch):
    """Requests of one commit fail independently."""
    commit_lock = CommitLock(tmp_path / LOCK)

    def broken(cursor):
        cursor.execute("INSERT INTO projects VALUES ('half', 'written')")
        cursor.execute("INSERT INTO events (seq) VALUES (NULL)")

    def bug(cursor):
        cursor.execute("INSERT INTO projects VALUES ('half', 'written')")
        return {}["missing"]

    with commit_lock.hold():  # so that all requests share one transaction
        good = [asyncio.ensure_future(journal.record([a_generation(name)])) for name in "ab"]
        bad = [asyncio.ensure_future(journal._write(work)) for work in (broken, bug)]
        good.append(asyncio.ensure_future(journal.record([a_generation("c")])))
        await asyncio.sleep(0)
    await asyncio.gather(*good)
    for task in bad:
        with pytest.raises(errors.JournalError, match=r"report this"):
            await task
    assert len(events_of(tmp_path)) == 3
    assert await journal._write(lambda cursor: cursor.execute("SELECT count(*) FROM projects").fetchone()) == (0,)
    commit_lock.close()


async def test_claim_that_times_out_names_the_holder_and_is_not_run(journal, tmp_path):
    """Busy: nothing paid is submitted, and the claim is not run later."""
    commit_lock = CommitLock(tmp_path / LOCK)
    intent = an_intent(reserve=5)
    with commit_lock.hold():
        with pytest.raises(errors.JournalBusyError, match=f"process {os.getpid()}") as caught:
            await journal.claim([intent], {})
        assert caught.value.is_retryable
    assert await journal.open_jobs() == []
    (answer,) = await journal.claim([an_intent()], {})
    assert isinstance(answer, Granted)
    assert [kind for kind, _, _ in events_of(tmp_path)] == ["intent"]
    commit_lock.close()


async def test_claim_of_a_cancelled_caller_is_withdrawn(tmp_path):
    """A run cancelled while its claim is written holds no key and reserves nothing."""
    clock = StoppingClock()
    with Journal.open(tmp_path, clock_us=clock) as journal:
        clock.is_armed = True
        task = asyncio.ensure_future(journal.claim([an_intent(reserve=5)], {}))
        await asyncio.to_thread(clock.is_reached.wait, 30)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        clock.is_armed = False
        clock.may_continue.set()
        spent = await journal._write(lambda cursor: cursor.execute("SELECT count(*) FROM reservations").fetchone())
        (answer,) = await journal.claim([an_intent()], {})
        assert isinstance(answer, Granted)
        assert spent == (0,)
        assert len(events_of(tmp_path)) == 1


def test_committed_claim_of_a_cancelled_caller_is_undone(tmp_path):
    """The grant ends as cancelled, waiting and inheriting are undone."""
    with Journal.open(tmp_path) as journal, Journal.open(tmp_path) as holder, Journal.open(tmp_path) as dying:
        held, inherited = an_intent("held"), an_intent("inherited")
        holder.call(holder.claim([held], {}))
        holder.call(holder.accepted(held.job_id, 1, {"id": 1}))
        dying.call(dying.claim([inherited], {}))
        dying.call(dying.accepted(inherited.job_id, 1, {"id": 2}))
        dying._kernel_lock.close_in_child()
        intents = [an_intent("new", reserve=5), an_intent("held"), an_intent("inherited")]
        request = WriteRequest(
            lambda cursor: journal._claims.claim(cursor, intents, {}),
            lambda cursor, answers: journal._claims.withdraw(cursor, intents, answers),
        )
        request.event = threading.Event()
        journal._writer._put(request)
        assert request.event.wait(30)
        assert [type(answer) for answer in request.outcome()] == [Granted, Held, Inherited]
        journal._writer._abandon(request)
        journal.call(journal.record([]))
        assert journal.call(journal.ended(intents[0].job_id)).status == "cancelled"
        assert journal.call(journal.spending(["run:run-1"]))["run:run-1"] == Spending(0, 0, 0)
        assert not holder.call(holder.release_to_waiter(held.job_id, 1))
        (answer,) = holder.call(holder.claim([an_intent("inherited")], {}))
        assert answer == Inherited(inherited.job_id, 3, {"id": 2})


async def test_inherited_job_of_a_cancelled_caller_is_released(tmp_path):
    """An Operation is never held by a kernel that does not follow it."""
    clock = StoppingClock()
    intent = an_intent()
    with Journal.open(tmp_path) as dying, Journal.open(tmp_path, clock_us=clock) as journal:
        await dying.claim([intent], {})
        await dying.accepted(intent.job_id, 1, {"id": 1})
        dying._kernel_lock.close_in_child()
        clock.is_armed = True
        task = asyncio.ensure_future(journal.claim([an_intent(), an_intent("new")], {}))
        await asyncio.to_thread(clock.is_reached.wait, 30)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        clock.is_armed = False
        clock.may_continue.set()
        (answer,) = await journal.claim([an_intent()], {})
        assert isinstance(answer, Inherited)
        assert answer.operation == {"id": 1}


async def test_waiter_of_a_cancelled_caller_is_removed(tmp_path):
    """A withdrawn claim leaves no waiter."""
    clock = StoppingClock()
    with Journal.open(tmp_path) as holder, Journal.open(tmp_path, clock_us=clock) as journal:
        intent = an_intent()
        await holder.claim([intent], {})
        await holder.accepted(intent.job_id, 1, {"id": 1})
        clock.is_armed = True
        task = asyncio.ensure_future(journal.claim([an_intent(), an_intent("new")], {}))
        await asyncio.to_thread(clock.is_reached.wait, 30)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        clock.is_armed = False
        clock.may_continue.set()
        await journal.record([])
        assert not await holder.release_to_waiter(intent.job_id, 1)


async def test_record_of_a_cancelled_caller_is_written(tmp_path):
    """Records are logged even if the caller is cancelled."""
    with Journal.open(tmp_path) as journal:
        commit_lock = CommitLock(tmp_path / LOCK)
        with commit_lock.hold():
            task = asyncio.ensure_future(journal.record([a_generation("a")]))
            await asyncio.sleep(0)
            await asyncio.sleep(0)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
        await journal.record([a_generation("b")])
        assert len(events_of(tmp_path)) == 2
        commit_lock.close()


async def test_close_runs_queued_writes(tmp_path):
    """Closing drains the queue; afterwards every call raises."""
    journal = Journal.open(tmp_path)
    tasks = [asyncio.ensure_future(journal.record([a_generation(number)])) for number in range(50)]
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    await asyncio.to_thread(journal.close)
    await asyncio.gather(*tasks)
    assert len(events_of(tmp_path)) == 50
    for work in (journal.claim([], {}), journal.lookup([])):
        with pytest.raises(errors.JournalError, match="closed"):
            await work
    journal.close()


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system does not fork")
@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_forked_child_is_refused(tmp_path):
    """A child must open a new journal; the parent's journal and lock are unaffected."""
    journal = Journal.open(tmp_path)
    child = os.fork()
    if child == 0:  # pragma: no cover - another process
        verdict = 1
        try:
            journal.call(journal.claim([an_intent()], {}))
        except errors.JournalError as error:
            own = Journal.open(tmp_path)
            own.call(own.record([a_generation("child")]))
            own.close()
            journal.close()
            verdict = 0 if "forked" in str(error) else 2
        finally:
            os._exit(verdict)
    _, status = os.waitpid(child, 0)
    assert os.waitstatus_to_exitcode(status) == 0
    with Journal.open(tmp_path) as other:
        assert other.is_alive(journal.kernel_id)
        journal.call(journal.record([a_generation("parent")]))
        journal.close()
        assert not other.is_alive(journal.kernel_id)
    assert len(events_of(tmp_path)) == 2
    assert is_sound(tmp_path)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system does not fork")
@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_forked_child_does_not_keep_its_parent_alive(tmp_path):
    """A forked worker does not inherit the kernel lock."""
    journal = Journal.open(tmp_path)
    child_end, parent_end = os.pipe()
    is_running, signal = os.pipe()
    child = os.fork()
    if child == 0:  # pragma: no cover - another process
        os.close(parent_end)
        os.write(signal, b".")
        os.read(child_end, 1)
        os._exit(0)
    os.read(is_running, 1)  # until then the child holds its copy of the lock
    journal._kernel_lock.close_in_child()  # as if this process had been killed
    with Journal.open(tmp_path) as other:
        assert not other.is_alive(journal.kernel_id)
    os.close(parent_end)
    os.waitpid(child, 0)
    os.close(child_end)
    journal.close()


async def test_connection_without_the_commit_lock_is_waited_for(journal, tmp_path):
    """A transaction of another program delays a claim until it times out."""
    foreign = sqlite3.connect(tmp_path / "journal.sqlite", isolation_level=None)
    foreign.execute("BEGIN IMMEDIATE")
    with pytest.raises(errors.JournalBusyError):
        await journal.claim([an_intent()], {})
    foreign.execute("ROLLBACK")
    foreign.close()
    (answer,) = await journal.claim([an_intent()], {})
    assert isinstance(answer, Granted)


def test_open_that_times_out_names_the_holder(tmp_path):
    """Opening waits for its timeout, then names the process that holds the commit lock."""
    commit_lock = CommitLock(tmp_path / LOCK)
    with commit_lock.hold(), pytest.raises(errors.JournalBusyError, match=str(os.getpid())):
        Journal.open(tmp_path, timeout_s=0.2)
    commit_lock.close()


async def test_removed_file_is_detected_before_a_claim(journal, tmp_path):
    """Writes to a removed file would be lost."""
    (tmp_path / "journal.sqlite").rename(tmp_path / "moved.sqlite")
    with pytest.raises(errors.JournalError, match="removed or replaced"):
        await journal.claim([an_intent()], {})


@pytest.mark.parametrize("content", [b"this is no database" * 100, b"SQLite format 3\0" + b"\xff" * 4096])
def test_damaged_file_is_reported_and_not_changed(tmp_path, content):
    """The journal repairs, moves and overwrites nothing."""
    path = tmp_path / "journal.sqlite"
    path.write_bytes(content)
    with pytest.raises(errors.JournalError, match=r"damaged.*safe place"):
        Journal.open(tmp_path)
    assert path.read_bytes() == content


def test_home_that_is_a_file_is_reported(tmp_path):
    """The error names the setting for another folder."""
    (tmp_path / "home").write_text("not a folder")
    with pytest.raises(errors.JournalError, match="FUSIONFLOW_HOME"):
        Journal.open(tmp_path / "home")


def test_newer_schema_is_refused(tmp_path):
    """A file of a newer version is neither downgraded nor written."""
    Journal.open(tmp_path).close()
    newer = len(schema.STEPS) + 1
    connection = sqlite3.connect(tmp_path / "journal.sqlite")
    connection.execute(f"PRAGMA user_version = {newer}")
    connection.close()
    with pytest.raises(errors.JournalError, match=rf"schema {newer}.*[Uu]pgrade"):
        Journal.open(tmp_path)
    connection = sqlite3.connect(tmp_path / "journal.sqlite")
    assert connection.execute("PRAGMA user_version").fetchone() == (newer,)
    connection.close()


@pytest.mark.parametrize("steps", range(len(schema.STEPS) + 1))
def test_every_earlier_schema_is_migrated_once(tmp_path, steps):
    """Every released step migrates to the same tables; opening again changes nothing."""
    connection = sqlite3.connect(tmp_path / "journal.sqlite")
    for step in schema.STEPS[:steps]:
        step(connection.cursor())
    connection.execute(f"PRAGMA user_version = {steps}")
    connection.commit()
    connection.close()
    layouts = []
    for _ in range(2):
        Journal.open(tmp_path).close()
        connection = sqlite3.connect(tmp_path / "journal.sqlite")
        layouts.append(connection.execute("SELECT name, sql FROM sqlite_master ORDER BY name").fetchall())
        assert schema.version_of(connection.cursor()) == len(schema.STEPS)
        connection.close()
    whole = sqlite3.connect(":memory:")
    schema.migrate(whole.cursor())
    assert layouts[0] == layouts[1] == whole.execute("SELECT name, sql FROM sqlite_master ORDER BY name").fetchall()
    whole.close()


def test_failing_migration_changes_nothing(tmp_path, monkeypatch):
    """All steps run in one transaction."""

    def half(cursor):
        cursor.execute("CREATE TABLE half (x)")
        cursor.execute("SELECT * FROM nowhere")

    Journal.open(tmp_path).close()
    monkeypatch.setattr(schema, "STEPS", (*schema.STEPS, half))
    with pytest.raises(errors.JournalError):
        Journal.open(tmp_path)
    monkeypatch.undo()
    Journal.open(tmp_path).close()
    connection = sqlite3.connect(tmp_path / "journal.sqlite")
    assert connection.execute("SELECT count(*) FROM sqlite_master WHERE name = 'half'").fetchone() == (0,)
    connection.close()


def test_locks_of_dead_kernels_are_removed(tmp_path):
    """Live kernels keep their lock files."""
    with worker(write_for_ever, str(tmp_path)) as (process, pipe):
        pipe.recv()
        with Journal.open(tmp_path) as journal:
            assert len(list((tmp_path / "kernels").glob("*.lock"))) == 2
            process.kill()
            process.join()
            with Journal.open(tmp_path) as other:
                expected = {f"{opened.kernel_id}.lock" for opened in (journal, other)}
                assert {path.name for path in (tmp_path / "kernels").glob("*.lock")} == expected
    assert list((tmp_path / "kernels").iterdir()) == []


def test_event_written_twice_is_stored_once(tmp_path):
    """The client generates the ids, so a repeated insert has no effect."""
    with Journal.open(tmp_path) as journal:
        stamp = event_log.Stamp("id", 1, "k")
        first = journal._writer.run_blocking(lambda cursor: event_log.append(cursor, stamp, "run", "r", "{}"))
        again = journal._writer.run_blocking(lambda cursor: event_log.append(cursor, stamp, "run", "r", "{}"))
    assert (first, again) == (1, None)
    assert len(events_of(tmp_path)) == 1


async def test_two_claims_of_one_kernel_share_a_submission(journal):
    """Two flows of one kernel make one submission."""
    intent = an_intent()
    await journal.claim([intent], {})
    (answer,) = await journal.claim([an_intent()], {})
    assert answer == Held(intent.job_id, journal.kernel_id)
    assert await journal.finish(intent.job_id, 1, ended(intent))
    assert set(await journal.lookup([key_of("a")])) == {key_of("a")}


@pytest.mark.skipif(sys.platform == "win32" or os.geteuid() == 0, reason="root may write everywhere")
def test_read_only_home_is_reported(tmp_path):
    """The error is raised before a submit."""
    tmp_path.chmod(0o500)
    with pytest.raises(errors.JournalError, match="FUSIONFLOW_HOME"):
        Journal.open(tmp_path)
    tmp_path.chmod(0o700)


def test_error_class_follows_the_sqlite_code(tmp_path):
    """The text of the error does not matter."""
    error = sqlite3.OperationalError("database is locked")
    error.sqlite_errorcode = sqlite3.SQLITE_FULL
    assert isinstance(messages.translate(error, tmp_path), errors.JournalUnwritableError)
    error.sqlite_errorcode = sqlite3.SQLITE_BUSY_SNAPSHOT
    assert isinstance(messages.translate(error, tmp_path), errors.JournalBusyError)
    error.sqlite_errorcode = sqlite3.SQLITE_ERROR
    assert type(messages.translate(error, tmp_path)) is errors.JournalError
