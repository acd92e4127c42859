"""How batches meet in a plan: zipped, multiplied, collected, with holes."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.plan import document, edge, finish, node, plan_of

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


def test_two_lists_are_multiplied():
    """Axes of different origin give every combination, in order."""
    made = document(
        [prompts("p", ["a", "b", "c"]), node("s", "seeds", values=[7, 9]), image("still")],
        [edge("p", "text", "still", "prompt"), edge("s", "seed", "still", "seed")],
    )
    found = cells(plan_of(made), "still")
    assert found == [{"prompt": p, "seed": s} for p in "abc" for s in ("7", "9")]


def test_one_list_that_comes_by_two_ways_is_zipped():
    """The same axis met twice is one axis: a cell gets what belongs to its label on both ways."""
    made = document(
        [prompts("p", ["a", "b"]), image("still"), node("film", "generate_video", model="fake/video", seed=1)],
        [
            edge("p", "text", "still", "prompt"),
            edge("still", "image", "film", "image"),
            edge("p", "text", "film", "prompt"),
        ],
    )
    plan = plan_of(made)
    finish(plan)
    assert cells(plan, "film") == [{"prompt": "a"}, {"prompt": "b"}]
    assert [job.bound.values["prompt"] for job in plan.nodes["film"].jobs.values()] == ["a", "b"]


def test_two_lists_of_one_name_are_multiplied_and_the_second_is_numbered():
    """Another list of prompts is another axis, shown as `prompt_2`."""
    made = document(
        [prompts("p", ["a", "b"]), prompts("q", ["x", "y"]), node("t", "template", template="{one} {two}")],
        [edge("p", "text", "t", "one"), edge("q", "text", "t", "two")],
    )
    plan = plan_of(made)
    assert cells(plan, "t")[1] == {"prompt": "a", "prompt_2": "y"}
    assert len(cells(plan, "t")) == 4


def shared(first, second):
    return document(
        [
            prompts("p", first[0], axis="scene", labels=first[1]),
            prompts("q", second[0], axis="scene", labels=second[1]),
            node("t", "template", template="{one} {two}"),
        ],
        [edge("p", "text", "t", "one"), edge("q", "text", "t", "two")],
    )


def test_lists_on_one_named_axis_are_zipped():
    """`axis=` on both lists: the first with the first, by label."""
    plan = plan_of(shared((["a", "b"], None), (["x", "y"], None)))
    given = [job.outputs["text"].data for job in plan.nodes["t"].jobs.values()]
    assert given == ["a x", "b y"]


def test_unequal_labels_on_a_named_axis_are_an_error_that_names_both():
    """Lists that do not agree are not guessed together."""
    plan = plan_of(shared((["a", "b"], ["one", "two"]), (["x", "y"], ["one", "three"])))
    problem = plan.nodes["t"].problem
    assert isinstance(problem, errors.AxisError)
    assert "p and q" in str(problem)
    assert problem.node_id == "t"


def test_several_pictures_of_one_call_are_an_axis():
    """`count` is one generation with several outputs; what follows runs for each."""
    made = document(
        [image("still", count=3), node("big", "upscale", model="fake/edit", seed=1)],
        [edge("still", "image", "big", "image")],
    )
    plan = plan_of(made)
    assert len(plan.nodes["still"].jobs) == 1
    assert cells(plan, "big") == [{"variant": "1"}, {"variant": "2"}, {"variant": "3"}], "known before the run"
    finish(plan)
    assert len({job.key for job in plan.nodes["big"].jobs.values()}) == 3


def split(parts: int = 2) -> list[Image]:
    return []


def test_a_batch_of_unknown_length_is_expanded_when_it_is_known():
    """What a Python node returns decides how many jobs there are below."""
    catalog = Catalog()
    catalog.declare(python_node_type(split))
    made = document(
        [node("cut", "split"), node("big", "upscale", model="fake/edit", seed=1)],
        [edge("cut", "image", "big", "image")],
    )
    plan = plan_of(made, catalog)
    assert plan.nodes["big"].state == "pending"
    assert plan.nodes["big"].axes is None
    [job] = plan.take_ready()
    from support.plan import picture

    plan.succeed(job, {"image": Series("item", ("1", "2", "3"), tuple(map(picture, "abc")))})
    assert cells(plan, "big") == [{"item": "1"}, {"item": "2"}, {"item": "3"}]
    assert len(plan.take_ready()) == 3


def test_a_list_port_needs_every_cell_and_a_batch_port_shows_the_holes():
    """One failed cell: the list below is skipped, the sheet is made with a hole that says why."""
    made = document(
        [
            prompts("p", ["a", "b"]),
            node("film", "generate_video", model="fake/video", seed=1, duration_s=1),
            node("joined", "concatenate"),
            node("sheet", "contact_sheet"),
        ],
        [
            edge("p", "text", "film", "prompt"),
            edge("film", "video", "joined", "videos"),
            edge("film", "video", "sheet", "videos"),
        ],
    )
    plan = plan_of(made)
    finish(plan, fail=lambda job: dict(job.coordinate) == {"prompt": "b"})
    assert plan.nodes["joined"].jobs[()].state is JobState.HOLE
    sheet = plan.nodes["sheet"].jobs[()]
    assert sheet.state is JobState.DONE
    batch = sheet.bound.media["videos"]
    assert [cell.note for cell in batch.cells] == ["", "provider"]
    assert batch.axes == ("prompt",)


def test_a_collecting_port_keeps_to_the_axis_its_node_maps_over():
    """With a title per prompt there is a sheet per prompt, of that prompt's seeds."""
    made = document(
        [
            prompts("p", ["a", "b"]),
            node("s", "seeds", values=[1, 2, 3]),
            image("still"),
            node("sheet", "contact_sheet"),
        ],
        [
            edge("p", "text", "still", "prompt"),
            edge("s", "seed", "still", "seed"),
            edge("still", "image", "sheet", "images"),
            edge("p", "text", "sheet", "title"),
        ],
    )
    plan = plan_of(made)
    finish(plan)
    sheets = list(plan.nodes["sheet"].jobs.values())
    assert [dict(job.coordinate) for job in sheets] == [{"prompt": "a"}, {"prompt": "b"}]
    assert [len(job.bound.media["images"].cells) for job in sheets] == [3, 3]
    assert sheets[0].bound.media["images"].axes == ("seed",)


