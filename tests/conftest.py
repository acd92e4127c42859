"""Fixtures of all tests: a clean environment, a temporary home, a fake provider that logs its calls."""

from __future__ import annotations

import os
import signal
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import settings
from support.engine import EventRecorder
from support.quick import (  # noqa: F401 - hooks
    pytest_addoption,
    pytest_collection_modifyitems,
    pytest_configure,
    pytest_runtest_protocol,
)

from fusionflow_nb.engine.run import Run
from fusionflow_nb.providers.registry import Registry
from fusionflow_nb.session import Session, use_session
from fusionflow_nb.session import session as session_module
from fusionflow_nb.settings import bucket
from fusionflow_nb.settings.credentials import ENVIRONMENT
from fusionflow_nb.settings.environment import HOME_VARIABLE, SIMULATOR_VARIABLE
from fusionflow_nb.testing.fake import FOLDER_VARIABLE, FakeProvider

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from fusionflow_nb.api.flow import Flow


if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    # Background processes of a script ignore SIGINT and pass that on to children; some tests send SIGINT.
    signal.signal(signal.SIGINT, signal.default_int_handler)
# The suite is deterministic; `HYPOTHESIS_PROFILE=search` generates new examples.
settings.register_profile("suite", derandomize=True, deadline=None)
settings.register_profile("search", deadline=None)
settings.register_profile("quick", derandomize=True, deadline=None, max_examples=25)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "suite"))


@pytest.fixture(autouse=True)
def clean_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Remove keys, home and session of the machine and of other tests."""
    for names in ENVIRONMENT.values():
        for name in names:
            monkeypatch.delenv(name, raising=False)
    for name in bucket.VARIABLES:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("PYTHON_KEYRING_BACKEND", "keyring.backends.fail.Keyring")
    monkeypatch.delenv(FOLDER_VARIABLE, raising=False)
    monkeypatch.delenv(SIMULATOR_VARIABLE, raising=False)
    monkeypatch.setenv(HOME_VARIABLE, str(tmp_path / "home"))
    yield
    use_session(None)


@pytest.fixture
def fake() -> FakeProvider:
    """A scripted provider that logs its submissions."""
    return FakeProvider()


@pytest.fixture
def session(fake: FakeProvider) -> Session:
    """The current session, with a fresh home and only the fake provider."""
    from pathlib import Path

    session = Session(Path(os.environ[HOME_VARIABLE]), Registry([fake]))
    use_session(session)
    return session


@pytest.fixture
def recorder(monkeypatch: pytest.MonkeyPatch) -> EventRecorder:
    """All events of all runs, from the first event."""
    recorder = EventRecorder()

    class RecordedRun(Run):
        def __init__(self, *args: Any) -> None:
            super().__init__(*args)
            self.subscribe(recorder.record)

    monkeypatch.setattr(session_module, "Run", RecordedRun)
    return recorder


@pytest.fixture
def flow(session: Session) -> Flow:
    """An empty flow on the current session."""
    from fusionflow_nb.api.flow import Flow

    return Flow("Test")
