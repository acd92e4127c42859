"""Estimated and actual cost per node, and the reasons why a node would run."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from support.engine import PATIENCE_S, counts

import fusionflow_nb as ff
from fusionflow_nb import errors
from fusionflow_nb.canvas.plan_view import PlanView
from fusionflow_nb.providers.model import PerToken
from fusionflow_nb.testing.fake import Behaviour, FakeProvider

if TYPE_CHECKING:
    from fusionflow_nb.api.flow import Flow


@pytest.fixture
def chain(flow: Flow) -> Flow:
    """A picture, an edit of it and a video of the edit: $0.04, $0.02 and $0.20."""
    still = flow.generate_image("dawn", model="fake/image", name="still")
    edit = flow.edit_image(still, "warmer", model="fake/edit", name="edit")
    flow.generate_video(image=edit, prompt="slow", model="fake/video", duration_s=4, name="film")
    return flow


def by_node(flow: Flow) -> dict[str, tuple[int, int]]:
    estimates = flow.estimate().by_node
    return {name: (estimate.low_micro_usd, estimate.high_micro_usd) for name, estimate in estimates.items()}


def test_the_estimate_covers_exactly_the_stale_nodes(chain: Flow) -> None:
    """Pending nodes count in the high estimate only; cached nodes cost nothing; totals are sums."""
    assert by_node(chain) == {"still": (40_000, 40_000), "edit": (0, 20_000), "film": (0, 200_000)}
    assert (chain.estimate().low_micro_usd, chain.estimate().high_micro_usd) == (40_000, 260_000)
    chain.run("edit").result(PATIENCE_S)
    assert by_node(chain) == {"film": (200_000, 200_000)}
    chain.set("edit", prompt="colder")
    assert by_node(chain) == {"edit": (20_000, 20_000), "film": (0, 200_000)}
    assert chain.estimate().node_text("film") == "$0.00–0.20"
    assert chain.estimate().node_text("still") == ""
    assert by_node(chain).keys() == {"edit", "film"}


def test_canvas_and_python_show_the_same_estimates(chain: Flow) -> None:
    """The canvas shows the values of `flow.estimate()` for each node."""
    changes = PlanView().update(chain.plan(), {})
    assert {
        name: (facts["low_micro_usd"], facts["high_micro_usd"])
        for name, facts in changes.items()
        if "high_micro_usd" in facts
    } == by_node(chain)


def test_the_tape_compares_estimate_and_actual_cost(chain: Flow, fake: FakeProvider) -> None:
    """Per model, in the view `cost_against_estimate`; cached jobs are not counted again."""
    fake.when("warmer", Behaviour(cost_micro_usd=35_000))
    chain.run().result(PATIENCE_S)
    assert counts(chain.run().wait(PATIENCE_S)) == {"cached": 3}
    rows = ff.tape.sql("""
        SELECT model, generations, cost_estimate_low::double, cost_estimate::double, cost_computation::double,
               round(over_estimate, 6)::double, dearer
        FROM cost_against_estimate ORDER BY model
    """).rows()
    assert rows == [
        ("fake/edit", 1, 0.02, 0.02, 0.035, 0.015, 1),
        ("fake/image", 1, 0.04, 0.04, 0.04, 0.0, 0),
        ("fake/video", 1, 0.2, 0.2, 0.2, 0.0, 0),
    ]


def test_why_names_the_changed_part_of_the_key(chain: Flow, fake: FakeProvider) -> None:
    """Never ran, waits, a parameter old → new, an input, a take; a fresh node names its generation."""
    assert chain.why("still") == ["never ran"]
    assert chain.why("edit") == ["waits for still"]
    run = chain.run().wait(PATIENCE_S)
    [generation_id] = [job.generation_id for (name, _), job in run.jobs.items() if name == "still"]
    assert chain.why("still") == [f"fresh: same inputs and settings as generation {generation_id}"]
    chain.set("still", prompt="dusk")
    assert chain.why("still") == ["prompt: 'dawn' → 'dusk'"]
    assert chain.why("film") == ["waits for edit"]
    chain.run("still").result(PATIENCE_S)
    [reason] = chain.why("edit")
    assert reason.startswith("image: ")
    assert "→" in reason
    chain.again("still")
    assert "take: 0 → 1" in chain.why("still")
    with pytest.raises(errors.GoneError):
        chain.why("missing")
    assert len(fake.log()) == 4


def test_why_explains_a_locked_node(chain: Flow, fake: FakeProvider) -> None:
    """A locked node keeps its generation; after unlocking, `why` lists the changes."""
    chain.run("still").result(PATIENCE_S)
    chain.lock("still")
    chain.set("still", prompt="dusk")
    [reason] = chain.why("still")
    assert reason.startswith("locked to generation ")
    assert chain.estimate("still").high_micro_usd == 0
    assert counts(chain.run("still").wait(PATIENCE_S)) == {"cached": 1}
    assert len(fake.log()) == 1
    chain.unlock("still")
    assert chain.why("still") == ["prompt: 'dawn' → 'dusk'"]


def test_again_makes_a_new_take_and_keeps_the_first(chain: Flow, fake: FakeProvider) -> None:
    """Another take has another key; returning to the first take costs nothing."""
    first = chain.run("still").result(PATIENCE_S)
    chain.again("still")
    second = chain.run("still").result(PATIENCE_S)
    assert first.asset != second.asset
    chain.undo()
    assert counts(chain.run("still").wait(PATIENCE_S)) == {"cached": 1}
    assert len(fake.log()) == 2


def test_a_reference_picture_counts_in_the_high_estimate(flow: Flow, fake: FakeProvider) -> None:
    """By its pixels once it exists, before that as a large picture; the prompt counts, too."""
    price = PerToken(
        usd=3e-5, low_tokens=0, high_tokens=1000, high_tokens_per_megapixel=1000, text_in_usd=5e-6, image_in_usd=8e-6
    )
    fake.models = [
        entry.model_copy(update={"price": price}) if entry.id == "fake/edit" else entry for entry in fake.models
    ]
    still = flow.generate_image("dawn", model="fake/image", name="still")
    flow.edit_image(still, "dusk", model="fake/edit", name="edit")
    output, prompt = 45_000, 20
    assert by_node(flow)["edit"] == (0, output + prompt + 32_000)
    flow.run(still).result(PATIENCE_S)
    assert by_node(flow)["edit"] == (0, output + prompt + 8)
