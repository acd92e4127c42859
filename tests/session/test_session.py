"""The session of a kernel: one per process, its loop thread, closing it."""

from __future__ import annotations

import getpass
import os
import threading
from typing import TYPE_CHECKING

import pytest
from support.engine import PATIENCE_S, EventRecorder

import fusionflow_nb as ff
from fusionflow_nb import errors
from fusionflow_nb.providers.registry import Registry
from fusionflow_nb.session import Session, current_session, use_session
from fusionflow_nb.settings.environment import HOME_VARIABLE, home_folder
from fusionflow_nb.testing.fake import Behaviour, FakeProvider

if TYPE_CHECKING:
    from pathlib import Path

    from fusionflow_nb.api.flow import Flow


def test_home_is_the_setting_or_the_user_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """FUSIONFLOW_HOME takes precedence, with ~ expanded; the default is the platform's user data folder."""
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv(HOME_VARIABLE, "~/fusion")
    assert home_folder() == tmp_path / "fusion"
    monkeypatch.delenv(HOME_VARIABLE)
    assert home_folder().name == "fusionflow"


def test_one_session_per_process(session: Session) -> None:
    """All threads get the same session."""
    sessions: list[object] = []
    threads = [threading.Thread(target=lambda: sessions.append(current_session())) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert set(map(id, sessions)) == {id(session)}


def test_closing_a_session_releases_everything(session: Session) -> None:
    """Closing stops the loop thread and releases the kernel's lock; closing again does nothing."""
    thread = session._thread
    use_session(None)
    assert not thread.is_alive()
    session.close()
    with Session(session.home, Registry([])).journal:
        pass


def test_closing_a_session_ends_waiting_calls(
    flow: Flow, fake: FakeProvider, recorder: EventRecorder, session: Session
) -> None:
    """A running run ends with an error; the service is not cancelled; a later session resumes the call."""
    fake.enqueue(Behaviour(polls=50))
    flow.generate_image("dawn", model="fake/image", name="still")
    run = flow.run()
    recorder.until_state(run, "still", "running", progress=0.01)
    use_session(None)
    with pytest.raises(errors.JobCancelledError, match="session was closed"):
        run.result(PATIENCE_S)
    assert fake.cancelled == []
    use_session(Session(session.home, Registry([fake])))
    assert len(ff.resume()) == 1
    assert len(fake.log()) == 1


def test_a_forked_child_gets_a_new_session(session: Session) -> None:
    """Threads and locks do not survive a fork: the child creates a session, and the parent's stays intact."""
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        opened = current_session()
        os.write(writer, b"new" if opened is not session and opened._thread.is_alive() else b"old")
        os._exit(0)
    os.waitpid(child, 0)
    assert os.read(reader, 3) == b"new"
    os.close(reader)
    os.close(writer)
    assert current_session() is session
    assert ff.generate_image("dawn", model="fake/image").result(PATIENCE_S).width == 32


def test_a_user_id_without_a_name_is_recorded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Containers often use ids that are not in the password file."""

    def no_name() -> str:
        raise KeyError("getpwuid(): uid not found")

    monkeypatch.setattr(getpass, "getuser", no_name)
    use_session(Session(tmp_path / "home", Registry([])))
    assert current_session().engine.context.user == str(os.getuid())


def test_an_error_before_the_start_ends_waiting_calls(
    flow: Flow, session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Callers that wait for a run get the error that prevented its start."""

    async def broken(_project: object) -> None:
        raise OSError("no such device")

    flow.generate_image("dawn", model="fake/image")
    monkeypatch.setattr(session.journal, "record_project", broken)
    run = flow.run()
    with pytest.raises(OSError, match="no such device"):
        run.result(PATIENCE_S)


def test_resume_skips_calls_of_running_kernels(session: Session, fake: FakeProvider, recorder: EventRecorder) -> None:
    """A second kernel does not resume the calls of a running kernel."""
    fake.enqueue(Behaviour(polls=100))
    flow = ff.Flow("Test")
    flow.generate_image("dawn", model="fake/image", name="still")
    run = flow.run()
    recorder.until_state(run, "still", "running", progress=0.01)
    other = Session(session.home, Registry([fake]))
    assert other.resume() == []
    other.close()
    assert run.result(PATIENCE_S).width == 32


def test_resume_skips_calls_without_an_installed_provider(
    flow: Flow, fake: FakeProvider, recorder: EventRecorder, session: Session
) -> None:
    """They stay open for a kernel that has the provider."""
    fake.enqueue(Behaviour(polls=50))
    flow.generate_image("dawn", model="fake/image", name="still")
    run = flow.run()
    recorder.until_state(run, "still", "running", progress=0.01)
    use_session(None)
    use_session(Session(session.home, Registry([])))
    assert ff.resume() == []
    use_session(Session(session.home, Registry([fake])))
    assert len(ff.resume()) == 1


def test_the_session_logs_runs_without_prompts(flow: Flow, caplog: pytest.LogCaptureFixture) -> None:
    """At debug level the start of a run is logged, without prompts."""
    caplog.set_level("DEBUG", "fusionflow_nb.session")
    flow.generate_image("a secret prompt", model="fake/image", seed=1)
    run = flow.run().wait(PATIENCE_S)
    lines = [record.getMessage() for record in caplog.records if record.name.startswith("fusionflow_nb.session")]
    assert f"run {run.id} started: 1 nodes" in lines
    assert "secret" not in caplog.text
