"""Payment rules: no content key is paid twice, budget caps hold, and paid results are kept."""

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
    """Retry without delay."""
    monkeypatch.setattr(provider_call, "BACKOFF_S", 0.0)


class Counting(FakeProvider):
    """Records every submit, also those that are not accepted."""

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
def test_refusal_and_missing_funds_are_not_retried(
    flow: Flow, fake: Counting, end: Any, error: type[Exception]
) -> None:
    """One submit, no cost, and an error with a hint."""
    fake.enqueue(Behaviour(end=end))
    flow.generate_image("dawn", model="fake/image")
    run = flow.run().wait(PATIENCE_S)
    assert counts(run) == {end: 1}
    assert isinstance(run.errors[0], error)
    assert run.errors[0].hint
    assert len(fake.keys) == 1
    assert run.cost_usd == 0


def test_busy_submit_is_retried_with_the_same_idempotency_key(flow: Flow, fake: Counting) -> None:
    """A service that states it accepted nothing receives the same request again."""
    fake.enqueue(Behaviour(submit="busy"), Behaviour(submit="busy"))
    flow.generate_image("dawn", model="fake/image")
    flow.run().result(PATIENCE_S)
    assert len(fake.keys) == 3
    assert len(set(fake.keys)) == 1
    assert len(fake.log()) == 1


def test_busy_after_the_last_retry_fails_and_frees_the_budget(flow: Flow, fake: Counting) -> None:
    """The job fails with OutageError; the next run can submit it."""
    fake.enqueue(*[Behaviour(submit="busy")] * provider_call.SUBMIT_TRIES)
    flow.generate_image("dawn", model="fake/image")
    run = flow.run().wait(PATIENCE_S)
    assert [type(error) for error in run.errors] == [errors.OutageError]
    assert reserved(run.id) == 0
    flow.run().result(PATIENCE_S)
    assert len(fake.log()) == 1


@pytest.mark.parametrize("loss", ["lost", "taken"])
def test_ambiguous_submit_is_unknown_and_never_resent(flow: Flow, fake: Counting, session: Session, loss: Any) -> None:
    """The error states the amount at stake; neither a run nor another kernel submits it again."""
    fake.enqueue(Behaviour(submit=loss))
    flow.generate_image("dawn", model="fake/image")
    run = flow.run().wait(PATIENCE_S)
    assert counts(run) == {"unknown": 1}
    assert "$0.04 at stake" in str(run.errors[0])
    assert counts(flow.run().wait(PATIENCE_S)) == {"unknown": 1}
    use_session(None)
    use_session(Session(session.home, Registry([fake])))
    assert ff.resume() == []
    reopened = ff.Flow("Again")
    node = reopened.generate_image("dawn", model="fake/image")
    assert counts(reopened.run().wait(PATIENCE_S)) == {"unknown": 1}
    assert len(fake.keys) == 1
    reopened.again(node)
    reopened.run().result(PATIENCE_S)
    assert len(fake.keys) == 2  # a new take is the user's decision


