"""Restoring: how a generation was made, placed again, without making it again."""

from __future__ import annotations

import pytest

import fusionflow_nb as ff
from fusionflow_nb import errors
from fusionflow_nb.api.flow import Flow
from fusionflow_nb.flow import file


def generation_of(run, node_id, coordinate=()):
    return run.jobs[node_id, coordinate].generation_id


@pytest.fixture
def made(flow):
    """A flow that ran: text with a variable -> picture without a seed of its own -> film."""
    flow.set_variable("city", "Oslo")
    prompt = flow.text("{{city}} at dawn", name="prompt")
    still = flow.generate_image(prompt, model="fake/image", name="still")
    flow.generate_video(image=still, model="fake/video", duration_s=1, name="film")
    return flow.run().wait()


@pytest.mark.parametrize("where", ["same", "other"])
def test_it_comes_with_what_is_above_and_is_a_cache_hit(flow, made, fake, where):
    """Ids that are taken are given anew, seeds of the old ids stay: the result is known, one undo takes it away."""
    target = flow if where == "same" else Flow("Other")
    before = file.dumps(target.document)
    submitted = len(fake.log())
    placed = target.restore(generation_of(made, "film"))
    assert len(target.document.nodes) == (6 if where == "same" else 3)
    assert target.states()[placed.node_id] == "fresh"
    run = target.run(placed).wait()
    assert run[placed].sha256 == made["film"].sha256
    assert len(fake.log()) == submitted
    target.undo()
    assert file.dumps(target.document) == before


def test_it_is_how_it_was_not_how_the_flow_is_now(flow, made, fake):
    """Edits, variables and removals since do not matter: the flow of that run is on the tape."""
    wanted = generation_of(made, "still")
    flow.set_variable("city", "Rome {{not}} a variable")
    flow.set("still", seed=99)
    flow.run().wait()
    flow.remove("still")
    submitted = len(fake.log())
    placed = flow.restore(wanted, (1000.0, 500.0))
    assert flow.run(placed).wait()[placed].sha256 == made["still"].sha256
    assert len(fake.log()) == submitted
    assert flow.document.variables["city"] == "Rome {{not}} a variable", "what reads it now is not touched"
    look = flow.document.layout.nodes[placed.node_id]
    assert (look.x, look.y) == (1000.0, 500.0)


def test_one_cell_comes_alone_with_its_inputs_as_files(flow, fake):
    """A cell of a batch is that cell: its values filled in, its picture a file node; the other cells are not placed."""
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


def test_a_bare_call_is_restored_too(flow, fake):
    """Calls of the API have a flow of one node, on the tape like any other."""
    call = ff.generate_image("a cat", model="fake/image", take=2)
    picture = call.result()
    placed = flow.restore(generation_of(call.run, "generate_image"))
    assert flow.document.nodes[placed.node_id].take == 2
    assert flow.run().wait()[placed].sha256 == picture.sha256
    assert len(fake.log()) == 1


def test_local_work_is_restored(flow, made, session):
    """A transform's generation, just logged, comes back with what it was made of."""
    flow.resize(flow["still"], width=32, name="small")
    run = flow.run().wait()
    other = Flow("Other")
    placed = other.restore(generation_of(run, "small"))
    assert other.states()[placed.node_id] == "fresh"
    assert other.run(placed).wait()[placed].sha256 == run["small"].sha256


def test_an_unknown_id_is_said(flow):
    """What is not on this machine's tape cannot be restored, and nothing is placed."""
    with pytest.raises(errors.TapeError, match=r"no generation 0190-never.*generations\.id"):
        flow.restore("0190-never")
    assert not flow.document.nodes


def test_braces_of_a_result_stay_text(flow, fake):
    """A prompt that spoke of braces by escaping them is restored as text, alone or whole."""
    said = flow.prompts([r"\\{{a}}", "b"], labels=["a", "b"], name="said")
    flow.generate_image(said, model="fake/image", seed=1, name="stills")
    run = flow.run().wait()
    placed = Flow("Other").restore(generation_of(run, "stills", (("prompt", "a"),)))
    assert placed.flow.states()[placed.node_id] == "fresh"
