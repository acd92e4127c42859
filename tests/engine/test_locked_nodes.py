"""Locked nodes keep one result, whatever their settings and inputs are."""

from __future__ import annotations

import pytest
from support.engine import state_of

from fusionflow_nb import errors
from fusionflow_nb.flow import edits, file


@pytest.fixture
def drawn(flow):
    """Prompt -> image -> video."""
    prompt = flow.text("dawn", name="prompt")
    still = flow.generate_image(prompt, model="fake/image", seed=1, name="still")
    flow.generate_video(image=still, model="fake/video", duration_s=1, seed=1, name="film")
    return flow


def test_locked_node_keeps_its_result_when_settings_change(drawn, fake):
    """After changes of its settings and inputs it stays fresh with the same outputs, and nothing is submitted."""
    first = drawn.run().wait()
    drawn.lock("still")
    drawn.set("prompt", text="noon")
    drawn.set("still", seed=9)
    assert drawn.states() == {"prompt": "fresh", "still": "fresh", "film": "fresh"}
    assert drawn.estimate().high_micro_usd == 0
    submitted = len(fake.log())
    second = drawn.run().wait()
    assert len(fake.log()) == submitted
    assert second["still"].sha256 == first["still"].sha256
    assert second["film"].sha256 == first["film"].sha256
    assert second.jobs["still", ()].generation_id == first.jobs["still", ()].generation_id


def test_downstream_nodes_use_the_locked_generation(drawn, fake):
    """A video downstream of a locked image uses that generation, not the result of the current settings."""
    locked = drawn.run("still").wait().jobs["still", ()].generation_id
    drawn.set("still", seed=2)
    other = drawn.run("still").wait()
    drawn.lock("still", locked)
    run = drawn.run("film").wait()
    assert run["still"].sha256 != other["still"].sha256
    assert len(fake.log()) == 3
    assert "prompt" not in run.node_states(), "nothing upstream of a locked node is needed"


def test_unlock_makes_a_changed_node_stale(drawn):
    """After unlock, or undo of the lock, the settings decide the state again."""
    drawn.run().wait()
    drawn.lock("still")
    drawn.set("prompt", text="noon")
    drawn.unlock("still")
    assert drawn.states() == {"prompt": "fresh", "still": "stale", "film": "pending"}
    drawn.undo()
    assert drawn.states()["film"] == "fresh"
    drawn.undo()
    drawn.undo()
    assert drawn.document.nodes["still"].locked is None
    assert set(drawn.states().values()) == {"fresh"}


def test_locked_node_ignores_invalid_settings_and_edges(drawn):
    """An invalid model or edge does not matter while the node is locked."""
    drawn.run().wait()
    drawn.lock("still")
    drawn.history.do([edits.SetParam(node_id="still", name="model", value="fake/never")], origin="test")
    drawn.connect("prompt", "still", "seed", as_is=True)
    assert drawn.states()["still"] == "fresh"
    assert drawn.states()["film"] == "fresh"


def test_lock_to_a_generation_missing_from_the_tape_raises(drawn, fake):
    """The error names the next step; nothing is started and nothing is generated instead."""
    drawn.run().wait()
    submitted = len(fake.log())
    drawn.lock("still", "0190-not-here")
    drawn.set("film", seed=5)
    assert drawn.states()["still"] == "invalid"
    with pytest.raises(errors.LostAssetError, match=r"0190-not-here.*not on this machine.*Unlock") as caught:
        drawn.run("film")
    assert caught.value.node_id == "still"
    assert len(fake.log()) == submitted
    drawn.unlock("still")
    assert drawn.run().wait().status == "succeeded"


def test_lost_bytes_of_a_locked_result_are_not_regenerated(drawn, session, fake):
    """A run that needs the bytes raises: a new image would differ from the locked result."""
    run = drawn.run("still").wait()
    drawn.lock("still")
    session.store.path(run["still"].sha256).unlink()
    with pytest.raises(errors.LostAssetError, match="bytes of the locked result are missing"):
        drawn.run("film")
    assert len(fake.log()) == 1


