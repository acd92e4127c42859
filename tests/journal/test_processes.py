"""The journal under several processes, some of which are killed. Order is made by pipes, never by sleeping."""

from __future__ import annotations

import pytest
from support.journal import (
    an_intent,
    claim_and_accept,
    claim_once,
    ended,
    events_of,
    is_sound,
    key_of,
    spend,
    stored_names,
    worker,
    write_for_ever,
    write_some,
)

from fusionflow_nb.journal.journal import Journal
from fusionflow_nb.journal.protocol import Inherited, Unknown


def acknowledged_until_killed(process, pipe, count):
    """Kill -9 after `count` acknowledgements; all that were sent, including those still in the pipe."""
    ids = [pipe.recv() for _ in range(count)]
    process.kill()
    process.join()
    try:
        while pipe.poll(0):
            ids.append(pipe.recv())
    except EOFError:
        pass
    return ids


@pytest.mark.parametrize("count", [1, 40, 173])
def test_kill_loses_no_acknowledged_row(tmp_path, count):
    """What was acknowledged is there after kill -9; the other writer goes on; the file is sound."""
    with (
        worker(write_for_ever, str(tmp_path)) as (victim, pipe),
        worker(write_for_ever, str(tmp_path)) as (other, more),
    ):
        acknowledged = acknowledged_until_killed(victim, pipe, count)
        for _ in range(20):
            more.recv()  # others are not blocked
        acknowledged += acknowledged_until_killed(other, more, 1)
    logged = {entity for _, entity, _ in events_of(tmp_path)}
    assert len(acknowledged) > count
    assert set(acknowledged) <= logged
    assert is_sound(tmp_path)


def test_processes_write_and_read_at_once(tmp_path):
    """Each of four processes finds its own rows at once, and all rows are there in the end."""
    count = 60
    workers = [worker(write_some, str(tmp_path), count) for _ in range(4)]
    with workers[0] as (_, a), workers[1] as (_, b), workers[2] as (_, c), workers[3] as (_, d):
        for pipe in (a, b, c, d):
            pipe.send("go")
        assert [pipe.recv() for pipe in (a, b, c, d)] == [0, 0, 0, 0]
    assert len(events_of(tmp_path)) == 4 * count
    assert is_sound(tmp_path)


def test_one_of_many_processes_is_granted_a_key(tmp_path):
    """Single flight across kernels: one submission, the others wait."""
    workers = [worker(claim_once, str(tmp_path), "one") for _ in range(4)]
    with workers[0] as (_, a), workers[1] as (_, b), workers[2] as (_, c), workers[3] as (_, d):
        pipes = (a, b, c, d)
        for pipe in pipes:
            assert pipe.recv() == "ready"
        for pipe in pipes:
            pipe.send("go")
        assert sorted(pipe.recv() for pipe in pipes) == ["Granted", "Held", "Held", "Held"]


def test_killed_kernels_operation_passes_on(tmp_path):
    """After kill -9 the accepted job is inherited by the next, once."""
    intent = an_intent("paid")
    with worker(claim_and_accept, str(tmp_path), intent, {"id": "op-1"}) as (process, pipe):
        pipe.recv()
        with Journal.open(tmp_path) as journal, Journal.open(tmp_path) as other:
            (job,) = journal.call(journal.open_jobs())
            assert (job.state, job.is_held) == ("accepted", True)
            process.kill()
            process.join()
            (job,) = journal.call(journal.open_jobs())
            assert not job.is_held
            assert journal.call(journal.adopt(intent.job_id)) == Inherited(intent.job_id, 2, {"id": "op-1"})
            assert other.call(other.adopt(intent.job_id)).kernel_id == journal.kernel_id
            assert journal.call(journal.finish(intent.job_id, 2, ended(intent)))


def test_killed_kernels_intent_stays_unknown(tmp_path):
    """Written ahead but not accepted: never passed on, shown with its cost."""
    intent = an_intent("paid", reserve=12)
    with worker(claim_and_accept, str(tmp_path), intent, None) as (process, pipe):
        pipe.recv()
        process.kill()
        process.join()
    with Journal.open(tmp_path) as journal:
        (answer,) = journal.call(journal.claim([an_intent("paid")], {}))
        assert answer == Unknown(intent.job_id, 12)


def test_cap_is_reached_but_never_passed_by_many_processes(tmp_path):
    """Four processes spending at once use a cap up to the last job that fits, and not one more."""
    caps = {"project:scratch": 1_000}
    workers = [worker(spend, str(tmp_path), 30, caps) for _ in range(4)]
    with workers[0] as (_, a), workers[1] as (_, b), workers[2] as (_, c), workers[3] as (_, d):
        for pipe in (a, b, c, d):
            pipe.send("go")
        assert sum(pipe.recv() for pipe in (a, b, c, d)) == 1_000 // 30
    with Journal.open(tmp_path) as journal:
        spent = journal.call(journal.spending(["project:scratch"]))["project:scratch"]
        assert spent.spent_micro_usd + spent.reserved_micro_usd == 990


def test_reader_sees_what_another_process_has_committed(tmp_path):
    """A look-up after an acknowledgement in another process finds the row."""
    with Journal.open(tmp_path) as journal, worker(write_for_ever, str(tmp_path)) as (_, pipe):
        pipe.recv()
        assert stored_names(journal, ["never written"]) == set()
        assert len(events_of(tmp_path)) >= 1
        assert journal.call(journal.lookup([key_of("never written")])) == {}
