"""Progress is reported by services; estimates from elapsed time have their own field and stay below 100 %."""

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
def test_estimated_fraction_stays_below_one(elapsed_us: int, usual_s: float) -> None:
    """It stays within 0 and 0.99 and grows with time."""
    expected = Eta(0, usual_s)
    assert 0 <= expected.fraction(elapsed_us) <= 0.99
    assert expected.fraction(elapsed_us) <= expected.fraction(elapsed_us * 2)


@pytest.mark.parametrize("case", json.loads(SHARED.read_text()), ids=str)
def test_kernel_and_canvas_compute_the_same_estimate(case: dict[str, float]) -> None:
    """js/test/estimate.test.ts reads the same fixture."""
    expected = Eta(5 * SECOND, case["typical_s"])
    assert expected.fraction(round((5 + case["elapsed_s"]) * SECOND)) == pytest.approx(case["fraction"])


class NoProgress(FakeProvider):
    """A service that reports no progress."""

    async def poll(self, operation: Operation) -> Any:
        status = await super().poll(operation)
        return Pending() if isinstance(status, Pending) else status


@pytest.fixture
def fake() -> FakeProvider:
    provider = NoProgress()
    provider.models = [
        entry.model_copy(update={"typical_s": 12.0}) for entry in provider.models if entry.id == "fake/image"
    ]
    return provider


def test_events_carry_an_eta_if_the_service_reports_no_progress(
    flow: Flow, session: Session, fake: FakeProvider, recorder: EventRecorder
) -> None:
    """Events hold start and usual duration; `progress` stays empty until the end."""
    fake.when("dawn", Behaviour(polls=3))
    flow.generate_image("dawn", model="fake/image", name="still")
    run = flow.run().wait(PATIENCE_S)
    running = [event for event in recorder.events if event.kind == "job-progress" and event.state == "running"]
    assert running
    assert {event.progress for event in running} == {None}
    assert {event.expected.typical_s for event in running if event.expected} == {12.0}
    [status] = states_of(run, "still")
    assert status.progress == 1.0  # it has ended


def test_reported_progress_replaces_the_eta(
    flow: Flow, fake: FakeProvider, recorder: EventRecorder, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Events with real progress carry no estimate."""
    monkeypatch.setattr(NoProgress, "poll", FakeProvider.poll)
    fake.when("dawn", Behaviour(polls=3))
    flow.generate_image("dawn", model="fake/image", name="still")
    flow.run().wait(PATIENCE_S)
    reported = [event for event in recorder.events if event.kind == "job-progress" and event.progress is not None]
    assert reported
    assert all(event.expected is None for event in reported)


def test_usual_duration_is_the_median_of_recent_calls(session: Session, fake: FakeProvider) -> None:
    """For a model without a documented duration; None if there are no calls."""
    entry = fake.models[0].model_copy(update={"typical_s": None})
    assert session.call(median_duration_s(entry, session.engine)) is None
    for seconds in (3.0, 100.0, 5.0):
        record_duration(entry, seconds, session.engine)
    assert session.call(median_duration_s(entry, session.engine)) == 5.0
    for _ in range(20):
        record_duration(entry, 7.0, session.engine)
    assert session.call(median_duration_s(entry, session.engine)) == 7.0


def test_durations_are_read_from_the_journal(flow: Flow, session: Session, fake: FakeProvider) -> None:
    """By the model that served each call."""
    flow.generate_image("dawn", model="fake/image", name="still")
    flow.run().result(PATIENCE_S)
    durations = session.call(session.journal.durations_by_model())
    assert list(durations) == ["fake/image"]
    assert durations["fake/image"][0] > 0


@pytest.mark.parametrize(("cost", "text"), [(None, "~$0.04"), (Cost(30_000, is_exact=True), "$0.03")])
def test_cost_from_the_price_table_is_marked(
    flow: Flow, session: Session, monkeypatch: pytest.MonkeyPatch, cost: Cost | None, text: str
) -> None:
    """A cost from the table is shown with `~`, for the run and its node; the tape has a column for it."""
    original_poll = FakeProvider.poll

    async def poll(self: Any, operation: Operation) -> Any:
        status = await original_poll(self, operation)
        return replace(status, cost=cost) if isinstance(status, Done) else status

    monkeypatch.setattr(NoProgress, "poll", poll)
    flow.generate_image("dawn", model="fake/image", name="still")
    run = flow.run().wait(PATIENCE_S)
    assert run.cost_text == text
    assert run.cost_is_exact is (cost is not None)
    assert rows(run)[0].cost == text
    assert session.tape.sql("SELECT cost_is_exact FROM generations").rows() == [(cost is not None,)]


def test_run_row_marks_estimated_progress(flow: Flow) -> None:
    """`~` precedes an estimate; real progress has no mark; a queue position hides the estimate."""
    estimated = JobStatus("running", expected=Eta(0, 10.0))
    assert _row("n", [estimated], 1, 5 * SECOND).details == "~45%"
    assert _row("n", [estimated], 1, 5 * SECOND).done == 0.45
    assert _row("n", [JobStatus("running", 0.5, expected=Eta(0, 10.0))], 1, 5 * SECOND).details == "50%"
    queued = JobStatus("running", expected=Eta(0, 10.0), queue_position=3)
    assert _row("n", [queued], 1, 5 * SECOND).details == "3 ahead in the queue"
