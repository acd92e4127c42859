"""The cells of nodes whose inputs combine batches in unusual ways."""

from __future__ import annotations

import pytest
from support.plan import Sketch, catalog, cells, complete, only

from fusionflow_nb import errors
from fusionflow_nb.catalog.python import python_node_type
from fusionflow_nb.media.batch import Batch  # noqa: TC001 - read at run time
from fusionflow_nb.plan.job import JobState


def images(sketch: Sketch, name: str, *values: str, **params) -> str:
    sketch.add("prompts", name, values=list(values), **params)
    return sketch.add("generate_image", f"{name}_still", model="fake/image", prompt=f"@{name}.text", seed=1)


def test_an_axis_error_names_the_lists_not_the_nodes_between():
    """The lists themselves are still planned."""
    sketch = Sketch()
    images(sketch, "p", "a", "b", axis="x")
    images(sketch, "q", "a", "b", "c", axis="x")
    sketch.add("blend", "meet", base="@p_still.image", top="@q_still.image")
    sketch.add("grain", "below", image="@meet.image")
    plan = sketch.plan()
    complete(plan)
    problem = plan.nodes["meet"].problem
    assert isinstance(problem, errors.AxisError)
    assert "p and q share the axis 'x'" in str(problem)
    assert (problem.node_id, bool(problem.hint)) == ("meet", True)
    assert plan.nodes["p_still"].state == "fresh"
    assert isinstance(only(plan, "below").error, errors.UpstreamError)
    plan.retry([only(plan, "meet")])
    assert plan.nodes["meet"].problem is problem


def test_too_many_cells_are_an_error():
    """Multiplying two long lists is an error that names the number of cells."""
    sketch = Sketch()
    sketch.add("seeds", "s", count=1000)
    sketch.add("range", "r", steps=1000)
    sketch.add("template", "t", template="{a} {b}", a="@s.seed", b="@r.value")
    assert "1,000 seed x 1,000 value would be 1,000,000 cells" in str(sketch.problem("t"))


def test_a_list_cannot_add_an_axis_it_maps_over():
    """A list connected to another list with the same axis name is an error."""
    sketch = Sketch()
    sketch.add("range", "one", steps=2, axis="x")
    sketch.add("range", "two", start="@one.value", steps=2, axis="x")
    sketch.add("template", "t", template="{a}", a="@two.value")
    assert isinstance(sketch.problem("two"), errors.AxisError)


def test_the_count_of_outputs_can_come_over_an_edge():
    """`count` from a list: each cell has its number of variants, and the other cells are missing."""
    sketch = Sketch()
    sketch.add("seeds", "counts", values=[1, 3])
    sketch.add("generate_image", "still", model="fake/image", prompt="x", seed=1, count="@counts.seed")
    sketch.add("grain", "each", image="@still.image")
    plan = sketch.plan()
    complete(plan)
    done = {labels for labels, job in cells(plan, "each").items() if job.state is JobState.DONE}
    assert done == {("1", "1"), ("3", "1"), ("3", "2"), ("3", "3")}
    sketch.set("counts", values=[1])
    plan = sketch.plan()
    complete(plan)
    assert set(cells(plan, "each")) == {("1",)}


def test_nodes_follow_when_an_axis_disappears():
    """A node that maps and collects over variants is planned again for a single picture."""
    node_types = catalog()

    def compare(image: str, others: Batch[str]) -> str:
        return image

    node_types.declare(python_node_type(compare))
    sketch = Sketch(node_types=node_types)
    sketch.add("generate_image", "still", model="fake/image", prompt="x", seed=1, count=3)
    sketch.add("grain", "each", image="@still.image")
    sketch.add("contact_sheet", "sheet", images="@each.image")
    plan = sketch.plan()
    complete(plan)
    assert len(cells(plan, "each")) == 3
    sketch.set("still", count=1)
    plan.update(sketch.document, ["still"], is_structural=False)
    complete(plan)
    assert only(plan, "each").coordinate == ()
    assert plan.nodes["sheet"].state == "fresh"


def test_two_outputs_of_a_node_have_separate_cells():
    """Cells of a batch have distinct labels if two edges come from the same node."""
    sketch = Sketch()
    sketch.add("generate_image", "still", model="fake/image", prompt="x", seed=1)
    sketch.add("contact_sheet", "sheet", images=["@still.image", "@still.depth"])
    plan = sketch.plan()
    complete(plan)
    bound = only(plan, "sheet").bound
    assert bound is not None
    batch = bound.media["images"]
    assert batch.axes == ("input",)
    assert [cell.labels for cell in batch.cells] == [(("input", "still.image"),), (("input", "still.depth"),)]


@pytest.mark.parametrize("count", [0, 1, 1500])
def test_long_lists_are_planned_in_order(count):
    """A cell per label with its value; jobs become ready in the order of the list."""
    sketch = Sketch()
    sketch.add("seeds", "s", values=list(range(count)) or None, count=1)
    sketch.add("generate_image", "still", model="fake/image", prompt="x", seed="@s.seed")
    plan = sketch.plan()
    assert [job.bound.values["seed"] for job in plan.take_ready()] == (list(range(count)) or [1])
