"""Locked nodes: they keep one result, whatever their settings and what is above them say."""

from __future__ import annotations

import pytest
from support.engine import state_of

from fusionflow_nb import errors
from fusionflow_nb.flow import edits, file


@pytest.fixture
def drawn(flow):
    """A prompt -> a picture -> a film."""
    prompt = flow.text("dawn", name="prompt")
    still = flow.generate_image(prompt, model="fake/image", seed=1, name="still")
    flow.generate_video(image=still, model="fake/video", duration_s=1, seed=1, name="film")
    return flow


def test_a_locked_node_shows_its_result_whatever_changes(drawn, fake):
    """Settings and inputs of a locked node may change: it stays fresh with the same outputs, nothing is submitted."""
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


def test_what_is_below_takes_a_kept_result_by_its_bytes(drawn, fake):
    """A film below a locked picture is made from exactly that picture, though the picture's settings changed before."""
    kept = drawn.run("still").wait().jobs["still", ()].generation_id
    drawn.set("still", seed=2)
    other = drawn.run("still").wait()
    drawn.lock("still", kept)
    run = drawn.run("film").wait()
    assert run["still"].sha256 != other["still"].sha256
    assert len(fake.log()) == 3
    assert "prompt" not in run.node_states(), "nothing above a kept result is needed"


def test_unlocking_follows_the_settings_again(drawn):
    """Unlock, or undo of the lock: the node is what its settings say, and stale where they changed."""
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


def test_a_locked_node_needs_no_valid_settings(drawn):
    """A model or an edge that would not do any more is no matter while the result is kept."""
    drawn.run().wait()
    drawn.lock("still")
    drawn.history.do([edits.SetParam(node_id="still", name="model", value="fake/never")], origin="test")
    drawn.connect("prompt", "still", "seed", as_is=True)
    assert drawn.states()["still"] == "fresh"
    assert drawn.states()["film"] == "fresh"


def test_a_generation_of_another_machine_is_an_error_with_the_next_step(drawn, fake):
    """A flow may travel without its tape: the node says so, nothing is started, nothing is made in its place."""
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


def test_kept_bytes_that_are_gone_are_never_made_anew(drawn, session, fake):
    """Lost bytes of a kept result stop the run that needs them: another picture would not be the kept one."""
    run = drawn.run("still").wait()
    drawn.lock("still")
    session.store.path(run["still"].sha256).unlink()
    with pytest.raises(errors.LostAssetError, match="bytes of the locked result are missing"):
        drawn.run("film")
    assert len(fake.log()) == 1


@pytest.mark.parametrize("which", ["failed", "cell", "other"])
def test_what_cannot_be_kept_says_why(flow, fake, which):
    """A generation without a result, one cell of a batch, or of another medium: the node is invalid and says why."""
    from fusionflow_nb.testing.fake import Behaviour

    flow.generate_image("dusk", model="fake/image", name="still")
    if which == "failed":
        fake.enqueue(Behaviour(end="refused"))
        flow.run().wait()
        [(found,)] = rows_of(flow)
        said = "has no result \\(refused\\)"
    elif which == "cell":
        flow.generate_image(flow.prompts(["a", "b"]), model="fake/image", name="cells")
        run = flow.run("cells").wait()
        found = run.jobs["cells", (("prompt", "b"),)].generation_id
        said = "one cell of a batch \\(prompt b\\)"
    else:
        flow.generate_video("dusk", model="fake/video", duration_s=1, name="film")
        found = flow.run("film").wait().jobs["film", ()].generation_id
        said = "a result of generate_video, whose outputs are video, not image"
    flow.lock("still", found)
    problem = flow.plan().nodes["still"].problem
    assert isinstance(problem, errors.EditError)
    assert problem.node_id == "still"
    with pytest.raises(errors.EditError, match=said):
        flow.run("still")


def rows_of(flow):
    from fusionflow_nb import tape

    return tape.sql("SELECT id FROM generations WHERE project_id = $id", id=flow.id).rows()


def test_only_a_node_with_one_result_can_be_locked(flow):
    """Locking what it shows now is refused for a batch, and where nothing is shown."""
    cells = flow.generate_image(flow.prompts(["a", "b"]), model="fake/image", name="cells")
    one = flow.generate_image("c", model="fake/image", name="one")
    with pytest.raises(errors.EditError, match="no result to lock"):
        flow.lock(one)
    flow.run().wait()
    with pytest.raises(errors.EditError, match="2 cells"):
        flow.lock(cells)


def test_a_kept_result_of_several_pictures_stays_a_batch(flow, fake):
    """One call's variants are one result: what is below runs for each of them, with the settings changed since."""
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


def test_a_lock_holds_where_a_batch_comes_in_above(drawn):
    """A list put above a locked node later makes no cells of it: it keeps its one result."""
    drawn.run().wait()
    drawn.lock("still")
    many = drawn.prompts(["a", "b"], name="many")
    drawn.history.do(
        [edits.RemoveEdge(edge=edge) for edge in drawn.document.edges if edge.target == "still"], origin="test"
    )
    drawn.connect(many, "still", "prompt")
    assert drawn.states()["film"] == "fresh"
    assert len(drawn.run().wait().jobs) == 4


def test_a_lock_survives_file_and_kernel(drawn, session, fake):
    """The lock is in the file, the result on the tape: a fresh session shows it without a submission."""
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
    again = Flow.from_document(file.loads(text))
    assert set(again.states().values()) == {"fresh"}


def test_a_failed_neighbour_does_not_stir_a_locked_node(drawn, fake):
    """A node above that failed is tried again alone: what is kept below it stays as it is."""
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
