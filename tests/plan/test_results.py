"""Results, failures, lost bytes and retries in a plan."""

from __future__ import annotations

import pytest
from support.plan import Sketch, cells, complete, edge, only, outputs_of, ready_jobs, snapshot

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


def test_one_refused_cell_keeps_the_other_five():
    """The contact sheet shows the missing cell with its reason, and a retry runs only that cell."""
    plan = sweep().plan()
    complete(plan, refuse("still", "b", "2"))
    assert sum(job.state is JobState.DONE for job in cells(plan, "clip").values()) == 5
    assert isinstance(cells(plan, "clip")["b", "2"].error, errors.UpstreamError)
    sheet = only(plan, "sheet")
    assert sheet.bound is not None
    (missing,) = sheet.bound.media["videos"].holes
    assert (missing.labels, missing.note) == ((("prompt", "b"), ("seed", "2")), "refused")
    before = sheet.key
    plan.retry([cells(plan, "still")["b", "2"]])
    assert price(plan).paid_jobs == 2
    assert [(job.node.id, job.labels) for job in complete(plan)] == [
        ("still", ("b", "2")),
        ("clip", ("b", "2")),
        ("sheet", ()),
    ]
    assert only(plan, "sheet").key != before
    assert plan.not_fresh == set()


def test_a_retry_runs_only_the_given_jobs_and_dependents():
    """Other failed jobs stay failed, and a job that depends on both stays unreachable."""
    sketch = Sketch()
    for name in ("one", "two"):
        sketch.add("generate_image", name, model="fake/image", prompt=name)
    sketch.add("blend", "both", base="@one.image", top="@two.image")
    plan = sketch.plan()
    complete(plan, lambda _job: REFUSED)
    plan.retry([only(plan, "one")])
    assert [job.node.id for job in complete(plan)] == ["one"]
    assert only(plan, "two").state is only(plan, "both").state is JobState.UNREACHABLE
    plan.retry([only(plan, "two")])
    assert [job.node.id for job in complete(plan)] == ["two", "both"]


def test_a_retried_job_waits_for_all_its_inputs():
    """A job that became unreachable early and is reset runs only after all its inputs have ended."""
    sketch = Sketch()
    for name in ("one", "two"):
        sketch.add("generate_image", name, model="fake/image", prompt=name)
    sketch.add("blend", "both", base="@one.image", top="@two.image")
    plan = sketch.plan()
    first, second = plan.take_ready()
    assert [job.node.id for job in plan.fail(first, REFUSED)] == ["both"]
    plan.retry([first])
    plan.succeed(first, outputs_of(first))
    assert only(plan, "both").state is JobState.PENDING
    plan.succeed(second, outputs_of(second))
    assert only(plan, "both").state is JobState.READY


def test_fail_returns_each_unreachable_job_once():
    """A job downstream of two failures becomes unreachable with the first failure."""
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


def test_late_results_are_ignored():
    """A result of a job that has ended, or that an edit replaced, changes nothing."""
    sketch = Sketch()
    sketch.add("generate_image", "still", model="fake/image", prompt="x")
    plan = sketch.plan()
    (job,) = plan.take_ready()
    outputs = outputs_of(job)
    plan.fail(job, REFUSED)
    plan.succeed(job, outputs)
    assert (job.state, job.outputs) == (JobState.UNREACHABLE, None)
    sketch.set("still", prompt="y")
    plan.update(sketch.document, ["still"], is_structural=False)
    before = snapshot(plan)
    plan.succeed(job, outputs)
    assert plan.fail(job, REFUSED) == []
    plan.mark_lost(job)
    assert snapshot(plan) == before


def test_lost_bytes_are_generated_before_their_dependents():
    """A lost result is priced; done dependents stay done; other dependents wait and become ready once."""
    sketch = Sketch()
    sketch.add("generate_image", "still", model="fake/image", prompt="x")
    sketch.add("generate_image", "other", model="fake/image", prompt="y")
    sketch.add("grain", "done", image="@still.image")
    sketch.add("grain", "open", image="@still.image", amount=0.1)
    sketch.add("blend", "waiting", base="@still.image", top="@other.image")
    plan = sketch.plan()
    complete(plan, lambda job: None if job.node.id in {"open", "other"} else outputs_of(job))
    lost = only(plan, "still")
    plan.mark_lost(lost)
    plan.mark_lost(lost)
    assert plan.nodes["still"].state == "lost"
    assert plan.nodes["done"].state == "fresh"
    assert price(plan, ["still"]).high_micro_usd == 40_000
    assert list(map(str, stale_reasons(plan, {})["still"])) == ["its stored bytes are missing"]
    plan.succeed(only(plan, "other"), outputs_of(only(plan, "other")))
    assert only(plan, "waiting").state is only(plan, "open").state is JobState.PENDING
    assert plan.take_ready() == [lost]
    plan.succeed(lost, outputs_of(lost))
    assert sorted(job.node.id for job in plan.take_ready()) == ["open", "waiting"]


