"""Rate limits of services, shared by all kernels: starts per minute, concurrent calls, and requested pauses."""

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

def log_sign(sign):
    descriptor = os.open(os.environ["BUSY_LOG"], os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    os.write(descriptor, sign)
    os.close(descriptor)

class Service(fake.FakeProvider):
    limits = Limits(**eval(sys.argv[3]))

    async def submit(self, request, **kwargs):
        log_sign(b"+")
        return await super().submit(request, **kwargs)

    async def poll(self, operation):
        status = await super().poll(operation)
        if isinstance(status, Done):
            log_sign(b"-")
        return status

service = Service(fake.provider()._folder)
use_session(Session(registry=Registry([service])))
ff.budget(run=None, day=None)
flow = ff.Flow(sys.argv[1], id=sys.argv[1])
for index in range(int(sys.argv[2])):
    service.when(f"{sys.argv[1]} {index}", fake.Behaviour(polls=10))
    flow.generate_image(f"{sys.argv[1]} {index}", model="fake/image")
print("ready", flush=True)
sys.stdin.readline()
assert flow.run().wait().status == "succeeded"
"""


@pytest.fixture
def cursor() -> Any:
    """A cursor of an in-memory journal."""
    connection = sqlite3.connect(":memory:", isolation_level=None)
    cursor = connection.cursor()
    schema.migrate(cursor)
    yield cursor
    connection.close()


def is_alive(_kernel_id: str) -> bool:
    return True


@settings(deadline=None, max_examples=150)
@given(
    per_minute=st.integers(1, 700),
    steps=st.lists(st.integers(-90 * S, 90 * S) | st.integers(0, S) | st.just(0), min_size=1, max_size=120),
)
def test_starts_per_minute_never_exceed_the_limit(per_minute: int, steps: list[int]) -> None:
    """At any times of the requests; a clock that is set back grants no start twice."""
    connection = sqlite3.connect(":memory:", isolation_level=None)
    cursor = connection.cursor()
    schema.migrate(cursor)
    limit = RateLimit("fake", per_minute)
    burst, per_second = rate_limits.shape(per_minute)
    now_us, true_us, starts = 10**15, 0, []
    for step in steps:
        now_us += step
        true_us += max(0, step)  # real time never goes back
        while rate_limits.wait_us(cursor, limit, now_us, is_alive) == 0 and len(starts) < 4 * per_minute:
            rate_limits.take(cursor, limit, now_us, None)
            starts.append(true_us)
    for first, last in itertools.combinations(range(len(starts)), 2):
        since_s = (starts[last] - starts[first]) / 1e6
        allowed = per_minute if since_s < 60 else burst + per_second * since_s
        assert last - first + 1 <= allowed + 1e-6
        if last - first > 200:
            break
    connection.close()


def test_start_is_allowed_after_the_computed_wait(cursor: Any) -> None:
    """And not before it."""
    limit, now_us = RateLimit("fake", 6), 10**15
    rate_limits.take(cursor, limit, now_us, None)
    wait_us = rate_limits.wait_us(cursor, limit, now_us, is_alive)
    assert wait_us == pytest.approx(10 * S, abs=2)
    assert rate_limits.wait_us(cursor, limit, now_us + wait_us - 100, is_alive) > 0
    assert rate_limits.wait_us(cursor, limit, now_us + wait_us, is_alive) == 0


def test_pause_applies_to_all_callers_until_it_ends(cursor: Any) -> None:
    """A shorter pause does not shorten it; a pause far in the future (a clock set back) is capped."""
    limit, now_us = RateLimit("fake"), 10**15
    rate_limits.block(cursor, "fake", now_us + 30 * S, now_us)
    rate_limits.block(cursor, "fake", now_us + 10 * S, now_us)
    assert rate_limits.wait_us(cursor, limit, now_us, is_alive) == 30 * S
    assert rate_limits.wait_us(cursor, RateLimit("other"), now_us, is_alive) == 0
    assert rate_limits.wait_us(cursor, limit, now_us + 30 * S, is_alive) == 0
    assert rate_limits.blocked_until_us(cursor, "fake", now_us - 2 * rate_limits.LONGEST_BLOCK_US) == 0
    rate_limits.block(cursor, "fake", now_us + 10**12, now_us)
    assert rate_limits.wait_us(cursor, limit, now_us, is_alive) == rate_limits.LONGEST_BLOCK_US


def test_pause_does_not_consume_tokens(cursor: Any) -> None:
    """After the pause the full burst is available."""
    now_us = 10**15
    rate_limits.block(cursor, "fake", now_us + S, now_us)
    limit = RateLimit("fake", 600)
    for _ in range(60):
        assert rate_limits.wait_us(cursor, limit, now_us + S, is_alive) == 0
        rate_limits.take(cursor, limit, now_us + S, None)
    assert rate_limits.wait_us(cursor, limit, now_us + S, is_alive) > 0


def test_slot_is_held_from_claim_to_settlement_across_kernels(tmp_path: Path) -> None:
    """A claim refused by the budget takes neither slot nor token."""
    limit = RateLimit("fake", 60, concurrent=1, slot_timeout_us=600 * S)
    with Journal.open(tmp_path) as here, Journal.open(tmp_path) as there:
        first = an_intent("a", rate_limit=limit)
        over = an_intent("dear", reserve=10, rate_limit=limit)
        assert type(here.call(here.claim([over], {"run": 5}))[0]).__name__ == "OverBudget"
        [granted] = here.call(here.claim([first], {}))
        assert isinstance(granted, Granted)
        second = an_intent("b", rate_limit=limit)
        [throttled] = there.call(there.claim([second], {}))
        assert throttled == Throttled(rate_limits.SLOT_POLL_US, is_by_service=False)
        here.call(here.accepted(granted.job_id, granted.epoch, {"id": 1}))
        assert isinstance(there.call(there.claim([second], {}))[0], Throttled)
        here.call(here.finish(granted.job_id, granted.epoch, ended(first)))
        assert isinstance(there.call(there.claim([second], {}))[0], Granted)


def test_dead_kernel_holds_a_slot_only_for_accepted_jobs(tmp_path: Path) -> None:
    """An accepted job of a dead kernel holds its slot until the slot's time-out."""
    now = [10**15]
    limit = RateLimit("fake", concurrent=1, slot_timeout_us=600 * S)
    dead = Journal.open(tmp_path, clock_us=lambda: now[0])
    dead.call(dead.claim([an_intent("a", rate_limit=limit)], {}))
    dead.close()
    with Journal.open(tmp_path, clock_us=lambda: now[0]) as here:
        [granted] = here.call(here.claim([an_intent("b", rate_limit=limit)], {}))
        assert isinstance(granted, Granted)
        here.call(here.accepted(granted.job_id, granted.epoch, {"id": 1}))
    with Journal.open(tmp_path, clock_us=lambda: now[0]) as here:
        third = an_intent("c", rate_limit=limit)
        assert isinstance(here.call(here.claim([third], {}))[0], Throttled)
        now[0] += 600 * S
        assert isinstance(here.call(here.claim([third], {}))[0], Granted)


def run_kernels(tmp_path: Path, count: int, jobs: int, limits: str) -> Path:
    """Run `count` kernel processes with `jobs` calls each to one service; returns the service's log."""
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


def test_kernels_share_the_concurrency_limit_of_a_service(tmp_path: Path) -> None:
    """Four processes, 24 calls, limit 2: the service's log never shows a third concurrent call."""
    log = run_kernels(tmp_path, 4, 6, "{'concurrent': 2}").read_text()
    assert (log.count("+"), log.count("-")) == (24, 24)
    concurrent = list(itertools.accumulate(1 if sign == "+" else -1 for sign in log))
    assert max(concurrent) == 2


def test_kernels_share_the_rate_limit_of_a_service(tmp_path: Path) -> None:
    """Three processes, 60 calls at 300 per minute: the claims of all kernels together respect the rate."""
    run_kernels(tmp_path, 3, 20, "{'per_minute': 300}")
    burst, per_second = rate_limits.shape(300)
    connection = sqlite3.connect(tmp_path / "shared" / "journal.sqlite")
    grants = [row[0] for row in connection.execute("SELECT claimed_at_us FROM jobs ORDER BY claimed_at_us")]
    connection.close()
    assert len(grants) == 60
    for first, last in itertools.combinations(range(60), 2):
        assert last - first + 1 <= burst + per_second * (grants[last] - grants[first]) / 1e6 + 1e-3


class Pausing(FakeProvider):
    """Requests the pauses in `pauses`, and records the times of submits (by the clock of the test)."""

    def __init__(self, clock: list[int]) -> None:
        super().__init__()
        self.clock, self.submitted_at_us, self.pauses = clock, [], []

    async def submit(self, request: Any, *, idempotency_key: str) -> Any:
        self.submitted_at_us.append(self.clock[0])
        if self.pauses:
            return Failed("rate_limit", "Too many.", is_retryable=True, retry_after_s=self.pauses.pop(0))
        return await super().submit(request, idempotency_key=idempotency_key)


def session_with_clock(home: Path, provider: FakeProvider, clock: list[int]) -> Session:
    """A session with a simulated clock that only sleeping advances."""
    session = Session(home, Registry([provider]))

    async def sleep(seconds: float) -> None:
        clock[0] += int(seconds * 1e6) + 1

    session.journal._clock_us = lambda: clock[0]
    session.engine.context = replace(session.engine.context, clock=lambda: clock[0], sleep=sleep)
    session.journal._claims = replace(session.journal._claims, now_us=lambda: clock[0])
    return session


def test_retry_after_pauses_all_kernels(tmp_path: Path) -> None:
    """429 with Retry-After in one kernel: the first call of the other kernel starts after it, too."""
    clock = [10**15]
    service = Pausing(clock)
    first, second = (session_with_clock(tmp_path / "home", service, clock) for _ in range(2))
    use_session(first)
    service.pauses = [600.0]
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
    assert service.submitted_at_us[1] >= service.submitted_at_us[0] + 600 * S
    session_module._current = first
    second.close()


def test_short_pause_is_awaited_and_reported(tmp_path: Path, recorder: EventRecorder) -> None:
    """The job waits with `rate_limit`; the retry follows the pause."""
    clock = [10**15]
    service = Pausing(clock)
    use_session(session_with_clock(tmp_path / "home", service, clock))
    service.pauses = [30.0]
    flow = ff.Flow("Here")
    flow.generate_image("a", model="fake/image")
    assert counts(flow.run().wait(PATIENCE_S)) == {"succeeded": 1}
    assert service.submitted_at_us[1] >= service.submitted_at_us[0] + 30 * S
    assert "rate_limit" in {event.waits_for for event in recorder.events}


def test_429_of_a_poll_pauses_polls(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The next poll follows the pause."""
    clock = [10**15]
    fake = FakeProvider()
    session = session_with_clock(tmp_path / "home", fake, clock)
    use_session(session)
    original_poll, polled_at_us = fake.poll, []

    async def poll(operation: Any) -> Any:
        polled_at_us.append(clock[0])
        if len(polled_at_us) == 1:
            raise errors.ProviderError("Too many.", is_retryable=True, retry_after_s=45.0)
        return await original_poll(operation)

    monkeypatch.setattr(fake, "poll", poll)
    flow = ff.Flow("Here")
    flow.generate_image("a", model="fake/image")
    assert counts(flow.run().wait(PATIENCE_S)) == {"succeeded": 1}
    assert polled_at_us[1] >= polled_at_us[0] + 45 * S


def test_cached_result_does_not_wait_for_a_pause(flow: Flow, fake: FakeProvider, session: Session) -> None:
    """A cache hit sends no request."""
    flow.generate_image("a", model="fake/image")
    flow.run().result(PATIENCE_S)
    session.call(session.journal.block("fake", session.engine.context.clock() + 600 * S))
    session.engine.memo.clear()
    assert counts(flow.run().wait(PATIENCE_S)) == {"cached": 1}
    assert len(fake.log()) == 1


def test_account_name_reveals_nothing_of_the_api_key(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two keys of a service have separate limits."""
    monkeypatch.setenv("REPLICATE_API_TOKEN", "r8_secret_one")
    first = credentials.account("replicate")
    monkeypatch.setenv("REPLICATE_API_TOKEN", "r8_secret_two")
    assert credentials.account("replicate") not in {first, ""}
    assert "secret" not in first
    assert credentials.account("fake") == ""
    monkeypatch.delenv("REPLICATE_API_TOKEN")
    assert credentials.account("replicate") == ""


def test_documented_rate_limits_are_declared() -> None:
    """Replicate documents 600 creations per minute; undocumented limits are not guessed."""
    registry = Registry()
    assert registry.provider("replicate").limits == Limits(per_minute=600)
    assert registry.provider("fal").limits == Limits()


@pytest.fixture(autouse=True)
def no_backoff(monkeypatch: pytest.MonkeyPatch) -> None:
    """Retry without delay, unless the service requests a pause."""
    monkeypatch.setattr(provider_call, "BACKOFF_S", 0.0)


def test_busy_without_retry_after_pauses_no_other_caller(flow: Flow, fake: FakeProvider, session: Session) -> None:
    """Only the caller itself retries."""
    fake.enqueue(Behaviour(submit="busy"))
    flow.generate_image("a", model="fake/image")
    assert counts(flow.run().wait(PATIENCE_S)) == {"succeeded": 1}
    assert session.journal.blocked_until_us("fake") == 0
