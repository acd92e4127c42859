"""How often services are asked: never more than they allow, by all kernels together, and not while they say no."""

from __future__ import annotations

import itertools
import os
import sqlite3
import subprocess
import sys
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.engine import PATIENCE_S, EventRecorder, counts
from support.journal import an_intent, ended

import fusionflow_nb as ff
from fusionflow_nb import errors
from fusionflow_nb.engine import provider_call
from fusionflow_nb.journal import rate_limits, schema
from fusionflow_nb.journal.journal import Journal
from fusionflow_nb.journal.protocol import Granted, RateLimit, Throttled
from fusionflow_nb.providers.protocol import Failed, Limits
from fusionflow_nb.providers.registry import Registry
from fusionflow_nb.session import Session, use_session
from fusionflow_nb.session import session as session_module
from fusionflow_nb.settings import credentials
from fusionflow_nb.settings.environment import HOME_VARIABLE
from fusionflow_nb.testing.fake import FOLDER_VARIABLE, Behaviour, FakeProvider

if TYPE_CHECKING:
    from pathlib import Path

    from fusionflow_nb.api.flow import Flow

S = 1_000_000
KERNEL = """
import os, sys
import fusionflow_nb as ff
from fusionflow_nb.session import Session, use_session
from fusionflow_nb.testing import fake
from fusionflow_nb.providers.protocol import Done, Limits
from fusionflow_nb.providers.registry import Registry

def note(word):
    descriptor = os.open(os.environ["BUSY_LOG"], os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    os.write(descriptor, word)
    os.close(descriptor)

class Service(fake.FakeProvider):
    limits = Limits(**eval(sys.argv[3]))

    async def submit(self, request, **more):
        note(b"+")
        return await super().submit(request, **more)

    async def poll(self, operation):
        status = await super().poll(operation)
        if isinstance(status, Done):
            note(b"-")
        return status

made = Service(fake.provider()._folder)
use_session(Session(registry=Registry([made])))
ff.budget(run=None, day=None)
flow = ff.Flow(sys.argv[1], id=sys.argv[1])
for index in range(int(sys.argv[2])):
    made.when(f"{sys.argv[1]} {index}", fake.Behaviour(polls=10))
    flow.generate_image(f"{sys.argv[1]} {index}", model="fake/image")
print("ready", flush=True)
sys.stdin.readline()
assert flow.run().wait().status == "succeeded"
"""


@pytest.fixture
def cursor() -> Any:
    """The tables of a journal, in memory."""
    connection = sqlite3.connect(":memory:", isolation_level=None)
    made = connection.cursor()
    schema.migrate(made)
    yield made
    connection.close()


def always(_kernel_id: str) -> bool:
    return True


@settings(deadline=None, max_examples=150)
@given(
    per_minute=st.integers(1, 700),
    steps=st.lists(st.integers(-90 * S, 90 * S) | st.integers(0, S) | st.just(0), min_size=1, max_size=120),
)
def test_no_minute_sees_more_starts_than_are_allowed(per_minute: int, steps: list[int]) -> None:
    """Whatever the instants at which kernels ask; a clock set back grants nothing that was granted already."""
    connection = sqlite3.connect(":memory:", isolation_level=None)
    cursor = connection.cursor()
    schema.migrate(cursor)
    gate = RateLimit("fake", per_minute)
    burst, per_second = rate_limits.shape(per_minute)
    now_us, true_us, starts = 10**15, 0, []
    for step in steps:
        now_us += step
        true_us += max(0, step)  # time itself never goes back
        while rate_limits.wait_us(cursor, gate, now_us, always) == 0 and len(starts) < 4 * per_minute:
            rate_limits.take(cursor, gate, now_us, None)
            starts.append(true_us)
    for first, last in itertools.combinations(range(len(starts)), 2):
        since_s = (starts[last] - starts[first]) / 1e6
        most = per_minute if since_s < 60 else burst + per_second * since_s
        assert last - first + 1 <= most + 1e-6
        if last - first > 200:
            break
    connection.close()


