"""Autosave: edits are saved soon, changes by others are not overwritten, disk errors lose nothing."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from fusionflow_nb import errors
from fusionflow_nb.api.flow import Flow
from fusionflow_nb.canvas.autosave import MOST_S, QUIET_S, Autosave
from fusionflow_nb.flow import edits, file, file_state


class Time:
    """A clock and scheduler under the test's control."""

    def __init__(self):
        self.now = 0.0
        self.due = []

    def __call__(self):
        return self.now

    def schedule(self, seconds, work):
        self.due.append((self.now + seconds, work))

    def pass_s(self, seconds):
        end = self.now + seconds
        while self.due and min(at for at, _ in self.due) <= end:
            self.due.sort(key=lambda entry: entry[0])
            self.now, work = self.due.pop(0)
            work()
        self.now = end


class SavedFlow:
    """A flow with autosave, and the facts that it published."""

    def __init__(self, path, flow=None):
        self.time = Time()
        self.facts = []
        self.flow = flow or Flow("Here", id="here")
        self.path = path
        self.autosave = Autosave(
            self.flow, path, on_change=self.facts.append, schedule=self.time.schedule, clock=self.time
        )

    def write_text(self, text):
        if "note" in self.flow.document.nodes:
            self.flow.set("note", text=text)
        else:
            self.flow.text(text, name="note")

    def on_disk(self):
        return file.load(self.path).nodes["note"].params["text"]


@pytest.fixture
def saved_flow(tmp_path, session):
    return SavedFlow(tmp_path / "x.flow.json")


def test_edits_are_saved_after_a_quiet_second(saved_flow):
    """After a burst of edits the file is written once, one second after the last edit."""
    for at in range(5):
        saved_flow.write_text(str(at))
        saved_flow.time.pass_s(QUIET_S / 2)
        assert not saved_flow.path.exists()
    saved_flow.time.pass_s(QUIET_S)
    assert saved_flow.on_disk() == "4"
    assert len(saved_flow.facts) == 1
    assert saved_flow.facts[0]["path"] == str(saved_flow.path)
    assert saved_flow.facts[0]["saved_at_us"] > 0


def test_continuous_edits_are_saved_too(saved_flow):
    """Edits without a pause are saved after ten seconds."""
    for at in range(int(MOST_S * 2) + 2):
        saved_flow.write_text(str(at))
        saved_flow.time.pass_s(0.5)
    assert saved_flow.path.exists()


def test_only_changes_are_written(saved_flow):
    """A flow without edits and an undone edit write nothing; a moved node is saved."""
    saved_flow.time.pass_s(5)
    assert not saved_flow.path.exists()
    saved_flow.write_text("a")
    saved_flow.time.pass_s(2)
    before = saved_flow.path.stat().st_mtime_ns, saved_flow.path.stat().st_ino
    saved_flow.write_text("b")
    saved_flow.flow.undo()
    saved_flow.time.pass_s(2)
    assert (saved_flow.path.stat().st_mtime_ns, saved_flow.path.stat().st_ino) == before
    saved_flow.flow.place("note", 40, 50)
    saved_flow.time.pass_s(2)
    assert file.load(saved_flow.path).layout.nodes["note"].x == 40


def test_a_changed_file_is_not_overwritten(saved_flow, tmp_path):
    """If two kernels edit the same file, the second to save gets a conflict, and neither loses edits."""
    saved_flow.write_text("mine")
    saved_flow.time.pass_s(2)
    other = SavedFlow(saved_flow.path, Flow.load(saved_flow.path))
    other.write_text("theirs")
    other.time.pass_s(2)
    saved_flow.write_text("mine again")
    saved_flow.time.pass_s(2)
    assert saved_flow.facts[-1]["is_conflicting"]
    assert saved_flow.on_disk() == "theirs"
    with pytest.raises(errors.FileChangedError):
        saved_flow.autosave.save()
    saved_flow.write_text("and again")
    saved_flow.time.pass_s(60)
    assert saved_flow.on_disk() == "theirs"


@pytest.fixture
def conflicting(saved_flow):
    saved_flow.write_text("mine")
    saved_flow.time.pass_s(2)
    other = SavedFlow(saved_flow.path, Flow.load(saved_flow.path))
    other.write_text("theirs")
    other.flow.place("note", 7, 8)
    other.time.pass_s(2)
    saved_flow.write_text("mine again")
    saved_flow.time.pass_s(2)
    assert saved_flow.autosave.is_conflicting
    return saved_flow


