"""The journal with several processes, some of them killed. Pipes synchronise them, never sleeps."""

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
    """Kill -9 after `count` acknowledgements; return all that were sent."""
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
    """Acknowledged rows survive kill -9, the other writer continues, and the file is intact."""
    with (
        worker(write_for_ever, str(tmp_path)) as (victim, pipe),
        worker(write_for_ever, str(tmp_path)) as (other, more),
    ):
        acknowledged = acknowledged_until_killed(victim, pipe, count)
        for _ in range(20):
            more.recv()  # the other process is not blocked
        acknowledged += acknowledged_until_killed(other, more, 1)
    logged = {entity for _, entity, _ in events_of(tmp_path)}
    assert len(acknowledged) > count
    assert set(acknowledged) <= logged
    assert is_sound(tmp_path)


def test_processes_write_and_read_concurrently(tmp_path):
    """Each of four processes reads its own rows immediately, and all rows are stored."""
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


def test_operation_of_a_killed_kernel_is_inherited_once(tmp_path):
    """After kill -9 the accepted job passes to the next kernel, once."""
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


def test_intent_of_a_killed_kernel_is_unknown(tmp_path):
    """A job that was not accepted is never inherited; its cost is at stake."""
    intent = an_intent("paid", reserve=12)
    with worker(claim_and_accept, str(tmp_path), intent, None) as (process, pipe):
        pipe.recv()
        process.kill()
        process.join()
    with Journal.open(tmp_path) as journal:
        (answer,) = journal.call(journal.claim([an_intent("paid")], {}))
        assert answer == Unknown(intent.job_id, 12)


def test_cap_holds_across_processes(tmp_path):
    """Four concurrent processes use a cap up to the last job that fits, and no further."""
    caps = {"project:scratch": 1_000}
    workers = [worker(spend, str(tmp_path), 30, caps) for _ in range(4)]
    with workers[0] as (_, a), workers[1] as (_, b), workers[2] as (_, c), workers[3] as (_, d):
        for pipe in (a, b, c, d):
            pipe.send("go")
        assert sum(pipe.recv() for pipe in (a, b, c, d)) == 1_000 // 30
    with Journal.open(tmp_path) as journal:
        spent = journal.call(journal.spending(["project:scratch"]))["project:scratch"]
        assert spent.spent_micro_usd + spent.reserved_micro_usd == 990


def test_reader_sees_commits_of_another_process(tmp_path):
    """A look-up after an acknowledgement in another process reads the row."""
    with Journal.open(tmp_path) as journal, worker(write_for_ever, str(tmp_path)) as (_, pipe):
        pipe.recv()
        assert stored_names(journal, ["never written"]) == set()
        assert len(events_of(tmp_path)) >= 1
        assert journal.call(journal.lookup([key_of("never written")])) == {}
