"""Settings of a call: common settings, native settings, and unsupported settings."""

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
    """A provider whose image model has native settings and no size."""
    provider = FakeProvider()
    provider.models = [
        entry.model_copy(
            update={
                "wire": WIRE,
                "parameters": {name: entry.parameters[name] for name in ("seed", "count")},
            }
        )
        for entry in provider.models
        if entry.id == "fake/image"
    ]
    return provider


def test_a_call_accepts_native_fields(session: Session, fake: FakeProvider) -> None:
    """A native field and its common setting have the same key: one submission."""
    ours = ff.generate_image("dawn", model="fake/image", seed=1, count=2, style="ink").result(PATIENCE_S)
    theirs = ff.generate_image("dawn", model="fake/image", seed=1, settings={"num_images": 2, "style": "ink"})
    assert [cell.sha256 for cell in theirs.result(PATIENCE_S)] == [cell.sha256 for cell in ours]  # type: ignore[attr-defined]
    assert len(fake.log()) == 1


def test_an_unknown_setting_lists_the_settings(session: Session, fake: FakeProvider) -> None:
    """The error is raised before anything is sent."""
    with pytest.raises(errors.SettingError, match=r"no setting 'num_image'.*Settings: count, seed.*style.*fields"):
        ff.generate_image("dawn", model="fake/image", num_image=2)
    assert fake.log() == []


def test_the_fields_setting_sends_unlisted_fields(session: Session, fake: FakeProvider) -> None:
    """The value is part of the content key."""
    for value in ("a", "b", "a"):
        ff.generate_image("dawn", model="fake/image", settings={"fields": {"beta": value}}).result(PATIENCE_S)
    assert len(fake.log()) == 2


@pytest.mark.filterwarnings("ignore:fake/image ends:FutureWarning")
def test_a_node_warns_that_its_model_is_retired_soon(flow: Flow, fake: FakeProvider) -> None:
    """The warning names the date and the successor."""
    ends = {"retires_on": dt.date(2999, 1, 1), "successor": "fake/other"}
    fake.models = [entry.model_copy(update=ends) for entry in fake.models]
    flow.generate_image("dawn", model="fake/image", name="still")
    prepared = flow.plan().nodes["still"].prepared
    assert prepared is not None
    assert prepared.warnings == ("fake/image retires on 2999-01-01; use fake/other instead.",)


def test_strict_false_drops_unsupported_settings(flow: Flow, fake: FakeProvider) -> None:
    """`strict=False` warns in the cell and on the node, and runs without the setting."""
    with pytest.raises(errors.SettingError, match="no setting 'width'"):
        flow.generate_image("dawn", model="fake/image", width=64, name="still")
    with pytest.warns(UserWarning, match=r"no setting 'width'.*is ignored"):
        flow.generate_image("dawn", model="fake/image", width=64, strict=False, name="still")
    with pytest.warns(UserWarning, match="is ignored"):
        view = open_view(flow)
    try:
        node = view.plan(rev=flow.history.rev)["still"]
    finally:
        assert view.controller is not None
        view.close()
    assert node["warnings"] == ["width is ignored: fake/image has no such setting."]
