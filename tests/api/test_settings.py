"""Settings of a call: ours, the service's own, and those that a model lacks."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING

import pytest
from support.canvas import open_view
from support.engine import PATIENCE_S

import fusionflow_nb as ff
from fusionflow_nb import errors
from fusionflow_nb.providers.request_mapping import RequestMapping
from fusionflow_nb.testing.fake import FakeProvider

if TYPE_CHECKING:
    from fusionflow_nb.api.flow import Flow
    from fusionflow_nb.session import Session

WIRE = RequestMapping(fields={"count": "num_images", "seed": "seed"}, own_fields=("style",))


@pytest.fixture
def fake() -> FakeProvider:
    """A service whose image model has words of its own, and takes no size."""
    made = FakeProvider()
    made.models = [
        one.model_copy(
            update={
                "wire": WIRE,
                "parameters": {name: one.parameters[name] for name in ("seed", "count")},
            }
        )
        for one in made.models
        if one.id == "fake/image"
    ]
    return made


def test_a_call_takes_fields_of_the_service(session: Session, fake: FakeProvider) -> None:
    """`settings={"provider_field": ...}`: two words for one thing are one submission, and as many results."""
    ours = ff.generate_image("dawn", model="fake/image", seed=1, count=2, style="ink").result(PATIENCE_S)
    theirs = ff.generate_image("dawn", model="fake/image", seed=1, settings={"num_images": 2, "style": "ink"})
    assert [cell.sha256 for cell in theirs.result(PATIENCE_S)] == [cell.sha256 for cell in ours]  # type: ignore[attr-defined]
    assert len(fake.log()) == 1


def test_a_typo_is_an_error_that_lists_what_there_is(session: Session, fake: FakeProvider) -> None:
    """Before anything is sent."""
    with pytest.raises(errors.SettingError, match=r"no setting 'num_image'.*Settings: count, seed.*style.*fields"):
        ff.generate_image("dawn", model="fake/image", num_image=2)
    assert fake.log() == []


def test_the_explicit_spelling_sends_what_nobody_knows(session: Session, fake: FakeProvider) -> None:
    """It is part of the key like every setting."""
    for value in ("a", "b", "a"):
        ff.generate_image("dawn", model="fake/image", settings={"fields": {"beta": value}}).result(PATIENCE_S)
    assert len(fake.log()) == 2


@pytest.mark.filterwarnings("ignore:fake/image ends:FutureWarning")
def test_a_model_that_ends_soon_says_so_on_the_node(flow: Flow, fake: FakeProvider) -> None:
    """Before it is too late; what succeeds it is named."""
    ends = {"retires_on": dt.date(2999, 1, 1), "successor": "fake/other"}
    fake.models = [one.model_copy(update=ends) for one in fake.models]
    flow.generate_image("dawn", model="fake/image", name="still")
    prepared = flow.plan().nodes["still"].prepared
    assert prepared is not None
    assert prepared.warnings == ("fake/image retires on 2999-01-01; use fake/other instead.",)


def test_a_lacking_setting_is_left_out_where_a_person_says_so(flow: Flow, fake: FakeProvider) -> None:
    """`strict=False`: a warning in the cell, and a word on the node; the result is the one without it."""
    with pytest.raises(errors.SettingError, match="no setting 'width'"):
        flow.generate_image("dawn", model="fake/image", width=64, name="still")
    with pytest.warns(UserWarning, match=r"no setting 'width'.*is ignored"):
        flow.generate_image("dawn", model="fake/image", width=64, strict=False, name="still")
    with pytest.warns(UserWarning, match="left out"):
        view = open_view(flow)
    try:
        told = view.plan(rev=flow.history.rev)["still"]
    finally:
        assert view.controller is not None
        view.close()
    assert told["warnings"] == ["width is ignored: fake/image has no such setting."]