def test_adapter_exception_in_submit_makes_the_job_unknown(
    flow: Flow, fake: Counting, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An unexpected exception may follow an accepted request; other branches continue."""
    original_submit = fake.submit

    async def broken(request: Any, *, idempotency_key: str) -> Any:
        if request.prompt == "bad":
            await original_submit(request, idempotency_key=idempotency_key)
            raise KeyError("request_id")
        return await original_submit(request, idempotency_key=idempotency_key)

    monkeypatch.setattr(fake, "submit", broken)
    flow.generate_image("bad", model="fake/image", name="bad")
    flow.generate_image("good", model="fake/image", name="good")
    run = flow.run().wait(PATIENCE_S)
    assert (state_of(run, "bad"), state_of(run, "good")) == ("unknown", "succeeded")


def test_adapter_exception_in_poll_keeps_the_accepted_job(
    flow: Flow, fake: Counting, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The next run polls the accepted job again and does not submit it."""
    original_poll = fake.poll

    async def broken(_operation: Any) -> Any:
        raise KeyError("status")

    monkeypatch.setattr(fake, "poll", broken)
    flow.generate_image("dawn", model="fake/image")
    run = flow.run().wait(PATIENCE_S)
    assert counts(run) == {"failed": 1}
    assert "KeyError" in str(run.errors[0])
    monkeypatch.setattr(fake, "poll", original_poll)
    assert flow.run().result(PATIENCE_S).width == 32
    assert len(fake.keys) == 1
    rows = ff.tape.sql("select status, cost_computation from generations").rows()
    assert [(status, float(cost)) for status, cost in rows] == [("succeeded", 0.04)]


def test_missing_api_key_releases_the_reservation(flow: Flow, fake: Counting, monkeypatch: pytest.MonkeyPatch) -> None:
    """The error occurs before the request: nothing was accepted, so the next run can submit."""

    async def keyless(_request: Any, *, idempotency_key: str) -> Any:
        raise errors.SecretError(f"No key ({len(idempotency_key)}).", hint="ff.connect('fake')")

    original_submit = fake.submit
    monkeypatch.setattr(fake, "submit", keyless)
    flow.generate_image("dawn", model="fake/image")
    run = flow.run().wait(PATIENCE_S)
    assert "ff.connect" in str(run.errors[0])
    assert reserved(run.id) == 0
    monkeypatch.setattr(fake, "submit", original_submit)
    flow.run().result(PATIENCE_S)


def test_identical_nodes_share_one_submit(flow: Flow, fake: Counting) -> None:
    """Two equal nodes of one run share one call; its cost counts once."""
    flow.generate_image("dawn", model="fake/image", seed=1, name="one")
    flow.generate_image("dawn", model="fake/image", seed=1, name="two")
    run = flow.run()
    outputs = run.result(PATIENCE_S)
    assert outputs["one"].asset == outputs["two"].asset
    assert len(fake.keys) == 1
    rows = ff.tape.sql("select sum(cost_computation) from generations").rows()
    assert float(rows[0][0]) == 0.04


def test_concurrent_runs_share_one_submit(flow: Flow, fake: Counting, recorder: EventRecorder) -> None:
    """A second run of the same job joins the running call."""
    fake.enqueue(Behaviour(polls=100))
    flow.generate_image("dawn", model="fake/image", name="still")
    first = flow.run()
    recorder.until_state(first, "still", "running", progress=0.01)
    second = flow.run()
    assert first.result(PATIENCE_S).asset == second.result(PATIENCE_S).asset
    assert len(fake.keys) == 1


def test_cancel_of_one_run_does_not_cancel_a_shared_call(flow: Flow, fake: Counting, recorder: EventRecorder) -> None:
    """The other run gets the result; the service receives no cancel."""
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


def test_cancel_of_all_runs_cancels_the_shared_call(flow: Flow, fake: Counting, recorder: EventRecorder) -> None:
    """The service receives one cancel, and the reservation is released."""
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


def test_two_kernels_share_one_submit(session: Session, fake: Counting) -> None:
    """Single flight across kernels: the second waits for the lease and reads the result."""
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


def test_cancelled_call_is_handed_to_a_waiting_kernel(session: Session, fake: Counting) -> None:
    """The lease and its operation are transferred: no cancel at the service, no second submit."""
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


def test_run_stops_at_its_budget_cap(flow: Flow, fake: Counting) -> None:
    """$2 per run by default: jobs beyond it are not submitted, finished results are kept."""
    for index in range(60):
        flow.generate_image(f"p{index}", model="fake/image")
    run = flow.run().wait(PATIENCE_S)
    assert counts(run) == {"succeeded": 50, "over_budget": 10}
    assert len(fake.log()) == 50
    assert sorted(entry["prompt"] for entry in fake.log()) == sorted(f"p{index}" for index in range(50))
    assert run.cost_usd == pytest.approx(2.0)
    assert "$2.00" in str(run.errors[0])
    assert counts(flow.run().wait(PATIENCE_S)) == {"cached": 50, "succeeded": 10}


def test_daily_cap_counts_all_runs(flow: Flow, fake: Counting, session: Session) -> None:
    """$5 per day by default, over all runs of all kernels of this home."""
    for index in range(150):
        flow.generate_image(f"p{index}", model="fake/image")
    nodes = list(flow.document.nodes)
    for start in range(0, 150, 50):
        run = flow.run(*nodes[start : start + 50]).wait(PATIENCE_S)
    assert counts(run) == {"succeeded": 25, "over_budget": 25}
    assert len(fake.log()) == 125
    assert "day" in str(run.errors[0])
    assert session.engine.context.caps_micro_usd["day"] == 5_000_000


def test_cost_above_the_estimate_counts_towards_the_cap(flow: Flow, fake: Counting) -> None:
    """A service that bills more than estimated: the cost is shown, and the next submit is refused."""
    fake.enqueue(Behaviour(cost_micro_usd=6_000_000))
    flow.generate_image("dear", model="fake/image", name="dear")
    run = flow.run().wait(PATIENCE_S)
    assert run.cost_usd == pytest.approx(6.0)
    flow.generate_image("more", model="fake/image", name="more")
    assert counts(flow.run().wait(PATIENCE_S)) == {"cached": 1, "over_budget": 1}


def test_model_without_a_price_requires_an_allowance(flow: Flow, fake: Counting) -> None:
    """Nothing is sent until the user sets a price per call; that amount is reserved."""
    flow.generate_image("dawn", model="fake/unpriced", name="still")
    run = flow.run().wait(PATIENCE_S)
    assert counts(run) == {"over_budget": 1}
    assert "unpriced=" in str(run.errors[0])
    assert counts(flow.run().wait(PATIENCE_S)) == {"over_budget": 1}  # and again the second time
    assert fake.keys == []
    assert flow.run(unpriced=0.5).result(PATIENCE_S).width == 32
    flow.generate_image("dusk", model="fake/unpriced", name="other")
    assert counts(flow.run(unpriced=3.0).wait(PATIENCE_S)) == {"cached": 1, "over_budget": 1}


def test_run_of_over_100_paid_calls_requires_confirmation(flow: Flow, fake: Counting) -> None:
    """Nothing starts until it is confirmed."""
    for index in range(101):
        flow.generate_image(f"p{index}", model="fake/image")
    with pytest.raises(errors.OverBudgetError, match=r"101 paid calls for \$4.04"):
        flow.run()
    assert fake.keys == []
    run = flow.run(confirmed=True)
    run.cancel()
    run.wait(PATIENCE_S)


def test_run_above_10_dollars_requires_confirmation(flow: Flow, fake: Counting) -> None:
    """Whatever the number of calls."""
    for index in range(21):
        flow.generate_video(f"p{index}", model="fake/video", duration_s=10)
    with pytest.raises(errors.OverBudgetError, match=r"\$10.50"):
        flow.run()
    assert fake.keys == []


def test_busy_journal_submits_nothing(flow: Flow, fake: Counting, session: Session) -> None:
    """What cannot be journaled is not sent: the error names the process that holds the lock."""
    flow.generate_image("dawn", model="fake/image")
    flow.plan()
    session.journal._writer._timeout_s = 0.05
    lock = commit_lock.CommitLock(session.home / "journal.turnstile")
    with lock.hold():
        run = flow.run()
        with pytest.raises(errors.JournalBusyError, match=f"process {os.getpid()}.*nothing paid was submitted"):
            run.result(PATIENCE_S)
    lock.close()
    assert run.status == "failed"
    assert fake.keys == []
    session.journal._writer._timeout_s = 10.0
    flow.run().result(PATIENCE_S)
    assert len(fake.keys) == 1


def test_journal_busy_during_a_run_stops_further_submits(
    flow: Flow, fake: Counting, session: Session, recorder: EventRecorder
) -> None:
    """A running job finishes (through the outbox); downstream jobs are not submitted."""
    fake.enqueue(Behaviour(polls=50))
    still = flow.generate_image("dawn", model="fake/image", name="still")
    flow.upscale(still, model="fake/edit", name="large")
    run = flow.run()
    recorder.until_state(run, "still", "running", progress=0.01)
    session.journal._writer._timeout_s = 0.05
    lock = commit_lock.CommitLock(session.home / "journal.turnstile")
    with lock.hold():
        recorder.until_state(run, "large", "failed")
    lock.close()
    session.journal._writer._timeout_s = 10.0
    run.wait(PATIENCE_S)
    assert (state_of(run, "still"), state_of(run, "large")) == ("succeeded", "failed")
    assert isinstance(run.errors[0], errors.JournalBusyError)
    flow.run().result(PATIENCE_S)
    assert [entry["model"] for entry in fake.log()] == ["fake/image", "fake/edit"]


def test_failed_submit_reports_the_reason(flow: Flow, fake: Counting, monkeypatch: Any) -> None:
    """The failure of the submit is the job's error; the next run submits again."""

    async def failing(_request: Any, *, idempotency_key: str) -> Any:
        return Failed("bad_request", f"No such size ({bool(idempotency_key)}).")

    original_submit = fake.submit
    monkeypatch.setattr(fake, "submit", failing)
    flow.generate_image("dawn", model="fake/image")
    run = flow.run().wait(PATIENCE_S)
    assert "No such size" in str(run.errors[0])
    monkeypatch.setattr(fake, "submit", original_submit)
    flow.run().result(PATIENCE_S)


def reserved(run_id: str) -> int:
    """The amount that a run still reserves, in micro-dollars."""
    session = current_session()
    spending = session.call(session.journal.spending([f"run:{run_id}"]))
    return spending[f"run:{run_id}"].reserved_micro_usd
