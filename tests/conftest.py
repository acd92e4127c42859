"""What every test starts from: a clean environment, a home of its own, a provider that counts."""

from __future__ import annotations

import os
import signal
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import settings
from support.engine import Heard
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
    # What a script begins in the background hears no Ctrl-C, and neither does what it begins: some tests press it.
    signal.signal(signal.SIGINT, signal.default_int_handler)
# The same examples for everybody; `HYPOTHESIS_PROFILE=search` looks for new ones.
settings.register_profile("suite", derandomize=True, deadline=None)
settings.register_profile("search", deadline=None)
settings.register_profile("quick", derandomize=True, deadline=None, max_examples=25)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "suite"))


@pytest.fixture(autouse=True)
def clean_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """No key, no home and no session of the machine or of another test comes in."""
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
    """A service that does as it is told and counts how often it was asked."""
    return FakeProvider()


@pytest.fixture
def living(fake: FakeProvider) -> Session:
    """The current session, on a fresh home, with the fake service alone."""
    from pathlib import Path

    made = Session(Path(os.environ[HOME_VARIABLE]), Registry([fake]))
    use_session(made)
    return made


@pytest.fixture
def heard(monkeypatch: pytest.MonkeyPatch) -> Heard:
    """What runs say from their first event on."""
    made = Heard()

    class HeardRun(Run):
        def __init__(self, *args: Any) -> None:
            super().__init__(*args)
            self.subscribe(made.hear)

    monkeypatch.setattr(session_module, "Run", HeardRun)
    return made


@pytest.fixture
def flow(living: Session) -> Flow:
    """An empty flow on the current session."""
    from fusionflow_nb.api.flow import Flow

    return Flow("Test")