def test_who_waits_as_long_as_told_may_start(cursor: Any) -> None:
    """The wait is as long as needed, and no longer."""
    gate, now_us = RateLimit("fake", 6), 10**15
    rate_limits.take(cursor, gate, now_us, None)
    wait_us = rate_limits.wait_us(cursor, gate, now_us, always)
    assert wait_us == pytest.approx(10 * S, abs=2)
    assert rate_limits.wait_us(cursor, gate, now_us + wait_us - 100, always) > 0
    assert rate_limits.wait_us(cursor, gate, now_us + wait_us, always) == 0


def test_what_a_service_asks_for_holds_for_everybody_and_ends(cursor: Any) -> None:
    """A block stands until its time; a shorter one does not shorten it; one of a clock set back is no block."""
    gate, now_us = RateLimit("fake"), 10**15
    rate_limits.block(cursor, "fake", now_us + 30 * S, now_us)
    rate_limits.block(cursor, "fake", now_us + 10 * S, now_us)
    assert rate_limits.wait_us(cursor, gate, now_us, always) == 30 * S
    assert rate_limits.wait_us(cursor, RateLimit("other"), now_us, always) == 0
    assert rate_limits.wait_us(cursor, gate, now_us + 30 * S, always) == 0
    assert rate_limits.blocked_until_us(cursor, "fake", now_us - 2 * rate_limits.LONGEST_BLOCK_US) == 0
    rate_limits.block(cursor, "fake", now_us + 10**12, now_us)
    assert rate_limits.wait_us(cursor, gate, now_us, always) == rate_limits.LONGEST_BLOCK_US


def test_a_block_of_an_unused_bucket_costs_no_tokens(cursor: Any) -> None:
    """After the pause as many may start at once as before it."""
    now_us = 10**15
    rate_limits.block(cursor, "fake", now_us + S, now_us)
    gate = RateLimit("fake", 600)
    for _ in range(60):
        assert rate_limits.wait_us(cursor, gate, now_us + S, always) == 0
        rate_limits.take(cursor, gate, now_us + S, None)
    assert rate_limits.wait_us(cursor, gate, now_us + S, always) > 0


def test_slots_count_what_a_service_works_on(tmp_path: Path) -> None:
    """A call has its slot from the claim to its end, across kernels; a refused budget takes neither slot nor token."""
    gate = RateLimit("fake", 60, concurrent=1, slot_timeout_us=600 * S)
    with Journal.open(tmp_path) as here, Journal.open(tmp_path) as there:
        first = an_intent("a", rate_limit=gate)
        over = an_intent("dear", reserve=10, rate_limit=gate)
        assert type(here.call(here.claim([over], {"run": 5}))[0]).__name__ == "OverBudget"
        [granted] = here.call(here.claim([first], {}))
        assert isinstance(granted, Granted)
        second = an_intent("b", rate_limit=gate)
        [later] = there.call(there.claim([second], {}))
        assert later == Throttled(rate_limits.SLOT_POLL_US, is_by_service=False)
        here.call(here.accepted(granted.job_id, granted.epoch, {"id": 1}))
        assert isinstance(there.call(there.claim([second], {}))[0], Throttled)
        here.call(here.finish(granted.job_id, granted.epoch, ended(first)))
        assert isinstance(there.call(there.claim([second], {}))[0], Granted)


def test_a_dead_kernels_submit_holds_no_slot_and_accepted_work_holds_it_for_a_while(tmp_path: Path) -> None:
    """What never was accepted is not at the service; what was, is, until its time is over."""
    now = [10**15]
    gate = RateLimit("fake", concurrent=1, slot_timeout_us=600 * S)
    dead = Journal.open(tmp_path, clock_us=lambda: now[0])
    dead.call(dead.claim([an_intent("a", rate_limit=gate)], {}))
    dead.close()
    with Journal.open(tmp_path, clock_us=lambda: now[0]) as here:
        [granted] = here.call(here.claim([an_intent("b", rate_limit=gate)], {}))
        assert isinstance(granted, Granted)
        here.call(here.accepted(granted.job_id, granted.epoch, {"id": 1}))
    with Journal.open(tmp_path, clock_us=lambda: now[0]) as here:
        third = an_intent("c", rate_limit=gate)
        assert isinstance(here.call(here.claim([third], {}))[0], Throttled)
        now[0] += 600 * S
        assert isinstance(here.call(here.claim([third], {}))[0], Granted)


