"""Pick nodes: one cell of a batch, by its label, passed on alone."""

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
    """On two axes a label is both, in the order of the axes; what is below runs once, on that picture, at no cost."""
    chosen = flow.pick_image(stills, label="noon / 7", name="chosen")
    film = flow.generate_video(image=chosen, model="fake/video", duration_s=1, seed=1, name="film")
    run = flow.run().wait()
    [wanted] = [cell.value for cell in run["stills"].cells if [label for _, label in cell.labels] == ["noon", "7"]]
    assert run["chosen"].sha256 == wanted.sha256
    assert run["film"].port_type == "video"
    assert len(fake.log()) == 5
    assert run.jobs["chosen", ()].cost_micro_usd == 0
    [(made_by,)] = tape.sql(
        "SELECT source_generation_id FROM inputs JOIN generations ON id = generation_id WHERE node_id = $id", id="film"
    ).rows()
    assert made_by == run.jobs["stills", (("prompt", "noon"), ("seed", "7"))].generation_id, "lineage sees through it"
    assert film.node_id == "film"
    assert run.jobs["chosen", ()].state == "succeeded"
    assert recorder.order("job-end").index("chosen") < recorder.order("job-end").index("film")


def test_choosing_another_cell_runs_only_what_is_below(flow, stills, fake):
    """Another label is another input for what is below; nothing above is made again."""
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


def test_without_a_label_it_is_the_first_that_is_there(flow, stills, fake):
    """A hole in the first cell does not stop it."""
    fake.when("dawn", Behaviour(end="refused"))
    flow.pick_image(stills, name="chosen")
    run = flow.run().wait()
    assert run["chosen"].sha256 == next(iter(run["stills"])).sha256


@pytest.mark.parametrize(
    ("label", "said"),
    [
        ("dawn / 7", r"'dawn / 7' is a hole \(refused\).*Its labels: noon / 7, noon / 9\."),
        ("dusk / 7", r"no cell 'dusk / 7'.*Its labels: noon / 7, noon / 9\."),
    ],
    ids=["hole", "unknown"],
)
def test_a_label_that_is_not_there_lists_those_that_are(flow, stills, fake, label, said):
    """The sentence names the node, what is wrong with the label, and what may be chosen."""
    fake.when("dawn", Behaviour(end="refused"))
    flow.pick_image(stills, label=label, name="chosen")
    run = flow.run().wait()
    [found] = [error for error in run.errors if error.node_id == "chosen"]
    assert isinstance(found, errors.ParameterError)
    with pytest.raises(errors.ParameterError, match=said):
        raise found


def test_texts_films_and_sounds_are_picked_alike(flow):
    """Each medium has a pick node, whose output is named after it."""
    word = flow.pick_text(flow.prompts(["a", "b"], labels=["x", "y"]), label="y", name="word")
    film = flow.pick_video(flow.generate_video(flow.prompts(["a", "b"]), model="fake/video", duration_s=1), label="b")
    sound = flow.pick_audio(flow.generate_audio(flow.prompts(["a", "b"]), model="fake/audio"), label="a")
    run = flow.run().wait()
    assert run[word] == "b"
    assert (run[film.video].port_type, run[sound.audio].port_type) == ("video", "audio")


def test_one_result_is_a_batch_of_one(flow):
    """Where nothing fans out there is nothing to name: an empty label passes it on, any other says so."""
    still = flow.generate_image("dawn", model="fake/image", name="still")
    flow.pick_image(still, name="same")
    flow.pick_image(still, label="7", name="other")
    run = flow.run("same").wait()
    assert run["same"].sha256 == run["still"].sha256
    with pytest.raises(errors.ParameterError, match="no batch: leave the label empty"):
        flow.run("other")


def test_a_picked_picture_is_saved_once(flow, stills, tmp_path):
    """It is the picture of the node that made it, and has that node's name already."""
    flow.pick_image(stills, name="chosen")
    assert len(flow.run().wait().save(tmp_path / "out")) == 4


def test_lost_bytes_behind_a_pick_are_made_again(flow, stills, session, fake):
    """A pick node has no bytes of its own: what it passes on is made anew where it was made, before it is needed."""
    flow.pick_image(stills, label="noon / 9", name="chosen")
    first = flow.run("chosen").wait()
    session.store.path(first["chosen"].sha256).unlink()
    flow.generate_video(image=flow["chosen"], model="fake/video", duration_s=1, seed=1, name="film")
    run = flow.run("film").wait()
    assert run.status == "succeeded"
    assert len(fake.log()) == 6, "the lost picture and the film"
