"""Hits and lost bytes: a hit needs digests only, and bytes that are gone are never paid for again in silence."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from support.engine import PATIENCE_S, counts

import fusionflow_nb as ff
from fusionflow_nb import errors
from fusionflow_nb.providers.registry import Registry
from fusionflow_nb.session import Session, use_session
from fusionflow_nb.session import session as session_module

if TYPE_CHECKING:
    from fusionflow_nb.api.flow import Flow
    from fusionflow_nb.testing.fake import FakeProvider


def drawn(flow: Flow, *, edits: int = 1) -> Any:
    """A picture for four cents, and changes of it for two each."""
    still = flow.generate_image("dawn", model="fake/image", seed=1, name="still")
    for at in range(edits):
        flow.edit_image(still, f"change {at}", model="fake/edit", name=f"edit_{at}")
    return still


@pytest.fixture
def lost(flow: Flow, session: Session) -> Any:
    """A flow that has run, and the file of its first picture, whose bytes are gone."""
    drawn(flow)
    asset = flow.run().result(PATIENCE_S)["still"].asset
    path = session.store.path(asset.sha256)
    content = path.read_bytes()
    path.unlink()
    return path, content


def cents(flow: Flow, *targets: Any) -> tuple[int, int]:
    """The low and the high estimate."""
    price = flow.estimate(*targets)
    return price.low_micro_usd // 10_000, price.high_micro_usd // 10_000


def test_what_a_run_would_make_again_is_in_its_price(flow: Flow, fake: FakeProvider, lost: Any) -> None:
    """The node is lost and priced before anything runs; the run pays what was said, and what lies below stays."""
    assert cents(flow) == (0, 0)
    flow.edit_image(flow["still"], "more", model="fake/edit", name="more")
    assert flow.states() == {"still": "lost", "edit_0": "fresh", "more": "pending"}
    assert cents(flow)[1] == 6
    run = flow.run().wait(PATIENCE_S)
    assert counts(run) == {"succeeded": 2, "cached": 1}
    assert run.cost_usd == pytest.approx(0.06)
    assert len(fake.log()) == 4


def test_bytes_that_come_back_are_known_again(flow: Flow, fake: FakeProvider, lost: Any) -> None:
    """As the error says: put the file back, and nothing is paid for it; also where it had been found lost before."""
    path, content = lost
    flow.edit_image(flow["still"], "more", model="fake/edit", name="more")
    assert cents(flow)[1] == 6
    path.write_bytes(content)
    assert cents(flow) == (2, 2)
    assert flow.states()["still"] == "fresh"
    assert flow.run().wait(PATIENCE_S).cost_usd == pytest.approx(0.02)
    assert len(fake.log()) == 3


def test_a_run_that_does_not_need_the_bytes_pays_nothing(flow: Flow, fake: FakeProvider, lost: Any) -> None:
    """Only what would run reads them: a run to what is known, beside something that is not, stays free."""
    flow.edit_image(flow["still"], "more", model="fake/edit", name="more")
    assert flow.states()["still"] == "lost"
    assert cents(flow, "edit_0") == (0, 0)
    assert counts(flow.run("edit_0").wait(PATIENCE_S)) == {"cached": 2}
    assert len(fake.log()) == 2


def test_nobody_pays_for_looking(flow: Flow, fake: FakeProvider, session: Session, lost: Any) -> None:
    """After a restart, in another notebook, in another project: cached; to see the bytes is an error that says why."""
    use_session(None)
    use_session(Session(session.home, Registry([fake])))
    for name in ("Again", "Elsewhere"):
        other = ff.Flow(name)
        drawn(other)
        run = other.run()
        assert counts(run.wait(PATIENCE_S)) == {"cached": 2}
        with pytest.raises(errors.LostAssetError, match="Put the file back"):
            run["still"].bytes()
        assert run["edit_0"].bytes()
    assert len(fake.log()) == 2


def test_what_was_made_again_answers_for_everybody(flow: Flow, fake: FakeProvider, session: Session, lost: Any) -> None:
    """Two kernels miss the same bytes: one pays, the other has them."""
    other = Session(session.home, Registry([fake]))
    try:
        for name, each in (("one", session), ("two", other)):
            session_module._current = each
            again = ff.Flow(name)
            still = drawn(again)
            again.edit_image(still, name, model="fake/edit", name="more")
            assert again.run().wait(PATIENCE_S).status == "succeeded"
    finally:
        session_module._current = session
        other.close()
    assert [entry["prompt"] for entry in fake.log()] == ["dawn", "change 0", "dawn", "one", "two"]
