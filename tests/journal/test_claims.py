"""Leases on content keys and their reservations: one kernel, or two in one process."""

from __future__ import annotations

import sqlite3
from dataclasses import replace

import pytest
from support.journal import DAY_US, a_generation, an_intent, ended, events_of, key_of, picture

from fusionflow_nb import errors
from fusionflow_nb.journal import liveness
from fusionflow_nb.journal.journal import Journal
from fusionflow_nb.journal.protocol import (
    Ended,
    Granted,
    Held,
    Inherited,
    NodeResult,
    OverBudget,
    Spending,
    Stored,
    Unknown,
)
from fusionflow_nb.journal.records import InputRecord, JobRecord, ProjectRecord, RunRecord
from fusionflow_nb.media.values import Value


class Clock:
    def __init__(self):
        self.now_us = 1_800_000_000_000_000

    def __call__(self):
        self.now_us += 1
        return self.now_us


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def journal(tmp_path, clock):
    with Journal.open(tmp_path, clock_us=clock) as opened:
        yield opened


@pytest.fixture
def other(tmp_path, clock):
    """A second kernel on the same file."""
    opened = Journal.open(tmp_path, clock_us=clock)
    yield opened
    opened.close()


def die(journal):
    """Release only the lock, as the system does for a killed kernel."""
    journal._kernel_lock.close_in_child()


async def claim(journal, intent, **caps):
    (answer,) = await journal.claim([intent], {name.replace("_", ":", 1): cap for name, cap in caps.items()})
    return answer


async def test_new_key_is_granted_and_logged(journal, tmp_path):
    """A grant is a durable intent."""
    intent = an_intent()
    assert await claim(journal, intent) == Granted(intent.job_id, 1)
    assert [(kind, entity) for kind, entity, _ in events_of(tmp_path)] == [("intent", intent.draft.id)]
    (job,) = await journal.open_jobs()
    assert (job.state, job.is_held, job.operation, job.draft) == ("intent", True, None, intent.draft)


async def test_finished_key_returns_the_stored_result(journal):
    """A stored result is not submitted again."""
    intent = an_intent()
    await claim(journal, intent)
    assert await journal.finish(intent.job_id, 1, ended(intent))
    expected = Stored(intent.draft.id, {"text": Value.of("node_a")})
    assert await claim(journal, an_intent()) == expected
    assert await journal.lookup([key_of("a"), key_of("b")]) == {key_of("a"): expected}
    assert await journal.open_jobs() == []


async def test_two_equal_keys_in_one_call_make_one_submission(journal):
    """The first claim is granted, the second waits for it."""
    first, second = an_intent("same"), an_intent("same")
    assert await journal.claim([first, second], {}) == [
        Granted(first.job_id, 1),
        Held(first.job_id, journal.kernel_id),
    ]


async def test_repeated_claim_returns_the_same_grant(journal):
    """A claim whose answer was lost may be repeated."""
    intent = an_intent()
    assert await claim(journal, intent) == await claim(journal, intent) == Granted(intent.job_id, 1)


async def test_job_id_of_an_ended_job_is_refused(journal):
    """A job id is used once."""
    intent = an_intent()
    await claim(journal, intent)
    await journal.finish(intent.job_id, 1, ended(intent, "failed"))
    with pytest.raises(errors.JournalError, match="used before"):
        await claim(journal, replace(an_intent("b"), job_id=intent.job_id))


async def test_live_kernel_keeps_its_lease(journal, other):
    """Liveness depends on the lock, not on a heartbeat."""
    intent = an_intent()
    await claim(journal, intent)
    assert await claim(other, an_intent()) == Held(intent.job_id, journal.kernel_id)
    assert await other.adopt(intent.job_id) == Held(intent.job_id, journal.kernel_id)


async def test_accepted_job_of_a_dead_kernel_is_inherited(journal, other):
    """The Operation is fetched, not submitted again; late writes are refused by their epoch."""
    intent = an_intent(reserve=5)
    await claim(other, intent)
    await other.accepted(intent.job_id, 1, {"url": "https://example.test/1"})
    die(other)
    assert await claim(journal, an_intent()) == Inherited(intent.job_id, 2, {"url": "https://example.test/1"})
    assert not await other.accepted(intent.job_id, 1, {"url": "late"})
    assert not await other.finish(intent.job_id, 1, ended(intent))
    assert await journal.finish(intent.job_id, 2, ended(intent, cost_micro_usd=3))
    assert (await journal.ended(intent.job_id)).status == "succeeded"
    assert await journal.spending(["run:run-1"]) == {"run:run-1": Spending(3, 0, 0)}