def test_a_table_fans_out_one_run_per_row():
    """Columns are outputs on one axis; rows are labelled by the column of one's choice."""
    rows = [{"name": "cat", "seed": 1}, {"name": "dog", "seed": 2}]
    made = document(
        [node("t", "table", rows=rows, label="name"), image("still")],
        [edge("t", "name", "still", "prompt"), edge("t", "seed", "still", "seed")],
    )
    plan = plan_of(made)
    assert cells(plan, "still") == [{"row": "cat"}, {"row": "dog"}]
    plan.take_ready()
    assert [job.bound.values["seed"] for job in plan.nodes["still"].jobs.values()] == [1, 2]


def test_equal_labels_are_told_apart():
    """Two equal prompts are two cells."""
    plan = plan_of(document([prompts("p", ["a", "a"]), image("still")], [edge("p", "text", "still", "prompt")]))
    assert cells(plan, "still") == [{"prompt": "a"}, {"prompt": "a (2)"}]


@given(LABELS, LABELS)
def test_the_same_axis_met_twice_keeps_the_labels_of_both(first, second):
    """A label that one side lacks makes a missing cell, not a missing axis."""
    one, two = Axis("prompt", "p", first), Axis("prompt", "p", second)
    [met] = axes.combine([("a", [one]), ("b", [two])], node_id="n")
    assert set(met.labels) == {*first, *second}
    assert met.labels[: len(first)] == first


@given(st.lists(LABELS, max_size=3))
def test_every_combination_is_a_cell_once(labels):
    """The cells of some axes are their product, the last axis fastest."""
    made = [Axis("a", f"n{at}", each) for at, each in enumerate(labels)]
    found = list(axes.cells(made))
    count = 1
    for each in labels:
        count *= len(each)
    assert len(found) == len(set(found)) == count
    assert len(set(axes.names(made))) == len(made)


def test_values_are_unwrapped_and_rewrapped_alike():
    """A series of values is what a list node gives; its items are values."""
    plan = plan_of(document([prompts("p", ["a"])]))
    series = plan.nodes["p"].jobs[()].outputs["text"]
    assert series == Series("prompt", ("a",), (Value.of("a"),))


@pytest.mark.parametrize("values", [[], None], ids=["none", "missing"])
def test_an_empty_list_is_a_problem_of_its_node(values):
    """A list without items says so, and what is below is not planned to run."""
    params = {} if values is None else {"values": values}
    made = document([node("p", "prompts", **params), image("still")], [edge("p", "text", "still", "prompt")])
    plan = plan_of(made)
    assert plan.nodes["p"].problem is not None
    assert plan.take_ready() == []
