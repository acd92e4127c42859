"""Python nodes: threads, return types and errors."""

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


def test_sync_functions_run_concurrently_in_threads(flow: Flow, session: Session) -> None:
    """Three functions that wait for each other finish; none runs on the loop thread."""
    barrier = threading.Barrier(3, timeout=PATIENCE_S)
    threads: list[threading.Thread] = []

    @ff.node
    def wait_for_others(number: int) -> int:
        threads.append(threading.current_thread())
        barrier.wait()
        return number

    flow.add(wait_for_others, flow.seeds([1, 2, 3]))
    flow.run().result(PATIENCE_S)
    assert len(set(threads)) == 3
    assert session._thread not in threads


def test_async_functions_run_concurrently_on_the_loop(flow: Flow, session: Session) -> None:
    """Three coroutines that wait for each other finish, all on the loop thread."""
    threads: set[threading.Thread] = set()
    arrived: list[int] = []
    all_arrived = asyncio.Event()

    @ff.node
    async def wait_for_others(number: int) -> int:
        threads.add(threading.current_thread())
        arrived.append(number)
        if len(arrived) == 3:
            all_arrived.set()
        await all_arrived.wait()
        return number

    flow.add(wait_for_others, flow.seeds([1, 2, 3]))
    flow.run().result(PATIENCE_S)
    assert threads == {session._thread}


def test_error_names_the_failing_line_of_the_function(flow: Flow) -> None:
    """NodeFailedError with exception, line in the user's file and hint; the traceback hides the package."""

    @ff.node
    def breaks(text: str) -> str:
        return str({}[text])

    @ff.node
    def fine(text: str) -> str:
        return text.upper()

    first_line = breaks.function.__code__.co_firstlineno
    bad = flow.add(breaks, "x", name="bad")
    flow.add(fine, bad, name="downstream")
    flow.add(fine, "y", name="good")
    run = flow.run()
    with pytest.raises(errors.RunFailedError) as caught:
        run.result(PATIENCE_S)
    [error] = run.errors
    assert isinstance(error, errors.NodeFailedError)
    assert isinstance(error.__cause__, KeyError)
    assert str(error) == f"bad: KeyError: 'x' (line {first_line + 2} of breaks). Fix the function and run again."
    assert {name: state_of(run, name) for name in ("bad", "downstream", "good")} == {
        "bad": "failed",
        "downstream": "skipped",
        "good": "succeeded",
    }
    shown = "".join(caught.value._render_traceback_())
    assert "fusionflow_nb" not in shown
    rows = ff.tape.sql("select status, error_code from generations where node_id = 'bad'").rows()
    assert [tuple(row) for row in rows] == [("failed", "node_failed")]


def test_error_names_the_users_line_if_a_library_raised(flow: Flow) -> None:
    """The deepest line of the user's own file, not of the library."""

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
def test_exception_of_a_function_fails_only_its_node(flow: Flow, *, is_async: bool, error: type[BaseException]) -> None:
    """Also SystemExit and KeyboardInterrupt; the session continues."""
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


def test_unsupported_return_type_raises(flow: Flow) -> None:
    """The error names the returned type and the supported types."""

    @ff.node
    def returns_object(kind: str) -> ff.Image:
        return object()  # type: ignore[return-value]

    @ff.node
    def returns_number(kind: str) -> list[ff.Image]:
        return 7  # type: ignore[return-value]

    @ff.node
    def returns_set(kind: str) -> str:
        return {1, 2}  # type: ignore[return-value]

    for function in (returns_object, returns_number, returns_set):
        flow.add(function, "x", name=function.__name__)
    run = flow.run().wait(PATIENCE_S)
    messages = {error.node_id: str(error) for error in run.errors}
    assert "object, which is not convertible to image" in messages["returns_object"]
    assert "PIL image" in messages["returns_object"]
    assert "list or dict of images" in messages["returns_number"]
    assert "set, which no port can carry" in messages["returns_set"]


