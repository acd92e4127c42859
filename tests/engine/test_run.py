"""What a run starts, when, and what it keeps."""

from __future__ import annotations

import asyncio
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


def test_a_node_starts_when_its_own_inputs_are_there(flow: Flow, fake: FakeProvider, recorder: EventRecorder) -> None:
    """No layers: what lies below a quick node runs to its end while the quick node's sibling still goes on."""
    fake.when("slow", Behaviour(end="never"))
    slow = flow.generate_image("slow", model="fake/image", name="slow")
    flow.upscale(slow, model="fake/edit", name="below_slow")
    quick = flow.generate_image("quick", model="fake/image", name="quick")
    below = flow.upscale(quick, model="fake/edit", name="below_quick")
    flow.edit_image(below, "again", model="fake/edit", name="last")
    run = flow.run()
    recorder.until_state(run, "last", "succeeded")
    assert state_of(run, "slow") == "running"
    assert states_of(run, "below_slow") == []
    run.cancel()
    run.wait(PATIENCE_S)
    ends = recorder.order("job-end")
    assert ends.index("quick") < ends.index("below_quick") < ends.index("last") < ends.index("slow")


def test_a_failure_takes_only_its_branch_along(flow: Flow, fake: FakeProvider) -> None:
    """Of N branches one fails: N-1 results are kept, and the next run submits exactly the one that failed."""
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
    assert len(fake.log()) == before + 2  # and what it had taken along


def test_the_worked_example_of_the_design(flow: Flow, fake: FakeProvider) -> None:
    """3 prompts x 2 seeds into a video node, one refused: five are kept, the cell says why, one is submitted again."""
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


def test_a_cached_run_submits_nothing(flow: Flow, fake: FakeProvider) -> None:
    """What is known is not made again, nor paid."""
    flow.upscale(flow.generate_image("dawn", model="fake/image"), model="fake/edit")
    first = flow.run().result(PATIENCE_S)
    again = flow.run()
    assert again.result(PATIENCE_S)["upscale_1"].asset == first["upscale_1"].asset
    assert len(fake.log()) == 2
    assert counts(again) == {"cached": 2}
    assert again.cost_usd == 0


def test_a_new_session_on_the_same_home_submits_nothing(flow: Flow, fake: FakeProvider, session: Session) -> None:
    """Results outlive the kernel that paid for them."""
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


def test_bytes_that_are_gone_are_made_again_when_a_person_runs_them(
    flow: Flow, fake: FakeProvider, session: Session
) -> None:
    """Lost: no store holds the bytes. Results below stay; only a run that needs the bytes pays for them again."""
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


def test_progress_only_grows(flow: Flow, fake: FakeProvider, recorder: EventRecorder) -> None:
    """Every job begins, says fractions within 0..1 that never fall, and ends once; the run frames them all."""
    fake.enqueue(*[Behaviour(polls=4)] * 3)
    for index in range(3):
        flow.generate_image(f"p{index}", model="fake/image")
    run = flow.run()
    run.wait(PATIENCE_S)
    for node_id in run.outputs:
        own = [event for event in recorder.events if event.node_id == node_id]
        assert [own[0].kind, own[-1].kind] == ["job-start", "job-end"]
        assert [event.kind for event in own].count("job-end") == 1
        said = [event.progress for event in own if event.progress is not None]
        assert len(said) >= 4
        assert said == sorted(said)
        assert 0 < said[0] < said[-1] == 1
    kinds = [event.kind for event in recorder.events]
    assert [kinds[0], kinds[-1]] == ["run-start", "run-end"]
    assert (kinds.count("run-start"), kinds.count("run-end")) == (1, 1)


def test_a_listener_that_raises_takes_nothing_along(
    flow: Flow, fake: FakeProvider, caplog: pytest.LogCaptureFixture
) -> None:
    """Who watches cannot break what is watched; the others hear on."""
    fake.enqueue(Behaviour(polls=30))
    flow.generate_image("dawn", model="fake/image")
    started = flow.run()
    told: list[str] = []

    def broken(event: Any) -> None:
        raise ValueError(event.kind)

    started._run.subscribe(broken)
    started._run.subscribe(lambda event: told.append(event.kind))
    started.result(PATIENCE_S)
    assert told[-1] == "run-end"
    assert "A listener of a run failed; it was removed." in caplog.text


