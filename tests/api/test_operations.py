"""Actions on paid calls that have not ended; the fake service's log proves that nothing is submitted."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING, Any

import pytest
from click.testing import CliRunner
from support.dead_kernel import LONG, Shared
from support.engine import PATIENCE_S, EventRecorder, counts, state_of

import fusionflow_nb as ff
from fusionflow_nb import errors
from fusionflow_nb.cli import main
from fusionflow_nb.engine import open_jobs
from fusionflow_nb.providers.registry import Registry
from fusionflow_nb.session import Session, current_session, use_session
from fusionflow_nb.session import session as session_module
from fusionflow_nb.settings.environment import HOME_VARIABLE, RESUME_VARIABLE, UNKNOWN_VARIABLE
from fusionflow_nb.testing.fake import FOLDER_VARIABLE, Behaviour, FakeProvider

if TYPE_CHECKING:
    from pathlib import Path

    from fusionflow_nb.api.flow import Flow


@pytest.fixture
def shared(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Shared:
    """A home with calls of a dead kernel; automatic resume is off."""
    shared = Shared(tmp_path)
    monkeypatch.setenv(HOME_VARIABLE, str(shared.home))
    monkeypatch.setenv(FOLDER_VARIABLE, str(shared.folder))
    monkeypatch.setenv(RESUME_VARIABLE, "ask")
    return shared


@pytest.fixture
def sure(monkeypatch: pytest.MonkeyPatch) -> None:
    """An unlisted submission counts as not received immediately, not after a minute."""
    monkeypatch.setattr(open_jobs, "SURE_AFTER_S", 0.0)


def lose(flow: Flow, fake: FakeProvider, how: Any = "lost", **more: Any) -> str:
    """Create a call of unknown outcome and return its id."""
    fake.enqueue(Behaviour(submit=how, **more))
    flow.generate_image("dawn", model="fake/image", name="still")
    assert counts(flow.run().wait(PATIENCE_S)) == {"unknown": 1}
    [call] = ff.operations()
    return call.id


def spending_today(session: Session) -> tuple[int, int, int]:
    """Spent, reserved and unconfirmed cost of today, in micro-dollars."""
    spending = session.call(session.journal.spending([day(session)]))[day(session)]
    return spending.spent_micro_usd, spending.reserved_micro_usd, spending.at_stake_micro_usd


def day(session: Session) -> str:
    return f"day:{time.strftime('%Y-%m-%d', time.gmtime(session.engine.context.clock() / 1e6))}"


def test_open_stuck_and_unknown_calls_are_listed(shared: Shared, monkeypatch: pytest.MonkeyPatch) -> None:
    """The list has flow, node, model, notebook and unconfirmed cost of each call."""
    shared.behave(dawn={"polls": LONG}, dusk={"submit": "taken"}, noon={"polls": LONG})
    shared.die("City", "dawn", notebook="film.ipynb")
    shared.die("Sea", "dusk", notebook="sea.ipynb", state="unknown")
    other = Session(shared.home)
    monkeypatch.setattr(session_module, "_current", other)
    flow = ff.Flow("Live")
    flow.generate_image("noon", model="fake/image", name="noon")
    recorder = EventRecorder()
    run = flow.run()
    run._run.subscribe(recorder.record)
    recorder.until_state(run, "noon", "running", progress=0.00001)
    monkeypatch.setattr(session_module, "_current", None)
    calls = ff.operations()
    assert [(call.state, call.flow, call.node_id, call.model) for call in calls] == [
        ("stuck", "City", "dawn", "fake/image"),
        ("unknown", "Sea", "dusk", "fake/image"),
        ("open", "Live", "noon", "fake/image"),
    ]
    assert [call.notebook for call in calls][:2] == ["film.ipynb", "sea.ipynb"]
    assert calls.at_stake_usd == pytest.approx(0.12)
    assert "Unconfirmed cost: $0.12." in calls.note()
    done = CliRunner().invoke(main, ["operations", "--json"])
    assert [call["state"] for call in json.loads(done.stdout)] == ["stuck", "unknown", "open"]
    table = CliRunner().invoke(main, ["operations"]).stdout
    assert "film.ipynb" in table
    assert "`operations resume`" in table
    other.close()


def test_an_empty_list_says_that_no_calls_are_open(session: Session) -> None:
    """Listing and resuming work without open calls."""
    assert len(ff.operations()) == 0
    assert ff.operations().note() == "No open calls: every paid call has ended."
    assert ff.operations().resume() == "Resumed 0 calls."


@pytest.mark.parametrize("command", [["resume"], ["operations", "resume"]], ids=" ".join)
def test_both_resume_commands_finish_stopped_calls(shared: Shared, command: list[str]) -> None:
    """`fusionflow resume` and `operations resume` fetch the results of a dead kernel; nothing is submitted."""
    shared.behave(dawn={"polls": LONG})
    shared.die("City", "dawn")
    shared.let_end()
    done = CliRunner().invoke(main, command)
    assert done.exit_code == 0, done.output
    assert "1 result ($0.04)" in done.stdout
    assert len(shared.service.log()) == 1
    assert CliRunner().invoke(main, ["operations"]).stdout.startswith("No open calls")


def test_a_stuck_call_is_cancelled_at_the_service(shared: Shared) -> None:
    """No kernel follows the call: the service cancels it, and the confirmed cost is zero."""
    shared.behave(dawn={"polls": LONG})
    shared.die("City", "dawn")
    [call] = ff.operations()
    outcome = ff.operations().cancel(call.id[-8:])
    assert (outcome.status, outcome.cost_micro_usd) == ("cancelled", 0)
    provider = current_session().registry.provider("fake")
    assert isinstance(provider, FakeProvider)
    assert len(provider.cancelled) == 1
    assert spending_today(current_session()) == (0, 0, 0)
    assert len(ff.operations()) == 0
    assert ff.tape.sql("select status, cost_computation::double from generations").rows() == [("cancelled", 0.0)]


def test_cancelling_a_call_does_not_end_its_run(flow: Flow, fake: FakeProvider, recorder: EventRecorder) -> None:
    """Cancelling a call of this kernel ends only its job."""
    fake.when("never", Behaviour(end="never"))
    flow.generate_image("never", model="fake/image", name="never")
    flow.generate_image("dawn", model="fake/image", name="still")
    run = flow.run()
    recorder.until_state(run, "never", "running", progress=0.01)
    recorder.until_state(run, "still", "succeeded")
    [call] = ff.operations()
    assert call.state == "open"
    assert ff.operations().cancel(call.id).status == "cancelled"
    run.wait(PATIENCE_S)
    assert (state_of(run, "never"), state_of(run, "still")) == ("cancelled", "succeeded")
    assert len(fake.cancelled) == 1


def test_calls_of_another_running_kernel_are_refused(
    session: Session, fake: FakeProvider, recorder: EventRecorder
) -> None:
    """A call that another kernel follows cannot be cancelled or forgotten; the error names the kernel."""
    fake.when("never", Behaviour(end="never"))
    flow = ff.Flow("Here")
    flow.generate_image("never", model="fake/image", name="never")
    run = flow.run()
    recorder.until_state(run, "never", "running", progress=0.01)
    other = Session(session.home, Registry([fake]))
    session_module._current = other
    try:
        [call] = ff.operations()
        for action in (ff.operations().cancel, ff.operations().forget):
            with pytest.raises(errors.OpenWorkError, match="A live kernel"):
                action(call.id)
        assert fake.cancelled == []
    finally:
        session_module._current = session
        other.close()


def test_forgetting_an_unknown_call_frees_its_node(flow: Flow, fake: FakeProvider, session: Session) -> None:
    """The call ends at no cost unless a cost is passed; the next run submits again."""
    call = lose(flow, fake)
    assert spending_today(session) == (0, 40_000, 0)
    outcome = ff.operations().forget(call)
    assert (outcome.status, outcome.cost_micro_usd) == ("cancelled", 0)
    assert spending_today(session) == (0, 0, 0)
    assert counts(flow.run().wait(PATIENCE_S)) == {"succeeded": 1}
    assert len(fake.log()) == 1


def test_the_cost_passed_to_forget_counts(flow: Flow, fake: FakeProvider, session: Session) -> None:
    """A forgotten call counts as spent at the cost that was passed."""
    call = lose(flow, fake, "taken")
    ff.operations().forget(call, cost_usd=0.03)
    assert spending_today(session) == (30_000, 0, 0)
    assert ff.tape.sql("select status, cost_computation::double, error_code from generations").rows() == [
        ("cancelled", 0.03, "forgotten")
    ]
    with pytest.raises(errors.OpenWorkError, match="no open call"):
        ff.operations().forget(call)


def test_forgetting_an_accepted_call_counts_its_estimate(shared: Shared) -> None:
    """The service accepted the call, so its estimate counts as spent."""
    shared.behave(dawn={"polls": LONG})
    shared.die("City", "dawn")
    [call] = ff.operations()
    assert ff.operations().forget(call.id).cost_micro_usd == 40_000
    assert spending_today(current_session()) == (40_000, 0, 0)


def test_reconcile_fetches_a_call_the_service_has(flow: Flow, fake: FakeProvider, session: Session) -> None:
    """The call is looked up by its id, followed and settled; it is sent once."""
    call = lose(flow, fake, "taken")
    outcome = ff.operations().reconcile(call)
    assert (outcome.status, outcome.cost_micro_usd) == ("succeeded", 40_000)
    assert spending_today(session) == (40_000, 0, 0)
    assert counts(flow.run().wait(PATIENCE_S)) == {"cached": 1}
    assert len(fake.log()) == 1


def test_reconcile_works_for_a_dead_kernels_call(shared: Shared) -> None:
    """The kernel that reconciles a call follows it."""
    shared.behave(dawn={"submit": "taken"})
    shared.die("City", "dawn", state="unknown")
    [call] = ff.operations()
    assert ff.operations().reconcile(call.id).status == "succeeded"
    assert len(shared.service.log()) == 1
    assert len(ff.operations()) == 0


@pytest.mark.usefixtures("sure")
def test_a_call_that_never_arrived_frees_its_node(flow: Flow, fake: FakeProvider, session: Session) -> None:
    """The service does not have the call: nothing was spent, and the next run submits."""
    call = lose(flow, fake, "lost")
    outcome = ff.operations().reconcile(call)
    assert (outcome.status, outcome.cost_micro_usd) == ("failed", 0)
    assert spending_today(session) == (0, 0, 0)
    assert counts(flow.run().wait(PATIENCE_S)) == {"succeeded": 1}
    assert len(fake.log()) == 1


def test_an_unlisted_call_stays_unknown_for_a_minute(flow: Flow, fake: FakeProvider) -> None:
    """Within a minute of the submit, the service may not list the call yet."""
    call = lose(flow, fake, "lost")
    with pytest.raises(errors.OpenWorkError, match="less than a minute"):
        ff.operations().reconcile(call)
    assert [call.state for call in ff.operations()] == ["unknown"]


def test_a_service_without_queries_leaves_it_unknown(
    flow: Flow, fake: FakeProvider, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without a query by id or a listing, the error has a hint and the job stays unchanged."""
    monkeypatch.setattr(fake, "reconciles_by", "")
    call = lose(flow, fake, "taken")
    with pytest.raises(errors.OpenWorkError, match="cannot list jobs"):
        ff.operations().reconcile(call)
    with pytest.raises(errors.OpenWorkError, match="nothing to cancel"):
        ff.operations().cancel(call)
    assert [call.state for call in ff.operations()] == ["unknown"]


