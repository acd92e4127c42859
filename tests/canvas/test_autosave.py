"""Autosave: what was edited is in the file soon, nobody's work is written over, nothing is lost on a bad disk."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from fusionflow_nb import errors
from fusionflow_nb.api.flow import Flow
from fusionflow_nb.canvas.autosave import MOST_S, QUIET_S, Autosave
from fusionflow_nb.flow import edits, file, file_state


class Time:
    """A clock that goes on when it is told, and calls what is due."""

    def __init__(self):
        self.now = 0.0
        self.due = []

    def __call__(self):
        return self.now

    def later(self, seconds, work):
        self.due.append((self.now + seconds, work))

    def pass_s(self, seconds):
        end = self.now + seconds
        while self.due and min(at for at, _ in self.due) <= end:
            self.due.sort(key=lambda one: one[0])
            self.now, work = self.due.pop(0)
            work()
        self.now = end


class Place:
    """A flow, its file, and all that was told of it."""

    def __init__(self, path, flow=None):
        self.time = Time()
        self.told = []
        self.flow = flow or Flow("Here", id="one")
        self.path = path
        self.saving = Autosave(self.flow, path, on_change=self.told.append, later=self.time.later, clock=self.time)

    def write_text(self, text):
        if "note" in self.flow.document.nodes:
            self.flow.set("note", text=text)
        else:
            self.flow.text(text, name="note")

    def on_disk(self):
        return file.load(self.path).nodes["note"].params["text"]


@pytest.fixture
def place(tmp_path, session):
    return Place(tmp_path / "x.flow.json")


def test_what_was_edited_is_in_the_file_after_a_quiet_second(place):
    """A file is written once after a burst of edits, when nobody has edited for a second, and says when."""
    for at in range(5):
        place.write_text(str(at))
        place.time.pass_s(QUIET_S / 2)
        assert not place.path.exists()
    place.time.pass_s(QUIET_S)
    assert place.on_disk() == "4"
    assert len(place.told) == 1
    assert place.told[0]["path"] == str(place.path)
    assert place.told[0]["saved_at_us"] > 0


def test_who_never_pauses_is_saved_too(place):
    """Edits without a pause reach the file after ten seconds all the same."""
    for at in range(int(MOST_S * 2) + 2):
        place.write_text(str(at))
        place.time.pass_s(0.5)
    assert place.path.exists()


def test_no_change_is_no_write(place):
    """An untouched flow makes no file; an edit that was undone leaves the file alone; a moved node is written."""
    place.time.pass_s(5)
    assert not place.path.exists()
    place.write_text("a")
    place.time.pass_s(2)
    before = place.path.stat().st_mtime_ns, place.path.stat().st_ino
    place.write_text("b")
    place.flow.undo()
    place.time.pass_s(2)
    assert (place.path.stat().st_mtime_ns, place.path.stat().st_ino) == before
    place.flow.place("note", 40, 50)
    place.time.pass_s(2)
    assert file.load(place.path).layout.nodes["note"].x == 40


def test_a_file_that_changed_is_not_written_over(place, tmp_path):
    """With another kernel on the same file, the second to write finds a conflict, and neither loses anything."""
    place.write_text("mine")
    place.time.pass_s(2)
    other = Place(place.path, Flow.load(place.path))
    other.write_text("theirs")
    other.time.pass_s(2)
    place.write_text("mine again")
    place.time.pass_s(2)
    assert place.told[-1]["is_conflicting"]
    assert place.on_disk() == "theirs"
    with pytest.raises(errors.FileChangedError):
        place.saving.save()
    place.write_text("and again")
    place.time.pass_s(60)
    assert place.on_disk() == "theirs"


@pytest.fixture
def conflicting(place):
    place.write_text("mine")
    place.time.pass_s(2)
    other = Place(place.path, Flow.load(place.path))
    other.write_text("theirs")
    other.flow.place("note", 7, 8)
    other.time.pass_s(2)
    place.write_text("mine again")
    place.time.pass_s(2)
    assert place.saving.is_conflicting
    return place


def test_reload_takes_theirs_and_undo_brings_mine_back(conflicting):
    """Reloading is one step for undo, heard by views as edits; then saving goes on."""
    heard = []
    conflicting.flow.history.subscribe(lambda *news: heard.append(news))
    conflicting.saving.reload()
    assert conflicting.flow.document.nodes["note"].params["text"] == "theirs"
    assert conflicting.flow.document.layout.nodes["note"].y == 8
    assert len(heard) == 1
    assert not conflicting.told[-1]["is_conflicting"]
    before = conflicting.path.stat().st_mtime_ns
    conflicting.time.pass_s(5)
    assert conflicting.path.stat().st_mtime_ns == before
    conflicting.flow.undo()
    conflicting.time.pass_s(5)
    assert conflicting.on_disk() == "mine again"


def test_keep_mine_writes_over_theirs(conflicting):
    """The person decided: the file holds one's own, and saving goes on."""
    conflicting.saving.keep_mine()
    assert conflicting.on_disk() == "mine again"
    assert not conflicting.saving.facts()["is_conflicting"]


