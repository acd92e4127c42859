"""Cancellation and time-outs: of a node, a branch, a run, a submit, a function."""

from __future__ import annotations

import asyncio
import threading
from typing import TYPE_CHECKING, Any

import pytest
from support.engine import PATIENCE_S, EventRecorder, Gated, counts, state_of

import fusionflow_nb as ff
from fusionflow_nb import errors
from fusionflow_nb.engine import provider_call
from fusionflow_nb.providers.protocol import CancelAnswer
from fusionflow_nb.providers.registry import Registry
from fusionflow_nb.session import Session, current_session, use_session
from fusionflow_nb.testing.fake import Behaviour, FakeProvider

if TYPE_CHECKING:
    from fusionflow_nb.api.flow import Flow


def two_branches(flow: Flow, fake: FakeProvider) -> None:
    """`a` -> `a_large` and `b` -> `b_large`; neither source ends until its behaviour is changed."""
    fake.when("a", Behaviour(end="never"))
    fake.when("b", Behaviour(end="never"))
    for name in ("a", "b"):
        flow.upscale(flow.generate_image(name, model="fake/image", name=name), model="fake/edit", name=f"{name}_large")


def test_cancel_of_a_node_leaves_other_branches_running(
    flow: Flow, fake: FakeProvider, recorder: EventRecorder
) -> None:
    """The service cancels only that job; downstream nodes are skipped; the other branch finishes."""
    two_branches(flow, fake)
    fake.when("b", Behaviour(polls=300))
    run = flow.run()
    recorder.until_state(run, "a", "running", progress=0.01)
    run.cancel("a")
    run.wait(PATIENCE_S)
    assert {name: state_of(run, name) for name in ("a", "a_large", "b", "b_large")} == {
        "a": "cancelled",
        "a_large": "skipped",
        "b": "succeeded",
        "b_large": "succeeded",
    }
    assert run.status == "cancelled"
    assert len(fake.cancelled) == 1
    assert run["b_large"] is not None


def test_cancel_of_a_branch_includes_downstream_nodes(flow: Flow, fake: FakeProvider, recorder: EventRecorder) -> None:
    """`branch=True` includes all downstream nodes, running or not; upstream nodes continue."""
    fake.when("slow", Behaviour(end="never"))
    source = flow.generate_image("source", model="fake/image", name="source")
    middle = flow.edit_image(source, "slow", model="fake/edit", name="middle")
    flow.upscale(middle, model="fake/edit", name="last")
    flow.upscale(source, model="fake/edit", name="sibling")
    run = flow.run()
    recorder.until_state(run, "middle", "running", progress=0.01)
    run.cancel("middle", branch=True)
    run.wait(PATIENCE_S)
    assert {name: state_of(run, name) for name in ("source", "middle", "last", "sibling")} == {
        "source": "succeeded",
        "middle": "cancelled",
        "last": "cancelled",
        "sibling": "succeeded",
    }


def test_cancelled_run_keeps_finished_results(flow: Flow, fake: FakeProvider, recorder: EventRecorder) -> None:
    """Every open job is cancelled at its service, finished results are kept, the next run executes only the rest."""
    two_branches(flow, fake)
    fake.when("b", Behaviour())
    run = flow.run()
    recorder.until_state(run, "a", "running", progress=0.01)
    recorder.until_state(run, "b_large", "succeeded")
    run.cancel()
    with pytest.raises(errors.RunFailedError, match="cancelled"):
        run.result(PATIENCE_S)
    assert run.status == "cancelled"
    assert run["b_large"].width == 32
    assert len(fake.cancelled) == 1
    fake.when("a", Behaviour())
    before = len(fake.log())
    flow.run().result(PATIENCE_S)
    assert [entry["prompt"] for entry in fake.log()[before:]] == ["a", None]
    rows = ff.tape.sql("select count(*) from generations where status = 'cancelled'").rows()
    assert rows[0][0] == 1


def test_cancel_right_after_start_is_applied(flow: Flow, fake: FakeProvider, recorder: EventRecorder) -> None:
    """A cancel before the run has begun is not lost: whatever was submitted is cancelled."""
    for index in range(5):
        flow.generate_image(f"p{index}", model="fake/image")
    run = flow.run()
    run.cancel()
    assert run.wait(PATIENCE_S).status == "cancelled"
    assert len(fake.log()) in {0, 5}
    assert len(fake.cancelled) == len(fake.log())
    assert recorder.events[0].kind == "run-start"


