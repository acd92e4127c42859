"""Clock jumps: amounts count on the day of the claim, and leases depend on locks only."""

from __future__ import annotations

import pytest
from support.journal import DAY_US, an_intent, ended, key_of

from fusionflow_nb.journal import reservations
from fusionflow_nb.journal.journal import Journal
from fusionflow_nb.journal.protocol import Granted, Held, OverBudget, Spending, Stored

NOON_US = 1_800_000_000_000_000
JUMPS_US = {"a day on": DAY_US, "a day back": -DAY_US, "ten years on": 3650 * DAY_US, "to 1970": 1 - NOON_US}


class Clock:
    def __init__(self):
        self.now_us = NOON_US

    def __call__(self):
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
    opened = Journal.open(tmp_path, clock_us=clock)
    yield opened
    opened.close()


def days(*times_us):
    return [f"day:{reservations.day_of(at_us)}" for at_us in times_us]


@pytest.mark.parametrize("jump_us", JUMPS_US.values(), ids=JUMPS_US.keys())
async def test_job_is_settled_on_the_day_of_its_claim(journal, clock, jump_us):
    """At any clock when it ends, no day keeps its reservation and only one day has its cost."""
    intent = an_intent(reserve=50)
    await journal.claim([intent], {})
    clock.now_us += jump_us
    then, now = days(NOON_US, clock.now_us)
    assert await journal.spending([then, now]) == {then: Spending(0, 50, 0), now: Spending(0, 0, 0)}
    assert await journal.finish(intent.job_id, 1, ended(intent, cost_micro_usd=30))
    assert await journal.spending([then, now]) == {then: Spending(30, 0, 0), now: Spending(0, 0, 0)}
    (again,) = await journal.claim([an_intent()], {})
    assert isinstance(again, Stored)


@pytest.mark.parametrize("jump_us", JUMPS_US.values(), ids=JUMPS_US.keys())
async def test_lease_is_independent_of_the_clock(journal, other, clock, jump_us):
    """A live kernel keeps its lease however far the clock jumps, and its Operation is stored."""
    intent = an_intent()
    await journal.claim([intent], {})
    clock.now_us += jump_us
    (answer,) = await other.claim([an_intent()], {})
    assert answer == Held(intent.job_id, journal.kernel_id)
    assert await journal.accepted(intent.job_id, 1, {"id": 1})
    assert (await other.open_jobs())[0].is_held
    assert await journal.finish(intent.job_id, 1, ended(intent))
    assert set(await other.lookup([key_of("a")])) == {key_of("a")}


async def test_unknown_job_counts_only_on_its_day(journal, clock):
    """On its day it counts against the caps, on other days it is at stake, however the clock jumps."""
    intent = an_intent(reserve=70)
    await journal.claim([intent], {})
    await journal.finish(intent.job_id, 1, ended(intent, "unknown"))
    project = "project:scratch"
    for jump_us in (DAY_US, -DAY_US, -DAY_US, DAY_US):
        clock.now_us += jump_us
        is_same_day = reservations.day_of(clock.now_us) == reservations.day_of(NOON_US)
        expected = Spending(0, 70, 0) if is_same_day else Spending(0, 0, 70)
        assert (await journal.spending([project]))[project] == expected
        more = an_intent("b", reserve=40)
        (answer,) = await journal.claim([more], {project: 100})
        assert isinstance(answer, OverBudget if is_same_day else Granted)
        if isinstance(answer, Granted):
            [open_b] = [job for job in await journal.open_jobs() if job.job_id == answer.job_id]
            await journal.finish(
                answer.job_id, 1, ended(an_intent("b"), "failed", cost_micro_usd=0, id=open_b.draft.id)
            )


async def test_events_stay_in_order_when_the_clock_is_set_back(journal, clock):
    """The log is in commit order; the last event of a job counts."""
    intents = [an_intent(name) for name in "abc"]
    for intent in intents:
        clock.now_us -= DAY_US
        await journal.claim([intent], {})
        await journal.finish(intent.job_id, 1, ended(intent))
    logged = await journal.generations([intent.draft.id for intent in intents])
    assert {generation.status for generation in logged.values()} == {"succeeded"}