def test_results_are_durable_when_the_run_has_ended(flow: Flow) -> None:
    """Generations of Python nodes are written in groups, the last of them before the run says that it has ended."""

    @ff.node
    def shout(text: str) -> str:
        return text.upper()

    flow.add(shout, flow.prompts(["a", "b", "c"]))
    flow.run().result(PATIENCE_S)
    current = current_session()
    assert current.engine.records == []
    rows = ff.tape.sql("select status from generations where node_type = 'shout'").rows()
    assert [row[0] for row in rows] == ["succeeded"] * 3


def test_a_run_can_be_awaited_and_waited_for_from_everywhere_at_once(flow: Flow, fake: FakeProvider) -> None:
    """`.result()`, `.wait()` and `await` answer on several threads and loops, whatever loop runs there already."""
    fake.enqueue(Behaviour(polls=20))
    flow.generate_image("dawn", model="fake/image")
    run = flow.run()
    found: list[Any] = []

    async def awaited() -> None:
        found.append((await run).asset)

    async def blocked_inside_a_loop() -> None:  # as in a cell of IPython, whose loop runs while the cell blocks it
        found.append(run.result(PATIENCE_S).asset)

    work = [
        lambda: found.append(run.result(PATIENCE_S).asset),
        lambda: found.append(run.wait(PATIENCE_S)["generate_image_1"].asset),
        lambda: asyncio.run(awaited()),
        lambda: asyncio.run(blocked_inside_a_loop()),
    ]
    threads = [threading.Thread(target=one) for one in work]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(PATIENCE_S)
    assert len(found) == 4
    assert len(set(found)) == 1
    assert len(fake.log()) == 1


async def test_runs_inside_a_running_loop(flow: Flow) -> None:
    """In a cell: `flow.run()` returns at once although a loop runs, and can be awaited or blocked on."""
    flow.generate_image("dawn", model="fake/image")
    assert (await flow.run()).asset == flow.run().result(PATIENCE_S).asset


async def test_waiting_that_is_cancelled_leaves_the_run_going(
    flow: Flow, fake: FakeProvider, recorder: EventRecorder
) -> None:
    """Interrupting a cell that awaits stops the waiting, not the run."""
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


def test_an_interrupted_result_leaves_the_run_going(
    flow: Flow, fake: FakeProvider, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A KeyboardInterrupt in the waiting thread goes to the person; the run ends on its own."""
    fake.enqueue(Behaviour(polls=30))
    flow.generate_image("dawn", model="fake/image")
    run = flow.run()
    whole = run._run._future.result

    def interrupted(_timeout: float | None = None) -> None:
        monkeypatch.setattr(run._run._future, "result", whole)
        raise KeyboardInterrupt

    monkeypatch.setattr(run._run._future, "result", interrupted)
    with pytest.raises(KeyboardInterrupt):
        run.result()
    assert run.result(PATIENCE_S).width == 32
    assert fake.cancelled == []


def test_a_wait_that_runs_out_leaves_the_run_going(flow: Flow, fake: FakeProvider) -> None:
    """`wait(timeout_s=...)` raises TimeoutError; the run goes on until it is cancelled."""
    fake.enqueue(Behaviour(end="never"))
    flow.generate_image("dawn", model="fake/image")
    run = flow.run()
    with pytest.raises(TimeoutError):
        run.wait(0.01)
    assert not run.is_done
    run.cancel()
    assert run.wait(PATIENCE_S).status == "cancelled"


def test_saved_files_have_human_names_and_their_recipe(flow: Flow, tmp_path: Any) -> None:
    """Node id, then labels; `ff.recipe` gives the part of the flow above the picture, with its hash."""
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


def test_our_own_work_stays_off_the_loop(flow: Flow, session: Session, monkeypatch: pytest.MonkeyPatch) -> None:
    """Hashing, decoding and storing results happen in worker threads, whatever a node returns and wherever it ran."""
    threads: list[threading.Thread] = []
    put = session.store.put

    def seen(source, **about):
        threads.append(threading.current_thread())
        return put(source, **about)

    monkeypatch.setattr(session.store, "put", seen)

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


def test_structural_work_is_done_once_and_known_then(flow: Flow) -> None:
    """A text computed now reads `succeeded`, the next time `cached`, and `succeeded` again once it has changed."""
    flow.generate_image(flow.text("dawn", name="prompt"), model="fake/image", name="still")
    assert counts(flow.run().wait(PATIENCE_S)) == {"succeeded": 2}
    assert counts(flow.run().wait(PATIENCE_S)) == {"cached": 2}
    flow.set("prompt", text="noon")
    assert counts(flow.run().wait(PATIENCE_S)) == {"succeeded": 2}
