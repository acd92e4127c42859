"""What a person may do with paid work that has not ended; the service's own log says that nothing is sent for it."""

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
    """What a dead kernel left; nothing is taken up by itself here."""
    made = Shared(tmp_path)
    monkeypatch.setenv(HOME_VARIABLE, str(made.home))
    monkeypatch.setenv(FOLDER_VARIABLE, str(made.folder))
    monkeypatch.setenv(RESUME_VARIABLE, "ask")
    return made


@pytest.fixture
def sure(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a service does not list now, it never took: tests do not wait a minute."""
    monkeypatch.setattr(open_jobs, "SURE_AFTER_S", 0.0)


def lose(flow: Flow, fake: FakeProvider, how: Any = "lost", **more: Any) -> str:
    """A call of unknown outcome; its id."""
    fake.enqueue(Behaviour(submit=how, **more))
    flow.generate_image("dawn", model="fake/image", name="still")
    assert counts(flow.run().wait(PATIENCE_S)) == {"unknown": 1}
    [call] = ff.operations()
    return call.id


def books(session: Session) -> tuple[int, int, int]:
    """(spent, reserved, at stake) of today, in micro-dollars."""
    found = session.call(session.journal.spending([day(session)]))[day(session)]
    return found.spent_micro_usd, found.reserved_micro_usd, found.at_stake_micro_usd


def day(session: Session) -> str:
    return f"day:{time.strftime('%Y-%m-%d', time.gmtime(session.services.clock() / 1e6))}"


def test_open_stuck_and_unknown_work_is_listed_with_what_is_at_stake(
    shared: Shared, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One of each, as another kernel sees them: flow, node, model, notebook, stake."""
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
    found = ff.operations()
    assert [(call.state, call.flow, call.node_id, call.model) for call in found] == [
        ("stuck", "City", "dawn", "fake/image"),
        ("unknown", "Sea", "dusk", "fake/image"),
        ("open", "Live", "noon", "fake/image"),
    ]
    assert [call.notebook for call in found][:2] == ["film.ipynb", "sea.ipynb"]
    assert found.at_stake_usd == pytest.approx(0.12)
    assert "$0.12 at stake" in found.note()
    done = CliRunner().invoke(main, ["operations", "--json"])
    assert [call["state"] for call in json.loads(done.stdout)] == ["stuck", "unknown", "open"]
    said = CliRunner().invoke(main, ["operations"]).stdout
    assert "film.ipynb" in said
    assert "`operations resume`" in said
    other.close()


def test_nothing_open_is_said_so(session: Session) -> None:
    """An empty list is an answer too."""
    assert len(ff.operations()) == 0
    assert ff.operations().note() == "Nothing is open: every paid call has ended."
    assert ff.operations().resume() == "Nothing was waiting."


def test_the_command_line_resumes(shared: Shared) -> None:
    """`fusionflow operations resume` brings home what a dead kernel began; the service's log does not grow."""
    shared.behave(dawn={"polls": LONG})
    shared.die("City", "dawn")
    shared.let_end()
    done = CliRunner().invoke(main, ["operations", "resume"])
    assert done.exit_code == 0, done.output
    assert "1 result ($0.04)" in done.stdout
    assert len(shared.service.log()) == 1
    assert CliRunner().invoke(main, ["operations"]).stdout.startswith("Nothing is open")


def test_a_stuck_call_is_cancelled_at_the_service(shared: Shared) -> None:
    """Nobody follows it: the service is asked to stop, and what it confirms costs nothing."""
    shared.behave(dawn={"polls": LONG})
    shared.die("City", "dawn")
    [call] = ff.operations()
    outcome = ff.operations().cancel(call.id[-8:])
    assert (outcome.status, outcome.cost_micro_usd) == ("cancelled", 0)
    provider = current_session().registry.provider("fake")
    assert isinstance(provider, FakeProvider)
    assert len(provider.cancelled) == 1
    assert books(current_session()) == (0, 0, 0)
    assert len(ff.operations()) == 0
    assert ff.tape.sql("select status, cost_computation::double from generations").rows() == [("cancelled", 0.0)]


def test_an_own_call_is_cancelled_and_its_run_goes_on(flow: Flow, fake: FakeProvider, recorder: EventRecorder) -> None:
    """Cancelling one call of this kernel ends its job alone."""
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


def test_what_another_kernel_follows_is_left_to_it(
    session: Session, fake: FakeProvider, recorder: EventRecorder
) -> None:
    """A living kernel's call can be neither cancelled nor forgotten from elsewhere; the error says where it is."""
    fake.when("never", Behaviour(end="never"))
    flow = ff.Flow("Here")
    flow.generate_image("never", model="fake/image", name="never")
    run = flow.run()
    recorder.until_state(run, "never", "running", progress=0.01)
    other = Session(session.home, Registry([fake]))
    session_module._current = other
    try:
        [call] = ff.operations()
        for what in (ff.operations().cancel, ff.operations().forget):
            with pytest.raises(errors.OpenWorkError, match="A living kernel"):
                what(call.id)
        assert fake.cancelled == []
    finally:
        session_module._current = session
        other.close()


def test_forgetting_an_unknown_call_frees_its_node(flow: Flow, fake: FakeProvider, session: Session) -> None:
    """A person's word ends it, at no cost unless they name one; the next run submits."""
    call = lose(flow, fake)
    assert books(session) == (0, 40_000, 0)
    outcome = ff.operations().forget(call)
    assert (outcome.status, outcome.cost_micro_usd) == ("cancelled", 0)
    assert books(session) == (0, 0, 0)
    assert counts(flow.run().wait(PATIENCE_S)) == {"succeeded": 1}
    assert len(fake.log()) == 1


def test_what_the_account_shows_is_what_counts(flow: Flow, fake: FakeProvider, session: Session) -> None:
    """A forgotten call that was billed after all counts as spent."""
    call = lose(flow, fake, "taken")
    ff.operations().forget(call, cost_usd=0.03)
    assert books(session) == (30_000, 0, 0)
    assert ff.tape.sql("select status, cost_computation::double, error_code from generations").rows() == [
        ("cancelled", 0.03, "forgotten")
    ]
    with pytest.raises(errors.OpenWorkError, match="no open call"):
        ff.operations().forget(call)


def test_forgetting_accepted_work_counts_its_estimate(shared: Shared) -> None:
    """The service took it, so it is not free by being forgotten."""
    shared.behave(dawn={"polls": LONG})
    shared.die("City", "dawn")
    [call] = ff.operations()
    assert ff.operations().forget(call.id).cost_micro_usd == 40_000
    assert books(current_session()) == (40_000, 0, 0)


def test_a_call_that_the_service_knows_comes_home(flow: Flow, fake: FakeProvider, session: Session) -> None:
    """Reconciled by the id we chose: found, followed, settled; sent once."""
    call = lose(flow, fake, "taken")
    outcome = ff.operations().reconcile(call)
    assert (outcome.status, outcome.cost_micro_usd) == ("succeeded", 40_000)
    assert books(session) == (40_000, 0, 0)
    assert counts(flow.run().wait(PATIENCE_S)) == {"cached": 1}
    assert len(fake.log()) == 1


def test_a_dead_kernels_unknown_call_is_reconciled_too(shared: Shared) -> None:
    """Whoever finds out follows it, also where the kernel that lost it is gone."""
    shared.behave(dawn={"submit": "taken"})
    shared.die("City", "dawn", state="unknown")
    [call] = ff.operations()
    assert ff.operations().reconcile(call.id).status == "succeeded"
    assert len(shared.service.log()) == 1
    assert len(ff.operations()) == 0


@pytest.mark.usefixtures("sure")
def test_a_call_that_never_arrived_frees_its_node(flow: Flow, fake: FakeProvider, session: Session) -> None:
    """The service surely does not know it: nothing was spent, and the next run submits."""
    call = lose(flow, fake, "lost")
    outcome = ff.operations().reconcile(call)
    assert (outcome.status, outcome.cost_micro_usd) == ("failed", 0)
    assert books(session) == (0, 0, 0)
    assert counts(flow.run().wait(PATIENCE_S)) == {"succeeded": 1}
    assert len(fake.log()) == 1


def test_a_service_is_given_time_to_list_it(flow: Flow, fake: FakeProvider) -> None:
    """Less than a minute after it was sent, "not known" may mean "not yet": it stays unknown."""
    call = lose(flow, fake, "lost")
    with pytest.raises(errors.OpenWorkError, match="less than a minute"):
        ff.operations().reconcile(call)
    assert [one.state for one in ff.operations()] == ["unknown"]


def test_where_the_service_cannot_say_a_person_looks(
    flow: Flow, fake: FakeProvider, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No id of ours and no listing: the error says what to do, and the job stays as it was."""
    monkeypatch.setattr(fake, "reconciles_by", "")
    call = lose(flow, fake, "taken")
    with pytest.raises(errors.OpenWorkError, match=r"no way to find"):
        ff.operations().reconcile(call)
    with pytest.raises(errors.OpenWorkError, match="nothing to cancel"):
        ff.operations().cancel(call)
    assert [one.state for one in ff.operations()] == ["unknown"]


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
def test_only_a_stated_policy_sends_again(
    fake: FakeProvider, monkeypatch: pytest.MonkeyPatch, policy: str, how: str, ends: Any
) -> None:
    """FUSIONFLOW_UNKNOWN: by default nothing; `reconcile` asks the service; `resend` counts the stake as spent."""
    monkeypatch.setenv(UNKNOWN_VARIABLE, policy)
    use_session(Session(registry=Registry([fake])))
    flow = ff.Flow("Test")
    lose(flow, fake, how)
    [state] = counts(flow.run().wait(PATIENCE_S))
    assert (state, len(fake.log()), books(current_session())) == ends


def test_an_id_that_fits_nothing_or_too_much_is_refused(flow: Flow, fake: FakeProvider) -> None:
    """An id is one call's, whole or its last letters."""
    lose(flow, fake)
    for wrong in ("zzz", ""):
        with pytest.raises(errors.OpenWorkError, match=r"ff\.operations\(\) lists them"):
            ff.operations().forget(wrong)
    done = CliRunner().invoke(main, ["operations", "forget", "zzz"])
    assert done.exit_code == 2
