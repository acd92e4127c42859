"""Environment errors of a run (disk, home folder, files): a clear message, and finished results are kept."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest
from support.engine import PATIENCE_S, counts, state_of

import fusionflow_nb as ff
from fusionflow_nb import errors
from fusionflow_nb.assets.local import LocalFolderStore
from fusionflow_nb.session import Session, current_session, use_session
from fusionflow_nb.settings.environment import HOME_VARIABLE

if TYPE_CHECKING:
    from pathlib import Path

    from fusionflow_nb.api.flow import Flow
    from fusionflow_nb.testing.fake import FakeProvider


def test_error_for_unwritable_home_names_fusionflow_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A home below a file cannot be created: the error names the folder and FUSIONFLOW_HOME."""
    (tmp_path / "file").write_text("")
    monkeypatch.setenv(HOME_VARIABLE, str(tmp_path / "file" / "home"))
    with pytest.raises(errors.UnwritableError, match="FUSIONFLOW_HOME"):
        ff.Flow("Test").generate_image("dawn", model="fake/image")


def test_damaged_journal_raises_and_is_left_unchanged(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file that is not a journal is not changed; the error names the fix."""
    home = tmp_path / "home"
    home.mkdir()
    (home / "journal.sqlite").write_bytes(b"no database" * 500)
    monkeypatch.setenv(HOME_VARIABLE, str(home))
    with pytest.raises(errors.JournalError, match="damaged"):
        current_session()
    assert (home / "journal.sqlite").read_bytes() == b"no database" * 500


def test_full_disk_does_not_lose_a_paid_result(flow: Flow, fake: FakeProvider, monkeypatch: pytest.MonkeyPatch) -> None:
    """The result cannot be stored: the error reports it; with free space the next run fetches it without a submit."""

    def full(_store: LocalFolderStore, *_args: object, **_facts: object) -> None:
        raise errors.DiskFullError("The disk is full.", hint="Make room.")

    original_put = LocalFolderStore.put
    monkeypatch.setattr(LocalFolderStore, "put", full)
    still = flow.generate_image("dawn", model="fake/image", name="still")
    flow.upscale(still, model="fake/edit", name="large")
    run = flow.run().wait(PATIENCE_S)
    assert isinstance(run.errors[0], errors.DiskFullError)
    assert (state_of(run, "still"), state_of(run, "large")) == ("failed", "skipped")
    monkeypatch.setattr(LocalFolderStore, "put", original_put)
    again = flow.run()
    again.result(PATIENCE_S)
    assert counts(again) == {"succeeded": 2}
    assert len(fake.log()) == 2


def test_result_not_stored_on_full_disk_is_resumed_after_restart(
    flow: Flow, fake: FakeProvider, session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The same after a restart: `resume` fetches accepted jobs."""
    from fusionflow_nb.providers.registry import Registry

    def full(_store: LocalFolderStore, *_args: object, **_facts: object) -> None:
        raise errors.DiskFullError("The disk is full.", hint="Make room.")

    original_put = LocalFolderStore.put
    monkeypatch.setattr(LocalFolderStore, "put", full)
    flow.generate_image("dawn", model="fake/image", name="still")
    flow.run().wait(PATIENCE_S)
    monkeypatch.setattr(LocalFolderStore, "put", original_put)
    use_session(None)
    use_session(Session(session.home, Registry([fake])))
    assert len(ff.resume()) == 1
    assert len(fake.log()) == 1


FULL = """
import resource, signal, sys
import fusionflow_nb as ff
from fusionflow_nb.session import Session, use_session
from fusionflow_nb.testing.fake import FakeProvider
from fusionflow_nb.providers.registry import Registry

signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
use_session(Session(registry=Registry([FakeProvider()])))

@ff.node(version=1)
def small(number: int) -> ff.Image:
    import numpy as np
    return np.zeros((8, 8, 3), dtype=np.uint8)

@ff.node(version=1)
def large(image: ff.Image) -> ff.Image:
    import numpy as np
    return np.random.default_rng(1).integers(0, 255, (1200, 1200, 3), dtype=np.uint8)

flow = ff.Flow("Full")
flow.add(large, flow.add(small, number=1, name="small"), name="large")
resource.setrlimit(resource.RLIMIT_FSIZE, (1_500_000, 1_500_000))
run = flow.run().wait(30)
print({name: status.state for (name, _), status in run.jobs.items()})
print(run.errors[0])
"""


def test_file_size_limit_fails_only_the_node_that_exceeds_it(tmp_path: Path) -> None:
    """The system refuses to write more (as a full disk does): the node fails, earlier results are kept."""
    environment = {**os.environ, HOME_VARIABLE: str(tmp_path / "home")}
    completed = subprocess.run(
        [sys.executable, "-c", FULL], env=environment, check=True, capture_output=True, text=True, timeout=60
    )
    assert "'small': 'succeeded'" in completed.stdout
    assert "'large': 'failed'" in completed.stdout
    assert "large: " in completed.stdout.splitlines()[1]
    assert "Traceback" not in completed.stderr


@pytest.mark.parametrize(
    "content", [b"", b"not a picture", b"\x89PNG\r\n\x1a\n" + b"\0" * 40], ids=["empty", "text", "torn"]
)
def test_unreadable_image_raises_a_fusionflow_error(flow: Flow, tmp_path: Path, content: bytes) -> None:
    """A file that is not an image raises a FusionFlowError, before or while the node runs."""
    path = tmp_path / "broken.png"
    path.write_bytes(content)

    def build_and_run() -> None:
        flow.resize(flow.load_image(path), width=10)
        flow.run().result(PATIENCE_S)

    with pytest.raises(errors.FusionFlowError) as caught:
        build_and_run()
    causes = getattr(caught.value, "causes", [caught.value])
    assert all(isinstance(cause, errors.FusionFlowError) for cause in causes)
    assert any(isinstance(cause, errors.MediaError | errors.NodeFailedError) for cause in causes)


def test_error_for_missing_file_names_its_path(flow: Flow) -> None:
    """The error names the path."""
    with pytest.raises(errors.MediaError, match=r"nowhere\.png"):
        flow.load_image("nowhere.png")


def test_returned_path_of_a_missing_file_fails_its_node(flow: Flow, tmp_path: Path) -> None:
    """The error names the node and the path."""
    (tmp_path / "notes.txt").write_text("notes")

    @ff.node(version=1)
    def missing_file(number: int) -> ff.Image:
        return tmp_path / "nowhere.png"  # type: ignore[return-value]

    flow.add(missing_file, number=1, name="missing")
    run = flow.run().wait(PATIENCE_S)
    assert run.errors[0].node_id == "missing"
    assert "nowhere.png" in str(run.errors[0])


def test_flow_with_an_invalid_node_submits_nothing(flow: Flow, fake: FakeProvider) -> None:
    """A missing input is reported before anything is paid."""
    flow.generate_image("dawn", model="fake/image")
    flow.add("upscale", model="fake/edit", name="large")
    with pytest.raises(errors.FlowError, match="large"):
        flow.run()
    assert fake.log() == []
