"""A new kernel recovers the open calls of stopped kernels, reports them, and submits nothing."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from jupyter_client.manager import KernelManager
from kernels.test_cells import Kernel, is_update
from support.canvas import open_view
from support.dead_kernel import LONG, Shared
from support.engine import PATIENCE_S

import fusionflow_nb as ff
from fusionflow_nb.session import Session, current_session, use_session
from fusionflow_nb.settings.environment import HOME_VARIABLE, RESUME_VARIABLE
from fusionflow_nb.testing.fake import FOLDER_VARIABLE


@pytest.fixture
def shared(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Shared:
    """A home shared with stopped kernels; the session of the test opens it."""
    shared = Shared(tmp_path)
    monkeypatch.setenv(HOME_VARIABLE, str(shared.home))
    monkeypatch.setenv(FOLDER_VARIABLE, str(shared.folder))
    return shared


def resumed() -> list[str]:
    """Open a session as a first call does, wait for its recovery, and return the notices it showed."""
    session = current_session()
    session.recovery.wait(PATIENCE_S)
    return session.notices.texts


def test_a_new_session_resumes_accepted_calls(shared: Shared) -> None:
    """They are only polled and fetched, reported with flow and notebook, and recorded with their cost."""
    shared.behave(dawn={"polls": LONG}, dusk={"polls": LONG})
    shared.die("City", "dawn", "dusk", notebook="film.ipynb")
    sent = shared.service.log()
    shared.let_end()
    first, last = resumed()
    assert first == "Resuming 2 calls of “City” (film.ipynb). Results are fetched; nothing is sent again."
    assert last == "Resumed 2 calls of “City” (film.ipynb): 2 results ($0.08)."
    assert shared.service.log() == sent
    rows = ff.tape.sql("select node_id, status, cost_computation::double from generations order by 1").rows()
    assert rows == [("dawn", "succeeded", 0.04), ("dusk", "succeeded", 0.04)]
    flow = ff.Flow("City", id="city")
    flow.generate_image("dawn", model="fake/image", name="dawn", seed=1)
    assert flow.states() == {"dawn": "fresh"}


def test_several_notebooks_are_named(shared: Shared) -> None:
    """The notice names each flow with its notebook."""
    shared.behave(dawn={"polls": LONG}, dusk={"polls": LONG})
    shared.die("City", "dawn", notebook="film.ipynb")
    # The second kernel must not resume the calls of the first while it runs.
    os.environ[RESUME_VARIABLE] = "ask"
    try:
        shared.die("Sea", "dusk", notebook="sea.ipynb", state="accepted")
    finally:
        del os.environ[RESUME_VARIABLE]
    shared.let_end()
    assert "“City” (film.ipynb), “Sea” (sea.ipynb)" in resumed()[0]


def test_a_call_without_operation_is_reported_as_unknown(shared: Shared) -> None:
    """A submit without a response is not repeated; the notice contains its unconfirmed cost."""
    shared.behave(dawn={"polls": LONG})
    shared.die("City", "dawn", state="accepted")
    session = Session(shared.home)
    session.call(
        session.journal._write(
            lambda cursor: cursor.execute("UPDATE jobs SET state = 'intent', operation = NULL").rowcount
        )
    )
    session.close()
    last = resumed()[-1]
    assert "1 of unknown outcome (unconfirmed cost $0.04" in last
    assert len(shared.service.log()) == 1
    assert shared.jobs("unknown") == 1


def test_a_failure_at_the_service_is_reported(shared: Shared) -> None:
    """A failed call is recorded, and the notice contains the reason."""
    shared.behave(dawn={"polls": LONG, "end": "refused"})
    shared.die("City", "dawn")
    shared.let_end()
    assert "0 results ($0.00), 1 failed (dawn: fake: The service refuses this prompt." in resumed()[-1]
    assert ff.tape.sql("select status from generations").rows() == [("refused",)]


def test_a_running_kernel_keeps_its_calls(shared: Shared) -> None:
    """Calls of a running kernel are neither resumed nor reported."""
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


def test_resume_ask_leaves_recovery_to_the_user(shared: Shared, monkeypatch: pytest.MonkeyPatch) -> None:
    """With FUSIONFLOW_RESUME=ask a new kernel resumes nothing; `ff.resume()` does."""
    monkeypatch.setenv(RESUME_VARIABLE, "ask")
    shared.behave(dawn={"polls": LONG})
    shared.die("City", "dawn")
    shared.let_end()
    assert resumed() == []
    assert len(ff.resume()) == 1
    assert ff.resume() == []
    assert len(shared.service.log()) == 1


def test_opening_a_canvas_resumes_calls_of_its_flow(shared: Shared) -> None:
    """The canvas shows the notice, and the node shows the result."""
    use_session(Session(shared.home))  # opened before the other kernel stops
    shared.behave(dawn={"polls": LONG})
    shared.die("City", "dawn")
    shared.let_end()
    flow = ff.Flow("City", id="city")
    flow.generate_image("dawn", model="fake/image", name="dawn", seed=1)
    view = open_view(flow)
    plan = view.wait_for(lambda message: message["type"] == "plan" and "dawn" in message.get("results", {}))
    assert plan["results"]["dawn"]
    news = view.wait_for(lambda message: str(message.get("news", "")).startswith("Resumed"))
    assert "“City” (film.ipynb)" in news["news"]
    assert len(shared.service.log()) == 1
    view.close()


def test_the_first_cell_shows_the_notice(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In a real kernel the notice appears below the first cell and is replaced at the end of the recovery."""
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
        assert ended["data"]["text/plain"] == "Resumed 1 call of “City” (film.ipynb): 1 result ($0.04)."
    finally:
        client.stop_channels()
        manager.shutdown_kernel(now=True)
    assert len(shared.service.log()) == 1