async def test_intent_of_a_dead_kernel_becomes_unknown(journal, other):
    """It may have been submitted, so it is not submitted again; every claim returns the amount at stake."""
    intent = an_intent(reserve=7)
    await claim(other, intent)
    die(other)
    expected = Unknown(intent.job_id, 7)
    assert await claim(journal, an_intent()) == await journal.adopt(intent.job_id) == expected
    assert await claim(journal, an_intent()) == expected
    (job,) = await journal.open_jobs()
    assert (job.state, job.is_held) == ("unknown", False)
    assert (await journal.ended(intent.job_id)).status == "unknown"


async def test_unknown_counts_on_its_day_and_is_at_stake_afterwards(journal, clock):
    """An unknown job keeps its reservation on its UTC day; later it is shown, but counts against no cap."""
    intent = an_intent(reserve=7)
    await claim(journal, intent)
    assert await journal.finish(intent.job_id, 1, ended(intent, "unknown"))
    assert await journal.spending(["project:scratch"]) == {"project:scratch": Spending(0, 7, 0)}
    assert isinstance(await claim(journal, an_intent("b", reserve=4), project_scratch=10), OverBudget)
    clock.now_us += DAY_US
    assert await journal.spending(["project:scratch"]) == {"project:scratch": Spending(0, 0, 7)}
    assert isinstance(await claim(journal, an_intent("c", reserve=4), project_scratch=10), Granted)


async def test_user_resolves_an_unknown_job(journal):
    """Afterwards the key is free and the cost is settled."""
    intent = an_intent(reserve=7)
    await claim(journal, intent)
    await journal.finish(intent.job_id, 1, ended(intent, "unknown"))
    assert await journal.resolve(intent.job_id, ended(intent, "failed"))
    assert not await journal.resolve(intent.job_id, ended(intent, "failed"))
    assert await journal.spending(["run:run-1"]) == {"run:run-1": Spending(0, 0, 0)}
    assert isinstance(await claim(journal, an_intent()), Granted)


async def test_unknown_job_with_an_operation_is_accepted(journal):
    """An Operation turns an unknown job into an accepted job and restores its reservation."""
    intent = an_intent(reserve=7)
    await claim(journal, intent)
    await journal.finish(intent.job_id, 1, ended(intent, "unknown"))
    assert await journal.accepted(intent.job_id, 1, {"id": 1})
    assert await journal.ended(intent.job_id) is None
    assert await journal.finish(intent.job_id, 1, ended(intent, cost_micro_usd=6))
    assert await journal.spending(["run:run-1"]) == {"run:run-1": Spending(6, 0, 0)}


@pytest.mark.parametrize("scope", ["run_run-1", "day_2027-01-15", "month_2027-01", "project_scratch"])
async def test_cap_is_used_up_to_the_last_job_that_fits(journal, scope):
    """An amount equal to the cap is allowed; one micro-dollar more is refused with all figures."""
    assert isinstance(await claim(journal, an_intent("a", reserve=60), **{scope: 100}), Granted)
    over = await claim(journal, an_intent("b", reserve=41), **{scope: 100})
    assert over == OverBudget(scope.replace("_", ":", 1), 100, 0, 60, 41)
    assert isinstance(await claim(journal, an_intent("b", reserve=40), **{scope: 100}), Granted)
    assert isinstance(await claim(journal, an_intent("free"), **{scope: 100}), Granted)


async def test_caps_apply_within_one_call(journal):
    """Reservations of a call count for its later intents."""
    answers = await journal.claim([an_intent(name, reserve=40) for name in "abc"], {"run:run-1": 100})
    assert [type(answer) for answer in answers] == [Granted, Granted, OverBudget]
    assert answers[2].reserved_micro_usd == 80


async def test_overrun_is_recorded_and_stops_the_next_paid_submit(journal):
    """Caps apply to estimates: a more expensive result is kept and counts."""
    intent = an_intent("a", reserve=10)
    await claim(journal, intent, run_1=100)
    await journal.finish(intent.job_id, 1, ended(intent, cost_micro_usd=500))
    over = await journal.claim([an_intent("b", reserve=1)], {"run:run-1": 100})
    assert over == [OverBudget("run:run-1", 100, 500, 0, 1)]
    assert isinstance(await claim(journal, an_intent("free")), Granted)


