"""A fallback answers in an outage before acceptance, says who served, and never leads to a second payment."""

from __future__ import annotations

import datetime as dt
import os
import subprocess
import sys
import time
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from pydantic import ValidationError
from support.dead_kernel import Shared
from support.engine import PATIENCE_S, counts, state_of

import fusionflow_nb as ff
from fusionflow_nb import errors
from fusionflow_nb.display.run_rows import rows as run_rows
from fusionflow_nb.engine import provider_call
from fusionflow_nb.providers.model import Equivalent, PerImage
from fusionflow_nb.providers.registry import Registry
from fusionflow_nb.session import Session, use_session
from fusionflow_nb.settings.environment import HOME_VARIABLE
from fusionflow_nb.testing.fake import MODELS, Behaviour, FakeProvider

if TYPE_CHECKING:
    from collections.abc import Sequence

    from fusionflow_nb.api.flow import Flow
    from fusionflow_nb.providers.model import ModelEntry

DAWN = "dawn"
BUSY = Behaviour(submit="busy")


class Spare(FakeProvider):
    """Another service, dearer, whose pictures know no seed and no width."""

    name = "spare"
    models: Sequence[ModelEntry] = tuple(
        one.model_copy(
            update={
                "provider": "spare",
                "aliases": (),
                "price": PerImage(usd=0.07),
                "parameters": {name: facts for name, facts in one.parameters.items() if name not in {"seed", "width"}},
            }
        )
        for one in MODELS
        if one.provider_model_id in {"image", "video"}
    )


@pytest.fixture(autouse=True)
def no_backoff(monkeypatch: pytest.MonkeyPatch) -> None:
    """Tries follow each other at once."""
    monkeypatch.setattr(provider_call, "BACKOFF_S", 0.0)


@pytest.fixture
def spare() -> Spare:
    return Spare()


@pytest.fixture
def session(fake: FakeProvider, spare: Spare) -> Session:
    made = Session(Path(os.environ[HOME_VARIABLE]), Registry([fake, spare]))
    use_session(made)
    return made


def rows(session: Session) -> list[tuple[Any, ...]]:
    """What the tape says of who was asked, who served, and what it cost."""
    asked = "SELECT status, model, served_by, provider, cost_computation FROM generations ORDER BY finished_at"
    return session.tape.sql(asked).rows()


def test_an_outage_leads_to_the_fallback_and_its_result_answers_for_both(
    flow: Flow, session: Session, fake: FakeProvider, spare: Spare
) -> None:
    """The tape says what was asked and who served; the same cell again is cached, and so is asking the spare itself."""
    fake.when(DAWN, BUSY)
    still = flow.generate_image(DAWN, model="fake/image", fallback=["spare/image"], name="still")
    run = flow.run().wait(PATIENCE_S)
    assert counts(run) == {"succeeded": 1}
    assert (len(fake.log()), len(spare.log())) == (0, 1)
    assert rows(session) == [
        ("failed", "fake/image", "fake/image", "fake", 0.0),
        ("succeeded", "fake/image", "spare/image", "spare", 0.07),
    ]
    assert run.cost_usd == pytest.approx(0.07)
    fake.when(DAWN, Behaviour())
    assert state_of(flow.run().wait(PATIENCE_S), "still") == "cached"
    flow.set(still, model="spare/image", fallback=None, seed=None)
    assert state_of(flow.run().wait(PATIENCE_S), "still") == "cached"
    assert (len(fake.log()), len(spare.log())) == (0, 1)


def test_what_the_spare_has_made_before_is_not_paid_for_again(
    flow: Flow, session: Session, fake: FakeProvider, spare: Spare
) -> None:
    """In an outage, a result of the fallback that is there already answers without a submission."""
    flow.generate_image(DAWN, model="spare/image", name="first")
    flow.run().result(PATIENCE_S)
    fake.when(DAWN, BUSY)
    flow.generate_image(DAWN, model="fake/image", fallback=["spare/image"], name="still")
    run = flow.run().wait(PATIENCE_S)
    assert state_of(run, "still") == "cached"
    assert len(spare.log()) == 1


