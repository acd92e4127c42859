"""Pick nodes: select one cell of a batch by its label."""

from __future__ import annotations

import pytest

from fusionflow_nb import errors, tape
from fusionflow_nb.testing.fake import Behaviour


@pytest.fixture
def stills(flow):
    """Two prompts times two seeds."""
    prompts = flow.prompts(["dawn", "noon"], name="prompts")
    return flow.generate_image(prompts, model="fake/image", seed=flow.seeds([7, 9], name="seeds"), name="stills")


def test_a_picture_is_picked_by_its_labels(flow, stills, fake, recorder):
    """Two axes give two labels in order; downstream nodes run once, and the pick costs nothing."""
    chosen = flow.pick_image(stills, label="noon / 7", name="chosen")
    film = flow.generate_video(image=chosen, model="fake/video", duration_s=1, seed=1, name="film")
    run = flow.run().wait()
    [expected] = [cell.value for cell in run["stills"].cells if [label for _, label in cell.labels] == ["noon", "7"]]
    assert run["chosen"].sha256 == expected.sha256
    assert run["film"].port_type == "video"
    assert len(fake.log()) == 5
    assert run.jobs["chosen", ()].cost_micro_usd == 0
    [(source_id,)] = tape.sql(
        "SELECT source_generation_id FROM inputs JOIN generations ON id = generation_id WHERE node_id = $id", id="film"
    ).rows()
    assert source_id == run.jobs["stills", (("prompt", "noon"), ("seed", "7"))].generation_id, (
        "the lineage skips the pick node"
    )
    assert film.node_id == "film"
    assert run.jobs["chosen", ()].state == "succeeded"
    assert recorder.order("job-end").index("chosen") < recorder.order("job-end").index("film")


def test_picking_another_cell_runs_only_downstream_nodes(flow, stills, fake):
    """Another label changes the input downstream; nothing upstream runs again."""
    flow.pick_image(stills, label="dawn / 9", name="chosen")
    flow.generate_video(image=flow["chosen"], model="fake/video", duration_s=1, seed=1, name="film")
    flow.run().wait()
    submitted = len(fake.log())
    flow.set("chosen", label="noon / 9")
    assert flow.states()["film"] == "stale"
    flow.run().wait()
    assert len(fake.log()) == submitted + 1
    flow.set("chosen", label="dawn / 9")
    assert flow.states()["film"] == "fresh"


def test_without_a_label_the_first_available_cell_is_picked(flow, stills, fake):
    """A missing first cell is skipped."""
    fake.when("dawn", Behaviour(end="refused"))
    flow.pick_image(stills, name="chosen")
    run = flow.run().wait()
    assert run["chosen"].sha256 == next(iter(run["stills"])).sha256


@pytest.mark.parametrize(
    ("label", "message"),
    [
        ("dawn / 7", r"'dawn / 7' has no result \(refused\).*Its labels: noon / 7, noon / 9\."),
        ("dusk / 7", r"no cell 'dusk / 7'.*Its labels: noon / 7, noon / 9\."),
    ],
    ids=["missing", "unknown"],
)
def test_an_invalid_label_lists_the_valid_labels(flow, stills, fake, label, message):
    """The error names the node and the reason."""
    fake.when("dawn", Behaviour(end="refused"))
    flow.pick_image(stills, label=label, name="chosen")
    run = flow.run().wait()
    [error] = [error for error in run.errors if error.node_id == "chosen"]
    assert isinstance(error, errors.ParameterError)
    with pytest.raises(errors.ParameterError, match=message):
        raise error


def test_texts_videos_and_sounds_can_be_picked(flow):
    """Each medium has a pick node with an output of the same name."""
    word = flow.pick_text(flow.prompts(["a", "b"], labels=["x", "y"]), label="y", name="word")
    film = flow.pick_video(flow.generate_video(flow.prompts(["a", "b"]), model="fake/video", duration_s=1), label="b")
    sound = flow.pick_audio(flow.generate_audio(flow.prompts(["a", "b"]), model="fake/audio"), label="a")
    run = flow.run().wait()
    assert run[word] == "b"
    assert (run[film.video].port_type, run[sound.audio].port_type) == ("video", "audio")


def test_a_single_result_is_picked_without_a_label(flow):
    """Any label is an error if the input is not a batch."""
    still = flow.generate_image("dawn", model="fake/image", name="still")
    flow.pick_image(still, name="same")
    flow.pick_image(still, label="7", name="other")
    run = flow.run("same").wait()
    assert run["same"].sha256 == run["still"].sha256
    with pytest.raises(errors.ParameterError, match="not a batch: leave the label empty"):
        flow.run("other")


def test_a_picked_picture_is_saved_once(flow, stills, tmp_path):
    """It is saved under the name of the node that generated it."""
    flow.pick_image(stills, name="chosen")
    assert len(flow.run().wait().save(tmp_path / "out")) == 4


def test_lost_bytes_of_a_picked_cell_are_generated_again(flow, stills, session, fake):
    """The node that generated the picture runs again before the bytes are needed."""
    flow.pick_image(stills, label="noon / 9", name="chosen")
    first = flow.run("chosen").wait()
    session.store.path(first["chosen"].sha256).unlink()
    flow.generate_video(image=flow["chosen"], model="fake/video", duration_s=1, seed=1, name="film")
    run = flow.run("film").wait()
    assert run.status == "succeeded"
    assert len(fake.log()) == 6, "the lost picture and the film"
