"""Runs: scheduling, caching, isolation of failures, events, waiting and logging."""

from __future__ import annotations

import asyncio
import logging
import threading
from typing import TYPE_CHECKING, Any

import pytest
from support.engine import PATIENCE_S, EventRecorder, counts, state_of, states_of

import fusionflow_nb as ff
from fusionflow_nb import errors
from fusionflow_nb.providers.registry import Registry
from fusionflow_nb.session import Session, current_session, use_session
from fusionflow_nb.testing.fake import Behaviour, FakeProvider

if TYPE_CHECKING:
    from fusionflow_nb.api.flow import Flow


def test_node_starts_when_its_own_inputs_are_ready(flow: Flow, fake: FakeProvider, recorder: EventRecorder) -> None:
    """No layers: nodes downstream of a fast node finish while its slow sibling is running."""
    fake.when("slow", Behaviour(end="never"))
    slow = flow.generate_image("slow", model="fake/image", name="slow")
    flow.upscale(slow, model="fake/edit", name="after_slow")
    quick = flow.generate_image("quick", model="fake/image", name="quick")
    large = flow.upscale(quick, model="fake/edit", name="after_quick")
    flow.edit_image(large, "again", model="fake/edit", name="last")
    run = flow.run()
    recorder.until_state(run, "last", "succeeded")
    assert state_of(run, "slow") == "running"
    assert states_of(run, "after_slow") == []
    run.cancel()
    run.wait(PATIENCE_S)
    ends = recorder.order("job-end")
    assert ends.index("quick") < ends.index("after_quick") < ends.index("last") < ends.index("slow")


def test_failure_affects_only_its_branch(flow: Flow, fake: FakeProvider) -> None:
    """Of N branches one fails: N-1 results are kept, and the next run submits only what failed."""
    branches = 6
    fake.when("p3", Behaviour(end="failed"))
    for index in range(branches):
        still = flow.generate_image(f"p{index}", model="fake/image", name=f"still_{index}")
        flow.upscale(still, model="fake/edit", name=f"large_{index}")
    with pytest.raises(errors.RunFailedError, match="still_3") as caught:
        flow.run().result(PATIENCE_S)
    run = caught.value.run
    assert counts(run) == {"succeeded": 2 * (branches - 1), "failed": 1, "skipped": 1}
    assert state_of(run, "large_3") == "skipped"
    assert [error.node_id for error in run.errors] == ["still_3"]
    assert run["large_2"] is not None

    before = len(fake.log())
    fake.when("p3", Behaviour())
    flow.run("still_3").result(PATIENCE_S)
    assert [entry["prompt"] for entry in fake.log()[before:]] == ["p3"]
    flow.run().result(PATIENCE_S)
    assert len(fake.log()) == before + 2  # and the skipped job downstream


def test_one_refused_cell_of_six_is_submitted_again(flow: Flow, fake: FakeProvider) -> None:
    """3 prompts x 2 seeds into a video node: five results are kept, the refused cell is a hole."""
    prompts, seeds = flow.prompts(["a", "b", "c"]), flow.seeds([1, 2])
    still = flow.generate_image(prompts, seed=seeds, model="fake/image")
    flow.generate_video(image=still, prompt="move", model="fake/video", duration_s=1, name="clip")
    fake.enqueue(*[Behaviour()] * 6, Behaviour(end="refused"))
    run = flow.run().wait(PATIENCE_S)
    clips = [status.state for status in states_of(run, "clip")]
    assert sorted(clips) == ["refused"] + ["succeeded"] * 5
    assert [cell.note for cell in run["clip"].holes] == ["refused"]
    before = len(fake.log())
    flow.run().result(PATIENCE_S)
    assert len(fake.log()) == before + 1


def test_cached_run_submits_nothing(flow: Flow, fake: FakeProvider) -> None:
    """Nor does it cost anything."""
    flow.upscale(flow.generate_image("dawn", model="fake/image"), model="fake/edit")
    first = flow.run().result(PATIENCE_S)
    second = flow.run()
    assert second.result(PATIENCE_S)["upscale_1"].asset == first["upscale_1"].asset
    assert len(fake.log()) == 2
    assert counts(second) == {"cached": 2}
    assert second.cost_usd == 0


def test_new_session_reuses_results_of_the_home_folder(flow: Flow, fake: FakeProvider, session: Session) -> None:
    """Results are cached across kernels."""
    flow.upscale(flow.generate_image("dawn", model="fake/image"), model="fake/edit")
    first = flow.run().result(PATIENCE_S)["upscale_1"].asset
    use_session(None)
    use_session(Session(session.home, Registry([fake])))
    reopened = ff.Flow("Other name")
    reopened.upscale(reopened.generate_image("dawn", model="fake/image"), model="fake/edit")
    run = reopened.run()
    assert run.result(PATIENCE_S)["upscale_1"].asset == first
    assert len(fake.log()) == 2
    assert counts(run) == {"cached": 2}


