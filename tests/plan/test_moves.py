"""How results, failures, losses and retries move a plan."""

from __future__ import annotations

import pytest
from support.plan_sketch import Sketch, answer, cells, edge, look, only, open_jobs, outputs_of

from fusionflow_nb import errors
from fusionflow_nb.flow import edits
from fusionflow_nb.media.values import Series
from fusionflow_nb.plan.job import JobState
from fusionflow_nb.plan.price import price
from fusionflow_nb.plan.reasons import ingredients, stale_reasons

REFUSED = errors.RefusedError("No.")


def sweep() -> Sketch:
    """3 prompts x 2 seeds -> image -> video -> contact sheet."""
    sketch = Sketch()
    sketch.add("prompts", "p", values=["a", "b", "c"])
    sketch.add("seeds", "s", count=2)
    sketch.add("generate_image", "still", model="fake/image", prompt="@p.text", seed="@s.seed")
    sketch.add("generate_video", "clip", model="fake/video", image="@still.image", duration_s=1)
    sketch.add("contact_sheet", "sheet", videos="@clip.video")
    return sketch


def refuse(node_id: str, *labels: str):
    return lambda job: REFUSED if (job.node.id, job.labels) == (node_id, labels) else outputs_of(job)


def test_one_refused_of_six():
    """Five videos are kept, the sheet shows the hole with the reason, and a retry asks for that cell alone."""
    plan = sweep().plan()
    answer(plan, refuse("still", "b", "2"))
    assert sum(job.state is JobState.DONE for job in cells(plan, "clip").values()) == 5
    assert isinstance(cells(plan, "clip")["b", "2"].error, errors.UpstreamError)
    sheet = only(plan, "sheet")
    assert sheet.bound is not None
    (hole,) = sheet.bound.media["videos"].holes
    assert (hole.labels, hole.note) == ((("prompt", "b"), ("seed", "2")), "refused")
    before = sheet.key
    plan.retry([cells(plan, "still")["b", "2"]])
    assert price(plan).paid_jobs == 2
    assert [(job.node.id, job.labels) for job in answer(plan)] == [
        ("still", ("b", "2")),
        ("clip", ("b", "2")),
        ("sheet", ()),
    ]
    assert only(plan, "sheet").key != before
    assert plan.unfresh == set()


def test_a_retry_asks_for_nothing_else():
    """What failed for another reason stays failed; what fell with both stays fallen."""
    sketch = Sketch()
    for name in ("one", "two"):
        sketch.add("generate_image", name, model="fake/image", prompt=name)
    sketch.add("blend", "both", base="@one.image", top="@two.image")
    plan = sketch.plan()
    answer(plan, lambda _job: REFUSED)
    plan.retry([only(plan, "one")])
    assert [job.node.id for job in answer(plan)] == ["one"]
    assert only(plan, "two").state is only(plan, "both").state is JobState.HOLE
    plan.retry([only(plan, "two")])
    assert [job.node.id for job in answer(plan)] == ["two", "both"]


def test_a_job_tried_again_waits_for_all_its_inputs():
    """A job that fell early and is put back runs once all it waited for has ended, not before."""
    sketch = Sketch()
    for name in ("one", "two"):
        sketch.add("generate_image", name, model="fake/image", prompt=name)
    sketch.add("blend", "both", base="@one.image", top="@two.image")
    plan = sketch.plan()
    one, two = plan.take_ready()
    assert [job.node.id for job in plan.fail(one, REFUSED)] == ["both"]
    plan.retry([one])
    plan.succeed(one, outputs_of(one))
    assert only(plan, "both").state is JobState.PENDING
    plan.succeed(two, outputs_of(two))
    assert only(plan, "both").state is JobState.READY


def test_what_falls_is_named_once():
    """A job below two failures falls with the first."""
    sketch = Sketch()
    sketch.add("prompts", "p", values=["a", "b"])
    sketch.add("generate_image", "still", model="fake/image", prompt="@p.text")
    sketch.add("concatenate", "film")
    sketch.add("generate_video", "clip", model="fake/video", image="@still.image")
    sketch.connect("clip.video", "film.videos")
    plan = sketch.plan()
    first, second = plan.take_ready()
    assert [job.node.id for job in plan.fail(first, REFUSED)] == ["clip", "film"]
    assert [job.node.id for job in plan.fail(second, REFUSED)] == ["clip"]


def test_late_answers_change_nothing():
    """An answer to a job that has ended, or that an edit replaced, is ignored."""
    sketch = Sketch()
    sketch.add("generate_image", "still", model="fake/image", prompt="x")
    plan = sketch.plan()
    (job,) = plan.take_ready()
    given = outputs_of(job)
    plan.fail(job, REFUSED)
    plan.succeed(job, given)
    assert (job.state, job.outputs) == (JobState.HOLE, None)
    sketch.set("still", prompt="y")
    plan.update(sketch.document, ["still"], is_structural=False)
    before = look(plan)
    plan.succeed(job, given)
    assert plan.fail(job, REFUSED) == []
    plan.lose(job)
    assert look(plan) == before


