"""`ff.generate_image` and the other tasks use the same journal, cache and tape as a flow."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from support.engine import PATIENCE_S

import fusionflow_nb as ff
from fusionflow_nb import errors
from fusionflow_nb.testing.fake import Behaviour

if TYPE_CHECKING:
    from pathlib import Path

    from fusionflow_nb.session import Session
    from fusionflow_nb.testing.fake import FakeProvider


@pytest.mark.usefixtures("session")
def test_the_same_call_twice_is_one_submission(fake: FakeProvider) -> None:
    """A missing seed is derived, so the same call is cached; a take or ff.random requests another result."""
    first = ff.generate_image("dawn", model="fake/image").result(PATIENCE_S)
    assert ff.generate_image("dawn", model="fake/image").result(PATIENCE_S).asset == first.asset
    assert len(fake.log()) == 1
    assert ff.generate_image("dawn", model="fake/image", take=1).result(PATIENCE_S).asset != first.asset
    ff.generate_image("dawn", model="fake/image", seed=ff.random).result(PATIENCE_S)
    ff.generate_image("dusk", model="fake/image").result(PATIENCE_S)
    assert len(fake.log()) == 4


@pytest.mark.usefixtures("session")
def test_each_task_returns_its_media_type(fake: FakeProvider, tmp_path: Path) -> None:
    """Tasks return media handles, and accept files or handles."""
    still = ff.generate_image("dawn", model="fake/image", width=64, height=64).result(PATIENCE_S)
    still.save(tmp_path / "still.png")
    results = [
        ff.edit_image(still, "brighter", model="fake/edit").result(PATIENCE_S),
        ff.upscale(tmp_path / "still.png", model="fake/edit").result(PATIENCE_S),
        ff.remove_background(still, model="fake/cutout").result(PATIENCE_S),
        ff.generate_video("move", model="fake/video", image=still, duration_s=2).result(PATIENCE_S),
        ff.generate_video("move", model="fake/video").result(PATIENCE_S),
        ff.generate_audio("rain", model="fake/audio").result(PATIENCE_S),
    ]
    assert [type(result).__name__ for result in results] == ["Image", "Image", "Image", "Video", "Video", "Audio"]
    assert len(fake.log()) == 7


@pytest.mark.usefixtures("session", "fake")
async def test_a_call_can_be_awaited() -> None:
    """`await ff.generate_image(...)` returns the picture."""
    assert (await ff.generate_image("dawn", model="fake/image")).width == 32


@pytest.mark.usefixtures("session")
def test_a_failed_call_raises_its_own_error(fake: FakeProvider) -> None:
    """The error of the job is raised, not a RunFailedError."""
    fake.enqueue(Behaviour(end="refused"))
    with pytest.raises(errors.RefusedError, match="refuses this prompt"):
        ff.generate_image("dawn", model="fake/image").result(PATIENCE_S)


@pytest.mark.usefixtures("session")
def test_a_cancelled_call_raises(fake: FakeProvider) -> None:
    """The call is cancelled at the service, and waiting for it raises an error."""
    fake.enqueue(Behaviour(end="never"))
    call = ff.generate_image("dawn", model="fake/image")
    call.cancel()
    with pytest.raises(errors.RunFailedError, match="cancelled"):
        call.result(PATIENCE_S)
    assert len(fake.cancelled) == len(fake.log())


@pytest.mark.usefixtures("session")
def test_an_unknown_model_lists_similar_names(fake: FakeProvider) -> None:
    """The error lists similar model names, and nothing is sent."""
    with pytest.raises(errors.UnknownModelError, match="fake-image"):
        ff.generate_image("dawn", model="fake-imag")
    assert fake.log() == []


@pytest.mark.usefixtures("session")
def test_an_unsupported_setting_is_refused(fake: FakeProvider) -> None:
    """Unknown settings and values out of range raise before anything is sent."""
    with pytest.raises(errors.FusionFlowError, match="sharpness"):
        ff.generate_image("dawn", model="fake/image", sharpness=3).result(PATIENCE_S)
    with pytest.raises(errors.FusionFlowError, match="width"):
        ff.generate_image("dawn", model="fake/image", width=1).result(PATIENCE_S)
    assert fake.log() == []


@pytest.mark.usefixtures("fake")
def test_calls_are_on_the_tape(session: Session) -> None:
    """Single calls belong to the project `scratch`, with their cost."""
    call = ff.generate_image("dawn", model="fake/image", seed=7)
    call.result(PATIENCE_S)
    rows = ff.tape.sql("select project_id, model, prompt_snapshot, seed, cost_computation from generations").rows()
    assert [(*row[:4], float(row[4])) for row in rows] == [("scratch", "fake/image", "dawn", 7, 0.04)]
    assert call.run.cost_usd == pytest.approx(0.04)
    assert session.engine.records == []


@pytest.mark.usefixtures("session", "fake")
def test_several_outputs_are_a_batch() -> None:
    """`count=4` is one submission and one generation, and returns a batch with the axis `variant`."""
    pictures = ff.generate_image("dawn", model="fake/image", count=4).result(PATIENCE_S)
    assert [dict(cell.labels) for cell in pictures.cells] == [{"variant": str(number)} for number in range(1, 5)]
    assert ff.tape.sql("select count(*) from generations").rows()[0][0] == 1
