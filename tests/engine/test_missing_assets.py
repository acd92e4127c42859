"""Cache hits with missing bytes: a hit needs digests only; missing bytes are never regenerated without an estimate."""

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
    """An image for four cents, and edits of it for two cents each."""
    still = flow.generate_image("dawn", model="fake/image", seed=1, name="still")
    for index in range(edits):
        flow.edit_image(still, f"change {index}", model="fake/edit", name=f"edit_{index}")
    return still


@pytest.fixture
def lost(flow: Flow, session: Session) -> Any:
    """Path and content of the deleted file of the first image, after a run."""
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


def test_estimate_includes_regeneration_of_lost_bytes(flow: Flow, fake: FakeProvider, lost: Any) -> None:
    """The node is shown as lost and priced before the run; the run costs that much, downstream results stay."""
    assert cents(flow) == (0, 0)
    flow.edit_image(flow["still"], "more", model="fake/edit", name="more")
    assert flow.states() == {"still": "lost", "edit_0": "fresh", "more": "pending"}
    assert cents(flow)[1] == 6
    run = flow.run().wait(PATIENCE_S)
    assert counts(run) == {"succeeded": 2, "cached": 1}
    assert run.cost_usd == pytest.approx(0.06)
    assert len(fake.log()) == 4


def test_restored_file_is_not_paid_again(flow: Flow, fake: FakeProvider, lost: Any) -> None:
    """As the error states: put the file back, and the node is fresh, even if it was marked lost before."""
    path, content = lost
    flow.edit_image(flow["still"], "more", model="fake/edit", name="more")
    assert cents(flow)[1] == 6
    path.write_bytes(content)
    assert cents(flow) == (2, 2)
    assert flow.states()["still"] == "fresh"
    assert flow.run().wait(PATIENCE_S).cost_usd == pytest.approx(0.02)
    assert len(fake.log()) == 3


def test_run_that_does_not_need_lost_bytes_costs_nothing(flow: Flow, fake: FakeProvider, lost: Any) -> None:
    """Only jobs that would run read the bytes: a run of cached nodes is free."""
    flow.edit_image(flow["still"], "more", model="fake/edit", name="more")
    assert flow.states()["still"] == "lost"
    assert cents(flow, "edit_0") == (0, 0)
    assert counts(flow.run("edit_0").wait(PATIENCE_S)) == {"cached": 2}
    assert len(fake.log()) == 2


def test_cached_results_with_lost_bytes_cost_nothing(
    flow: Flow, fake: FakeProvider, session: Session, lost: Any
) -> None:
    """After a restart, in another notebook or project: cached; reading the lost bytes raises an error."""
    use_session(None)
    use_session(Session(session.home, Registry([fake])))
    for name in ("Again", "Elsewhere"):
        other = ff.Flow(name)
        drawn(other)
        run = other.run()
        assert counts(run.wait(PATIENCE_S)) == {"cached": 2}
        with pytest.raises(errors.LostAssetError, match="Restore the file"):
            run["still"].bytes()
        assert run["edit_0"].bytes()
    assert len(fake.log()) == 2


def test_regenerated_bytes_are_shared_between_kernels(
    flow: Flow, fake: FakeProvider, session: Session, lost: Any
) -> None:
    """Two kernels miss the same bytes: the first pays, the second reads them."""
    other = Session(session.home, Registry([fake]))
    try:
        for name, current in (("one", session), ("two", other)):
            session_module._current = current
            copy = ff.Flow(name)
            still = drawn(copy)
            copy.edit_image(still, name, model="fake/edit", name="more")
            assert copy.run().wait(PATIENCE_S).status == "succeeded"
    finally:
        session_module._current = session
        other.close()
    assert [entry["prompt"] for entry in fake.log()] == ["dawn", "change 0", "dawn", "one", "two"]