@pytest.mark.parametrize(
    ("status", "cost", "settled"),
    [
        ("succeeded", 4, 4),
        ("succeeded", None, 10),
        ("succeeded", 0, 0),
        ("failed", None, 0),
        ("failed", 2, 2),
        ("refused", None, 0),
        ("no_funds", None, 0),
        ("cancelled", 1, 1),
    ],
)
async def test_end_settles_the_actual_cost(journal, status, cost, settled):
    """A success without a cost counts with its estimate; any other end counts with its cost or zero."""
    intent = an_intent("a", reserve=10)
    await claim(journal, intent)
    assert await journal.finish(intent.job_id, 1, ended(intent, status, cost_micro_usd=cost))
    assert await journal.spending(["run:run-1"]) == {"run:run-1": Spending(settled, 0, 0)}
    end = await journal.ended(intent.job_id)
    assert end.status == status
    assert (end.generation.cost_micro_usd or 0) == settled
    assert not end.generation.cost_is_exact


async def test_repeated_finish_is_logged_once(journal, tmp_path):
    """Repeating an end has no effect; a different end of the same job is refused."""
    intent = an_intent("a", reserve=10)
    await claim(journal, intent)
    assert await journal.finish(intent.job_id, 1, ended(intent))
    assert await journal.finish(intent.job_id, 1, ended(intent))
    assert not await journal.finish(intent.job_id, 1, ended(intent, "failed"))
    assert not await journal.finish("no such job", 1, ended(intent))
    assert [kind for kind, _, _ in events_of(tmp_path)] == ["intent", "generation"]


async def test_failed_key_can_be_claimed_again(journal):
    """Only a success is stored as a result."""
    intent = an_intent()
    await claim(journal, intent)
    await journal.finish(intent.job_id, 1, ended(intent, "failed", error_code="provider"))
    assert await journal.lookup([key_of("a")]) == {}
    assert isinstance(await claim(journal, an_intent()), Granted)


async def test_fallback_result_is_stored_under_both_keys(journal):
    """The result of another model is stored under its own key and under the requested key."""
    intent = an_intent()
    await claim(journal, intent)
    await journal.finish(intent.job_id, 1, ended(intent, content_key=key_of("served"), served_by="fake/two"))
    results = await journal.lookup([key_of("a"), key_of("served")])
    assert {stored.generation_id for stored in results.values()} == {intent.draft.id}
    assert len(results) == 2


async def test_lost_result_can_be_generated_again(journal):
    """A claim that names the lost generation is granted; a claim that names another is not."""
    first = an_intent()
    await claim(journal, first)
    await journal.finish(first.job_id, 1, ended(first))
    assert isinstance(await claim(journal, an_intent(replaces="another")), Stored)
    again = an_intent(replaces=first.draft.id)
    assert isinstance(await claim(journal, again), Granted)
    await journal.finish(again.job_id, 1, ended(again))
    assert (await journal.lookup([key_of("a")]))[key_of("a")].generation_id == again.draft.id


async def test_waiter_inherits_a_released_job(journal, other):
    """A cancelled job passes to a waiter; without a waiter its Operation is cancelled."""
    intent, waiting = an_intent(), an_intent()
    await claim(journal, intent)
    await journal.accepted(intent.job_id, 1, {"id": 1})
    assert not await journal.release_to_waiter(intent.job_id, 1)
    assert isinstance(await claim(other, waiting), Held)
    assert await journal.release_to_waiter(intent.job_id, 1)
    assert await other.adopt(intent.job_id) == Inherited(intent.job_id, 2, {"id": 1})
    assert not await journal.finish(intent.job_id, 1, ended(intent, "cancelled"))
    assert await other.finish(intent.job_id, 2, ended(intent))


async def test_cancelled_waiter_inherits_nothing(journal, other):
    """Only current waiters keep an Operation alive."""
    intent, waiting = an_intent(), an_intent()
    await claim(journal, intent)
    await journal.accepted(intent.job_id, 1, {"id": 1})
    await claim(other, waiting)
    await other.stop_waiting(intent.job_id, waiting.job_id)
    assert not await journal.release_to_waiter(intent.job_id, 1)


async def test_dead_waiter_inherits_nothing(journal, other):
    """Waiters of a dead kernel do not count."""
    intent = an_intent()
    await claim(journal, intent)
    await journal.accepted(intent.job_id, 1, {"id": 1})
    await claim(other, an_intent())
    die(other)
    assert not await journal.release_to_waiter(intent.job_id, 1)


