"""No key is paid for twice, nothing is sent that may not be, and what has been paid for is kept."""

from __future__ import annotations

import os
import threading
from typing import TYPE_CHECKING, Any

import pytest
from support.engine import PATIENCE_S, EventRecorder, counts, state_of

import fusionflow_nb as ff
from fusionflow_nb import errors
from fusionflow_nb.engine import provider_call
from fusionflow_nb.journal import commit_lock
from fusionflow_nb.providers.protocol import Failed
from fusionflow_nb.providers.registry import Registry
from fusionflow_nb.session import Session, current_session, use_session
from fusionflow_nb.session import session as session_module
from fusionflow_nb.testing.fake import Behaviour, FakeProvider

if TYPE_CHECKING:
    from fusionflow_nb.api.flow import Flow


@pytest.fixture(autouse=True)
def no_backoff(monkeypatch: pytest.MonkeyPatch) -> None:
    """Tries follow each other at once."""
    monkeypatch.setattr(provider_call, "BACKOFF_S", 0.0)


class Counting(FakeProvider):
    """Counts tries too, which the log of accepted submissions does not show."""

    def __init__(self) -> None:
        super().__init__()
        self.keys: list[str] = []

    async def submit(self, request: Any, *, idempotency_key: str) -> Any:
        self.keys.append(idempotency_key)
        return await super().submit(request, idempotency_key=idempotency_key)


@pytest.fixture
def fake() -> Counting:
    return Counting()


@pytest.mark.parametrize(
    ("end", "error"), [("refused", errors.RefusedError), ("no_funds", errors.NoFundsError)], ids=["refused", "no funds"]
)
def test_a_final_answer_is_never_retried(flow: Flow, fake: Counting, end: Any, error: type[Exception]) -> None:
    """Refusals and missing funds stand after one submission, cost nothing, and say what to do."""
    fake.enqueue(Behaviour(end=end))
    flow.generate_image("dawn", model="fake/image")
    run = flow.run().wait(PATIENCE_S)
    assert counts(run) == {end: 1}
    assert isinstance(run.errors[0], error)
    assert run.errors[0].hint
    assert len(fake.keys) == 1
    assert run.cost_usd == 0


def test_busy_is_retried_under_one_idempotency_key(flow: Flow, fake: Counting) -> None:
    """A service that says it took nothing is asked again, as the same start."""
    fake.enqueue(Behaviour(submit="busy"), Behaviour(submit="busy"))
    flow.generate_image("dawn", model="fake/image")
    flow.run().result(PATIENCE_S)
    assert len(fake.keys) == 3
    assert len(set(fake.keys)) == 1
    assert len(fake.log()) == 1


def test_busy_for_too_long_is_a_failure_that_may_be_tried_again(flow: Flow, fake: Counting) -> None:
    """After the last try the job fails, and nothing stays reserved."""
    fake.enqueue(*[Behaviour(submit="busy")] * provider_call.SUBMIT_TRIES)
    flow.generate_image("dawn", model="fake/image")
    run = flow.run().wait(PATIENCE_S)
    assert [type(error) for error in run.errors] == [errors.OutageError]
    assert reserved(run.id) == 0
    flow.run().result(PATIENCE_S)
    assert len(fake.log()) == 1


@pytest.mark.parametrize("loss", ["lost", "taken"])
def test_an_ambiguous_submit_is_unknown_and_never_resent(
    flow: Flow, fake: Counting, session: Session, loss: Any
) -> None:
    """Nobody knows whether it arrived: it is shown with what is at stake, and neither a run nor a kernel resends it."""
    fake.enqueue(Behaviour(submit=loss))
    flow.generate_image("dawn", model="fake/image")
    run = flow.run().wait(PATIENCE_S)
    assert counts(run) == {"unknown": 1}
    assert "$0.04 at stake" in str(run.errors[0])
    assert counts(flow.run().wait(PATIENCE_S)) == {"unknown": 1}
    use_session(None)
    use_session(Session(session.home, Registry([fake])))
    assert ff.resume() == []
    again = ff.Flow("Again")
    node = again.generate_image("dawn", model="fake/image")
    assert counts(again.run().wait(PATIENCE_S)) == {"unknown": 1}
    assert len(fake.keys) == 1
    again.again(node)
    again.run().result(PATIENCE_S)
    assert len(fake.keys) == 2  # a new take is a person's decision