def test_reload_can_be_undone(conflicting):
    """Reloading is one undo step, sent to views as edits; then saving continues."""
    changes = []
    conflicting.flow.history.subscribe(lambda *change: changes.append(change))
    conflicting.autosave.reload()
    assert conflicting.flow.document.nodes["note"].params["text"] == "theirs"
    assert conflicting.flow.document.layout.nodes["note"].y == 8
    assert len(changes) == 1
    assert not conflicting.facts[-1]["is_conflicting"]
    before = conflicting.path.stat().st_mtime_ns
    conflicting.time.pass_s(5)
    assert conflicting.path.stat().st_mtime_ns == before
    conflicting.flow.undo()
    conflicting.time.pass_s(5)
    assert conflicting.on_disk() == "mine again"


def test_keep_mine_overwrites_the_file(conflicting):
    """The file contains this kernel's flow, and saving continues."""
    conflicting.autosave.keep_mine()
    assert conflicting.on_disk() == "mine again"
    assert not conflicting.autosave.facts()["is_conflicting"]


def test_copy_keeps_both_files(conflicting):
    """Later edits are saved to the copy."""
    copy = conflicting.autosave.copy()
    assert copy.name == "x (2).flow.json"
    assert conflicting.on_disk() == "theirs"
    conflicting.write_text("later")
    conflicting.time.pass_s(2)
    assert conflicting.on_disk() == "theirs"
    assert file.load(copy).nodes["note"].params["text"] == "later"
    assert not conflicting.facts[-1]["is_conflicting"]
    assert conflicting.autosave.copy().name == "x (2) (2).flow.json"


def test_closing_in_a_conflict_loses_nothing(conflicting, caplog):
    """If the kernel stops before the user resolves a conflict, its edits are saved to a copy."""
    conflicting.autosave.close()
    assert conflicting.on_disk() == "theirs"
    assert file.load(conflicting.path.with_name("x (2).flow.json")).nodes["note"].params["text"] == "mine again"
    assert "x (2).flow.json" in caplog.text


def test_a_file_created_meanwhile_is_a_conflict(saved_flow):
    """A file that did not exist when the flow was opened is not overwritten."""
    saved_flow.path.write_text("{}")
    saved_flow.write_text("mine")
    saved_flow.time.pass_s(2)
    assert saved_flow.autosave.is_conflicting
    assert saved_flow.path.read_text() == "{}"
    with pytest.raises(errors.FlowFileError):
        saved_flow.autosave.reload()
    assert saved_flow.flow.document.nodes["note"].params["text"] == "mine"


def test_a_change_during_the_write_is_detected(saved_flow, monkeypatch):
    """A change by another process while the file is synced is not overwritten."""
    saved_flow.write_text("mine")
    saved_flow.time.pass_s(2)
    saved_flow.write_text("mine again")
    sync = os.fsync

    def meanwhile(number):
        sync(number)
        saved_flow.path.write_text("theirs")

    monkeypatch.setattr(file.os, "fsync", meanwhile)
    saved_flow.time.pass_s(2)
    assert saved_flow.path.read_text() == "theirs"
    assert saved_flow.autosave.is_conflicting
    assert [path.name for path in saved_flow.path.parent.iterdir() if path.is_file()] == [saved_flow.path.name]


def test_two_canvases_on_one_flow_do_not_conflict(saved_flow):
    """They share the state of the file: each edit is written once, and both publish the same facts."""
    second = SavedFlow(saved_flow.path, saved_flow.flow)
    for at in range(4):
        saved_flow.write_text(str(at))
        saved_flow.time.pass_s(2)
        second.time.pass_s(2)
    assert saved_flow.on_disk() == "3"
    assert saved_flow.autosave.facts() == second.autosave.facts() == second.facts[-1]
    assert not any(facts["is_conflicting"] for facts in saved_flow.facts + second.facts)


def test_flow_save_is_not_a_conflict(saved_flow):
    """`flow.save()` between two autosaves updates the known state of the file."""
    saved_flow.write_text("a")
    saved_flow.flow.save()
    saved_flow.write_text("b")
    saved_flow.time.pass_s(2)
    assert saved_flow.on_disk() == "b"