async def test_adopting_an_ended_job_returns_its_result_or_raises(journal):
    """A success returns its result; any other end raises."""
    intent, failing = an_intent("a"), an_intent("b")
    await journal.claim([intent, failing], {})
    await journal.finish(intent.job_id, 1, ended(intent))
    await journal.finish(failing.job_id, 1, ended(failing, "failed"))
    assert isinstance(await journal.adopt(intent.job_id), Stored)
    for job_id in (failing.job_id, "missing"):
        with pytest.raises(errors.JournalError, match="not open"):
            await journal.adopt(job_id)


async def test_recorded_call_is_a_result_and_counts(journal, tmp_path):
    """A call without write-ahead is logged, is the result of its key and node, and counts against caps."""
    generation = a_generation(
        "a",
        coordinate=(("prompt", "dawn"),),
        cost_micro_usd=9,
        ingredients={"amount": 0.2},
        inputs=(InputRecord("image", 0, picture("b").digest, "g"),),
    )
    await journal.record([generation, a_generation("b", status="failed", outputs=None)])
    assert await journal.lookup([key_of("a"), key_of("b")]) == {
        key_of("a"): Stored(generation.id, {"image": picture("a")})
    }
    assert await journal.node_results("scratch") == {
        ("node_a", (("prompt", "dawn"),)): NodeResult(
            generation.id, key_of("a"), {"image": picture("a")}, {"amount": 0.2}
        )
    }
    assert (await journal.spending(["run:run-1"]))["run:run-1"].spent_micro_usd == 9
    assert [kind for kind, _, _ in events_of(tmp_path)] == ["generation", "generation"]


async def test_cached_hit_changes_the_result_of_a_node(journal):
    """A hit logs no generation, but is stored as the result of the node."""
    shown = NodeResult("g-old", key_of("old"), {"image": picture("old")}, {"seed": 1})
    await journal.record([a_generation("a")])
    await journal.record_node_results("scratch", {("node_a", ()): shown})
    assert await journal.node_results("scratch") == {("node_a", ()): shown}
    assert await journal.node_results("another") == {}


async def test_equal_project_states_are_logged_once(journal, tmp_path):
    """Only a changed flow is logged."""
    project = ProjectRecord("p", "Neon", {"nodes": []}, {})
    for state in (project, project, replace(project, name="Dawn"), project):
        await journal.record_project(state)
    assert [kind for kind, _, _ in events_of(tmp_path)] == ["project"] * 3


async def test_start_and_end_of_a_run_are_logged(journal, tmp_path):
    """The two events have the same id."""
    run = RunRecord("r", "p", "ann", "running", 1)
    await journal.record_run(run)
    await journal.record_run(
        replace(run, status="succeeded", finished_at_us=2, jobs=(JobRecord("n", (("a", "b"),), "cached", "g"),))
    )
    assert [(kind, entity) for kind, entity, _ in events_of(tmp_path)] == [("run", "r")] * 2


async def test_ended_is_none_while_a_job_is_open(journal):
    """Waiters poll until there is an end."""
    intent = an_intent()
    await claim(journal, intent)
    assert await journal.ended(intent.job_id) is None
    await journal.finish(intent.job_id, 1, ended(intent, "refused", error_code="refused"))
    assert await journal.ended(intent.job_id) == Ended("refused", ended(intent, "refused", error_code="refused"))


async def test_index_allows_one_open_job_per_key(journal, tmp_path):
    """Single flight is a constraint of the database, not only of the code."""
    await claim(journal, an_intent())
    connection = sqlite3.connect(tmp_path / "journal.sqlite", isolation_level=None)
    with pytest.raises(sqlite3.IntegrityError):
        connection.execute(
            "INSERT INTO jobs SELECT 'x', content_key, state, operation, idempotency_key, kernel_id, "
            "epoch, run_id, project_id, reserve_micro_usd, claimed_at_us, draft, ended_seq, notebook FROM jobs"
        )
    connection.close()


def test_concurrent_checks_of_a_dead_kernel_agree(tmp_path):
    """A kernel that checks a dead kernel does not make it look alive to another kernel."""
    life = liveness.KernelLock(tmp_path, "k")
    assert liveness.is_alive(tmp_path, "k")
    life.close_in_child()
    with liveness.lock_if_dead(tmp_path, "k") as is_dead:
        assert is_dead
        assert not liveness.is_alive(tmp_path, "k")


def test_released_job_has_no_live_kernel(tmp_path):
    """The kernel id of a released job is never alive."""
    assert not liveness.is_alive(tmp_path, liveness.NO_KERNEL)
