"""Caps: shared by all kernels of a user, checked inside the claim; they discard no results."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from typing import TYPE_CHECKING

import pytest
from click.testing import CliRunner
from support.canvas import open_view
from support.engine import PATIENCE_S, EventRecorder, Gated, counts

import fusionflow_nb as ff
from fusionflow_nb import errors
from fusionflow_nb.canvas.environment import Environment
from fusionflow_nb.cli import main
from fusionflow_nb.providers.registry import Registry
from fusionflow_nb.session import Session, use_session
from fusionflow_nb.settings.environment import HOME_VARIABLE
from fusionflow_nb.testing.fake import FOLDER_VARIABLE, Behaviour, FakeProvider

if TYPE_CHECKING:
    from pathlib import Path

    from fusionflow_nb.api.flow import Flow

SPENDER = """
import sys
import fusionflow_nb as ff
from fusionflow_nb.session import Session, use_session
from fusionflow_nb.testing.fake import provider
from fusionflow_nb.providers.registry import Registry

use_session(Session(registry=Registry([provider()])))
flow = ff.Flow("Spender", id=sys.argv[1])
for index in range(int(sys.argv[2])):
    flow.generate_image(f"{sys.argv[1]} {index}", model="fake/image")
print("ready", flush=True)
sys.stdin.readline()
run = flow.run().wait()
print(sum(job.state == "succeeded" for job in run.jobs.values()), flush=True)
"""


def run_images(flow: Flow, count: int, **more: float) -> dict[str, int]:
    for index in range(count):
        flow.generate_image(f"p{index}", model="fake/image")
    return counts(flow.run(**more).wait(PATIENCE_S))


def test_a_new_cap_applies_to_running_kernels(flow: Flow, session: Session, fake: FakeProvider) -> None:
    """A cap set by another kernel applies to the next claim of this kernel without a restart."""
    other = Session(session.home, Registry([fake]))
    try:
        other.set_budgets({"run": 80_000})
        assert run_images(flow, 4) == {"succeeded": 2, "over_budget": 2}
    finally:
        other.close()


def test_kernels_share_one_cap(tmp_path: Path) -> None:
    """Four processes request 40 calls of $0.04 with a cap of $0.50 a day: exactly 12 are submitted."""
    home, folder = tmp_path / "shared", tmp_path / "service"
    environment = {**os.environ, HOME_VARIABLE: str(home), FOLDER_VARIABLE: str(folder)}
    with Session(home).journal as journal:
        journal.call(journal.set_budgets({"day": 500_000}))
    kernels = [
        subprocess.Popen(
            [sys.executable, "-c", SPENDER, f"kernel-{number}", "10"],
            env=environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for number in range(4)
    ]
    for kernel in kernels:
        assert kernel.stdout is not None
        assert kernel.stdout.readline() == "ready\n"
    for kernel in kernels:
        assert kernel.stdin is not None
        kernel.stdin.write("go\n")
        kernel.stdin.flush()
    done = sum(int(kernel.communicate(timeout=PATIENCE_S)[0]) for kernel in kernels)
    assert done == 12
    assert len(FakeProvider(folder).log()) == 12


@pytest.mark.parametrize(
    ("kind", "label"), [("run", "a run"), ("day", "the day"), ("month", "the month"), ("project", "this project")]
)
def test_a_refusal_names_price_rest_and_remedy(flow: Flow, kind: str, label: str) -> None:
    """Each kind of cap explains its refusal, and following its hint lets the run succeed."""
    ff.budget(**{kind: 0.07})
    for index in range(2):
        flow.generate_image(f"p{index}", model="fake/image")
    run = flow.run().wait(PATIENCE_S)
    assert counts(run) == {"succeeded": 1, "over_budget": 1}
    message = str(run.errors[0])
    # The first call may have ended or not when the second is refused.
    assert f"$0.04, and $0.03 of the $0.07 for {label}" in message
    assert "$0.04 spent" in message or "$0.04 reserved by running calls" in message
    assert "Nothing was sent" in message
    advice = message.rpartition("at least this: ")[2].partition(" or ")[0]
    eval(advice, {"ff": ff})  # noqa: S307 - the hint must be valid code
    assert counts(flow.run().wait(PATIENCE_S)) == {"cached": 1, "succeeded": 1}


def test_running_calls_finish_when_the_cap_is_reached(tmp_path: Path) -> None:
    """A refusal does not affect running calls: they end, their results are kept, and they are paid once."""
    fake = Gated()
    use_session(Session(tmp_path / "home", Registry([fake])))
    ff.budget(run=0.09)
    flow = ff.Flow("Test")
    for index in range(3):
        flow.generate_image(f"p{index}", model="fake/image", name=f"n{index}")
    recorder = EventRecorder()
    run = flow.run()
    run._run.subscribe(recorder.record)
    recorder.until(lambda: any(job.state == "over_budget" for job in run.jobs.values()))
    assert sum(job.state == "running" for job in run.jobs.values()) == 2
    fake.gate.set()
    assert counts(run.wait(PATIENCE_S)) == {"succeeded": 2, "over_budget": 1}
    ff.budget(run="default")
    assert counts(flow.run().wait(PATIENCE_S)) == {"cached": 2, "succeeded": 1}
    assert len(fake.log()) == 3


def test_the_real_cost_counts_against_the_cap(flow: Flow, fake: FakeProvider) -> None:
    """A call that costs less than its estimate releases the difference."""
    fake.enqueue(Behaviour(cost_micro_usd=10_000))
    ff.budget(day=0.05)
    flow.generate_image("cheap", model="fake/image")
    flow.run().result(PATIENCE_S)
    today = ff.budget()["day"]
    assert (today.spent_usd, today.reserved_usd, today.left_usd) == (0.01, 0.0, 0.04)
    flow.generate_image("next", model="fake/image")
    assert flow.run().wait(PATIENCE_S).status == "succeeded"


def test_none_removes_a_cap_and_default_restores_it(flow: Flow) -> None:
    """None removes a cap, "default" restores the default cap."""
    ff.budget(run=None, day=None)
    assert ff.budget()["run"].cap_usd is None
    assert run_images(flow, 60) == {"succeeded": 60}
    ff.budget(run="default")
    assert (ff.budget()["run"].cap_usd, ff.budget()["run"].is_set) == (2.0, False)


def test_a_project_cap_applies_to_that_project(flow: Flow) -> None:
    """A flow's cap applies only to that flow, and is listed under the flow's name."""
    budgets = ff.budget(flow, project=0.04)
    assert run_images(flow, 2) == {"succeeded": 1, "over_budget": 1}
    other = ff.Flow("Other")
    assert run_images(other, 3) == {"cached": 1, "succeeded": 2}
    assert budgets[f"project:{flow.id}"].cap_usd == 0.04
    assert ("project Test", "$0.04", "$0.04", "$0", "$0") in ff.budget().rows()


def test_an_unpriced_model_needs_an_allowance(flow: Flow, fake: FakeProvider) -> None:
    """Without an allowance nothing is sent; a stored allowance applies to later runs and is the amount reserved."""
    flow.generate_image("dawn", model="fake/unpriced")
    run = flow.run().wait(PATIENCE_S)
    assert counts(run) == {"over_budget": 1}
    assert "unpriced=" in str(run.errors[0])
    assert not fake.log()
    ff.budget(unpriced=0.5, run=0.4)
    run = flow.run().wait(PATIENCE_S)
    assert "may cost $0.50" in str(run.errors[0])
    ff.budget(run=1)
    assert counts(flow.run().wait(PATIENCE_S)) == {"succeeded": 1}
    ff.budget(unpriced=None)
    flow.generate_image("dusk", model="fake/unpriced")
    assert counts(flow.run().wait(PATIENCE_S)) == {"cached": 1, "over_budget": 1}


@pytest.mark.parametrize("amount", [-1, float("nan"), float("inf"), "much", True])
def test_an_invalid_amount_is_refused(session: Session, amount: object) -> None:
    """The error names the amount, and the former caps stay."""
    with pytest.raises(errors.ParameterError, match="day: expected a dollar amount"):
        ff.budget(day=amount)
    assert ff.budget()["day"].cap_usd == 5.0
    assert session.call(session.journal.budgets()) == {}


def test_a_change_of_caps_is_in_the_log(session: Session) -> None:
    """The journal logs each change of caps; the tape ignores these events."""
    ff.budget(day=7)
    rows = session.call(
        session.journal._read(
            lambda cursor: cursor.execute("SELECT payload FROM events WHERE kind = 'budget'").fetchall()
        )
    )
    assert [json.loads(payload) for (payload,) in rows] == [{"day": 7_000_000}]
    assert ff.tape.sql("select count(*) from generations").rows() == [(0,)]


def test_the_budget_command_shows_and_sets_caps(session: Session, flow: Flow) -> None:
    """`fusionflow budget` prints the caps as a table or as JSON, and refuses invalid amounts."""
    use_session(session)
    done = CliRunner().invoke(main, ["budget", "--day", "7.5", "--run", "none", "--of", flow.id, "--json"])
    assert done.exit_code == 0, done.output
    caps = {cap["scope"]: cap for cap in json.loads(done.stdout)}
    assert (caps["day"]["cap_usd"], caps["run"]["cap_usd"], caps["day"]["is_set"]) == (7.5, None, True)
    assert f"project:{flow.id}" in caps
    table = CliRunner().invoke(main, ["budget"])
    assert f"today ({time.strftime('%Y-%m-%d', time.gmtime())})" in table.stdout
    assert "$7.50" in table.stdout
    assert CliRunner().invoke(main, ["budget", "--day", "lots"]).exit_code == 2


def test_canvas_views_are_notified_of_cap_changes(flow: Flow, session: Session) -> None:
    """The canvas receives the current caps with their reserved and spent amounts."""
    ff.budget(month=50, project=1)
    run_images(flow, 1)
    caps = {cap["label"]: cap for cap in Environment(flow.id, lambda _asset: {}).budgets()}
    assert caps["today"] == {"label": "today", "spent_micro_usd": 40_000, "cap_micro_usd": 5_000_000}
    assert caps["a run"]["cap_micro_usd"] == 2_000_000
    assert caps["this month"]["cap_micro_usd"] == 50_000_000
    calls: list[bool] = []
    session.subscribe_budgets(lambda: calls.append(True))
    ff.budget(day=3)
    assert calls == [True]


def test_a_canvas_shows_spending_during_a_run(flow: Flow, fake: FakeProvider) -> None:
    """The canvas counts an ended call before the run ends, and shows a cap set in a cell immediately."""
    fake.when("never", Behaviour(end="never"))
    flow.generate_image("dawn", model="fake/image", name="still")
    flow.generate_image("never", model="fake/image", name="never")
    view = open_view(flow)
    assert view.controller is not None

    def today(spent: int, cap: int = 5_000_000) -> dict[str, object]:
        return {"label": "today", "spent_micro_usd": spent, "cap_micro_usd": cap}

    run = flow.run()
    view.wait_for(lambda message: message["type"] == "facts" and today(80_000) in message.get("budgets", ()))
    assert not run.is_done
    run.cancel()
    run.wait(PATIENCE_S)
    view.wait_for(lambda message: message["type"] == "facts" and today(40_000) in message.get("budgets", ()))
    ff.budget(day=3)
    view.wait_for(lambda message: message["type"] == "facts" and today(40_000, 3_000_000) in message.get("budgets", ()))
    view.close()


def test_default_caps_are_announced_once(flow: Flow, session: Session) -> None:
    """Before the first paid run a notice names the default caps, unless the user has set caps."""
    flow.generate_image("free", model="fake/free")
    flow.run().result(PATIENCE_S)
    assert session.notices.texts == []
    run_images(flow, 1)
    flow.generate_image("more", model="fake/image")
    flow.run().wait(PATIENCE_S)
    [notice] = session.notices.texts
    assert "$2.00" in notice
    assert "ff.budget" in notice
