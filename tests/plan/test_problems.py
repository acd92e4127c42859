"""Problems: an error belongs to its node and has a hint, and the other nodes are still planned."""

from __future__ import annotations

import pytest
from support.plan import complete, complete_except, document, edge, node, plan_of

from fusionflow_nb import errors
from fusionflow_nb.plan.job import JobState
from fusionflow_nb.plan.price import price
from fusionflow_nb.plan.reasons import changes, stale_reasons

GOOD = node("good", "generate_image", prompt="x", model="fake/image", seed=1)


def problem(broken, *others, edges=()):
    """The problem of the first node; the plan still contains the good node."""
    plan = plan_of(document([broken, GOOD, *others], edges))
    assert plan.nodes["good"].state == "stale"
    error = plan.nodes[broken.id].problem
    assert error is not None
    assert error.node_id == broken.id
    return error


@pytest.mark.parametrize(
    ("broken", "code", "message"),
    [
        (node("n", "no_such"), "unknown_node_type", "Run the cell"),
        (node("n", "generate_imag"), "unknown_node_type", "Did you mean generate_image"),
        (node("n", "generate_image", model="fake/image"), "port", "'prompt' is missing"),
        (node("n", "upscale", model="fake/edit"), "port", "Connect an image"),
        (node("n", "generate_image", prompt="x", model="fake/imag"), "unknown_model", "Did you mean fake-image"),
        (node("n", "generate_image", prompt="x", model="fake/video"), "capability", "text-to-image"),
        (node("n", "generate_image", prompt="x", model="fake/image", steps=3), "setting", "Settings: "),
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
def test_a_problem_has_a_code_and_a_hint(broken, code, message):
    """For each kind of mistake."""
    error = problem(broken)
    assert error.code == code
    assert message in str(error)


def test_an_edge_between_different_types_is_an_error():
    """The error names both types."""
    error = problem(node("n", "upscale", model="fake/edit"), node("t", "text"), edges=[edge("t.text", "n.image")])
    assert error.code == "port"
    assert "is text" in str(error)
    assert "takes image" in str(error)


def test_an_unknown_port_lists_the_existing_ports():
    """For inputs and outputs."""
    into = problem(node("n", "upscale", model="fake/edit"), edges=[edge("good.image", "n.picture")])
    assert "Its inputs: image" in str(into)
    out = problem(node("n", "upscale", model="fake/edit"), edges=[edge("good.picture", "n.image")])
    assert "Its outputs: image, depth" in str(out)


def test_two_edges_into_a_single_port_are_an_error():
    """The error names the port."""
    other = node("other", "generate_image", prompt="y", model="fake/image", seed=1)
    edges = [edge("good.image", "n.image"), edge("other.image", "n.image")]
    assert "takes one" in str(problem(node("n", "upscale", model="fake/edit"), other, edges=edges))


def test_a_cycle_error_names_a_shortest_cycle():
    """No plan is made; the error lists the nodes in edge direction."""
    nodes = [node(name, "join") for name in ("a", "b", "c", "d", "e")]
    edges = [
        edge(f"{source}.text", f"{target}.parts")
        for source, target in (
            ("e", "a"),
            ("a", "b"),
            ("b", "c"),
            ("c", "a"),
            ("c", "d"),
            ("d", "e"),
        )
    ]
    with pytest.raises(errors.CycleError) as caught:
        plan_of(document(nodes, edges))
    assert caught.value.nodes == ["a", "b", "c"]


def test_nodes_downstream_of_a_problem_are_unreachable():
    """The error names the upstream node."""
    flow = document(
        [node("n", "generate_image", model="fake/image"), node("big", "upscale", model="fake/edit")],
        [edge("n.image", "big.image")],
    )
    job = plan_of(flow).nodes["big"].jobs[()]
    assert job.state is JobState.UNREACHABLE
    assert "n gave no result" in str(job.error)


def test_a_value_of_the_wrong_type_fails_only_its_cell():
    """JSON for a number port is checked when the value is known."""
    flow = document(
        [
            node("t", "table", rows=[{"seed": 1}, {"seed": "many"}]),
            node("still", "generate_image", prompt="x", model="fake/image"),
        ],
        [edge("t.seed", "still.seed")],
    )
    plan = plan_of(flow)
    jobs = list(plan.nodes["still"].jobs.values())
    assert [job.state for job in jobs] == [JobState.READY, JobState.UNREACHABLE]
    assert "needs a number" in str(jobs[1].error)


class TestPrice:
    """The low and high price of a plan."""

    def chain(self):
        return plan_of(
            document([GOOD, node("big", "upscale", model="fake/edit", seed=1)], [edge("good.image", "big.image")])
        )

    def test_pending_jobs_count_in_the_high_price_only(self):
        """Whether they run is not known yet."""
        cost = price(self.chain())
        assert (cost.low_micro_usd, cost.high_micro_usd) == (40_000, 60_000)
        assert str(cost) == "$0.04–0.06"

    def test_cached_results_cost_nothing(self):
        """A finished plan costs 0."""
        plan = self.chain()
        [job] = plan.take_ready()
        from support.plan import outputs_of

        plan.succeed(job, outputs_of(job))
        assert price(plan).low_micro_usd == price(plan).high_micro_usd == 20_000
        complete(plan)
        assert price(plan).high_micro_usd == 0

    def test_a_scope_limits_the_price(self):
        """Only nodes of the scope count."""
        assert price(self.chain(), ["good"]).high_micro_usd == 40_000

    def test_models_without_a_price_are_named(self):
        """They need an allowance and have no amount."""
        plan = plan_of(document([node("n", "generate_image", prompt="x", model="fake/unpriced", seed=1)]))
        assert price(plan).unpriced == ("fake/unpriced",)
        assert "unpriced" in str(price(plan))

    def test_lost_bytes_are_priced_again(self):
        """A node with missing bytes is priced; results downstream stay fresh."""
        plan = self.chain()
        complete(plan)
        plan.mark_lost(plan.nodes["good"].jobs[()])
        assert plan.nodes["good"].state == "lost"
        assert plan.nodes["big"].state == "fresh"
        assert price(plan).high_micro_usd == 40_000


class TestReasons:
    """Why nodes are stale."""

    def test_a_changed_parameter_shows_old_and_new_value(self):
        """Likewise a changed input and take."""
        before = {"params": {"prompt": "dawn", "seed": 1}, "inputs": {"image": "asset:aa"}, "take": 0}
        now = {"params": {"prompt": "dusk", "seed": 1}, "inputs": {"image": "asset:bb"}, "take": 1}
        texts = [str(change) for change in changes(now, before)]
        assert texts == ["prompt: 'dawn' → 'dusk'", "image: aa → bb", "take: 0 → 1"]

    def test_a_pending_node_names_the_nodes_it_waits_for(self):
        """The upstream node never ran."""
        plan = plan_of(
            document([GOOD, node("big", "upscale", model="fake/edit", seed=1)], [edge("good.image", "big.image")])
        )
        reasons = {node_id: list(map(str, found_reasons)) for node_id, found_reasons in stale_reasons(plan, {}).items()}
        assert reasons == {"good": ["never ran"], "big": ["waits for good"]}


def test_retry_resets_failed_and_unreachable_jobs():
    """Finished jobs are not touched."""
    plan = TestPrice().chain()
    complete_except(plan, lambda job: job.node.id == "good")
    assert plan.nodes["big"].jobs[()].state is JobState.UNREACHABLE
    plan.retry([plan.nodes["good"].jobs[()]])
    order = complete(plan)
    assert [job.node.id for job in order] == ["good", "big"]
    assert plan.nodes["big"].state == "fresh"
