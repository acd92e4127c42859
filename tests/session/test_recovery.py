"""A fresh kernel takes up what dead ones began, says so, and sends nothing."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from jupyter_client.manager import KernelManager
from kernels.test_cells import Kernel, is_update
from support.canvas import talk
from support.dead_kernel import LONG, Shared
from support.engine import PATIENCE_S

import fusionflow_nb as ff
from fusionflow_nb.session import Session, current_session, use_session
from fusionflow_nb.settings.environment import HOME_VARIABLE, RESUME_VARIABLE
from fusionflow_nb.testing.fake import FOLDER_VARIABLE


@pytest.fixture
def shared(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Shared:
    """What a dead kernel left, in the home that this one will open."""
    made = Shared(tmp_path)
    monkeypatch.setenv(HOME_VARIABLE, str(made.home))
    monkeypatch.setenv(FOLDER_VARIABLE, str(made.folder))
    return made


def resumed() -> list[str]:
    """Begin a session as any first call does, wait until what it took up has ended, and give the lines it said."""
    living = current_session()
    living.homecomings.wait(PATIENCE_S)
    return living.notices.said


def test_a_fresh_kernel_brings_accepted_work_home_by_itself(shared: Shared) -> None:
    """At session start: polled and fetched only, told with flow and notebook, and on the tape with its cost."""
    shared.behave(dawn={"polls": LONG}, dusk={"polls": LONG})
    shared.die("City", "dawn", "dusk", notebook="film.ipynb")
    sent = shared.service.log()
    shared.let_end()
    first, last = resumed()
    assert first == "Resuming 2 calls of “City” (film.ipynb): asked for and fetched, nothing is sent again."
    assert last == "Resumed 2 calls of “City” (film.ipynb): 2 came home ($0.08)."
    assert shared.service.log() == sent
    rows = ff.tape.sql("select node_id, status, cost_computation::double from generations order by 1").rows()
    assert rows == [("dawn", "succeeded", 0.04), ("dusk", "succeeded", 0.04)]
    flow = ff.Flow("City", id="city")
    flow.generate_image("dawn", model="fake/image", name="dawn", seed=1)
    assert flow.states() == {"dawn": "fresh"}


def test_several_notebooks_are_named(shared: Shared) -> None:
    """Whose work it was is said of each flow and notebook."""
    shared.behave(dawn={"polls": LONG}, dusk={"polls": LONG})
    shared.die("City", "dawn", notebook="film.ipynb")
    # The second kernel must not resume the first one's work while it lives.
    os.environ[RESUME_VARIABLE] = "ask"
    try:
        shared.die("Sea", "dusk", notebook="sea.ipynb", state="accepted")
    finally:
        del os.environ[RESUME_VARIABLE]
    shared.let_end()
    assert "“City” (film.ipynb), “Sea” (sea.ipynb)" in resumed()[0]


def test_work_without_an_operation_is_unknown_and_said_with_its_stake(shared: Shared) -> None:
    """An answer that never came: not sent again, not counted as lost, named with what is at stake."""
    shared.behave(dawn={"polls": LONG})
    shared.die("City", "dawn", state="accepted")
    living = Session(shared.home)
    living.call(
        living.journal._write(
            lambda cursor: cursor.execute("UPDATE jobs SET state = 'intent', operation = NULL").rowcount
        )
    )
    living.close()
    last = resumed()[-1]
    assert "1 may or may not have been taken ($0.04 at stake" in last
    assert len(shared.service.log()) == 1
    assert shared.jobs("unknown") == 1


def test_a_failure_at_the_service_is_told(shared: Shared) -> None:
    """What ended badly is written down, and said with its reason."""
    shared.behave(dawn={"polls": LONG, "end": "refused"})
    shared.die("City", "dawn")
    shared.let_end()
    assert "0 came home ($0.00), 1 had failed (dawn: fake: The service refuses this prompt." in resumed()[-1]
    assert ff.tape.sql("select status from generations").rows() == [("refused",)]


def test_a_living_kernel_keeps_its_work(shared: Shared) -> None:
    """Only the dead are inherited from: nothing is said, and nothing touched."""
    shared.behave(dawn={"polls": LONG})
    code = "import sys; from support.dead_kernel import KERNEL; sys.argv[1:] = ['City', 'dawn']; exec(KERNEL)"
    here = Path(__file__).parents[1]
    kernel = subprocess.Popen([sys.executable, "-c", code], env=shared.environment("film.ipynb"), cwd=here)
    try:
        deadline = [None] * 2000
        while deadline and not shared.jobs("accepted"):
            deadline.pop()
            with pytest.raises(subprocess.TimeoutExpired):
                kernel.wait(0.01)
        assert resumed() == []
        assert shared.jobs("accepted") == 1
    finally:
        kernel.kill()
        kernel.wait()


def test_a_person_may_want_to_be_asked(shared: Shared, monkeypatch: pytest.MonkeyPatch) -> None:
    """With FUSIONFLOW_RESUME=ask a new kernel takes up nothing; `ff.resume()` does."""
    monkeypatch.setenv(RESUME_VARIABLE, "ask")
    shared.behave(dawn={"polls": LONG})
    shared.die("City", "dawn")
    shared.let_end()
    assert resumed() == []
    assert len(ff.resume()) == 1
    assert ff.resume() == []
    assert len(shared.service.log()) == 1


def test_opening_a_canvas_shows_results_on_their_nodes(shared: Shared) -> None:
    """A flow's canvas takes up its dead kernel's calls: the line is said in it, and the node gets its picture."""
    use_session(Session(shared.home))  # this kernel was there before the other died
    shared.behave(dawn={"polls": LONG})
    shared.die("City", "dawn")
    shared.let_end()
    flow = ff.Flow("City", id="city")
    flow.generate_image("dawn", model="fake/image", name="dawn", seed=1)
    view = talk(flow)
    assert view.conversation is not None
    told = view.until(lambda message: message["type"] == "plan" and "dawn" in message.get("results", {}))
    assert told["results"]["dawn"]
    news = view.until(lambda message: str(message.get("news", "")).startswith("Resumed"))
    assert "“City” (film.ipynb)" in news["news"]
    assert len(shared.service.log()) == 1
    view.conversation.close()


def test_the_line_stands_in_the_cell_that_began_the_session(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In a real kernel: what is resumed is shown below the first cell, and replaced there by how it ended."""
    shared = Shared(tmp_path)
    shared.behave(dawn={"polls": LONG})
    shared.die("City", "dawn", notebook="film.ipynb")
    shared.let_end()
    monkeypatch.setenv(FOLDER_VARIABLE, str(shared.folder))
    monkeypatch.setenv(HOME_VARIABLE, str(shared.home))
    (tmp_path / "gates").mkdir()
    manager = KernelManager(kernel_name="python3")
    manager.start_kernel(env=dict(os.environ), cwd=str(tmp_path))
    client = manager.client()
    client.start_channels()
    try:
        client.wait_for_ready(timeout=PATIENCE_S)
        kernel = Kernel(client, manager, tmp_path / "gates")
        kernel.send("import fusionflow_nb as ff\nff.budget()")
        shown = kernel.until(lambda message: message["msg_type"] == "display_data")[-1]["content"]
        assert shown["data"]["text/plain"].startswith("Resuming 1 call of “City” (film.ipynb)")
        ended = kernel.until(lambda message: is_update(message, shown["transient"]["display_id"]))[-1]["content"]
        assert ended["data"]["text/plain"] == "Resumed 1 call of “City” (film.ipynb): 1 came home ($0.04)."
    finally:
        client.stop_channels()
        manager.shutdown_kernel(now=True)
    assert len(shared.service.log()) == 1
