"""The living parts of a kernel: one session, its loop thread, its end."""

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


def test_home_is_the_setting_else_the_users_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """FUSIONFLOW_HOME wins, with ~; without it the platform's folder for user data."""
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv(HOME_VARIABLE, "~/fusion")
    assert home_folder() == tmp_path / "fusion"
    monkeypatch.delenv(HOME_VARIABLE)
    assert home_folder().name == "fusionflow"


def test_one_session_per_process(session: Session) -> None:
    """Whoever asks, on whatever thread, gets the same one."""
    found: list[object] = []
    threads = [threading.Thread(target=lambda: found.append(current_session())) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert set(map(id, found)) == {id(session)}


def test_a_session_ends_once_and_completely(session: Session) -> None:
    """Closing ends the loop thread and gives the kernel's lock up; closing again does nothing."""
    thread = session._thread
    use_session(None)
    assert not thread.is_alive()
    session.close()
    with Session(session.home, Registry([])).journal:
        pass


def test_a_closed_session_tells_those_who_wait(
    flow: Flow, fake: FakeProvider, recorder: EventRecorder, session: Session
) -> None:
    """A run under way ends with an error that says why; the service is not told to stop; resume brings it home."""
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


def test_a_forked_child_gets_a_session_of_its_own(session: Session) -> None:
    """Threads and locks do not survive a fork: the child's first need makes new ones, the parent's stay whole."""
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        made = current_session()
        os.write(writer, b"new" if made is not session and made._thread.is_alive() else b"old")
        os._exit(0)
    os.waitpid(child, 0)
    assert os.read(reader, 3) == b"new"
    os.close(reader)
    os.close(writer)
    assert current_session() is session
    assert ff.generate_image("dawn", model="fake/image").result(PATIENCE_S).width == 32


def test_an_id_without_a_name_is_no_obstacle(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Containers run ids that no password file knows."""

    def nobody() -> str:
        raise KeyError("getpwuid(): uid not found")

    monkeypatch.setattr(getpass, "getuser", nobody)
    use_session(Session(tmp_path / "home", Registry([])))
    assert current_session().services.user == str(os.getuid())


def test_an_error_before_the_start_reaches_whoever_waits(
    flow: Flow, session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody waits for ever for a run that could not begin, whatever kept it."""

    async def broken(_project: object) -> None:
        raise OSError("no such device")

    flow.generate_image("dawn", model="fake/image")
    monkeypatch.setattr(session.journal, "record_project", broken)
    run = flow.run()
    with pytest.raises(OSError, match="no such device"):
        run.result(PATIENCE_S)


def test_resume_leaves_what_its_kernel_still_follows(
    session: Session, fake: FakeProvider, recorder: EventRecorder
) -> None:
    """A second kernel that resumes does not touch the work of a living one."""
    fake.enqueue(Behaviour(polls=100))
    flow = ff.Flow("Test")
    flow.generate_image("dawn", model="fake/image", name="still")
    run = flow.run()
    recorder.until_state(run, "still", "running", progress=0.01)
    other = Session(session.home, Registry([fake]))
    assert other.resume() == []
    other.close()
    assert run.result(PATIENCE_S).width == 32


def test_resume_skips_what_no_provider_here_can_follow(
    flow: Flow, fake: FakeProvider, recorder: EventRecorder, session: Session
) -> None:
    """Work of a service that is not installed in this kernel stays open for one where it is."""
    fake.enqueue(Behaviour(polls=50))
    flow.generate_image("dawn", model="fake/image", name="still")
    run = flow.run()
    recorder.until_state(run, "still", "running", progress=0.01)
    use_session(None)
    use_session(Session(session.home, Registry([])))
    assert ff.resume() == []
    use_session(Session(session.home, Registry([fake])))
    assert len(ff.resume()) == 1