def test_cancel_after_the_end_does_nothing(flow: Flow) -> None:
    """The status of an ended run does not change."""
    flow.generate_image("dawn", model="fake/image")
    run = flow.run()
    run.result(PATIENCE_S)
    run.cancel()
    run.cancel("generate_image_1")
    assert run.status == "succeeded"


def test_cancel_of_an_unknown_node_raises(flow: Flow) -> None:
    """The error names the node; the run continues."""
    flow.generate_image("dawn", model="fake/image")
    run = flow.run()
    with pytest.raises(errors.EditError, match="'still'"):
        run.cancel("still")
    run.result(PATIENCE_S)


def gated_session(session: Session) -> Gated:
    """Replace the session by one with a gated service."""
    gated = Gated()
    use_session(None)
    use_session(Session(session.home, Registry([gated])))
    return gated


def test_cancel_during_a_submit_waits_for_the_response(session: Session) -> None:
    """The response is awaited, so that its operation can be cancelled; no job of unknown outcome is left."""
    gated = gated_session(session)
    flow = ff.Flow("Test")
    flow.generate_image("dawn", model="fake/image", name="still")
    run = flow.run()
    assert gated.arrived.wait(PATIENCE_S)
    run.cancel()
    gated.gate.set()
    run.wait(PATIENCE_S)
    assert state_of(run, "still") == "cancelled"
    assert len(gated.cancelled) == 1
    rows = ff.tape.sql("select status, operation is not null from generations").rows()
    assert [tuple(row) for row in rows] == [("cancelled", True)]


