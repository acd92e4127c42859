"""Combining batches in a plan: zipped, multiplied, collected, with missing cells."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.plan import complete, complete_except, document, edge, node, plan_of

from fusionflow_nb import errors
from fusionflow_nb.catalog import Catalog
from fusionflow_nb.catalog.python import python_node_type
from fusionflow_nb.media.batch import Axis
from fusionflow_nb.media.handles import Image  # noqa: TC001 - the node type is read from the hint
from fusionflow_nb.media.values import Series, Value
from fusionflow_nb.plan import axes
from fusionflow_nb.plan.job import JobState

LABELS = st.lists(st.text("abcdef", min_size=1, max_size=2), unique=True, max_size=4).map(tuple)


def cells(plan, node_id):
    """The coordinates of a node's jobs."""
    return [dict(job.coordinate) for job in plan.nodes[node_id].jobs.values()]


def image(node_id, **params):
    return node(node_id, "generate_image", model="fake/image", **{"prompt": "x", "seed": 1, **params})


def prompts(node_id, values, **params):
    return node(node_id, "prompts", values=values, **params)


def test_lists_of_different_origin_are_multiplied():
    """Every combination is a cell, in order."""
    flow = document(
        [prompts("p", ["a", "b", "c"]), node("s", "seeds", values=[7, 9]), image("still")],
        [edge("p.text", "still.prompt"), edge("s.seed", "still.seed")],
    )
    assert cells(plan_of(flow), "still") == [{"prompt": p, "seed": s} for p in "abc" for s in ("7", "9")]


def test_a_list_over_two_paths_is_zipped_by_label():
    """The same axis occurs once: a cell gets the items with its label from both paths."""
    flow = document(
        [prompts("p", ["a", "b"]), image("still"), node("film", "generate_video", model="fake/video", seed=1)],
        [
            edge("p.text", "still.prompt"),
            edge("still.image", "film.image"),
            edge("p.text", "film.prompt"),
        ],
    )
    plan = plan_of(flow)
    complete(plan)
    assert cells(plan, "film") == [{"prompt": "a"}, {"prompt": "b"}]
    assert [job.bound.values["prompt"] for job in plan.nodes["film"].jobs.values()] == ["a", "b"]


def test_a_second_axis_of_the_same_name_gets_a_number():
    """A second list of prompts is a separate axis, displayed as `prompt_2`."""
    flow = document(
        [prompts("p", ["a", "b"]), prompts("q", ["x", "y"]), node("t", "template", template="{one} {two}")],
        [edge("p.text", "t.one"), edge("q.text", "t.two")],
    )
    plan = plan_of(flow)
    assert cells(plan, "t")[1] == {"prompt": "a", "prompt_2": "y"}
    assert len(cells(plan, "t")) == 4


def shared(first, second):
    return document(
        [
            prompts("p", first[0], axis="scene", labels=first[1]),
            prompts("q", second[0], axis="scene", labels=second[1]),
            node("t", "template", template="{one} {two}"),
        ],
        [edge("p.text", "t.one"), edge("q.text", "t.two")],
    )


def test_lists_with_the_same_axis_name_are_zipped():
    """`axis=` on both lists zips them by label."""
    plan = plan_of(shared((["a", "b"], None), (["x", "y"], None)))
    texts = [job.outputs["text"].data for job in plan.nodes["t"].jobs.values()]
    assert texts == ["a x", "b y"]


def test_different_labels_on_a_shared_axis_are_an_error():
    """The error names both lists."""
    plan = plan_of(shared((["a", "b"], ["one", "two"]), (["x", "y"], ["one", "three"])))
    problem = plan.nodes["t"].problem
    assert isinstance(problem, errors.AxisError)
    assert "p and q" in str(problem)
    assert problem.node_id == "t"


def test_several_outputs_of_a_call_form_an_axis():
    """`count` makes a generation with several outputs; downstream nodes run once per output."""
    flow = document(
        [image("still", count=3), node("big", "upscale", model="fake/edit", seed=1)],
        [edge("still.image", "big.image")],
    )
    plan = plan_of(flow)
    assert len(plan.nodes["still"].jobs) == 1
    assert cells(plan, "big") == [{"variant": "1"}, {"variant": "2"}, {"variant": "3"}], "known before the run"
    complete(plan)
    assert len({job.key for job in plan.nodes["big"].jobs.values()}) == 3


def split(parts: int = 2) -> list[Image]:
    return []


def test_a_batch_expands_when_its_length_is_known():
    """The result of a Python node determines the number of downstream jobs."""
    catalog = Catalog()
    catalog.declare(python_node_type(split))
    flow = document(
        [node("cut", "split"), node("big", "upscale", model="fake/edit", seed=1)],
        [edge("cut.image", "big.image")],
    )
    plan = plan_of(flow, catalog)
    assert plan.nodes["big"].state == "pending"
    assert plan.nodes["big"].axes is None
    [job] = plan.take_ready()
    from support.plan import picture

    plan.succeed(job, {"image": Series("item", ("1", "2", "3"), tuple(map(picture, "abc")))})
    assert cells(plan, "big") == [{"item": "1"}, {"item": "2"}, {"item": "3"}]
    assert len(plan.take_ready()) == 3