def test_copy_keeps_both_and_goes_on_in_the_copy(conflicting):
    """Both files hold what their owners wrote, and what comes goes into the copy."""
    copy = conflicting.saving.copy()
    assert copy.name == "x (2).flow.json"
    assert conflicting.on_disk() == "theirs"
    conflicting.write_text("later")
    conflicting.time.pass_s(2)
    assert conflicting.on_disk() == "theirs"
    assert file.load(copy).nodes["note"].params["text"] == "later"
    assert not conflicting.told[-1]["is_conflicting"]
    assert conflicting.saving.copy().name == "x (2) (2).flow.json"


def test_closing_in_a_conflict_loses_nothing(conflicting, caplog):
    """A kernel that ends before the person has chosen leaves theirs in the file and one's own in a copy beside."""
    conflicting.saving.close()
    assert conflicting.on_disk() == "theirs"
    assert file.load(conflicting.path.with_name("x (2).flow.json")).nodes["note"].params["text"] == "mine again"
    assert "x (2).flow.json" in caplog.text


def test_a_file_made_by_somebody_else_meanwhile_is_a_conflict(place):
    """A file that was not there when the flow began is not written over either."""
    place.path.write_text("{}")
    place.write_text("mine")
    place.time.pass_s(2)
    assert place.saving.is_conflicting
    assert place.path.read_text() == "{}"
    with pytest.raises(errors.FlowFileError):
        place.saving.reload()
    assert place.flow.document.nodes["note"].params["text"] == "mine"


def test_a_change_in_the_last_moment_is_seen(place, monkeypatch):
    """Somebody who writes while our bytes go to the disk is not written over."""
    place.write_text("mine")
    place.time.pass_s(2)
    place.write_text("mine again")
    sync = os.fsync

    def meanwhile(number):
        sync(number)
        place.path.write_text("theirs")

    monkeypatch.setattr(file.os, "fsync", meanwhile)
    place.time.pass_s(2)
    assert place.path.read_text() == "theirs"
    assert place.saving.is_conflicting
    assert [one.name for one in place.path.parent.iterdir() if one.is_file()] == [place.path.name]


def test_two_canvases_on_one_flow_do_not_disturb_each_other(place):
    """They share what is known of the file: each edit is written once, both tell of it, nobody sees a conflict."""
    second = Place(place.path, place.flow)
    for at in range(4):
        place.write_text(str(at))
        place.time.pass_s(2)
        second.time.pass_s(2)
    assert place.on_disk() == "3"
    assert place.saving.facts() == second.saving.facts() == second.told[-1]
    assert not any(one["is_conflicting"] for one in place.told + second.told)