def test_cancelled_submit_without_a_response_is_unknown(session: Session, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a response within the grace period the job is `unknown`, not `cancelled`."""
    monkeypatch.setattr(provider_call, "ANSWER_GRACE_S", 0.02)
    gated = gated_session(session)
    flow = ff.Flow("Test")
    flow.generate_image("dawn", model="fake/image", name="still")
    run = flow.run()
    assert gated.arrived.wait(PATIENCE_S)
    run.cancel()
    run.wait(PATIENCE_S)
    gated.gate.set()
    assert state_of(run, "still") == "unknown"
    assert flow.run().wait(PATIENCE_S).status == "failed"
    assert len(gated.log()) == 1


def test_unconfirmed_cancel_counts_the_estimate_as_spent(
    flow: Flow, fake: FakeProvider, recorder: EventRecorder, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A cancel that is not confirmed keeps the estimate as spent, and not as an exact cost."""

    async def unsupported(operation: Any) -> CancelAnswer:
        fake.cancelled.append(operation.data["id"])
        return CancelAnswer.UNSUPPORTED

    monkeypatch.setattr(fake, "cancel", unsupported)
    fake.enqueue(Behaviour(end="never"))
    flow.generate_image("dawn", model="fake/image", name="still")
    run = flow.run()
    recorder.until_state(run, "still", "running", progress=0.01)
    run.cancel()
    run.wait(PATIENCE_S)
    rows = ff.tape.sql("select status, cost_computation from generations").rows()
    assert [(status, float(cost)) for status, cost in rows] == [("cancelled", 0.04)]


def test_timed_out_job_stays_open_and_the_next_run_resumes_it(flow: Flow, fake: FakeProvider) -> None:
    """The error names the seconds; the next run fetches the accepted job without a second submit."""
    entry = next(entry for entry in fake.models if entry.id == "fake/image")
    fake.models = [
        entry.model_copy(update={"timeout_s": 0.05}),
        *(other for other in fake.models if other is not entry),
    ]
    current_session().registry._entries["fake/image"] = fake.models[0]
    fake.enqueue(Behaviour(end="never"))
    flow.generate_image("dawn", model="fake/image")
    run = flow.run().wait(PATIENCE_S)
    assert [type(error) for error in run.errors] == [errors.JobTimeoutError]
    assert "0.05 s" in str(run.errors[0])
    assert "run again" in str(run.errors[0])
    assert fake.cancelled == []
    [job] = fake._jobs.values()
    job["behaviour"]["end"] = "done"
    assert flow.run().wait(PATIENCE_S).status == "succeeded"
    assert len(fake.log()) == 1
    [(cost,)] = ff.tape.sql("SELECT sum(cost_computation) FROM generations").rows()
    assert float(cost) == 0.04


def test_result_of_a_cancelled_function_is_dropped(flow: Flow, recorder: EventRecorder) -> None:
    """A thread cannot be killed: the job ends immediately, and the thread is listed as abandoned while it runs."""
    has_begun, gate = threading.Event(), threading.Event()
    cancelled: list[bool] = []

    @ff.node
    def stubborn(text: str, context: ff.Context) -> str:
        has_begun.set()
        gate.wait(PATIENCE_S)
        cancelled.append(context.cancelled)
        return text

    first = flow.add(stubborn, "x")
    flow.add(stubborn, first, name="downstream")
    run = flow.run()
    assert has_begun.wait(PATIENCE_S)
    recorder.until_state(run, "stubborn_1", "running")
    run.cancel()
    run.wait(PATIENCE_S)
    engine = current_session().engine
    assert counts(run) == {"cancelled": 2}
    assert [job.node.id for job in engine.abandoned_threads] == ["stubborn_1"]
    gate.set()
    while engine.abandoned_threads:
        threading.Event().wait(0.001)
    assert cancelled == [True]
    assert state_of(run, "stubborn_1") == "cancelled"
    assert run["stubborn_1"] is None


def test_hanging_functions_time_out_and_free_their_slots(flow: Flow) -> None:
    """20 functions hang (more than there are slots): each times out, and later nodes still run."""
    gate = threading.Event()

    @ff.node(timeout_s=0.05, cache=False)
    def stuck(number: int) -> int:
        gate.wait(PATIENCE_S)
        return number

    @ff.node
    def fine(number: int) -> int:
        return number + 1

    flow.add(stuck, flow.seeds(list(range(20))))
    last = flow.add(fine, number=1)
    run = flow.run().wait(PATIENCE_S)
    assert counts(run)["failed"] == 20
    assert isinstance(run.errors[0], errors.JobTimeoutError)
    assert "timeout_s=" in str(run.errors[0])
    assert run[last] == 2
    assert len(current_session().engine.abandoned_threads) == 20
    gate.set()


def test_function_timeout_excludes_waiting_for_a_slot(flow: Flow) -> None:
    """A time-out shorter than the wait for a slot does not fail the node."""
    gate = threading.Event()
    running = threading.Semaphore(0)

    @ff.node(timeout_s=PATIENCE_S)
    def holder(number: int) -> int:
        running.release()
        gate.wait(PATIENCE_S)
        return number

    @ff.node(timeout_s=0.5)
    def waiter(number: int) -> int:
        return number

    limit = current_session().engine.context.functions._limit
    flow.add(holder, flow.seeds(list(range(limit))), name="holding")
    run = flow.run()
    for _ in range(limit):
        assert running.acquire(timeout=PATIENCE_S)
    other = ff.Flow("Other")
    other.add(waiter, number=1)
    second = other.run()
    threading.Event().wait(0.6)  # longer than the time-out of `waiter`
    assert not second.is_done
    gate.set()
    assert second.result(PATIENCE_S) == 1
    run.result(PATIENCE_S)


def test_async_function_can_be_cancelled(flow: Flow, recorder: EventRecorder) -> None:
    """An async node is cancelled at its await; its `finally` runs."""
    ended: list[str] = []

    @ff.node
    async def sleeper(text: str) -> str:
        try:
            await asyncio.sleep(PATIENCE_S)
        finally:
            ended.append(text)
        return text

    flow.add(sleeper, "x", name="sleeper")
    run = flow.run()
    recorder.until_state(run, "sleeper", "running")
    run.cancel("sleeper")
    assert run.wait(PATIENCE_S).status == "cancelled"
    assert ended in ([], ["x"])


def test_async_function_that_never_returns_times_out(flow: Flow) -> None:
    """The same time-out applies on the loop."""

    @ff.node(timeout_s=0.05)
    async def sleeper(text: str) -> str:
        await asyncio.sleep(PATIENCE_S)
        return text

    flow.add(sleeper, "x")
    run = flow.run().wait(PATIENCE_S)
    assert [type(error) for error in run.errors] == [errors.JobTimeoutError]


def test_cancelled_error_raised_by_a_node_ends_only_its_job(flow: Flow) -> None:
    """A CancelledError that the function raises ends that job, not the run."""

    @ff.node
    async def gives_up(text: str) -> str:
        raise asyncio.CancelledError(text)

    @ff.node
    async def fine(text: str) -> str:
        return text

    flow.add(gives_up, "x", name="gives_up")
    flow.add(fine, "y", name="fine")
    run = flow.run().wait(PATIENCE_S)
    assert (state_of(run, "gives_up"), state_of(run, "fine")) == ("cancelled", "succeeded")
