"""`flow.restore` places the nodes that generated a result, without generating it again."""

from __future__ import annotations

import pytest

import fusionflow_nb as ff
from fusionflow_nb import errors
from fusionflow_nb.api.flow import Flow
from fusionflow_nb.flow import file


def generation_of(run, node_id, coordinate=()):
    return run.jobs[node_id, coordinate].generation_id


@pytest.fixture
def finished(flow):
    """A finished run: text with a variable -> picture with a derived seed -> video."""
    flow.set_variable("city", "Oslo")
    prompt = flow.text("{{city}} at dawn", name="prompt")
    still = flow.generate_image(prompt, model="fake/image", name="still")
    flow.generate_video(image=still, model="fake/video", duration_s=1, name="film")
    return flow.run().wait()


@pytest.mark.parametrize("where", ["same", "other"])
def test_restore_places_the_ancestors_and_hits_the_cache(flow, finished, fake, where):
    """Ids in use are replaced, derived seeds stay: the result is cached, and one undo removes the nodes."""
    target = flow if where == "same" else Flow("Other")
    before = file.dumps(target.document)
    submitted = len(fake.log())
    placed = target.restore(generation_of(finished, "film"))
    assert len(target.document.nodes) == (6 if where == "same" else 3)
    assert target.states()[placed.node_id] == "fresh"
    run = target.run(placed).wait()
    assert run[placed].sha256 == finished["film"].sha256
    assert len(fake.log()) == submitted
    target.undo()
    assert file.dumps(target.document) == before


def test_restore_uses_the_flow_that_ran(flow, finished, fake):
    """Later edits do not matter, because the flow of the run is on the tape."""
    generation_id = generation_of(finished, "still")
    flow.set_variable("city", "Rome {{not}} a variable")
    flow.set("still", seed=99)
    flow.run().wait()
    flow.remove("still")
    submitted = len(fake.log())
    placed = flow.restore(generation_id, (1000.0, 500.0))
    assert flow.run(placed).wait()[placed].sha256 == finished["still"].sha256
    assert len(fake.log()) == submitted
    assert flow.document.variables["city"] == "Rome {{not}} a variable", "nodes of the flow keep their variable"
    layout = flow.document.layout.nodes[placed.node_id]
    assert (layout.x, layout.y) == (1000.0, 500.0)


def test_a_cell_is_restored_with_its_inputs_as_files(flow, fake):
    """A cell of a batch is restored alone: variables substituted, media inputs as file nodes."""
    stills = flow.generate_image(flow.prompts(["dawn", "noon"]), model="fake/image", seed=3, name="stills")
    flow.generate_video(image=stills, model="fake/video", duration_s=1, seed=1, name="films")
    run = flow.run().wait()
    other = Flow("Other")
    submitted = len(fake.log())
    placed = other.restore(generation_of(run, "films", (("prompt", "noon"),)))
    assert {node.type for node in other.document.nodes.values()} == {"load_image", "generate_video"}
    still = other.restore(generation_of(run, "stills", (("prompt", "noon"),)))
    assert other.document.nodes[still.node_id].params["prompt"] == "noon"
    assert set(other.states().values()) == {"fresh"}
    again = other.run(placed, still).wait()
    assert again[placed].sha256 == run["films"].cells[1].value.sha256
    assert len(fake.log()) == submitted


def test_a_single_call_is_restored(flow, fake):
    """Single calls have a flow of one node on the tape."""
    call = ff.generate_image("a cat", model="fake/image", take=2)
    picture = call.result()
    placed = flow.restore(generation_of(call.run, "generate_image"))
    assert flow.document.nodes[placed.node_id].take == 2
    assert flow.run().wait()[placed].sha256 == picture.sha256
    assert len(fake.log()) == 1


def test_a_local_node_is_restored(flow, finished, session):
    """A generation of a transform is restored with its inputs."""
    flow.resize(flow["still"], width=32, name="small")
    run = flow.run().wait()
    other = Flow("Other")
    placed = other.restore(generation_of(run, "small"))
    assert other.states()[placed.node_id] == "fresh"
    assert other.run(placed).wait()[placed].sha256 == run["small"].sha256


def test_an_unknown_generation_raises(flow):
    """An id that is not on the tape raises, and nothing is placed."""
    with pytest.raises(errors.TapeError, match=r"no generation 0190-never.*generations\.id"):
        flow.restore("0190-never")
    assert not flow.document.nodes


def test_braces_of_a_result_stay_text(flow, fake):
    """A prompt with escaped braces is restored as text."""
    prompts = flow.prompts([r"\\{{a}}", "b"], labels=["a", "b"], name="prompts")
    flow.generate_image(prompts, model="fake/image", seed=1, name="stills")
    run = flow.run().wait()
    placed = Flow("Other").restore(generation_of(run, "stills", (("prompt", "a"),)))
    assert placed.flow.states()[placed.node_id] == "fresh"
