"""How many cells nodes have where batches meet in unusual ways."""

from __future__ import annotations

import pytest
from support.plan_sketch import Sketch, answer, catalog, cells, only

from fusionflow_nb import errors
from fusionflow_nb.catalog.python import python_node_type
from fusionflow_nb.media.batch import Batch  # noqa: TC001 - read at run time
from fusionflow_nb.plan.job import JobState


def images(sketch: Sketch, name: str, *values: str, **params) -> str:
    sketch.add("prompts", name, values=list(values), **params)
    return sketch.add("generate_image", f"{name}_still", model="fake/image", prompt=f"@{name}.text", seed=1)


def test_unequal_lists_on_one_axis_are_named_though_nodes_stand_between():
    """The error names the two lists, not the nodes below them that meet; what stands above them plans as ever."""
    sketch = Sketch()
    images(sketch, "p", "a", "b", axis="x")
    images(sketch, "q", "a", "b", "c", axis="x")
    sketch.add("blend", "meet", base="@p_still.image", top="@q_still.image")
    sketch.add("grain", "below", image="@meet.image")
    plan = sketch.plan()
    answer(plan)
    found = plan.nodes["meet"].problem
    assert isinstance(found, errors.AxisError)
    assert "p and q share the axis 'x'" in str(found)
    assert (found.node_id, bool(found.hint)) == ("meet", True)
    assert plan.nodes["p_still"].state == "fresh"
    assert isinstance(only(plan, "below").error, errors.UpstreamError)
    plan.retry([only(plan, "meet")])
    assert plan.nodes["meet"].problem is found


def test_lists_that_nobody_meant_to_multiply_are_refused():
    """Two long lists make an error that says how many cells, not a full memory."""
    sketch = Sketch()
    sketch.add("seeds", "s", count=1000)
    sketch.add("range", "r", steps=1000)
    sketch.add("template", "t", template="{a} {b}", a="@s.seed", b="@r.value")
    assert "1,000 seed x 1,000 value would be 1,000,000 cells" in str(sketch.problem("t"))


def test_a_list_does_not_add_the_axis_it_maps_over():
    """A list fed by another list on the same named axis is an error of its own, and not two axes in one."""
    sketch = Sketch()
    sketch.add("range", "one", steps=2, axis="x")
    sketch.add("range", "two", start="@one.value", steps=2, axis="x")
    sketch.add("template", "t", template="{a}", a="@two.value")
    assert isinstance(sketch.problem("two"), errors.AxisError)


def test_how_many_pictures_may_come_over_an_edge():
    """`count` from a list: each cell gives as many variants as it was asked for, the others are holes."""
    sketch = Sketch()
    sketch.add("seeds", "counts", values=[1, 3])
    sketch.add("generate_image", "still", model="fake/image", prompt="x", seed=1, count="@counts.seed")
    sketch.add("grain", "each", image="@still.image")
    plan = sketch.plan()
    answer(plan)
    done = {labels for labels, job in cells(plan, "each").items() if job.state is JobState.DONE}
    assert done == {("1", "1"), ("3", "1"), ("3", "2"), ("3", "3")}
    sketch.set("counts", values=[1])
    plan = sketch.plan()
    answer(plan)
    assert set(cells(plan, "each")) == {("1",)}


def test_an_axis_that_goes_leaves_no_trace():
    """A node that maps and collects over the same variants follows when there is but one picture again."""
    known = catalog()

    def compare(image: str, others: Batch[str]) -> str:
        return image

    known.declare(python_node_type(compare))
    sketch = Sketch(known=known)
    sketch.add("generate_image", "still", model="fake/image", prompt="x", seed=1, count=3)
    sketch.add("grain", "each", image="@still.image")
    sketch.add("contact_sheet", "sheet", images="@each.image")
    plan = sketch.plan()
    answer(plan)
    assert len(cells(plan, "each")) == 3
    sketch.set("still", count=1)
    plan.update(sketch.document, ["still"], is_structural=False)
    answer(plan)
    assert only(plan, "each").coordinate == ()
    assert plan.nodes["sheet"].state == "fresh"


def test_two_outputs_of_one_node_on_one_sheet_are_told_apart():
    """Cells of a batch have labels of their own, even where two edges come from one node."""
    sketch = Sketch()
    sketch.add("generate_image", "still", model="fake/image", prompt="x", seed=1)
    sketch.add("contact_sheet", "sheet", images=["@still.image", "@still.depth"])
    plan = sketch.plan()
    answer(plan)
    bound = only(plan, "sheet").bound
    assert bound is not None
    batch = bound.media["images"]
    assert batch.axes == ("input",)
    assert [cell.labels for cell in batch.cells] == [(("input", "still.image"),), (("input", "still.depth"),)]


@pytest.mark.parametrize("count", [0, 1, 1500])
def test_long_lists_are_planned_in_one_go(count):
    """As many cells as labels, each with its own value, and ready in the order of the list."""
    sketch = Sketch()
    sketch.add("seeds", "s", values=list(range(count)) or None, count=1)
    sketch.add("generate_image", "still", model="fake/image", prompt="x", seed="@s.seed")
    plan = sketch.plan()
    assert [job.bound.values["seed"] for job in plan.take_ready()] == (list(range(count)) or [1])