def test_lost_bytes_are_regenerated_only_if_a_run_needs_them(flow: Flow, fake: FakeProvider, session: Session) -> None:
    """Lost: no store holds the bytes. Downstream results are kept."""
    still = flow.generate_image("dawn", model="fake/image")
    flow.upscale(still, model="fake/edit")
    asset = flow.run().result(PATIENCE_S)["generate_image_1"].asset
    session.store.path(asset.sha256).unlink()
    assert counts(flow.run().wait(PATIENCE_S)) == {"cached": 2}
    assert len(fake.log()) == 2
    flow.edit_image(still, "brighter", model="fake/edit")
    run = flow.run()
    run.result(PATIENCE_S)
    assert [entry["model"] for entry in fake.log()[2:]] == ["fake/image", "fake/edit"]
    assert state_of(run, "upscale_1") == "cached"


def test_progress_never_decreases(flow: Flow, fake: FakeProvider, recorder: EventRecorder) -> None:
    """Each job starts once, reports fractions within 0..1, and ends once, between run-start and run-end."""
    fake.enqueue(*[Behaviour(polls=4)] * 3)
    for index in range(3):
        flow.generate_image(f"p{index}", model="fake/image")
    run = flow.run()
    run.wait(PATIENCE_S)
    for node_id in run.outputs:
        own = [event for event in recorder.events if event.node_id == node_id]
        assert [own[0].kind, own[-1].kind] == ["job-start", "job-end"]
        assert [event.kind for event in own].count("job-end") == 1
        fractions = [event.progress for event in own if event.progress is not None]
        assert len(fractions) >= 4
        assert fractions == sorted(fractions)
        assert 0 < fractions[0] < fractions[-1] == 1
    kinds = [event.kind for event in recorder.events]
    assert [kinds[0], kinds[-1]] == ["run-start", "run-end"]
    assert (kinds.count("run-start"), kinds.count("run-end")) == (1, 1)


def test_listener_that_raises_is_removed(flow: Flow, fake: FakeProvider, caplog: pytest.LogCaptureFixture) -> None:
    """The run and the other listeners are not affected; the exception is logged."""
    fake.enqueue(Behaviour(polls=30))
    flow.generate_image("dawn", model="fake/image")
    started = flow.run()
    kinds: list[str] = []

    def broken(event: Any) -> None:
        raise ValueError(event.kind)

    started._run.subscribe(broken)
    started._run.subscribe(lambda event: kinds.append(event.kind))
    started.result(PATIENCE_S)
    assert kinds[-1] == "run-end"
    assert "A listener of a run failed; it was removed." in caplog.text


def test_log_names_run_and_job_but_no_prompt(flow: Flow, caplog: pytest.LogCaptureFixture) -> None:
    """Start, accepted submit and end are logged by id; prompts, keys and media never are."""
    caplog.set_level(logging.DEBUG, logger="fusionflow_nb.engine")
    flow.generate_image("dawn over the sea", model="fake/image")
    run = flow.run().wait(PATIENCE_S)
    messages = [record.getMessage() for record in caplog.records if record.name == "fusionflow_nb.engine"]
    assert f"run {run.id} started with 1 nodes in scope" in messages
    assert any(message.startswith("job ") and message.endswith("accepted by fake") for message in messages)
    assert messages[-1] == f"run {run.id} ended: succeeded, 1 jobs, $0.0400"
    assert "dawn" not in caplog.text


def test_results_are_durable_when_the_run_has_ended(flow: Flow) -> None:
    """Generations of Python nodes are written in batches, the last before the end of the run."""

    @ff.node
    def shout(text: str) -> str:
        return text.upper()

    flow.add(shout, flow.prompts(["a", "b", "c"]))
    flow.run().result(PATIENCE_S)
    current = current_session()
    assert current.engine.records == []
    rows = ff.tape.sql("select status from generations where node_type = 'shout'").rows()
    assert [row[0] for row in rows] == ["succeeded"] * 3


def test_run_can_be_awaited_from_several_threads_and_loops(flow: Flow, fake: FakeProvider) -> None:
    """`.result()`, `.wait()` and `await` return the same result, also inside a running loop."""
    fake.enqueue(Behaviour(polls=20))
    flow.generate_image("dawn", model="fake/image")
    run = flow.run()
    results: list[Any] = []

    async def awaited() -> None:
        results.append((await run).asset)

    async def blocked_inside_a_loop() -> None:  # as in an IPython cell, which blocks a running loop
        results.append(run.result(PATIENCE_S).asset)

    work = [
        lambda: results.append(run.result(PATIENCE_S).asset),
        lambda: results.append(run.wait(PATIENCE_S)["generate_image_1"].asset),
        lambda: asyncio.run(awaited()),
        lambda: asyncio.run(blocked_inside_a_loop()),
    ]
    threads = [threading.Thread(target=function) for function in work]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(PATIENCE_S)
    assert len(results) == 4
    assert len(set(results)) == 1
    assert len(fake.log()) == 1


