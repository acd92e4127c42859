"""Python nodes: where they run, what they may return, and what their failures say."""

from __future__ import annotations

import asyncio
import threading
from typing import TYPE_CHECKING

import pytest
from support.engine import PATIENCE_S, EventRecorder, counts, state_of, states_of

import fusionflow_nb as ff
from fusionflow_nb import errors
from fusionflow_nb.engine import node_outputs
from fusionflow_nb.session import current_session

if TYPE_CHECKING:
    from pathlib import Path

    from fusionflow_nb.api.flow import Flow
    from fusionflow_nb.session import Session
    from fusionflow_nb.testing.fake import FakeProvider


def test_sync_functions_run_off_the_loop_and_side_by_side(flow: Flow, session: Session) -> None:
    """Three functions that wait for each other can only end if they run at once; none of them is on the loop thread."""
    together = threading.Barrier(3, timeout=PATIENCE_S)
    threads: list[threading.Thread] = []

    @ff.node
    def meets(number: int) -> int:
        threads.append(threading.current_thread())
        together.wait()
        return number

    flow.add(meets, flow.seeds([1, 2, 3]))
    flow.run().result(PATIENCE_S)
    assert len(set(threads)) == 3
    assert session._thread not in threads


def test_async_functions_run_on_the_loop(flow: Flow, session: Session) -> None:
    """Async nodes share the one loop, and wait on it together."""
    threads: set[threading.Thread] = set()
    arrived: list[int] = []
    everybody = asyncio.Event()

    @ff.node
    async def meets(number: int) -> int:
        threads.add(threading.current_thread())
        arrived.append(number)
        if len(arrived) == 3:
            everybody.set()
        await everybody.wait()
        return number

    flow.add(meets, flow.seeds([1, 2, 3]))
    flow.run().result(PATIENCE_S)
    assert threads == {session._thread}


def test_a_failing_function_names_its_line_and_nothing_of_ours(flow: Flow) -> None:
    """NodeFailedError: the exception, the line in the user's file, what to do; the rest of the flow is kept."""

    @ff.node
    def breaks(text: str) -> str:
        return str({}[text])

    @ff.node
    def fine(text: str) -> str:
        return text.upper()

    first_line = breaks.function.__code__.co_firstlineno
    bad = flow.add(breaks, "x", name="bad")
    flow.add(fine, bad, name="below")
    flow.add(fine, "y", name="good")
    run = flow.run()
    with pytest.raises(errors.RunFailedError) as caught:
        run.result(PATIENCE_S)
    [error] = run.errors
    assert isinstance(error, errors.NodeFailedError)
    assert isinstance(error.__cause__, KeyError)
    assert str(error) == f"bad: KeyError: 'x' (line {first_line + 2} of breaks). Fix the function and run again."
    assert {name: state_of(run, name) for name in ("bad", "below", "good")} == {
        "bad": "failed",
        "below": "skipped",
        "good": "succeeded",
    }
    shown = "".join(caught.value._render_traceback_())
    assert "fusionflow_nb" not in shown
    rows = ff.tape.sql("select status, error_code from generations where node_id = 'bad'").rows()
    assert [tuple(row) for row in rows] == [("failed", "node_failed")]


def test_the_line_is_the_users_even_if_a_library_raised(flow: Flow) -> None:
    """The deepest line of the user's own file, not of the library it called."""

    @ff.node
    def decodes(text: str) -> dict:  # type: ignore[type-arg]
        import json

        return json.loads(text)

    flow.add(decodes, "{")
    run = flow.run().wait(PATIENCE_S)
    line = decodes.function.__code__.co_firstlineno + 4
    assert f"(line {line} of decodes)" in str(run.errors[0])