def test_a_list_needs_every_cell_a_batch_shows_missing_cells():
    """After one failed cell the list node is skipped, and the sheet has a missing cell with the error code."""
    flow = document(
        [
            prompts("p", ["a", "b"]),
            node("film", "generate_video", model="fake/video", seed=1, duration_s=1),
            node("joined", "concatenate"),
            node("sheet", "contact_sheet"),
        ],
        [
            edge("p.text", "film.prompt"),
            edge("film.video", "joined.videos"),
            edge("film.video", "sheet.videos"),
        ],
    )
    plan = plan_of(flow)
    complete_except(plan, lambda job: dict(job.coordinate) == {"prompt": "b"})
    assert plan.nodes["joined"].jobs[()].state is JobState.UNREACHABLE
    sheet = plan.nodes["sheet"].jobs[()]
    assert sheet.state is JobState.DONE
    batch = sheet.bound.media["videos"]
    assert [cell.note for cell in batch.cells] == ["", "provider"]
    assert batch.axes == ("prompt",)


def test_a_collecting_port_keeps_the_axis_its_node_maps_over():
    """A title per prompt makes a sheet per prompt, with that prompt's seeds."""
    flow = document(
        [
            prompts("p", ["a", "b"]),
            node("s", "seeds", values=[1, 2, 3]),
            image("still"),
            node("sheet", "contact_sheet"),
        ],
        [
            edge("p.text", "still.prompt"),
            edge("s.seed", "still.seed"),
            edge("still.image", "sheet.images"),
            edge("p.text", "sheet.title"),
        ],
    )
    plan = plan_of(flow)
    complete(plan)
    sheets = list(plan.nodes["sheet"].jobs.values())
    assert [dict(job.coordinate) for job in sheets] == [{"prompt": "a"}, {"prompt": "b"}]
    assert [len(job.bound.media["images"].cells) for job in sheets] == [3, 3]
    assert sheets[0].bound.media["images"].axes == ("seed",)


def test_a_table_makes_one_job_per_row():
    """Columns are outputs on the same axis; the label column provides the labels."""
    rows = [{"name": "cat", "seed": 1}, {"name": "dog", "seed": 2}]
    flow = document(
        [node("t", "table", rows=rows, label="name"), image("still")],
        [edge("t.name", "still.prompt"), edge("t.seed", "still.seed")],
    )
    plan = plan_of(flow)
    assert cells(plan, "still") == [{"row": "cat"}, {"row": "dog"}]
    plan.take_ready()
    assert [job.bound.values["seed"] for job in plan.nodes["still"].jobs.values()] == [1, 2]


def test_repeated_labels_get_a_number():
    """Two equal prompts make two cells."""
    plan = plan_of(document([prompts("p", ["a", "a"]), image("still")], [edge("p.text", "still.prompt")]))
    assert cells(plan, "still") == [{"prompt": "a"}, {"prompt": "a (2)"}]


@given(LABELS, LABELS)
def test_combining_an_axis_twice_keeps_all_labels(first, second):
    """A label missing from one input makes a missing cell, not a missing axis."""
    first_axis, second_axis = Axis("prompt", "p", first), Axis("prompt", "p", second)
    [combined] = axes.combine([("a", [first_axis]), ("b", [second_axis])], node_id="n")
    assert set(combined.labels) == {*first, *second}
    assert combined.labels[: len(first)] == first


@given(st.lists(LABELS, max_size=3))
def test_every_combination_of_labels_is_one_cell(labels):
    """The cells of several axes are their product, and the displayed names are unique."""
    combined = [Axis("a", f"n{index}", axis_labels) for index, axis_labels in enumerate(labels)]
    cells = list(axes.cells(combined))
    assert len(cells) == len(set(cells)) == math.prod(map(len, labels))
    assert len(set(axes.names(combined))) == len(combined)


def test_a_list_node_outputs_a_series_of_values():
    """Its items are values with the labels of the list."""
    plan = plan_of(document([prompts("p", ["a"])]))
    series = plan.nodes["p"].jobs[()].outputs["text"]
    assert series == Series("prompt", ("a",), (Value.of("a"),))


@pytest.mark.parametrize("values", [[], None], ids=["none", "missing"])
def test_an_empty_list_is_a_problem_of_its_node(values):
    """A list without items is an error, and downstream nodes do not run."""
    params = {} if values is None else {"values": values}
    flow = document([node("p", "prompts", **params), image("still")], [edge("p.text", "still.prompt")])
    plan = plan_of(flow)
    assert plan.nodes["p"].problem is not None
    assert plan.take_ready() == []