def test_supported_return_types_are_converted(flow: Flow, tmp_path: Path) -> None:
    """Images as PIL, array, bytes, path and handle; values unchanged."""
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

    nodes = [flow.add(function, number=1) for function in (as_array, as_picture, as_path, as_bytes)]
    nodes.append(flow.add(as_handle, nodes[0]))
    sizes = [flow.add(as_values, node) for node in nodes]
    run = flow.run()
    run.result(PATIENCE_S)
    assert [run[node] for node in sizes] == [{"size": [8, 6]}] * 5
    assert run[nodes[4]].asset == run[nodes[0]].asset


def test_context_progress_emits_events_in_order(flow: Flow, recorder: EventRecorder) -> None:
    """`context.progress(...)` emits one event per call, before the end."""

    @ff.node
    def steps(text: str, context: ff.Context) -> str:
        for step in range(1, 5):
            context.progress(step / 4)
        return text

    flow.add(steps, "x", name="steps")
    flow.run().result(PATIENCE_S)
    fractions = [
        event.progress for event in recorder.events if event.node_id == "steps" and event.kind == "job-progress"
    ]
    assert fractions == [0.25, 0.5, 0.75, 1.0]


def test_function_may_run_a_nested_flow(flow: Flow, fake: FakeProvider) -> None:
    """More nested runs than slots do not deadlock: a function that waits lends its slot."""

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


def test_async_function_that_blocks_on_a_run_raises(flow: Flow) -> None:
    """It would block the loop forever; the error names the alternative."""

    @ff.node
    async def outer(text: str) -> str:
        return str(ff.generate_image(text, model="fake/image").result())

    flow.add(outer, "x")
    run = flow.run().wait(PATIENCE_S)
    assert "Make the node a plain function" in str(run.errors[0])


def test_record_false_writes_no_generation(flow: Flow) -> None:
    """`record=False` keeps the result but writes nothing to the tape."""

    @ff.node(record=False)
    def silent(text: str) -> str:
        return text.upper()

    flow.add(silent, "x", name="silent")
    run = flow.run()
    assert run.result(PATIENCE_S) == "X"
    assert ff.tape.sql("select count(*) from generations").rows()[0][0] == 0


def test_function_with_a_mutable_closure_is_not_cached(flow: Flow) -> None:
    """It has no stable key, as with `cache=False`; `stale()` gives the reason."""
    calls: list[str] = []

    @ff.node
    def record_call(text: str) -> str:
        calls.append(text)
        return text

    flow.add(record_call, "x", name="record_call")
    for _ in range(2):
        flow.run().result(PATIENCE_S)
    assert calls == ["x", "x"]
    assert "reads calls (list)" in flow.stale()["record_call"][0]


def test_batch_runs_one_job_per_cell(flow: Flow) -> None:
    """A failed cell is a hole with a reason, and only that cell runs again."""
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


def test_large_text_is_passed_between_nodes(flow: Flow) -> None:
    """Without truncation."""
    size = 100_000

    @ff.node
    def makes(number: int) -> str:
        return "x" * number

    @ff.node
    def measures(text: str) -> int:
        return len(text)

    last = flow.add(measures, flow.add(makes, number=size))
    assert flow.run(last).result(PATIENCE_S) == size


def test_value_above_the_journal_limit_raises(flow: Flow, monkeypatch: pytest.MonkeyPatch) -> None:
    """Values are rows of the journal; the error suggests a file."""
    monkeypatch.setattr(node_outputs, "VALUE_BYTES", 1000)

    @ff.node
    def makes(number: int) -> str:
        return "x" * number

    flow.add(makes, number=2000)
    run = flow.run().wait(PATIENCE_S)
    assert "file" in str(run.errors[0])


def test_input_of_the_wrong_type_fails_its_node(flow: Flow) -> None:
    """A type error that is only detected at run time (text for a number) is reported by the node."""

    @ff.node
    def rows(text: str) -> dict:  # type: ignore[type-arg]
        return {"a": text}

    @ff.node
    def measures(text: str) -> int:
        return len(text)

    source = flow.add(rows, "x", name="rows")
    flow.add(measures, source, name="measures")
    run = flow.run().wait(PATIENCE_S)
    assert run.status == "failed"
    assert state_of(run, "measures") == "failed"
    assert "needs text" in str(run.errors[0])
