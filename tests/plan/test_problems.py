"""What is wrong with a node is said at the node, with the next step; the other nodes are planned all the same."""

from __future__ import annotations

import pytest
from support.plan import document, edge, finish, node, plan_of

from fusionflow_nb import errors
from fusionflow_nb.plan.job import JobState
from fusionflow_nb.plan.price import price
from fusionflow_nb.plan.reasons import changes, stale_reasons

GOOD = node("good", "generate_image", prompt="x", model="fake/image", seed=1)


def problem(wrong, *others, edges=()):
    """The problem of the first node; the good node beside it is planned."""
    plan = plan_of(document([wrong, GOOD, *others], edges))
    assert plan.nodes["good"].state == "stale"
    found = plan.nodes[wrong.id].problem
    assert found is not None
    assert found.node_id == wrong.id
    return found


@pytest.mark.parametrize(
    ("wrong", "code", "says"),
    [
        (node("n", "no_such"), "unknown_node_type", "Run the cell"),
        (node("n", "generate_imag"), "unknown_node_type", "Did you mean generate_image"),
        (node("n", "generate_image", model="fake/image"), "port", "'prompt' is missing"),
        (node("n", "upscale", model="fake/edit"), "port", "Connect an image"),
        (node("n", "generate_image", prompt="x", model="fake/imag"), "unknown_model", "Did you mean fake-image"),
        (node("n", "generate_image", prompt="x", model="fake/video"), "capability", "text-to-image"),
        (node("n", "generate_image", prompt="x", model="fake/image", steps=3), "setting", "Its settings: "),
        (node("n", "generate_image", prompt="x", model="fake/image", width=5000), "setting", "from 16 to 4096"),
        (node("n", "generate_image", prompt="x", model="fake/image", colour="red"), "parameter", "Its parameters: "),
        (node("n", "number", value="three"), "parameter", "value"),
        (node("n", "text", text="{{no}}"), "parameter", "no variable 'no'"),
        (node("n", "range", steps=0), "parameter", "steps"),
        (node("n", "template", template="{who}"), "parameter", "who"),
        (node("n", "load_image", name="cat.png"), "parameter", "cat.png"),
    ],
    ids=lambda value: value if isinstance(value, str) else None,
)
def test_a_problem_says_what_where_and_what_to_do(wrong, code, says):
    """Each kind of mistake has its code and its next step."""
    found = problem(wrong)
    assert found.code == code
    assert says in str(found)


def test_types_that_do_not_fit_are_refused_with_what_would():
    """Text into a picture port; and a video's own frame is no secret hint."""
    found = problem(node("n", "upscale", model="fake/edit"), node("t", "text"), edges=[edge("t", "text", "n", "image")])
    assert found.code == "port"
    assert "gives text" in str(found)
    assert "takes image" in str(found)


def test_ports_that_are_not_there_are_listed():
    """An edge to or from a port that does not exist lists those that do."""
    into = problem(node("n", "upscale", model="fake/edit"), edges=[edge("good", "image", "n", "picture")])
    assert "Its inputs: image" in str(into)
    out = problem(node("n", "upscale", model="fake/edit"), edges=[edge("good", "picture", "n", "image")])
    assert "Its outputs: image, depth" in str(out)


def test_two_edges_into_a_single_port_are_one_too_many():
    """A port that takes one says so."""
    other = node("other", "generate_image", prompt="y", model="fake/image", seed=1)
    edges = [edge("good", "image", "n", "image"), edge("other", "image", "n", "image")]
    assert "takes one" in str(problem(node("n", "upscale", model="fake/edit"), other, edges=edges))


def test_a_circle_names_its_nodes_in_edge_direction():
    """A circle stops the plan as a whole, and says which nodes feed each other."""
    nodes = [node(name, "join") for name in ("a", "b", "c", "d")]
    edges = [edge(s, "text", t, "parts") for s, t in (("a", "b"), ("b", "c"), ("c", "a"), ("a", "d"))]
    with pytest.raises(errors.CycleError) as caught:
        plan_of(document(nodes, edges))
    named = caught.value.nodes
    assert set(named) == {"a", "b", "c"}
    following = dict(zip(named, [*named[1:], named[0]], strict=True))
    assert following == {"a": "b", "b": "c", "c": "a"}


