"""Progress is what a service says; what the clock says is an estimate, in a field of its own, and never the end."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.engine import PATIENCE_S, EventRecorder, states_of

from fusionflow_nb.display.run_rows import _row, rows
from fusionflow_nb.engine.eta import Eta, median_duration_s, record_duration
from fusionflow_nb.engine.status import JobStatus
from fusionflow_nb.providers.protocol import Cost, Done, Operation, Pending
from fusionflow_nb.testing.fake import Behaviour, FakeProvider

if TYPE_CHECKING:
    from fusionflow_nb.api.flow import Flow
    from fusionflow_nb.session import Session

SHARED = Path(__file__).parents[2] / "js/test/fixtures/estimates.json"
SECOND = 1_000_000


@given(st.integers(0, 10**15), st.floats(0.001, 1e6))
def test_an_estimate_never_says_that_it_is_done(elapsed_us: int, usual_s: float) -> None:
    """Whatever the time, it stays within 0 and 99 %, and grows with it."""
    expected = Eta(0, usual_s)
    assert 0 <= expected.fraction(elapsed_us) <= 0.99
    assert expected.fraction(elapsed_us) <= expected.fraction(elapsed_us * 2)


@pytest.mark.parametrize("case", json.loads(SHARED.read_text()), ids=str)
def test_kernel_and_canvas_estimate_alike(case: dict[str, float]) -> None:
    """The same figures hold in js/test/estimate.test.ts."""
    expected = Eta(5 * SECOND, case["typical_s"])
    assert expected.fraction(round((5 + case["elapsed_s"]) * SECOND)) == pytest.approx(case["fraction"])


class Silent(FakeProvider):
    """A service that says nothing of how far it is."""

    async def poll(self, operation: Operation) -> Any:
        status = await super().poll(operation)
        return Pending() if isinstance(status, Pending) else status


@pytest.fixture
def fake() -> FakeProvider:
    made = Silent()
    made.models = [one.model_copy(update={"typical_s": 12.0}) for one in made.models if one.id == "fake/image"]
    return made


def test_where_a_service_says_nothing_the_usual_time_goes_along(
    flow: Flow, session: Session, fake: FakeProvider, recorder: EventRecorder
) -> None:
    """Events hold since when and how long; `progress` stays empty until the end."""
    fake.when("dawn", Behaviour(polls=3))
    flow.generate_image("dawn", model="fake/image", name="still")
    run = flow.run().wait(PATIENCE_S)
    told = [event for event in recorder.events if event.kind == "job-progress" and event.state == "running"]
    assert told
    assert {event.progress for event in told} == {None}
    assert {event.expected.typical_s for event in told if event.expected} == {12.0}
    [status] = states_of(run, "still")
    assert status.progress == 1.0  # it has ended


def test_what_a_service_says_is_no_estimate(
    flow: Flow, fake: FakeProvider, recorder: EventRecorder, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Once there is real progress nothing else is told."""
    monkeypatch.setattr(Silent, "poll", FakeProvider.poll)
    fake.when("dawn", Behaviour(polls=3))
    flow.generate_image("dawn", model="fake/image", name="still")
    flow.run().wait(PATIENCE_S)
    said = [event for event in recorder.events if event.kind == "job-progress" and event.progress is not None]
    assert said
    assert all(event.expected is None for event in said)


def test_without_a_figure_a_persons_own_calls_say_how_long_it_takes(session: Session, fake: FakeProvider) -> None:
    """The median of the latest; nothing where there were none."""
    entry = fake.models[0].model_copy(update={"typical_s": None})
    assert session.call(median_duration_s(entry, session.engine)) is None
    for seconds in (3.0, 100.0, 5.0):
        record_duration(entry, seconds, session.engine)
    assert session.call(median_duration_s(entry, session.engine)) == 5.0
    for _ in range(20):
        record_duration(entry, 7.0, session.engine)
    assert session.call(median_duration_s(entry, session.engine)) == 7.0


def test_the_next_kernel_knows_it_from_the_log(flow: Flow, session: Session, fake: FakeProvider) -> None:
    """How long calls took stands in the journal, by the model that served them."""
    flow.generate_image("dawn", model="fake/image", name="still")
    flow.run().result(PATIENCE_S)
    found = session.call(session.journal.durations_by_model())
    assert list(found) == ["fake/image"]
    assert found["fake/image"][0] > 0


@pytest.mark.parametrize(("cost", "says"), [(None, "~$0.04"), (Cost(30_000, is_exact=True), "$0.03")])
def test_a_cost_that_the_service_did_not_say_is_marked(
    flow: Flow, session: Session, monkeypatch: pytest.MonkeyPatch, cost: Cost | None, says: str
) -> None:
    """By the table it is `~`, on the run and its node; on the tape a column says so."""
    polled = FakeProvider.poll

    async def poll(self: Any, operation: Operation) -> Any:
        status = await polled(self, operation)
        return replace(status, cost=cost) if isinstance(status, Done) else status

    monkeypatch.setattr(Silent, "poll", poll)
    flow.generate_image("dawn", model="fake/image", name="still")
    run = flow.run().wait(PATIENCE_S)
    assert run.cost_text == says
    assert run.cost_is_exact is (cost is not None)
    assert rows(run)[0].cost == says
    assert session.tape.sql("SELECT cost_is_exact FROM generations").rows() == [(cost is not None,)]


def test_a_line_marks_the_estimate(flow: Flow) -> None:
    """`~` in front; real progress stands without; a place in a queue is no work yet."""
    guessed = JobStatus("running", expected=Eta(0, 10.0))
    assert _row("n", [guessed], 1, 5 * SECOND).details == "~45%"
    assert _row("n", [guessed], 1, 5 * SECOND).done == 0.45
    assert _row("n", [JobStatus("running", 0.5, expected=Eta(0, 10.0))], 1, 5 * SECOND).details == "50%"
    queued = JobStatus("running", expected=Eta(0, 10.0), queue_position=3)
    assert _row("n", [queued], 1, 5 * SECOND).details == "3 ahead in the queue"
