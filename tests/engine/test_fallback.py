"""Fallbacks: used only in an outage before acceptance, recorded as `served_by`, never a second payment."""

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
    """Another, more expensive service whose image model has no seed and no width."""

    name = "spare"
    models: Sequence[ModelEntry] = tuple(
        entry.model_copy(
            update={
                "provider": "spare",
                "aliases": (),
                "price": PerImage(usd=0.07),
                "parameters": {
                    name: facts for name, facts in entry.parameters.items() if name not in {"seed", "width"}
                },
            }
        )
        for entry in MODELS
        if entry.provider_model_id in {"image", "video"}
    )


@pytest.fixture(autouse=True)
def no_backoff(monkeypatch: pytest.MonkeyPatch) -> None:
    """Retry without delay."""
    monkeypatch.setattr(provider_call, "BACKOFF_S", 0.0)


@pytest.fixture
def spare() -> Spare:
    return Spare()


@pytest.fixture
def session(fake: FakeProvider, spare: Spare) -> Session:
    session = Session(Path(os.environ[HOME_VARIABLE]), Registry([fake, spare]))
    use_session(session)
    return session


def rows(session: Session) -> list[tuple[Any, ...]]:
    """Status, requested model, serving model, provider and cost of every generation."""
    query = "SELECT status, model, served_by, provider, cost_computation FROM generations ORDER BY finished_at"
    return session.tape.sql(query).rows()


def test_fallback_result_is_cached_for_both_models(
    flow: Flow, session: Session, fake: FakeProvider, spare: Spare
) -> None:
    """The tape records requested and serving model; later runs with either model are cached."""
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


def test_stored_result_of_the_fallback_is_not_paid_again(
    flow: Flow, session: Session, fake: FakeProvider, spare: Spare
) -> None:
    """In an outage, a stored result of the fallback is used without a submit."""
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
def test_only_an_outage_before_acceptance_uses_the_fallback(
    flow: Flow, fake: FakeProvider, spare: Spare, behaviour: Behaviour, error: type[Exception]
) -> None:
    """A request that a service accepted, refused or may have accepted is never sent to another."""
    fake.when(DAWN, behaviour)
    flow.generate_image(DAWN, model="fake/image", fallback=["spare/image"])
    run = flow.run().wait(PATIENCE_S)
    assert [type(actual) for actual in run.errors] == [error]
    assert spare.log() == []


def test_outage_of_all_models_names_each_and_frees_the_budget(
    flow: Flow, session: Session, fake: FakeProvider, spare: Spare
) -> None:
    """The first outage is the error; its message includes the others."""
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


def test_high_estimate_includes_the_most_expensive_fallback(flow: Flow, session: Session) -> None:
    """The low estimate is that of the requested model."""
    flow.generate_image(DAWN, model="fake/image", fallback=["spare/image"])
    estimate = flow.estimate()
    assert (estimate.low_micro_usd, estimate.high_micro_usd) == (40_000, 70_000)


@pytest.mark.parametrize(
    ("fallback", "settings", "message"),
    [
        (["spare/video"], {}, "text-to-image"),
        (["spare/image"], {"width": 64}, "width"),
        (["spare/nothing"], {}, "spare/nothing"),
    ],
    ids=["another task", "unsupported setting", "unknown model"],
)
def test_unsuitable_fallback_is_rejected_before_the_run(
    flow: Flow, fallback: list[str], settings: dict[str, Any], message: str
) -> None:
    """A fallback must support the task and all settings."""
    with pytest.raises(errors.ModelError, match=message):
        flow.generate_image(DAWN, model="fake/image", fallback=fallback, **settings)


@pytest.mark.parametrize("is_same", [True, False], ids=["equivalent", "another"])
def test_fallback_is_another_model_unless_the_catalogue_differs(
    flow: Flow, session: Session, fake: FakeProvider, spare: Spare, *, is_same: bool
) -> None:
    """The row names the serving model, and states that it is another model unless it is a listed equivalent."""
    same = (Equivalent(id="spare/image", source="the vendor's page"),) if is_same else ()
    fake.models = [entry.model_copy(update={"equivalents": same}) for entry in fake.models]
    fake.when(DAWN, BUSY)
    flow.generate_image(DAWN, model="fake/image", fallback=["spare/image"], name="still")
    run = flow.run().wait(PATIENCE_S)
    [status] = run.jobs.values()
    assert (status.served_by, status.is_same_model) == ("spare/image", is_same)
    [row] = run_rows(run)
    assert row.details == ("by spare/image" if is_same else "by spare/image, another model")


def test_equivalents_keyword_expands_to_all_equivalent_models(
    flow: Flow, session: Session, fake: FakeProvider, spare: Spare
) -> None:
    """`fallback=["equivalents"]` is every entry that the catalogue lists as the same model."""
    same = (Equivalent(id="spare/image", source="the vendor's page"), Equivalent(id="gone/image", source="as above"))
    fake.models = [entry.model_copy(update={"equivalents": same}) for entry in fake.models]
    fake.when(DAWN, BUSY)
    flow.generate_image(DAWN, model="fake/image", fallback=["equivalents"], name="still")
    assert counts(flow.run().wait(PATIENCE_S)) == {"succeeded": 1}
    assert len(spare.log()) == 1


def test_equivalents_keyword_without_equivalents_raises(flow: Flow, session: Session) -> None:
    """Similar names do not make models equivalent."""
    with pytest.raises(errors.ModelError, match=r"No equivalent model is known for fake/image\."):
        flow.generate_image(DAWN, model="fake/image", fallback=["equivalents"])


def test_equivalent_requires_a_source() -> None:
    """An unsourced claim is rejected."""
    with pytest.raises(ValidationError, match="source"):
        Equivalent(id="spare/image", source="")


def test_retired_fallback_is_ignored_with_a_warning(
    flow: Flow, session: Session, fake: FakeProvider, spare: Spare
) -> None:
    """The requested model still runs."""
    spare.models = [entry.model_copy(update={"retires_on": dt.date(2020, 1, 1)}) for entry in spare.models]
    with pytest.warns(FutureWarning, match="spare/image ended on 2020-01-01.*no longer used as a fallback"):
        flow.generate_image(DAWN, model="fake/image", fallback=["spare/image"], name="still")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)  # checked above
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


def test_accepted_fallback_is_resumed_by_another_kernel(tmp_path: Path) -> None:
    """After a kill while the fallback works, the next kernel polls it without another submit."""
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[1])}
    shared = Shared(tmp_path)
    first = subprocess.Popen([sys.executable, "-c", KERNEL], cwd=tmp_path, env=environment)
    deadline = time.monotonic() + PATIENCE_S
    while shared.jobs("accepted") < 1:
        assert first.poll() is None, "the kernel ended before it was killed"
        assert time.monotonic() < deadline, "the job was not accepted in time"
        time.sleep(0.005)
    first.kill()
    first.wait()
    shared.let_end()
    second = subprocess.run(
        [sys.executable, "-c", KERNEL], cwd=tmp_path, env=environment, capture_output=True, text=True, check=True
    )
    assert second.stdout.split()[-1] == "succeeded"
    assert len(shared.service.log()) == 1


def test_generate_call_accepts_a_fallback(session: Session, fake: FakeProvider, spare: Spare) -> None:
    """`ff.generate_image(fallback=...)` works as it does for a node."""
    fake.when(DAWN, BUSY)
    image = ff.generate_image(DAWN, model="fake/image", fallback=["spare/image"]).result(PATIENCE_S)
    assert isinstance(image, ff.Image)
    assert len(spare.log()) == 1