def test_an_adapter_that_breaks_in_a_submit_leaves_an_unknown(
    flow: Flow, fake: Counting, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Any exception that is not ours may have come after the request was sent; other branches go on."""
    whole = fake.submit

    async def broken(request: Any, *, idempotency_key: str) -> Any:
        if request.prompt == "bad":
            await whole(request, idempotency_key=idempotency_key)
            raise KeyError("request_id")
        return await whole(request, idempotency_key=idempotency_key)

    monkeypatch.setattr(fake, "submit", broken)
    flow.generate_image("bad", model="fake/image", name="bad")
    flow.generate_image("good", model="fake/image", name="good")
    run = flow.run().wait(PATIENCE_S)
    assert (state_of(run, "bad"), state_of(run, "good")) == ("unknown", "succeeded")


def test_an_adapter_that_breaks_in_a_poll_loses_nothing(
    flow: Flow, fake: Counting, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Accepted work whose polling broke is followed again by the next run, not submitted again."""
    whole = fake.poll

    async def broken(_operation: Any) -> Any:
        raise KeyError("status")

    monkeypatch.setattr(fake, "poll", broken)
    flow.generate_image("dawn", model="fake/image")
    run = flow.run().wait(PATIENCE_S)
    assert counts(run) == {"failed": 1}
    assert "KeyError" in str(run.errors[0])
    monkeypatch.setattr(fake, "poll", whole)
    assert flow.run().result(PATIENCE_S).width == 32
    assert len(fake.keys) == 1
    rows = ff.tape.sql("select status, cost_computation from generations").rows()
    assert [(status, float(cost)) for status, cost in rows] == [("succeeded", 0.04)]


def test_a_key_that_is_missing_releases_what_was_reserved(
    flow: Flow, fake: Counting, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An error of ours before the request leaves: nothing was taken, so the next run may try."""

    async def keyless(_request: Any, *, idempotency_key: str) -> Any:
        raise errors.SecretError(f"No key ({len(idempotency_key)}).", hint="ff.connect('fake')")

    whole = fake.submit
    monkeypatch.setattr(fake, "submit", keyless)
    flow.generate_image("dawn", model="fake/image")
    run = flow.run().wait(PATIENCE_S)
    assert "ff.connect" in str(run.errors[0])
    assert reserved(run.id) == 0
    monkeypatch.setattr(fake, "submit", whole)
    flow.run().result(PATIENCE_S)


def test_identical_nodes_are_one_submission(flow: Flow, fake: Counting) -> None:
    """Two nodes that ask for the same thing in one run share one call; the money counts once."""
    flow.generate_image("dawn", model="fake/image", seed=1, name="one")
    flow.generate_image("dawn", model="fake/image", seed=1, name="two")
    run = flow.run()
    given = run.result(PATIENCE_S)
    assert given["one"].asset == given["two"].asset
    assert len(fake.keys) == 1
    rows = ff.tape.sql("select sum(cost_computation) from generations").rows()
    assert float(rows[0][0]) == 0.04


def test_two_runs_at_once_are_one_submission(flow: Flow, fake: Counting, recorder: EventRecorder) -> None:
    """A second run of the same work joins the call that is under way."""
    fake.enqueue(Behaviour(polls=100))
    flow.generate_image("dawn", model="fake/image", name="still")
    first = flow.run()
    recorder.until_state(first, "still", "running", progress=0.01)
    second = flow.run()
    assert first.result(PATIENCE_S).asset == second.result(PATIENCE_S).asset
    assert len(fake.keys) == 1


def test_letting_go_alone_does_not_cancel_for_the_others(flow: Flow, fake: Counting, recorder: EventRecorder) -> None:
    """One of two who wait is cancelled: the other gets the result and the service hears nothing."""
    fake.enqueue(Behaviour(polls=200))
    flow.generate_image("dawn", model="fake/image", name="still")
    first, second = flow.run(), flow.run()
    recorder.until_state(first, "still", "running", progress=0.01)
    recorder.until_state(second, "still", "running", progress=0.01)
    first.cancel()
    assert first.wait(PATIENCE_S).status == "cancelled"
    assert second.result(PATIENCE_S).width == 32
    assert fake.cancelled == []
    assert len(fake.keys) == 1


def test_the_last_to_let_go_cancels_the_operation(flow: Flow, fake: Counting, recorder: EventRecorder) -> None:
    """When nobody waits any more, the service is told once, and the budget is free again."""
    fake.enqueue(Behaviour(end="never"))
    flow.generate_image("dawn", model="fake/image", name="still")
    runs = [flow.run(), flow.run()]
    for run in runs:
        recorder.until_state(run, "still", "running", progress=0.01)
    for run in runs:
        run.cancel()
    for run in runs:
        assert run.wait(PATIENCE_S).status == "cancelled"
    assert len(fake.cancelled) == 1
    assert sum(reserved(run.id) for run in runs) == 0


def test_two_kernels_share_one_submission(session: Session, fake: Counting) -> None:
    """Single flight across kernels: the second waits for the lease and takes the result."""
    other = Session(session.home, Registry([fake]))
    fake.enqueue(Behaviour(polls=100))
    try:
        here = ff.Flow("Here")
        here.generate_image("dawn", model="fake/image", name="still", seed=1)
        run = here.run()
        session_module._current = other
        there = ff.Flow("There")
        there.generate_image("dawn", model="fake/image", name="still", seed=1)
        second = there.run()
        assert run.result(PATIENCE_S).asset == second.result(PATIENCE_S).asset
        assert len(fake.keys) == 1
    finally:
        session_module._current = session
        other.close()


def test_a_cancelled_call_passes_to_the_kernel_that_waits(session: Session, fake: Counting) -> None:
    """The lease and its Operation go over: nothing is cancelled at the service, nothing is submitted again."""
    events: list[Any] = []
    waits, runs_here = threading.Event(), threading.Event()
    other = Session(session.home, Registry([fake]))
    fake.enqueue(Behaviour(polls=400))
    try:
        here = ff.Flow("Here")
        here.generate_image("dawn", model="fake/image", name="still", seed=1)
        run = here.run()
        run._run.subscribe(lambda event: runs_here.set() if event.progress else None)
        assert runs_here.wait(PATIENCE_S)
        session_module._current = other
        there = ff.Flow("There")
        there.generate_image("dawn", model="fake/image", name="still", seed=1)
        second = there.run()
        second._run.subscribe(
            lambda event: events.append(event) or (waits.set() if event.waits_for == "lease" else None)
        )
        assert waits.wait(PATIENCE_S)
        run.cancel()
        assert run.wait(PATIENCE_S).status == "cancelled"
        assert second.result(PATIENCE_S).width == 32
        assert fake.cancelled == []
        assert len(fake.keys) == 1
    finally:
        session_module._current = session
        other.close()


def test_a_run_stops_at_its_cap(flow: Flow, fake: Counting) -> None:
    """$2 a run by default: the job that would pass it is not submitted, says so, and finished ones stay."""
    for index in range(60):
        flow.generate_image(f"p{index}", model="fake/image")
    run = flow.run().wait(PATIENCE_S)
    assert counts(run) == {"succeeded": 50, "over_budget": 10}
    assert len(fake.log()) == 50
    assert sorted(entry["prompt"] for entry in fake.log()) == sorted(f"p{index}" for index in range(50))
    assert run.cost_usd == pytest.approx(2.0)
    assert "$2.00" in str(run.errors[0])
    assert counts(flow.run().wait(PATIENCE_S)) == {"cached": 50, "succeeded": 10}


def test_the_cap_of_the_day_counts_all_runs(flow: Flow, fake: Counting, session: Session) -> None:
    """$5 a day by default, over all runs of all kernels of this home."""
    for index in range(150):
        flow.generate_image(f"p{index}", model="fake/image")
    nodes = list(flow.document.nodes)
    for start in range(0, 150, 50):
        run = flow.run(*nodes[start : start + 50]).wait(PATIENCE_S)
    assert counts(run) == {"succeeded": 25, "over_budget": 25}
    assert len(fake.log()) == 125
    assert "day" in str(run.errors[0])
    assert session.engine.context.caps_micro_usd["day"] == 5_000_000


def test_an_overrun_is_recorded_and_stops_the_next(flow: Flow, fake: Counting) -> None:
    """A service that bills more than the estimate: it is shown, counts, and the next submission is refused."""
    fake.enqueue(Behaviour(cost_micro_usd=6_000_000))
    flow.generate_image("dear", model="fake/image", name="dear")
    run = flow.run().wait(PATIENCE_S)
    assert run.cost_usd == pytest.approx(6.0)
    flow.generate_image("more", model="fake/image", name="more")
    assert counts(flow.run().wait(PATIENCE_S)) == {"cached": 1, "over_budget": 1}


def test_a_model_without_a_price_needs_an_allowance(flow: Flow, fake: Counting) -> None:
    """Unpriced: nothing is sent until the person says what a call may cost; what they allow is reserved."""
    flow.generate_image("dawn", model="fake/unpriced", name="still")
    run = flow.run().wait(PATIENCE_S)
    assert counts(run) == {"over_budget": 1}
    assert "unpriced=" in str(run.errors[0])
    assert counts(flow.run().wait(PATIENCE_S)) == {"over_budget": 1}  # and says it again the second time
    assert fake.keys == []
    assert flow.run(unpriced=0.5).result(PATIENCE_S).width == 32
    flow.generate_image("dusk", model="fake/unpriced", name="other")
    assert counts(flow.run(unpriced=3.0).wait(PATIENCE_S)) == {"cached": 1, "over_budget": 1}


def test_a_large_run_asks_first(flow: Flow, fake: Counting) -> None:
    """More than 100 paid calls: nothing starts until it is confirmed."""
    for index in range(101):
        flow.generate_image(f"p{index}", model="fake/image")
    with pytest.raises(errors.OverBudgetError, match=r"101 paid calls for \$4.04"):
        flow.run()
    assert fake.keys == []
    run = flow.run(confirmed=True)
    run.cancel()
    run.wait(PATIENCE_S)


def test_a_dear_run_asks_first(flow: Flow, fake: Counting) -> None:
    """More than $10, however few the calls."""
    for index in range(21):
        flow.generate_video(f"p{index}", model="fake/video", duration_s=10)
    with pytest.raises(errors.OverBudgetError, match=r"\$10.50"):
        flow.run()
    assert fake.keys == []


def test_a_busy_journal_submits_nothing(flow: Flow, fake: Counting, session: Session) -> None:
    """What cannot be written ahead is not sent: the error names who holds the journal, and the next run does it."""
    flow.generate_image("dawn", model="fake/image")
    flow.plan()
    session.journal._writer._timeout_s = 0.05
    held = commit_lock.CommitLock(session.home / "journal.turnstile")
    with held.hold():
        run = flow.run()
        with pytest.raises(errors.JournalBusyError, match=f"process {os.getpid()}.*nothing paid was submitted"):
            run.result(PATIENCE_S)
    held.close()
    assert run.status == "failed"
    assert fake.keys == []
    session.journal._writer._timeout_s = 10.0
    flow.run().result(PATIENCE_S)
    assert len(fake.keys) == 1


def test_a_journal_that_is_busy_later_submits_nothing_more(
    flow: Flow, fake: Counting, session: Session, recorder: EventRecorder
) -> None:
    """Busy while a run goes on: what is under way comes home (through the outbox), what follows is not submitted."""
    fake.enqueue(Behaviour(polls=50))
    still = flow.generate_image("dawn", model="fake/image", name="still")
    flow.upscale(still, model="fake/edit", name="large")
    run = flow.run()
    recorder.until_state(run, "still", "running", progress=0.01)
    session.journal._writer._timeout_s = 0.05
    held = commit_lock.CommitLock(session.home / "journal.turnstile")
    with held.hold():
        recorder.until_state(run, "large", "failed")
    held.close()
    session.journal._writer._timeout_s = 10.0
    run.wait(PATIENCE_S)
    assert (state_of(run, "still"), state_of(run, "large")) == ("succeeded", "failed")
    assert isinstance(run.errors[0], errors.JournalBusyError)
    flow.run().result(PATIENCE_S)
    assert [entry["model"] for entry in fake.log()] == ["fake/image", "fake/edit"]


def test_a_failed_answer_before_acceptance_says_why(flow: Flow, fake: Counting, monkeypatch: Any) -> None:
    """A plain failure of the submit is the job's error; the next run tries again."""

    async def failing(_request: Any, *, idempotency_key: str) -> Any:
        return Failed("bad_request", f"No such size ({bool(idempotency_key)}).")

    whole = fake.submit
    monkeypatch.setattr(fake, "submit", failing)
    flow.generate_image("dawn", model="fake/image")
    run = flow.run().wait(PATIENCE_S)
    assert "No such size" in str(run.errors[0])
    monkeypatch.setattr(fake, "submit", whole)
    flow.run().result(PATIENCE_S)


def reserved(run_id: str) -> int:
    """What a run still holds of the budget, in micro-dollars."""
    session = current_session()
    found = session.call(session.journal.spending([f"run:{run_id}"]))
    return found[f"run:{run_id}"].reserved_micro_usd