@pytest.mark.parametrize(
    ("behaviour", "error"),
    [
        (Behaviour(end="refused"), errors.RefusedError),
        (Behaviour(end="no_funds"), errors.NoFundsError),
        (Behaviour(end="failed"), errors.ProviderError),
        (Behaviour(submit="lost"), errors.UnknownOutcomeError),
    ],
    ids=["refused", "no funds", "failed", "lost"],
)
def test_only_an_outage_before_acceptance_leads_on(
    flow: Flow, fake: FakeProvider, spare: Spare, behaviour: Behaviour, error: type[Exception]
) -> None:
    """What a service took, refused or may have taken is never bought a second time elsewhere."""
    fake.when(DAWN, behaviour)
    flow.generate_image(DAWN, model="fake/image", fallback=["spare/image"])
    run = flow.run().wait(PATIENCE_S)
    assert [type(one) for one in run.errors] == [error]
    assert spare.log() == []


def test_where_all_are_out_the_error_names_each_and_nothing_stays_reserved(
    flow: Flow, session: Session, fake: FakeProvider, spare: Spare
) -> None:
    """The first outage is the error; the others stand in it."""
    fake.when(DAWN, BUSY)
    spare.when(DAWN, BUSY)
    flow.generate_image(DAWN, model="fake/image", fallback=["spare/image"])
    run = flow.run().wait(PATIENCE_S)
    [error] = run.errors
    assert isinstance(error, errors.OutageError)
    assert error.provider == "fake"
    assert "spare" in str(error)
    spent = session.call(session.journal.spending([f"run:{run.id}"]))[f"run:{run.id}"]
    assert (spent.spent_micro_usd, spent.reserved_micro_usd) == (0, 0)


def test_the_price_counts_the_dearest_in_its_high_figure(flow: Flow, session: Session) -> None:
    """Low is what was asked; high is what an outage may cost."""
    flow.generate_image(DAWN, model="fake/image", fallback=["spare/image"])
    priced = flow.estimate()
    assert (priced.low_micro_usd, priced.high_micro_usd) == (40_000, 70_000)


@pytest.mark.parametrize(
    ("fallback", "settings", "said"),
    [
        (["spare/video"], {}, "text-to-image"),
        (["spare/image"], {"width": 64}, "width"),
        (["spare/nothing"], {}, "spare/nothing"),
    ],
    ids=["another task", "a setting it lacks", "no such model"],
)
def test_what_a_fallback_cannot_do_is_said_before_the_run(
    flow: Flow, fallback: list[str], settings: dict[str, Any], said: str
) -> None:
    """An outage is no moment to learn that the spare does not fit."""
    with pytest.raises(errors.ModelError, match=said):
        flow.generate_image(DAWN, model="fake/image", fallback=fallback, **settings)


@pytest.mark.parametrize("is_same", [True, False], ids=["the same", "another"])
def test_only_a_source_makes_it_the_same_model(
    flow: Flow, session: Session, fake: FakeProvider, spare: Spare, *, is_same: bool
) -> None:
    """Who stood in is said, and that it is another model unless the catalogue says with a source that it is not."""
    same = (Equivalent(id="spare/image", source="the maker's page"),) if is_same else ()
    fake.models = [one.model_copy(update={"equivalents": same}) for one in fake.models]
    fake.when(DAWN, BUSY)
    flow.generate_image(DAWN, model="fake/image", fallback=["spare/image"], name="still")
    run = flow.run().wait(PATIENCE_S)
    [status] = run.jobs.values()
    assert (status.served_by, status.is_same_model) == ("spare/image", is_same)
    [row] = run_rows(run)
    assert row.details == ("by spare/image" if is_same else "by spare/image, another model")