def test_failing_to_regenerate_spares_done_dependents():
    """Only waiting dependents become unreachable; done dependents stay done."""
    sketch = Sketch()
    sketch.add("generate_image", "still", model="fake/image", prompt="x")
    sketch.add("grain", "done", image="@still.image")
    sketch.add("grain", "open", image="@still.image", amount=0.1)
    plan = sketch.plan()
    complete(plan, lambda job: None if job.node.id == "open" else outputs_of(job))
    lost = only(plan, "still")
    plan.mark_lost(lost)
    assert [job.node.id for job in plan.fail(lost, REFUSED)] == ["open"]
    assert plan.nodes["done"].state == "fresh"


def test_a_failed_split_can_be_retried():
    """Nodes downstream have one unreachable job after the failure, and a job per item after the retry."""
    sketch = Sketch()
    sketch.add("generate_image", "still", model="fake/image", prompt="x")
    sketch.add("split", "parts", image="@still.image")
    sketch.add("grain", "each", image="@parts.image")
    sketch.add("contact_sheet", "sheet", images="@each.image")
    plan = sketch.plan()
    assert list(map(str, stale_reasons(plan, {})["each"])) == ["waits for parts"]
    complete(plan, refuse("parts"))
    assert [job.state for job in plan.nodes["each"].jobs.values()] == [JobState.UNREACHABLE]
    assert only(plan, "sheet").state is JobState.UNREACHABLE
    plan.retry([only(plan, "parts")])
    assert plan.nodes["each"].axes is None

    def three(job):
        outputs = outputs_of(job)
        if job.node.id == "parts":
            item = next(iter(outputs_of(only(plan, "still")).values()))
            outputs["image"] = Series("item", ("1", "2", "3"), (item,) * 3)
        return outputs

    assert [job.node.id for job in complete(plan, three)] == ["parts", "each", "each", "each", "sheet"]
    assert plan.not_fresh == set()


def test_an_empty_batch_makes_no_jobs_downstream():
    """A node that maps over it has no jobs, and a node that collects it has no input."""
    sketch = Sketch()
    sketch.add("generate_image", "still", model="fake/image", prompt="x")
    sketch.add("split", "parts", image="@still.image")
    sketch.add("grain", "each", image="@parts.image")
    sketch.add("contact_sheet", "sheet", images="@each.image")
    plan = sketch.plan()
    complete(plan, lambda job: {"image": Series("item", (), ())} if job.node.id == "parts" else outputs_of(job))
    assert plan.nodes["each"].state == "fresh"
    assert isinstance(only(plan, "sheet").error, errors.UpstreamError)
    assert ready_jobs(plan) == []


def test_a_stale_node_always_has_a_reason():
    """If its ingredients are unchanged, the reason is that its result is not stored."""
    sketch = Sketch()
    sketch.add("generate_image", "still", model="fake/image", prompt="x", seed=1)
    plan = sketch.plan()
    shown = {("still", ()): ingredients(only(plan, "still"))}
    assert list(map(str, stale_reasons(plan, shown)["still"])) == ["its result is not stored"]
    sketch.set("still", prompt="y", seed=2)
    assert list(map(str, stale_reasons(sketch.plan(), shown)["still"])) == ["prompt: 'x' → 'y'", "seed: 1 → 2"]


def test_repeated_edits_do_not_accumulate_jobs():
    """Editing a node whose source has not run leaves one dependent job."""
    sketch = Sketch()
    sketch.add("generate_image", "still", model="fake/image", prompt="x")
    sketch.add("grain", "below", image="@still.image")
    plan = sketch.plan()
    for amount in range(20):
        sketch.set("below", amount=amount)
        plan.update(sketch.document, ["below"], is_structural=False)
    assert len(only(plan, "still").dependents) == 1


def test_edits_during_a_cycle_are_planned_afterwards():
    """Edits made while edges form a cycle are planned when it is removed, including edits elsewhere."""
    sketch = Sketch()
    sketch.add("text", "far", text="a")
    sketch.add("template", "one", template="{x}", x="@far.text")
    sketch.add("template", "two", template="{x}", x="@one.text")
    plan = sketch.plan()
    cycle = edits.AddEdge(edge=edge("two.text", "one.y"))
    sketch.edit(cycle)
    with pytest.raises(errors.CycleError, match="one -> two -> one"):
        plan.update(sketch.document, ["one"])
    sketch.set("far", text="b")
    with pytest.raises(errors.CycleError):
        plan.update(sketch.document, ["far"], is_structural=False)
    sketch.edit(edits.RemoveEdge(edge=cycle.edge))
    plan.update(sketch.document, ["one"])
    assert snapshot(plan) == snapshot(sketch.plan())