async def test_run_returns_immediately_inside_a_running_loop(flow: Flow) -> None:
    """As in a notebook cell; it can be awaited or blocked on."""
    flow.generate_image("dawn", model="fake/image")
    assert (await flow.run()).asset == flow.run().result(PATIENCE_S).asset


async def test_cancelled_await_does_not_cancel_the_run(flow: Flow, fake: FakeProvider, recorder: EventRecorder) -> None:
    """Interrupting a cell that awaits a run ends only the await."""
    fake.enqueue(Behaviour(polls=30))
    flow.generate_image("dawn", model="fake/image")
    run = flow.run()

    async def wait_for_it() -> Any:
        return await run

    waiting = asyncio.ensure_future(wait_for_it())
    await asyncio.sleep(0)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    assert await run is not None
    assert fake.cancelled == []
    assert recorder.order("run-end") == [""]


def test_interrupted_result_does_not_cancel_the_run(
    flow: Flow, fake: FakeProvider, monkeypatch: pytest.MonkeyPatch
) -> None:
    """KeyboardInterrupt is raised in the waiting thread; the run continues."""
    fake.enqueue(Behaviour(polls=30))
    flow.generate_image("dawn", model="fake/image")
    run = flow.run()
    original_result = run._run._future.result

    def interrupted(_timeout: float | None = None) -> None:
        monkeypatch.setattr(run._run._future, "result", original_result)
        raise KeyboardInterrupt

    monkeypatch.setattr(run._run._future, "result", interrupted)
    with pytest.raises(KeyboardInterrupt):
        run.result()
    assert run.result(PATIENCE_S).width == 32
    assert fake.cancelled == []


def test_wait_timeout_does_not_cancel_the_run(flow: Flow, fake: FakeProvider) -> None:
    """`wait(timeout_s=...)` raises TimeoutError; the run continues until it is cancelled."""
    fake.enqueue(Behaviour(end="never"))
    flow.generate_image("dawn", model="fake/image")
    run = flow.run()
    with pytest.raises(TimeoutError):
        run.wait(0.01)
    assert not run.is_done
    run.cancel()
    assert run.wait(PATIENCE_S).status == "cancelled"


def test_saved_files_are_named_by_node_and_labels(flow: Flow, tmp_path: Any) -> None:
    """Each contains its recipe: the part of the flow upstream of it."""
    seeds = flow.seeds([1, 2])
    still = flow.generate_image("dawn", seed=seeds, model="fake/image", name="still")
    flow.upscale(still, model="fake/edit", name="large")
    run = flow.run()
    run.result(PATIENCE_S)
    saved = run.save(tmp_path / "out")
    assert sorted(path.name for path in saved) == [
        "large seed=1.png",
        "large seed=2.png",
        "still seed=1.png",
        "still seed=2.png",
    ]
    assert ff.recipe(tmp_path / "out" / "large seed=1.png").hash == flow.hash
    upstream = ff.recipe(tmp_path / "out" / "still seed=2.png")
    assert list(upstream.document.nodes) == ["seeds_1", "still"]


def test_results_are_stored_off_the_loop_thread(flow: Flow, session: Session, monkeypatch: pytest.MonkeyPatch) -> None:
    """Hashing, decoding and storing run in worker threads, wherever the node ran."""
    threads: list[threading.Thread] = []
    put = session.store.put

    def record_thread(source, **kwargs):
        threads.append(threading.current_thread())
        return put(source, **kwargs)

    monkeypatch.setattr(session.store, "put", record_thread)

    @ff.node
    def noise(size: int = 0) -> ff.Image:
        import numpy as np

        return np.random.default_rng(size).integers(0, 255, (64, 64, 3), dtype=np.uint8)

    @ff.node
    async def noise_on_the_loop(size: int = 0) -> ff.Image:
        import numpy as np

        return np.random.default_rng(size).integers(0, 255, (64, 64, 3), dtype=np.uint8)

    still = flow.generate_image("x", model="fake/image")
    flow.resize(flow.add(noise, size=1), width=16)
    flow.add(noise_on_the_loop, size=2)
    flow.upscale(still, model="fake/edit")
    flow.run().result(PATIENCE_S)
    assert len(threads) >= 5
    assert session._thread not in threads


def test_structural_node_is_cached_after_its_first_run(flow: Flow) -> None:
    """A text node is `succeeded` when first computed, then `cached`, and `succeeded` again after a change."""
    flow.generate_image(flow.text("dawn", name="prompt"), model="fake/image", name="still")
    assert counts(flow.run().wait(PATIENCE_S)) == {"succeeded": 2}
    assert counts(flow.run().wait(PATIENCE_S)) == {"cached": 2}
    flow.set("prompt", text="noon")
    assert counts(flow.run().wait(PATIENCE_S)) == {"succeeded": 2}