def test_a_cell_that_saves_is_no_stranger(place):
    """`flow.save()` between two autosaves is the flow's own doing."""
    place.write_text("a")
    place.flow.save()
    place.write_text("b")
    place.time.pass_s(2)
    assert place.on_disk() == "b"


def test_a_deleted_file_is_written_anew(place):
    """Deleting file or folder loses nothing: the next edit brings it back."""
    place.write_text("a")
    place.time.pass_s(2)
    place.path.unlink()
    place.write_text("b")
    place.time.pass_s(2)
    assert place.on_disk() == "b"
    assert not place.saving.is_conflicting


def test_a_full_disk_is_said_and_tried_again(place, monkeypatch):
    """While nothing can be written that is said once, and when there is room again everything is written."""
    write = file.write

    def full(*_args, **_named):
        raise errors.DiskFullError("The disk is full.", hint="Make room.")

    monkeypatch.setattr(file_state.file, "write", full)
    place.write_text("a")
    place.time.pass_s(60)
    assert [one["error"]["code"] for one in place.told] == ["disk_full"]
    monkeypatch.setattr(file_state.file, "write", write)
    place.write_text("b")
    place.time.pass_s(120)
    assert place.on_disk() == "b"
    assert "error" not in place.told[-1]


def test_an_unwritable_place_is_said(place, session):
    """A path below a file can never be written; the flow goes on without."""
    place.path.write_text("a file")
    lost = Place(place.path / "y.flow.json")
    lost.write_text("a")
    lost.time.pass_s(2)
    assert lost.told[-1]["error"]["code"] == "unwritable"


def test_closing_writes_what_is_pending(place):
    """A canvas that is closed right after an edit has saved it, and says nothing afterwards."""
    place.write_text("a")
    place.saving.close()
    assert place.on_disk() == "a"
    told = len(place.told)
    place.write_text("b")
    place.time.pass_s(20)
    assert place.on_disk() == "a"
    assert len(place.told) == told


def test_a_kernel_that_ends_saves_first(tmp_path):
    """Edits of the last second are written when the process ends, without anybody closing anything."""
    import subprocess
    import sys

    code = """
from pathlib import Path
from fusionflow_nb.api.flow import Flow
from fusionflow_nb.canvas.autosave import Autosave
saving = Autosave(Flow("Here"), Path("x.flow.json"), on_change=print)
saving.flow.text("last words", name="note")
"""
    subprocess.run([sys.executable, "-c", code], check=True, cwd=tmp_path, timeout=60)
    assert file.load(tmp_path / "x.flow.json").nodes["note"].params["text"] == "last words"


def test_what_a_newer_version_wrote_survives_a_reload(place):
    """Unknown fields of the file, at every level, are in it again after reload and save."""
    place.write_text("mine")
    place.time.pass_s(2)
    theirs = file.load(place.path)
    theirs.__pydantic_extra__ = {"later": [1]}
    theirs.layout.__pydantic_extra__ = {"later": [2]}
    edits.apply(theirs, edits.SetNode(node_id="note", field="later", value=[3]))
    file.save(theirs, place.path)
    place.saving.reload()
    place.write_text("edited")
    place.time.pass_s(2)
    found = file.load(place.path)
    assert found.model_extra == {"later": [1]}
    assert found.layout.model_extra == {"later": [2]}
    assert found.nodes["note"].model_extra == {"later": [3]}


def test_a_flow_without_a_file_gets_a_free_name(session, tmp_path, monkeypatch):
    """Saving for the first time takes the flow's name and never another file's place."""
    monkeypatch.chdir(tmp_path)
    Path("here.flow.json").write_text("somebody's")
    place = Place(None)
    place.write_text("a")
    place.time.pass_s(2)
    assert place.saving.facts() == {"path": None, "saved_at_us": None, "is_conflicting": False}
    assert place.saving.save() == Path("here (2).flow.json")
    assert Path("here.flow.json").read_text() == "somebody's"