def test_equivalents_stand_in_by_one_word(flow: Flow, session: Session, fake: FakeProvider, spare: Spare) -> None:
    """`fallback=["equivalents"]` is every entry that is known to be the same model."""
    same = (Equivalent(id="spare/image", source="the maker's page"), Equivalent(id="gone/image", source="as above"))
    fake.models = [one.model_copy(update={"equivalents": same}) for one in fake.models]
    fake.when(DAWN, BUSY)
    flow.generate_image(DAWN, model="fake/image", fallback=["equivalents"], name="still")
    assert counts(flow.run().wait(PATIENCE_S)) == {"succeeded": 1}
    assert len(spare.log()) == 1


def test_where_none_is_the_same_the_word_is_refused(flow: Flow, session: Session) -> None:
    """Nothing stands in by a likeness of names."""
    with pytest.raises(errors.ModelError, match=r"No equivalent model is known for fake/image\."):
        flow.generate_image(DAWN, model="fake/image", fallback=["equivalents"])


def test_an_equivalent_needs_a_source() -> None:
    """Nobody's word is no reason to call two models one."""
    with pytest.raises(ValidationError, match="source"):
        Equivalent(id="spare/image", source="")


def test_a_fallback_that_has_ended_is_left_out(flow: Flow, session: Session, fake: FakeProvider, spare: Spare) -> None:
    """The asked model still runs; that the other has ended is said."""
    spare.models = [one.model_copy(update={"retires_on": dt.date(2020, 1, 1)}) for one in spare.models]
    with pytest.warns(FutureWarning, match="spare/image ended on 2020-01-01.*no longer used as a fallback"):
        flow.generate_image(DAWN, model="fake/image", fallback=["spare/image"], name="still")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)  # heard above
        assert counts(flow.run().wait(PATIENCE_S)) == {"succeeded": 1}


KERNEL = """
import os, sys
from pathlib import Path
from fusionflow_nb.session import Session, use_session
from fusionflow_nb.api.flow import Flow
from fusionflow_nb.display.run_rows import rows
from fusionflow_nb.engine import provider_call
from fusionflow_nb.testing.fake import Behaviour, FakeProvider
from fusionflow_nb.providers.registry import Registry
from engine.test_fallback import Spare

provider_call.BACKOFF_S = 0.0
fake, spare = FakeProvider(Path("fake")), Spare(Path("service"))
fake.when("dawn", Behaviour(submit="busy"))
spare.when("dawn", Behaviour(polls=10_000))
use_session(Session(Path("home"), Registry([fake, spare])))
flow = Flow("Film", id="film")
flow.generate_image("dawn", model="fake/image", fallback=["spare/image"], name="still")
print(flow.run().wait().status)
"""


def test_a_fallback_that_was_accepted_is_brought_home_by_another_kernel(tmp_path: Path) -> None:
    """Killed while the spare works, the next kernel polls the spare, and pays nobody again."""
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[1])}
    shared = Shared(tmp_path)
    dying = subprocess.Popen([sys.executable, "-c", KERNEL], cwd=tmp_path, env=environment)
    deadline = time.monotonic() + PATIENCE_S
    while shared.jobs("accepted") < 1:
        assert dying.poll() is None, "it ended by itself"
        assert time.monotonic() < deadline, "it never came so far"
        time.sleep(0.005)
    dying.kill()
    dying.wait()
    shared.let_end()
    next_one = subprocess.run(
        [sys.executable, "-c", KERNEL], cwd=tmp_path, env=environment, capture_output=True, text=True, check=True
    )
    assert next_one.stdout.split()[-1] == "succeeded"
    assert len(shared.service.log()) == 1


def test_a_call_takes_a_fallback_too(session: Session, fake: FakeProvider, spare: Spare) -> None:
    """What a node can, a bare call can."""
    fake.when(DAWN, BUSY)
    made = ff.generate_image(DAWN, model="fake/image", fallback=["spare/image"]).result(PATIENCE_S)
    assert isinstance(made, ff.Image)
    assert len(spare.log()) == 1