def test_lost_bytes_are_made_again_before_who_needs_them():
    """A lost result is priced as work; what is below and done stays; what would run waits, and is handed out once."""
    sketch = Sketch()
    sketch.add("generate_image", "still", model="fake/image", prompt="x")
    sketch.add("generate_image", "other", model="fake/image", prompt="y")
    sketch.add("grain", "done", image="@still.image")
    sketch.add("grain", "open", image="@still.image", amount=0.1)
    sketch.add("blend", "waiting", base="@still.image", top="@other.image")
    plan = sketch.plan()
    answer(plan, lambda job: None if job.node.id in {"open", "other"} else outputs_of(job))
    lost = only(plan, "still")
    plan.lose(lost)
    plan.lose(lost)
    assert plan.nodes["still"].state == "lost"
    assert plan.nodes["done"].state == "fresh"
    assert price(plan, ["still"]).high_micro_usd == 40_000
    assert list(map(str, stale_reasons(plan, {})["still"])) == ["its stored bytes are gone"]
    plan.succeed(only(plan, "other"), outputs_of(only(plan, "other")))
    assert only(plan, "waiting").state is only(plan, "open").state is JobState.PENDING
    assert plan.take_ready() == [lost]
    plan.succeed(lost, outputs_of(lost))
    assert sorted(job.node.id for job in plan.take_ready()) == ["open", "waiting"]


def test_lost_bytes_that_cannot_be_made_again_take_along_only_what_runs():
    """A failing remake is a hole for those that wait, not for those that are done."""
    sketch = Sketch()
    sketch.add("generate_image", "still", model="fake/image", prompt="x")
    sketch.add("grain", "done", image="@still.image")
    sketch.add("grain", "open", image="@still.image", amount=0.1)
    plan = sketch.plan()
    answer(plan, lambda job: None if job.node.id == "open" else outputs_of(job))
    lost = only(plan, "still")
    plan.lose(lost)
    assert [job.node.id for job in plan.fail(lost, REFUSED)] == ["open"]
    assert plan.nodes["done"].state == "fresh"


def test_a_split_that_failed_is_tried_again_whatever_its_length():
    """Below a batch whose length nobody knows: one hole while it failed, as many cells as it gives once it did not."""
    sketch = Sketch()
    sketch.add("generate_image", "still", model="fake/image", prompt="x")
    sketch.add("split", "parts", image="@still.image")
    sketch.add("grain", "each", image="@parts.image")
    sketch.add("contact_sheet", "sheet", images="@each.image")
    plan = sketch.plan()
    assert list(map(str, stale_reasons(plan, {})["each"])) == ["waits for parts"]
    answer(plan, refuse("parts"))
    assert [job.state for job in plan.nodes["each"].jobs.values()] == [JobState.HOLE]
    assert only(plan, "sheet").state is JobState.HOLE
    plan.retry([only(plan, "parts")])
    assert plan.nodes["each"].axes is None

    def three(job):
        given = outputs_of(job)
        if job.node.id == "parts":
            item = next(iter(outputs_of(only(plan, "still")).values()))
            given["image"] = Series("item", ("1", "2", "3"), (item,) * 3)
        return given

    assert [job.node.id for job in answer(plan, three)] == ["parts", "each", "each", "each", "sheet"]
    assert plan.unfresh == set()


def test_an_empty_batch_is_no_work_and_no_list():
    """A batch that turns out empty: nothing to do below it, and nothing for a list to hold."""
    sketch = Sketch()
    sketch.add("generate_image", "still", model="fake/image", prompt="x")
    sketch.add("split", "parts", image="@still.image")
    sketch.add("grain", "each", image="@parts.image")
    sketch.add("contact_sheet", "sheet", images="@each.image")
    plan = sketch.plan()
    answer(plan, lambda job: {"image": Series("item", (), ())} if job.node.id == "parts" else outputs_of(job))
    assert plan.nodes["each"].state == "fresh"
    assert isinstance(only(plan, "sheet").error, errors.UpstreamError)
    assert open_jobs(plan) == []


def test_an_answer_is_asked_for_even_where_nothing_seems_to_differ():
    """A stale node always has a reason: where its ingredients are those of before, that its result is not kept."""
    sketch = Sketch()
    sketch.add("generate_image", "still", model="fake/image", prompt="x", seed=1)
    plan = sketch.plan()
    shown = {("still", ()): ingredients(only(plan, "still"))}
    assert list(map(str, stale_reasons(plan, shown)["still"])) == ["its result is not kept"]
    sketch.set("still", prompt="y", seed=2)
    assert list(map(str, stale_reasons(sketch.plan(), shown)["still"])) == ["prompt: 'x' → 'y'", "seed: 1 → 2"]


def test_a_repeated_edit_leaves_nothing_behind():
    """Typing into a node whose upstream has not run does not heap up jobs that nobody needs."""
    sketch = Sketch()
    sketch.add("generate_image", "still", model="fake/image", prompt="x")
    sketch.add("grain", "below", image="@still.image")
    plan = sketch.plan()
    for amount in range(20):
        sketch.set("below", amount=amount)
        plan.update(sketch.document, ["below"], is_structural=False)
    assert len(only(plan, "still").dependents) == 1


def test_a_circle_is_followed_once_it_is_gone():
    """Edits made while edges form a circle are planned when it is broken, those elsewhere included."""
    sketch = Sketch()
    sketch.add("text", "far", text="a")
    sketch.add("template", "one", template="{x}", x="@far.text")
    sketch.add("template", "two", template="{x}", x="@one.text")
    plan = sketch.plan()
    circle = edits.AddEdge(edge=edge("two.text", "one.y"))
    sketch.edit(circle)
    with pytest.raises(errors.CycleError, match="two -> one -> two"):
        plan.update(sketch.document, ["one"])
    sketch.set("far", text="b")
    with pytest.raises(errors.CycleError):
        plan.update(sketch.document, ["far"], is_structural=False)
    sketch.edit(edits.RemoveEdge(edge=circle.edge))
    plan.update(sketch.document, ["one"])
    assert look(plan) == look(sketch.plan())