@pytest.mark.parametrize("is_async", [False, True], ids=["sync", "async"])
@pytest.mark.parametrize("error", [SystemExit, KeyboardInterrupt, StopIteration, TimeoutError, RecursionError])
def test_no_exception_of_a_function_ends_more_than_its_job(
    flow: Flow, *, is_async: bool, error: type[BaseException]
) -> None:
    """`exit()` in a cell's function, or anything else it raises, is that node's failure; the session lives on."""
    if is_async:

        @ff.node(name="breaks", cache=False)
        async def breaks(text: str) -> str:
            raise error(text)
    else:

        @ff.node(name="breaks", cache=False)
        def breaks(text: str) -> str:
            raise error(text)

    flow.add(breaks, "x", name="breaks")
    flow.generate_image("dawn", model="fake/image", name="still")
    run = flow.run().wait(PATIENCE_S)
    assert isinstance(run.errors[0], errors.NodeFailedError)
    assert state_of(run, "still") == "succeeded"
    assert current_session()._thread.is_alive()


def test_what_no_port_can_carry_is_refused_by_name(flow: Flow) -> None:
    """A returned object that is no medium and no value: the error says what may be returned."""

    @ff.node
    def gives(kind: str) -> ff.Image:
        return object()  # type: ignore[return-value]

    @ff.node
    def lists(kind: str) -> list[ff.Image]:
        return 7  # type: ignore[return-value]

    @ff.node
    def words(kind: str) -> str:
        return {1, 2}  # type: ignore[return-value]

    for one in (gives, lists, words):
        flow.add(one, "x", name=one.__name__)
    run = flow.run().wait(PATIENCE_S)
    said = {error.node_id: str(error) for error in run.errors}
    assert "object, which is no image" in said["gives"]
    assert "PIL image" in said["gives"]
    assert "list or a dict of images" in said["lists"]
    assert "set, which no port can carry" in said["words"]


def test_what_a_function_may_return_arrives(flow: Flow, tmp_path: Path) -> None:
    """Pictures as PIL, array, bytes, path and handle; values as they are."""
    import numpy as np
    from PIL import Image as Pillow

    picture = Pillow.new("RGB", (8, 6), "red")
    picture.save(tmp_path / "red.png")
    path = str(tmp_path / "red.png")

    @ff.node
    def as_array(number: int) -> ff.Image:
        return np.full((6, 8, 4), number, dtype=np.uint8)  # type: ignore[return-value]

    @ff.node(version=1)
    def as_picture(number: int) -> ff.Image:
        return picture  # type: ignore[return-value]

    @ff.node
    def as_path(number: int) -> ff.Image:
        return path  # type: ignore[return-value]

    @ff.node(version=1)
    def as_bytes(number: int) -> ff.Image:
        return (tmp_path / "red.png").read_bytes()  # type: ignore[return-value]

    @ff.node
    def as_handle(image: ff.Image) -> ff.Image:
        return image

    @ff.node
    def as_values(image: ff.Image) -> dict:  # type: ignore[type-arg]
        return {"size": [image.width, image.height]}

    made = [flow.add(one, number=1) for one in (as_array, as_picture, as_path, as_bytes)]
    made.append(flow.add(as_handle, made[0]))
    sizes = [flow.add(as_values, one) for one in made]
    run = flow.run()
    run.result(PATIENCE_S)
    assert [run[node] for node in sizes] == [{"size": [8, 6]}] * 5
    assert run[made[4]].asset == run[made[0]].asset


def test_progress_reaches_the_run(flow: Flow, recorder: EventRecorder) -> None:
    """`context.progress(...)` is heard as said, in order, before the end."""

    @ff.node
    def steps(text: str, context: ff.Context) -> str:
        for step in range(1, 5):
            context.progress(step / 4)
        return text

    flow.add(steps, "x", name="steps")
    flow.run().result(PATIENCE_S)
    said = [event.progress for event in recorder.events if event.node_id == "steps" and event.kind == "job-progress"]
    assert said == [0.25, 0.5, 0.75, 1.0]


def test_a_function_may_run_a_flow_of_its_own(flow: Flow, fake: FakeProvider) -> None:
    """Nested runs, more of them at once than there are places: a function that waits lends its place, so all end."""

    @ff.node
    def inner(number: int) -> int:
        return number + 1

    @ff.node(version=1)
    def outer(number: int) -> int:
        nested = ff.Flow("Nested")
        last = nested.add(inner, number=number)
        picture = ff.generate_image(f"p{number}", model="fake/image").result(PATIENCE_S)
        return nested.run(last).result(PATIENCE_S) + picture.width

    limit = current_session().engine.context.functions._limit
    flow.add(outer, flow.seeds(list(range(limit * 3))), name="outer")
    run = flow.run().wait(PATIENCE_S)
    assert counts(run)["succeeded"] == limit * 3 + 1  # and the list of seeds
    assert sorted(cell.value for cell in run["outer"].cells) == [number + 33 for number in range(limit * 3)]
    assert len(fake.log()) == limit * 3