def test_a_deleted_file_is_written_again(saved_flow):
    """After the file is deleted, the next edit saves it."""
    saved_flow.write_text("a")
    saved_flow.time.pass_s(2)
    saved_flow.path.unlink()
    saved_flow.write_text("b")
    saved_flow.time.pass_s(2)
    assert saved_flow.on_disk() == "b"
    assert not saved_flow.autosave.is_conflicting


def test_a_full_disk_is_reported_and_retried(saved_flow, monkeypatch):
    """The error is published once; when there is space again, everything is saved."""
    write = file.write

    def full(*_args, **_named):
        raise errors.DiskFullError("The disk is full.", hint="Make room.")

    monkeypatch.setattr(file_state.file, "write", full)
    saved_flow.write_text("a")
    saved_flow.time.pass_s(60)
    assert [facts["error"]["code"] for facts in saved_flow.facts] == ["disk_full"]
    monkeypatch.setattr(file_state.file, "write", write)
    saved_flow.write_text("b")
    saved_flow.time.pass_s(120)
    assert saved_flow.on_disk() == "b"
    assert "error" not in saved_flow.facts[-1]


def test_an_unwritable_path_is_reported(saved_flow, session):
    """A path below a file cannot be written; the flow stays usable."""
    saved_flow.path.write_text("a file")
    unwritable = SavedFlow(saved_flow.path / "y.flow.json")
    unwritable.write_text("a")
    unwritable.time.pass_s(2)
    assert unwritable.facts[-1]["error"]["code"] == "unwritable"


def test_closing_saves_pending_edits(saved_flow):
    """A canvas closed right after an edit saves it, and publishes nothing afterwards."""
    saved_flow.write_text("a")
    saved_flow.autosave.close()
    assert saved_flow.on_disk() == "a"
    count = len(saved_flow.facts)
    saved_flow.write_text("b")
    saved_flow.time.pass_s(20)
    assert saved_flow.on_disk() == "a"
    assert len(saved_flow.facts) == count


def test_a_kernel_saves_before_it_exits(tmp_path):
    """Pending edits are saved at exit, without an explicit close."""
    import subprocess
    import sys

    code = """
from pathlib import Path
from fusionflow_nb.api.flow import Flow
from fusionflow_nb.canvas.autosave import Autosave
autosave = Autosave(Flow("Here"), Path("x.flow.json"), on_change=print)
autosave.flow.text("last words", name="note")
"""
    subprocess.run([sys.executable, "-c", code], check=True, cwd=tmp_path, timeout=60)
    assert file.load(tmp_path / "x.flow.json").nodes["note"].params["text"] == "last words"


def test_unknown_fields_survive_reload_and_save(saved_flow):
    """Fields of a newer version, at every level, are written back."""
    saved_flow.write_text("mine")
    saved_flow.time.pass_s(2)
    theirs = file.load(saved_flow.path)
    theirs.__pydantic_extra__ = {"later": [1]}
    theirs.layout.__pydantic_extra__ = {"later": [2]}
    edits.apply(theirs, edits.SetNode(node_id="note", field="later", value=[3]))
    file.save(theirs, saved_flow.path)
    saved_flow.autosave.reload()
    saved_flow.write_text("edited")
    saved_flow.time.pass_s(2)
    saved = file.load(saved_flow.path)
    assert saved.model_extra == {"later": [1]}
    assert saved.layout.model_extra == {"later": [2]}
    assert saved.nodes["note"].model_extra == {"later": [3]}


def test_a_flow_without_a_file_gets_an_unused_name(session, tmp_path, monkeypatch):
    """The first save derives the file name from the flow's name and never overwrites a file."""
    monkeypatch.chdir(tmp_path)
    Path("here.flow.json").write_text("other")
    saved_flow = SavedFlow(None)
    saved_flow.write_text("a")
    saved_flow.time.pass_s(2)
    assert saved_flow.autosave.facts() == {"path": None, "saved_at_us": None, "is_conflicting": False}
    assert saved_flow.autosave.save() == Path("here (2).flow.json")
    assert Path("here.flow.json").read_text() == "other"
