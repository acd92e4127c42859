"""History: everything can be undone and redone, gestures are one step, listeners hear all in order."""

from __future__ import annotations

import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.flow import any_edit, documents, exact

from fusionflow_nb import errors
from fusionflow_nb.flow import edits
from fusionflow_nb.flow.document import FlowDocument, Node
from fusionflow_nb.flow.history import DEPTH, History


def history_of_one() -> History:
    """The history of a flow with one node `a`."""
    return History(FlowDocument(nodes={"a": Node(id="a", type="t", params={"x": 0})}))


def set_x(value: object, name: str = "x") -> list[edits.Edit]:
    """A parameter of the one node."""
    return [edits.SetParam(node_id="a", name=name, value=value)]


gestured = st.tuples(any_edit, st.sampled_from([None, None, "drag", "slide"]), st.sampled_from(["python", "canvas"]))


@given(documents(), st.lists(gestured, max_size=10))
def test_undo_all_and_redo_all(document, wanted):
    """Undoing every step gives the first document, redoing every step the last, however gestures joined steps."""
    history, first = History(document), exact(document)
    for edit, gesture, origin in wanted:
        try:
            history.do([edit], origin=origin, gesture=gesture)
        except errors.EditError:
            continue
    last = exact(document)
    for _ in range(2):
        while history.undo():
            pass
        assert exact(document) == first
        assert not history.can_undo
        while history.redo():
            pass
        assert exact(document) == last
        assert not history.can_redo


def test_a_gesture_is_one_step():
    """A thousand values of one slider are undone at once, and kept as one inverse; the revisions are all counted."""
    history = history_of_one()
    for value in range(1, 1001):
        assert history.do(set_x(value), origin="canvas", gesture="slider-1") == value
    assert history.undo()
    assert history.document.nodes["a"].params == {"x": 0}
    assert not history.can_undo
    history.redo()
    assert history.document.nodes["a"].params == {"x": 1000}


def test_a_gesture_over_many_things_does_not_grow_deep():
    """A gesture that adds something new at each step can be undone, however long it was."""
    history = history_of_one()
    for value in range(1200):
        history.do(set_x(value, f"p{value}"), origin="canvas", gesture="scribble")
    assert history.undo()
    assert history.document.nodes["a"].params == {"x": 0}


@pytest.mark.parametrize(
    ("origin", "gesture"),
    [("canvas", "other"), ("python", "slider-1"), ("canvas", None)],
    ids=["gesture", "origin", "none"],
)
def test_other_gestures_and_origins_are_steps_of_their_own(origin, gesture):
    """Only consecutive edits of one origin in one gesture join."""
    history = history_of_one()
    history.do(set_x(1), origin="canvas", gesture="slider-1")
    history.do(set_x(2), origin=origin, gesture=gesture)
    history.undo()
    assert history.document.nodes["a"].params == {"x": 1}


def test_a_new_edit_ends_what_could_be_redone():
    """After undo, a new edit takes the place of the undone one."""
    history = history_of_one()
    history.do(set_x(1), origin="python")
    history.undo()
    history.do(set_x(2), origin="python")
    assert not history.can_redo
    assert not history.redo()


def test_a_failing_step_leaves_no_trace():
    """No revision, no step to undo, no news; what could be redone still can."""
    history, heard = history_of_one(), []
    history.do(set_x(1), origin="python")
    history.undo()
    history.subscribe(lambda *news: heard.append(news))
    with pytest.raises(errors.EditError):
        history.do([edits.RemoveNode(node_id="gone")], origin="python")
    assert history.do([], origin="python") == history.rev == 2
    assert (history.can_undo, history.can_redo, heard) == (False, True, [])


def test_listeners_hear_what_a_copy_needs():
    """Revision, origin, the edits themselves (inverses for undo), and which nodes to plan again."""
    history, heard = history_of_one(), []
    copy = history.document.model_copy(deep=True)

    def follow(rev, origin, changes, replanned):
        heard.append((rev, origin, replanned))
        for change in changes:
            edits.apply(copy, change)

    stop = history.subscribe(follow)
    history.do(set_x(1), origin="canvas")
    history.do([edits.AddNode(node=Node(id="b", type="t"))], origin="python")
    history.undo()
    history.redo()
    assert copy == history.document
    assert heard == [(1, "canvas", {"a"}), (2, "python", {"b"}), (3, "undo", {"b"}), (4, "redo", {"b"})]
    stop()
    stop()
    history.undo()
    assert len(heard) == 4


def test_a_listener_may_edit():
    """An edit made by a listener is heard by all after the one that caused it."""
    history, heard = history_of_one(), []

    def answer(_rev, origin, _changes, _replanned):
        if origin == "python":
            history.do(set_x(2), origin="answer")

    history.subscribe(answer)
    history.subscribe(lambda rev, origin, _changes, _replanned: heard.append((rev, origin)))
    history.do(set_x(1), origin="python")
    assert heard == [(1, "python"), (2, "answer")]


def test_a_listener_that_fails_silences_nobody():
    """All others hear of the change, then the error comes out; later changes are heard as ever."""
    history, heard = history_of_one(), []

    def fail(rev, _origin, _changes, _replanned):
        heard.append(f"failed at {rev}")
        raise RuntimeError

    history.subscribe(fail)
    history.subscribe(lambda rev, *_: heard.append(rev))
    for value in (1, 2):
        with pytest.raises(RuntimeError):
            history.do(set_x(value), origin="python")
    assert heard == ["failed at 1", 1, "failed at 2", 2]
    assert history.document.nodes["a"].params == {"x": 2}


def test_threads_edit_in_one_order():
    """Edits from many threads are all applied, and heard in the order of revisions, each before its call returns."""
    history, heard, late = history_of_one(), [], []
    history.subscribe(lambda rev, *_: heard.append(rev))

    def work(name: str) -> None:
        for value in range(100):
            rev = history.do(set_x(value, name), origin=name)
            if rev not in heard[rev - 1 : rev]:
                late.append(rev)

    threads = [threading.Thread(target=work, args=(f"p{at}",)) for at in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert heard == list(range(1, 801))
    assert late == []
    while history.undo():
        pass
    assert history.document.nodes["a"].params == {"x": 0}


def test_the_oldest_steps_are_forgotten():
    """The history has an end, so that a long session does not fill the memory."""
    history = history_of_one()
    for value in range(DEPTH + 10):
        history.do(set_x(value), origin="python")
    count = 0
    while history.undo():
        count += 1
    assert count == DEPTH
    assert history.document.nodes["a"].params == {"x": 9}
