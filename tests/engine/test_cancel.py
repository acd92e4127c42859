"""Stopping: a node, a branch, a run, a wait; and work that does not stop by itself."""

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
    """`a` -> `a_large`, and `b` -> `b_large`; both sources go on until told."""
    fake.when("a", Behaviour(end="never"))
    fake.when("b", Behaviour(end="never"))
    for name in ("a", "b"):
        flow.upscale(flow.generate_image(name, model="fake/image", name=name), model="fake/edit", name=f"{name}_large")


def test_a_cancelled_node_leaves_the_others(flow: Flow, fake: FakeProvider, recorder: EventRecorder) -> None:
    """The service is told of that one job; what lies below is skipped as cancelled; the rest goes on."""
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


def test_a_cancelled_branch_stops_what_lies_below(flow: Flow, fake: FakeProvider, recorder: EventRecorder) -> None:
    """`branch=True` takes what the node feeds along, running or not; its sources go on."""
    fake.when("slow", Behaviour(end="never"))
    source = flow.generate_image("source", model="fake/image", name="source")
    below = flow.edit_image(source, "slow", model="fake/edit", name="below")
    flow.upscale(below, model="fake/edit", name="last")
    flow.upscale(source, model="fake/edit", name="beside")
    run = flow.run()
    recorder.until_state(run, "below", "running", progress=0.01)
    run.cancel("below", branch=True)
    run.wait(PATIENCE_S)
    assert {name: state_of(run, name) for name in ("source", "below", "last", "beside")} == {
        "source": "succeeded",
        "below": "cancelled",
        "last": "cancelled",
        "beside": "succeeded",
    }


def test_a_cancelled_run_keeps_what_is_finished(flow: Flow, fake: FakeProvider, recorder: EventRecorder) -> None:
    """The service is told of every open job, finished results stay, and the next run does only the rest."""
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


def test_a_cancel_right_after_the_start_is_heard(flow: Flow, fake: FakeProvider, recorder: EventRecorder) -> None:
    """Cancelled before the run has begun: nothing is submitted."""
    for index in range(5):
        flow.generate_image(f"p{index}", model="fake/image")
    run = flow.run()
    run.cancel()
    assert run.wait(PATIENCE_S).status == "cancelled"
    assert len(fake.log()) in {0, 5}
    assert len(fake.cancelled) == len(fake.log())
    assert recorder.events[0].kind == "run-start"


def test_cancel_after_the_end_does_nothing(flow: Flow) -> None:
    """A run that has ended stays as it is."""
    flow.generate_image("dawn", model="fake/image")
    run = flow.run()
    run.result(PATIENCE_S)
    run.cancel()
    run.cancel("generate_image_1")
    assert run.status == "succeeded"


def test_a_node_that_is_not_in_the_run_cannot_be_cancelled(flow: Flow) -> None:
    """A typing mistake is answered where it is made; the run goes on."""
    flow.generate_image("dawn", model="fake/image")
    run = flow.run()
    with pytest.raises(errors.EditError, match="'still'"):
        run.cancel("still")
    run.result(PATIENCE_S)


def gated_session(session: Session) -> Gated:
    gated = Gated()
    use_session(None)
    use_session(Session(session.home, Registry([gated])))
    return gated


def test_a_cancel_during_a_submit_waits_for_its_answer(session: Session) -> None:
    """On its way: the answer is awaited, so that what the request started can be cancelled; no unknown is left."""
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


def test_a_cancelled_submit_without_an_answer_is_unknown(session: Session, monkeypatch: pytest.MonkeyPatch) -> None:
    """No answer within the grace: nobody knows, and the run says so instead of calling it cancelled."""
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


def test_what_a_service_may_still_bill_is_counted(
    flow: Flow, fake: FakeProvider, recorder: EventRecorder, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A cancel that is not confirmed does not free the money: the estimate counts as spent, and not as exact."""

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


def test_a_job_that_never_ends_times_out_and_stays_open(flow: Flow, fake: FakeProvider) -> None:
    """The error names the seconds; what the service accepted is looked for by the next run, and submitted once."""
    entry = next(entry for entry in fake.models if entry.id == "fake/image")
    fake.models = [entry.model_copy(update={"timeout_s": 0.05}), *(one for one in fake.models if one is not entry)]
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


def test_a_cancelled_function_is_a_leftover_and_its_result_is_dropped(flow: Flow, recorder: EventRecorder) -> None:
    """A thread cannot be killed: the job is cancelled at once, the thread is counted while it goes on, no more."""
    begun, gate = threading.Event(), threading.Event()
    seen: list[bool] = []

    @ff.node
    def stubborn(text: str, context: ff.Context) -> str:
        begun.set()
        gate.wait(PATIENCE_S)
        seen.append(context.cancelled)
        return text

    placed = flow.add(stubborn, "x")
    flow.add(stubborn, placed, name="below")
    run = flow.run()
    assert begun.wait(PATIENCE_S)
    recorder.until_state(run, "stubborn_1", "running")
    run.cancel()
    run.wait(PATIENCE_S)
    engine = current_session().engine
    assert counts(run) == {"cancelled": 2}
    assert [job.node.id for job in engine.abandoned_threads] == ["stubborn_1"]
    gate.set()
    while engine.abandoned_threads:
        threading.Event().wait(0.001)
    assert seen == [True]
    assert state_of(run, "stubborn_1") == "cancelled"
    assert run["stubborn_1"] is None


def test_a_function_that_never_returns_times_out_and_blocks_nobody(flow: Flow) -> None:
    """Twenty hang for good (more than there are threads at once): each times out, and what comes next still runs."""
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


def test_the_time_allowed_begins_with_the_function(flow: Flow) -> None:
    """Waiting for a thread is not the node's fault: a limit shorter than the queue's whole time is kept by each."""
    gate = threading.Event()
    running = threading.Semaphore(0)

    @ff.node(timeout_s=PATIENCE_S)
    def holds(number: int) -> int:
        running.release()
        gate.wait(PATIENCE_S)
        return number

    @ff.node(timeout_s=0.5)
    def waits(number: int) -> int:
        return number

    limit = current_session().engine.context.functions._limit
    flow.add(holds, flow.seeds(list(range(limit))), name="holding")
    run = flow.run()
    for _ in range(limit):
        assert running.acquire(timeout=PATIENCE_S)
    other = ff.Flow("Other")
    other.add(waits, number=1)
    second = other.run()
    threading.Event().wait(0.6)  # longer than `waits` is allowed
    assert not second.is_done
    gate.set()
    assert second.result(PATIENCE_S) == 1
    run.result(PATIENCE_S)


def test_an_async_function_can_be_cancelled(flow: Flow, recorder: EventRecorder) -> None:
    """An async node is cancelled where it waits; what it raises on the way out changes nothing."""
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


def test_an_async_function_that_never_returns_times_out(flow: Flow) -> None:
    """The same limit, on the loop."""

    @ff.node(timeout_s=0.05)
    async def sleeper(text: str) -> str:
        await asyncio.sleep(PATIENCE_S)
        return text

    flow.add(sleeper, "x")
    run = flow.run().wait(PATIENCE_S)
    assert [type(error) for error in run.errors] == [errors.JobTimeoutError]


def test_an_async_function_that_cancels_itself_is_only_its_own_end(flow: Flow) -> None:
    """A CancelledError that nobody asked for ends that job, not the run."""

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