def run_kernels(tmp_path: Path, count: int, jobs: int, limits: str) -> Path:
    """Kernels, as real processes, that want so many calls each of one service; the service's own log."""
    log = tmp_path / "busy.log"
    environment = {
        **os.environ,
        HOME_VARIABLE: str(tmp_path / "shared"),
        FOLDER_VARIABLE: str(tmp_path / "service"),
        "BUSY_LOG": str(log),
    }
    kernels = [
        subprocess.Popen(
            [sys.executable, "-c", KERNEL, f"kernel-{number}", str(jobs), limits],
            env=environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for number in range(count)
    ]
    for kernel in kernels:
        assert kernel.stdout is not None
        assert kernel.stdout.readline() == "ready\n"
    for kernel in kernels:
        assert kernel.stdin is not None
        kernel.stdin.write("go\n")
        kernel.stdin.flush()
    for kernel in kernels:
        kernel.communicate(timeout=2 * PATIENCE_S)
        assert kernel.returncode == 0
    return log


def test_kernels_share_the_slots_of_a_service(tmp_path: Path) -> None:
    """Four processes, 24 calls, two at once: the service never worked on a third, by its own log."""
    log = run_kernels(tmp_path, 4, 6, "{'concurrent': 2}").read_text()
    assert (log.count("+"), log.count("-")) == (24, 24)
    at_once = list(itertools.accumulate(1 if sign == "+" else -1 for sign in log))
    assert max(at_once) == 2


def test_kernels_share_the_rate_of_a_service(tmp_path: Path) -> None:
    """Three processes, 60 calls at 300 a minute: between any two grants lies the time that the rate asks for."""
    run_kernels(tmp_path, 3, 20, "{'per_minute': 300}")
    burst, per_second = rate_limits.shape(300)
    connection = sqlite3.connect(tmp_path / "shared" / "journal.sqlite")
    grants = [row[0] for row in connection.execute("SELECT claimed_at_us FROM jobs ORDER BY claimed_at_us")]
    connection.close()
    assert len(grants) == 60
    for first, last in itertools.combinations(range(60), 2):
        assert last - first + 1 <= burst + per_second * (grants[last] - grants[first]) / 1e6 + 1e-3


class Moody(FakeProvider):
    """Says how long it wants to be left alone, and notes when it is asked (by the clock of the test)."""

    def __init__(self, clock: list[int]) -> None:
        super().__init__()
        self.clock, self.asked, self.pauses = clock, [], []

    async def submit(self, request: Any, *, idempotency_key: str) -> Any:
        self.asked.append(self.clock[0])
        if self.pauses:
            return Failed("rate_limit", "Too many.", is_retryable=True, retry_after_s=self.pauses.pop(0))
        return await super().submit(request, idempotency_key=idempotency_key)


def clocked(home: Path, provider: FakeProvider, clock: list[int]) -> Session:
    """A session whose time passes only by waiting."""
    made = Session(home, Registry([provider]))

    async def sleep(seconds: float) -> None:
        clock[0] += int(seconds * 1e6) + 1

    made.journal._clock_us = lambda: clock[0]
    made.engine.context = replace(made.engine.context, clock=lambda: clock[0], sleep=sleep)
    made.journal._claims = replace(made.journal._claims, now_us=lambda: clock[0])
    return made


def test_a_pause_that_one_kernel_is_asked_for_is_kept_by_all(tmp_path: Path) -> None:
    """429 with Retry-After 90 in one kernel: the other kernel's first call leaves after it, too."""
    clock = [10**15]
    moody = Moody(clock)
    first, second = (clocked(tmp_path / "home", moody, clock) for _ in range(2))
    use_session(first)
    moody.pauses = [600.0]
    flow = ff.Flow("Here")
    flow.generate_image("a", model="fake/image")
    run = flow.run().wait(PATIENCE_S)
    assert counts(run) == {"failed": 1}  # longer than a run waits
    session_module._current = second
    other = ff.Flow("There")
    other.generate_image("b", model="fake/image")
    refused = other.run().wait(PATIENCE_S)
    assert "requested a pause of 10 more minutes" in str(refused.errors[0])
    assert isinstance(refused.errors[0], errors.ProviderError)
    clock[0] += 550 * S
    assert counts(other.run().wait(PATIENCE_S)) == {"succeeded": 1}
    assert moody.asked[1] >= moody.asked[0] + 600 * S
    session_module._current = first
    second.close()


def test_a_short_pause_is_waited_for_and_said(tmp_path: Path, recorder: EventRecorder) -> None:
    """The job says that it waits for the rate limit; the retry leaves when the pause is over, as the same start."""
    clock = [10**15]
    moody = Moody(clock)
    use_session(clocked(tmp_path / "home", moody, clock))
    moody.pauses = [30.0]
    flow = ff.Flow("Here")
    flow.generate_image("a", model="fake/image")
    assert counts(flow.run().wait(PATIENCE_S)) == {"succeeded": 1}
    assert moody.asked[1] >= moody.asked[0] + 30 * S
    assert "rate_limit" in {event.waits_for for event in recorder.events}


def test_polls_keep_the_pause_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A poll that is answered 429 stops the polls and submits of everybody until it is over."""
    clock = [10**15]
    fake = FakeProvider()
    session = clocked(tmp_path / "home", fake, clock)
    use_session(session)
    whole, asked = fake.poll, []

    async def poll(operation: Any) -> Any:
        asked.append(clock[0])
        if len(asked) == 1:
            raise errors.ProviderError("Too many.", is_retryable=True, retry_after_s=45.0)
        return await whole(operation)

    monkeypatch.setattr(fake, "poll", poll)
    flow = ff.Flow("Here")
    flow.generate_image("a", model="fake/image")
    assert counts(flow.run().wait(PATIENCE_S)) == {"succeeded": 1}
    assert asked[1] >= asked[0] + 45 * S


def test_what_is_known_waits_for_no_service(flow: Flow, fake: FakeProvider, session: Session) -> None:
    """A hit is no start: results and other kernels' work are had while the service wants to be left alone."""
    flow.generate_image("a", model="fake/image")
    flow.run().result(PATIENCE_S)
    session.call(session.journal.block("fake", session.engine.context.clock() + 600 * S))
    session.engine.memo.clear()
    assert counts(flow.run().wait(PATIENCE_S)) == {"cached": 1}
    assert len(fake.log()) == 1


def test_a_key_is_known_by_a_name_that_gives_nothing_away(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two keys of a service have limits of their own; nothing of a key is in the name."""
    monkeypatch.setenv("REPLICATE_API_TOKEN", "r8_secret_one")
    one = credentials.account("replicate")
    monkeypatch.setenv("REPLICATE_API_TOKEN", "r8_secret_two")
    assert credentials.account("replicate") not in {one, ""}
    assert "secret" not in one
    assert credentials.account("fake") == ""
    monkeypatch.delenv("REPLICATE_API_TOKEN")
    assert credentials.account("replicate") == ""


def test_limits_stand_where_a_service_documents_them() -> None:
    """Replicate says 600 creations a minute; who says nothing has none."""
    registry = Registry()
    assert registry.provider("replicate").limits == Limits(per_minute=600)
    assert registry.provider("fal").limits == Limits()


@pytest.fixture(autouse=True)
def no_backoff(monkeypatch: pytest.MonkeyPatch) -> None:
    """Tries without a wish of the service follow each other at once."""
    monkeypatch.setattr(provider_call, "BACKOFF_S", 0.0)


def test_busy_without_a_wish_blocks_nobody(flow: Flow, fake: FakeProvider, session: Session) -> None:
    """A service that only says busy is asked again by its caller; others are not held up."""
    fake.enqueue(Behaviour(submit="busy"))
    flow.generate_image("a", model="fake/image")
    assert counts(flow.run().wait(PATIENCE_S)) == {"succeeded": 1}
    assert session.journal.blocked_until_us("fake") == 0
