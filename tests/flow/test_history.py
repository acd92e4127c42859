"""History: undo and redo, gestures as single steps, notification of listeners in order."""

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
    """An edit that sets a parameter of the node."""
    return [edits.SetParam(node_id="a", name=name, value=value)]


edits_with_gestures = st.tuples(
    any_edit, st.sampled_from([None, None, "drag", "slide"]), st.sampled_from(["python", "canvas"])
)


@given(documents(), st.lists(edits_with_gestures, max_size=10))
def test_undoing_and_redoing_everything(document, changes):
    """Undoing all steps gives the first document, redoing all steps the last, with any gestures."""
    history, first = History(document), exact(document)
    for edit, gesture, origin in changes:
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
    """A thousand values of a slider are one step with one inverse, and a thousand revisions."""
    history = history_of_one()
    for value in range(1, 1001):
        assert history.do(set_x(value), origin="canvas", gesture="slider-1") == value
    assert history.undo()
    assert history.document.nodes["a"].params == {"x": 0}
    assert not history.can_undo
    history.redo()
    assert history.document.nodes["a"].params == {"x": 1000}


def test_a_long_gesture_over_many_fields_can_be_undone():
    """Undo of a gesture that sets a new field in each step does not recurse."""
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
def test_another_gesture_or_origin_is_a_separate_step(origin, gesture):
    """Only consecutive edits with the same origin and gesture merge."""
    history = history_of_one()
    history.do(set_x(1), origin="canvas", gesture="slider-1")
    history.do(set_x(2), origin=origin, gesture=gesture)
    history.undo()
    assert history.document.nodes["a"].params == {"x": 1}


def test_a_new_edit_clears_the_redo_stack():
    """After undo, a new edit replaces the undone edit."""
    history = history_of_one()
    history.do(set_x(1), origin="python")
    history.undo()
    history.do(set_x(2), origin="python")
    assert not history.can_redo
    assert not history.redo()


def test_a_failing_step_changes_nothing():
    """No revision, no undo step, no notification; redo is still possible."""
    history, notifications = history_of_one(), []
    history.do(set_x(1), origin="python")
    history.undo()
    history.subscribe(lambda *notification: notifications.append(notification))
    with pytest.raises(errors.EditError):
        history.do([edits.RemoveNode(node_id="gone")], origin="python")
    assert history.do([], origin="python") == history.rev == 2
    assert (history.can_undo, history.can_redo, notifications) == (False, True, [])


def test_notifications_suffice_to_update_a_copy():
    """They have the revision, the origin, the edits (inverses for undo) and the nodes to plan again."""
    history, notifications = history_of_one(), []
    copy = history.document.model_copy(deep=True)

    def follow(rev, origin, changes, replanned):
        notifications.append((rev, origin, replanned))
        for change in changes:
            edits.apply(copy, change)

    unsubscribe = history.subscribe(follow)
    history.do(set_x(1), origin="canvas")
    history.do([edits.AddNode(node=Node(id="b", type="t"))], origin="python")
    history.undo()
    history.redo()
    assert copy == history.document
    assert notifications == [(1, "canvas", {"a"}), (2, "python", {"b"}), (3, "undo", {"b"}), (4, "redo", {"b"})]
    unsubscribe()
    unsubscribe()
    history.undo()
    assert len(notifications) == 4


def test_a_listener_may_edit():
    """All listeners are notified of its edit after the edit that caused it."""
    history, notifications = history_of_one(), []

    def answer(_rev, origin, _changes, _replanned):
        if origin == "python":
            history.do(set_x(2), origin="answer")

    history.subscribe(answer)
    history.subscribe(lambda rev, origin, _changes, _replanned: notifications.append((rev, origin)))
    history.do(set_x(1), origin="python")
    assert notifications == [(1, "python"), (2, "answer")]


def test_a_failing_listener_does_not_affect_others():
    """The other listeners are notified, and then the error is raised."""
    history, notifications = history_of_one(), []

    def fail(rev, _origin, _changes, _replanned):
        notifications.append(f"failed at {rev}")
        raise RuntimeError

    history.subscribe(fail)
    history.subscribe(lambda rev, *_: notifications.append(rev))
    for value in (1, 2):
        with pytest.raises(RuntimeError):
            history.do(set_x(value), origin="python")
    assert notifications == ["failed at 1", 1, "failed at 2", 2]
    assert history.document.nodes["a"].params == {"x": 2}


def test_concurrent_edits_are_notified_in_order():
    """All edits are applied; listeners are called in the order of revisions, before each call returns."""
    history, notifications, late = history_of_one(), [], []
    history.subscribe(lambda rev, *_: notifications.append(rev))

    def work(name: str) -> None:
        for value in range(100):
            rev = history.do(set_x(value, name), origin=name)
            if rev not in notifications[rev - 1 : rev]:
                late.append(rev)

    threads = [threading.Thread(target=work, args=(f"p{at}",)) for at in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert notifications == list(range(1, 801))
    assert late == []
    while history.undo():
        pass
    assert history.document.nodes["a"].params == {"x": 0}


def test_the_undo_stack_is_limited():
    """A long session does not exhaust the memory."""
    history = history_of_one()
    for value in range(DEPTH + 10):
        history.do(set_x(value), origin="python")
    count = 0
    while history.undo():
        count += 1
    assert count == DEPTH
    assert history.document.nodes["a"].params == {"x": 9}