def test_what_lies_below_a_problem_is_skipped_and_says_because_of_whom():
    """The next node is a hole with the name of the one above."""
    made = document(
        [node("n", "generate_image", model="fake/image"), node("big", "upscale", model="fake/edit")],
        [edge("n", "image", "big", "image")],
    )
    below = plan_of(made).nodes["big"].jobs[()]
    assert below.state is JobState.HOLE
    assert "n gave no result" in str(below.error)


def test_a_value_that_arrives_and_does_not_fit_is_a_problem_of_the_cell():
    """JSON into a number port is judged when it is there."""
    made = document(
        [
            node("t", "table", rows=[{"seed": 1}, {"seed": "many"}]),
            node("still", "generate_image", prompt="x", model="fake/image"),
        ],
        [edge("t", "seed", "still", "seed")],
    )
    plan = plan_of(made)
    jobs = list(plan.nodes["still"].jobs.values())
    assert [job.state for job in jobs] == [JobState.READY, JobState.HOLE]
    assert "needs a number" in str(jobs[1].error)


class TestPrice:
    """Low and high over what would run."""

    def chain(self):
        return plan_of(
            document([GOOD, node("big", "upscale", model="fake/edit", seed=1)], [edge("good", "image", "big", "image")])
        )

    def test_pending_work_counts_in_the_high_figure_only(self):
        """Whether it must run is not known yet."""
        cost = price(self.chain())
        assert (cost.low_micro_usd, cost.high_micro_usd) == (40_000, 60_000)
        assert str(cost) == "$0.04–0.06"

    def test_what_is_known_counts_nothing(self):
        """Cached work costs 0, and so does a finished plan."""
        plan = self.chain()
        [job] = plan.take_ready()
        from support.plan import outputs_for

        plan.succeed(job, outputs_for(job))
        assert price(plan).low_micro_usd == price(plan).high_micro_usd == 20_000
        finish(plan)
        assert price(plan).high_micro_usd == 0

    def test_a_scope_is_priced_alone(self):
        """Only the nodes asked for."""
        assert price(self.chain(), ["good"]).high_micro_usd == 40_000

    def test_models_without_a_price_are_named(self):
        """They need an allowance; no figure is made up."""
        plan = plan_of(document([node("n", "generate_image", prompt="x", model="fake/unpriced", seed=1)]))
        assert price(plan).unpriced == ("fake/unpriced",)
        assert "unpriced" in str(price(plan))

    def test_lost_bytes_cost_again_and_what_is_below_stays(self):
        """A node whose bytes are gone is in the price; results below stay results."""
        plan = self.chain()
        finish(plan)
        plan.lose(plan.nodes["good"].jobs[()])
        assert plan.nodes["good"].state == "lost"
        assert plan.nodes["big"].state == "fresh"
        assert price(plan).high_micro_usd == 40_000


class TestReasons:
    """Stale, because: old -> new."""

    def test_a_changed_parameter_is_shown_old_and_new(self):
        """What the reader changed, in the reader's words."""
        before = {"params": {"prompt": "dawn", "seed": 1}, "inputs": {"image": "asset:aa"}, "take": 0}
        now = {"params": {"prompt": "dusk", "seed": 1}, "inputs": {"image": "asset:bb"}, "take": 1}
        said = [str(change) for change in changes(now, before)]
        assert said == ["prompt: 'dawn' → 'dusk'", "image: aa → bb", "take: 0 → 1"]

    def test_nodes_say_for_whom_they_wait(self):
        """Stale above, waiting below, never ran at first."""
        plan = plan_of(
            document([GOOD, node("big", "upscale", model="fake/edit", seed=1)], [edge("good", "image", "big", "image")])
        )
        reasons = {node_id: list(map(str, said)) for node_id, said in stale_reasons(plan, {}).items()}
        assert reasons == {"good": ["never ran"], "big": ["waits for good"]}


def test_a_failed_job_is_tried_again_with_what_fell_with_it():
    """`retry` puts back what failed and what is below; finished work is not touched."""
    plan = TestPrice().chain()
    finish(plan, fail=lambda job: job.node.id == "good")
    assert plan.nodes["big"].jobs[()].state is JobState.HOLE
    plan.retry([plan.nodes["good"].jobs[()]])
    order = finish(plan)
    assert [job.node.id for job in order] == ["good", "big"]
    assert plan.nodes["big"].state == "fresh"