@pytest.mark.usefixtures("sure")
@pytest.mark.parametrize(
    ("policy", "how", "ends"),
    [
        ("ask", "taken", ("unknown", 1, (0, 40_000, 0))),
        ("reconcile", "taken", ("cached", 1, (40_000, 0, 0))),
        ("reconcile", "lost", ("succeeded", 1, (40_000, 0, 0))),
        ("resend", "taken", ("succeeded", 2, (80_000, 0, 0))),
        ("whatever", "taken", ("unknown", 1, (0, 40_000, 0))),
    ],
    ids=["ask", "reconcile, taken", "reconcile, lost", "resend", "no policy"],
)
@pytest.mark.usefixtures("session")
def test_only_the_resend_policy_submits_again(
    fake: FakeProvider, monkeypatch: pytest.MonkeyPatch, policy: str, how: str, ends: Any
) -> None:
    """FUSIONFLOW_UNKNOWN: `ask` does nothing, `reconcile` queries the service, `resend` submits again."""
    monkeypatch.setenv(UNKNOWN_VARIABLE, policy)
    use_session(Session(registry=Registry([fake])))
    flow = ff.Flow("Test")
    lose(flow, fake, how)
    [state] = counts(flow.run().wait(PATIENCE_S))
    assert (state, len(fake.log()), spending_today(current_session())) == ends


def test_an_ambiguous_or_unknown_id_is_refused(flow: Flow, fake: FakeProvider) -> None:
    """An id or its last letters must match exactly one call."""
    lose(flow, fake)
    for wrong in ("zzz", ""):
        with pytest.raises(errors.OpenWorkError, match=r"ff\.operations\(\) lists them"):
            ff.operations().forget(wrong)
    done = CliRunner().invoke(main, ["operations", "forget", "zzz"])
    assert done.exit_code == 2