@pytest.mark.parametrize("which", ["failed", "cell", "other"])
def test_lock_to_an_unsuitable_generation_makes_node_invalid(flow, fake, which):
    """A failed generation, one cell of a batch, or another media type: the error gives the reason."""
    from fusionflow_nb.testing.fake import Behaviour

    flow.generate_image("dusk", model="fake/image", name="still")
    if which == "failed":
        fake.enqueue(Behaviour(end="refused"))
        flow.run().wait()
        [(generation_id,)] = rows_of(flow)
        message = "has no result \\(refused\\)"
    elif which == "cell":
        flow.generate_image(flow.prompts(["a", "b"]), model="fake/image", name="cells")
        run = flow.run("cells").wait()
        generation_id = run.jobs["cells", (("prompt", "b"),)].generation_id
        message = "one cell of a batch \\(prompt b\\)"
    else:
        flow.generate_video("dusk", model="fake/video", duration_s=1, name="film")
        generation_id = flow.run("film").wait().jobs["film", ()].generation_id
        message = "a result of generate_video, whose outputs are video, not image"
    flow.lock("still", generation_id)
    problem = flow.plan().nodes["still"].problem
    assert isinstance(problem, errors.EditError)
    assert problem.node_id == "still"
    with pytest.raises(errors.EditError, match=message):
        flow.run("still")


def rows_of(flow):
    from fusionflow_nb import tape

    return tape.sql("SELECT id FROM generations WHERE project_id = $id", id=flow.id).rows()


def test_lock_requires_exactly_one_result(flow):
    """A batch, or a node without a result, raises."""
    cells = flow.generate_image(flow.prompts(["a", "b"]), model="fake/image", name="cells")
    empty = flow.generate_image("c", model="fake/image", name="empty")
    with pytest.raises(errors.EditError, match="no result to lock"):
        flow.lock(empty)
    flow.run().wait()
    with pytest.raises(errors.EditError, match="2 cells"):
        flow.lock(cells)


def test_locked_result_with_variants_stays_a_batch(flow, fake):
    """The variants of one call are one result: downstream nodes run for each variant, although `count` changed."""
    several = flow.generate_image("dawn", model="fake/image", count=3, name="several")
    flow.generate_video(image=several, model="fake/video", duration_s=1, seed=1, name="large")
    first = flow.run().wait()
    assert len(first["large"]) == 3
    flow.lock(several)
    flow.set(several, count=1)
    assert flow.states() == {"several": "fresh", "large": "fresh"}
    submitted = len(fake.log())
    second = flow.run().wait()
    assert [cell.labels for cell in second["large"].cells] == [cell.labels for cell in first["large"].cells]
    assert len(fake.log()) == submitted


def test_batch_upstream_of_a_locked_node_makes_no_cells(drawn):
    """A list connected later does not split a locked node: it keeps its one result."""
    drawn.run().wait()
    drawn.lock("still")
    many = drawn.prompts(["a", "b"], name="many")
    drawn.history.do(
        [edits.RemoveEdge(edge=edge) for edge in drawn.document.edges if edge.target == "still"], origin="test"
    )
    drawn.connect(many, "still", "prompt")
    assert drawn.states()["film"] == "fresh"
    assert len(drawn.run().wait().jobs) == 4


def test_lock_survives_save_and_restart(drawn, session, fake):
    """The file holds the lock and the tape the result: a new session shows it without a submit."""
    from pathlib import Path

    from fusionflow_nb.api.flow import Flow
    from fusionflow_nb.providers.registry import Registry
    from fusionflow_nb.session import Session, use_session

    drawn.run().wait()
    drawn.lock("still")
    drawn.set("prompt", text="noon")
    text = file.dumps(drawn.document)
    use_session(None)
    use_session(Session(Path(session.home), Registry([fake])))
    reopened = Flow.from_document(file.loads(text))
    assert set(reopened.states().values()) == {"fresh"}


def test_failed_upstream_node_does_not_affect_a_locked_node(drawn, fake):
    """Only the failed node runs again; the locked node downstream stays as it is."""
    from fusionflow_nb.testing.fake import Behaviour

    drawn.run().wait()
    drawn.lock("film")
    drawn.set("still", seed=4)
    fake.enqueue(Behaviour(end="refused"))
    assert drawn.run().wait().status == "failed"
    assert drawn.states()["film"] == "fresh"
    run = drawn.run().wait()
    assert run.status == "succeeded"
    assert state_of(run, "film") == "cached"