def test_an_async_function_that_blocks_on_a_run_is_told_so(flow: Flow) -> None:
    """It would wait on the loop that runs it, for ever: an error says what to do instead."""

    @ff.node
    async def outer(text: str) -> str:
        return str(ff.generate_image(text, model="fake/image").result())

    flow.add(outer, "x")
    run = flow.run().wait(PATIENCE_S)
    assert "Make the node a plain function" in str(run.errors[0])


def test_record_false_leaves_no_generation(flow: Flow) -> None:
    """`record=False` opts out of the log; the result is there all the same."""

    @ff.node(record=False)
    def silent(text: str) -> str:
        return text.upper()

    flow.add(silent, "x", name="silent")
    run = flow.run()
    assert run.result(PATIENCE_S) == "X"
    assert ff.tape.sql("select count(*) from generations").rows()[0][0] == 0


def test_a_volatile_node_runs_each_time(flow: Flow) -> None:
    """What closes over more than plain values can never be found again; `cache=False` asks for the same."""
    called: list[str] = []

    @ff.node
    def counts_calls(text: str) -> str:
        called.append(text)
        return text

    flow.add(counts_calls, "x", name="counts_calls")
    for _ in range(2):
        flow.run().result(PATIENCE_S)
    assert called == ["x", "x"]
    assert "reads called (list)" in flow.stale()["counts_calls"][0]


def test_a_batch_runs_cell_by_cell_and_keeps_its_places(flow: Flow) -> None:
    """One job per cell; a cell that fails is a hole with its reason, and only that cell runs again."""
    calls: list[str] = []
    bad = {"b"}

    @ff.node(version=1)
    def shout(text: str) -> str:
        calls.append(text)
        if text in bad:
            raise ValueError(text)
        return text.upper()

    flow.add(shout, flow.prompts(["a", "b", "c"]), name="shout")
    run = flow.run().wait(PATIENCE_S)
    assert [cell.value for cell in run["shout"].cells] == ["A", None, "C"]
    assert sorted(status.state for status in states_of(run, "shout")) == ["failed", "succeeded", "succeeded"]
    bad.clear()
    assert [cell.value for cell in flow.run().result(PATIENCE_S)["shout"].cells] == ["A", "B", "C"]
    assert sorted(calls) == ["a", "b", "b", "c"]


def test_large_values_travel(flow: Flow) -> None:
    """A long text arrives whole, and is found again by another session."""
    size = 100_000

    @ff.node
    def makes(number: int) -> str:
        return "x" * number

    @ff.node
    def measures(text: str) -> int:
        return len(text)

    last = flow.add(measures, flow.add(makes, number=size))
    assert flow.run(last).result(PATIENCE_S) == size


def test_a_value_too_large_for_the_journal_says_what_to_do(flow: Flow, monkeypatch: pytest.MonkeyPatch) -> None:
    """Values are rows of the journal: beyond a limit they belong into a file."""
    monkeypatch.setattr(node_outputs, "VALUE_BYTES", 1000)

    @ff.node
    def makes(number: int) -> str:
        return "x" * number

    flow.add(makes, number=2000)
    run = flow.run().wait(PATIENCE_S)
    assert "file" in str(run.errors[0])


def test_an_input_that_does_not_fit_fails_its_node(flow: Flow) -> None:
    """What is only seen when the value is there (text where a number belongs) is that node's failure, not silence."""

    @ff.node
    def rows(text: str) -> dict:  # type: ignore[type-arg]
        return {"a": text}

    @ff.node
    def measures(text: str) -> int:
        return len(text)

    placed = flow.add(rows, "x", name="rows")
    flow.add(measures, placed, name="measures")
    run = flow.run().wait(PATIENCE_S)
    assert run.status == "failed"
    assert state_of(run, "measures") == "failed"
    assert "needs text" in str(run.errors[0])
