"""What a run would cost, node by node, and what it came to; and why a node would run at all."""

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
    """A picture, its edit and a film of that: $0.04, $0.02 and $0.20."""
    still = flow.generate_image("dawn", model="fake/image", name="still")
    edit = flow.edit_image(still, "warmer", model="fake/edit", name="edit")
    flow.generate_video(image=edit, prompt="slow", model="fake/video", duration_s=4, name="film")
    return flow


def by_node(flow: Flow) -> dict[str, tuple[int, int]]:
    found = flow.estimate().by_node
    return {name: (one.low_micro_usd, one.high_micro_usd) for name, one in found.items()}


def test_the_estimate_is_of_exactly_what_is_stale(chain: Flow) -> None:
    """What waits for another node counts in the high estimate alone; what is known costs nothing; totals are sums."""
    assert by_node(chain) == {"still": (40_000, 40_000), "edit": (0, 20_000), "film": (0, 200_000)}
    assert (chain.estimate().low_micro_usd, chain.estimate().high_micro_usd) == (40_000, 260_000)
    chain.run("edit").result(PATIENCE_S)
    assert by_node(chain) == {"film": (200_000, 200_000)}
    chain.set("edit", prompt="colder")
    assert by_node(chain) == {"edit": (20_000, 20_000), "film": (0, 200_000)}
    assert chain.estimate().says_of("film") == "$0.00–0.20"
    assert chain.estimate().says_of("still") == ""
    assert by_node(chain).keys() == {"edit", "film"}


def test_python_and_canvas_say_the_same(chain: Flow) -> None:
    """Each node's figures on the canvas are those of `flow.estimate()`."""
    changes = PlanView().update(chain.plan(), {})
    assert {
        name: (facts["low_micro_usd"], facts["high_micro_usd"])
        for name, facts in changes.items()
        if "high_micro_usd" in facts
    } == by_node(chain)


def test_the_tape_tells_what_it_came_to(chain: Flow, fake: FakeProvider) -> None:
    """Estimate against actual, per run and model, in one documented question; cached work is not counted again."""
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


def test_why_names_the_part_of_the_key_that_missed(chain: Flow, fake: FakeProvider) -> None:
    """Never ran, waits, a parameter old → new, an input, a take; and of a fresh node which generation it shows."""
    assert chain.why("still") == ["never ran"]
    assert chain.why("edit") == ["waits for still"]
    run = chain.run().wait(PATIENCE_S)
    [made] = [job.generation_id for (name, _), job in run.jobs.items() if name == "still"]
    assert chain.why("still") == [f"fresh: everything that goes in is as it was for the generation {made}"]
    chain.set("still", prompt="dusk")
    assert chain.why("still") == ["prompt: 'dawn' → 'dusk'"]
    assert chain.why("film") == ["waits for edit"]
    chain.run("still").result(PATIENCE_S)
    [said] = chain.why("edit")
    assert said.startswith("image: ")
    assert "→" in said
    chain.again("still")
    assert "take: 0 → 1" in chain.why("still")
    with pytest.raises(errors.GoneError):
        chain.why("nobody")
    assert len(fake.log()) == 4


def test_a_pinned_result_stays_and_says_so(chain: Flow, fake: FakeProvider) -> None:
    """A locked node keeps its generation whatever changes; unlocked it says again what differs."""
    chain.run("still").result(PATIENCE_S)
    chain.lock("still")
    chain.set("still", prompt="dusk")
    [said] = chain.why("still")
    assert said.startswith("locked: it keeps the generation ")
    assert chain.estimate("still").high_micro_usd == 0
    assert counts(chain.run("still").wait(PATIENCE_S)) == {"cached": 1}
    assert len(fake.log()) == 1
    chain.unlock("still")
    assert chain.why("still") == ["prompt: 'dawn' → 'dusk'"]


def test_again_is_a_take_that_is_paid_and_kept_beside_the_first(chain: Flow, fake: FakeProvider) -> None:
    """Another take is another key; going back to the first costs nothing."""
    first = chain.run("still").result(PATIENCE_S)
    chain.again("still")
    second = chain.run("still").result(PATIENCE_S)
    assert first.asset != second.asset
    chain.undo()
    assert counts(chain.run("still").wait(PATIENCE_S)) == {"cached": 1}
    assert len(fake.log()) == 2


def test_a_reference_counts_in_the_high_estimate_of_its_node(flow: Flow, fake: FakeProvider) -> None:
    """By its pixels once it is there; as a large one while it is still to be made; and so does the prompt."""
    price = PerToken(
        usd=3e-5, low_tokens=0, high_tokens=1000, high_tokens_per_megapixel=1000, text_in_usd=5e-6, image_in_usd=8e-6
    )
    fake.models = [one.model_copy(update={"price": price}) if one.id == "fake/edit" else one for one in fake.models]
    still = flow.generate_image("dawn", model="fake/image", name="still")
    flow.edit_image(still, "dusk", model="fake/edit", name="edit")
    result, words = 45_000, 20
    assert by_node(flow)["edit"] == (0, result + words + 32_000)
    flow.run(still).result(PATIENCE_S)
    assert by_node(flow)["edit"] == (0, result + words + 8)
