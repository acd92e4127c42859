"""Templates: real flows that run to the end without a key, well laid out; a cell makes their Python node one's own."""

from __future__ import annotations

import itertools

import PIL.Image
import pytest

from fusionflow_nb import errors
from fusionflow_nb.api.flow import Flow
from fusionflow_nb.canvas.templates import cell_source, declare_examples, templates
from fusionflow_nb.flow.react_flow import from_wire
from fusionflow_nb.session import current_session

LAST = {"still": "graded", "sweep": "sheet", "film": "film", "python": "grain"}
MOST_PX = (300, 320)
"""What a node of a template needs at most, at its default width."""


def opened(template):
    return Flow.from_document(from_wire(template["graph"], id="x", name=template["title"], variables={}))


def by_id(template_id):
    return next(one for one in templates() if one["id"] == template_id)


def test_there_are_four_and_each_says_what_it_is():
    """A still, a sweep, image to video, a Python node; and only the last needs a cell."""
    found = templates()
    assert [one["id"] for one in found] == list(LAST)
    assert all(one["title"] and one["summary"] for one in found)
    assert [one["id"] for one in found if "cell" in one] == ["python"]
    found[0]["graph"].clear()
    assert templates()[0]["graph"]


@pytest.mark.slow
@pytest.mark.parametrize("template_id", LAST)
def test_a_template_runs_to_the_end_and_gives_something_to_look_at(template_id):
    """On a fresh home with the installed providers and no key, every node succeeds, for nothing."""
    declare_examples(current_session().catalog)
    flow = opened(by_id(template_id))
    run = flow.run().wait(timeout_s=240)
    assert run.status == "succeeded", run.errors
    assert run.cost_usd == 0
    assert set(flow.states().values()) == {"fresh"}
    result = run[LAST[template_id]]
    shown = PIL.Image.fromarray(result.frame(1.0)) if template_id == "film" else result.pil()
    # Something is on it: no flat colour.
    assert len(set(shown.convert("L").resize((32, 32)).tobytes())) > 16
    if template_id == "sweep":
        cells = run["pictures"].cells
        prompts = [label for cell in cells for axis, label in cell.labels if axis == "prompt"]
        assert prompts == ["aurora over a pine forest"] * 3 + ["desert dunes at sunset"] * 3
        assert len({cell.value.asset.sha256 for cell in cells}) == 6


@pytest.mark.parametrize("template_id", LAST)
def test_no_node_covers_another_and_edges_go_right(template_id):
    """Every node has its place and room around it, and what feeds a node stands left of it."""
    graph = by_id(template_id)["graph"]
    places = {node["id"]: (node["position"]["x"], node["position"]["y"]) for node in graph["nodes"]}
    assert not any(node.get("is_unplaced") for node in graph["nodes"])
    for (ax, ay), (bx, by) in itertools.combinations(places.values(), 2):
        assert abs(ax - bx) >= MOST_PX[0] or abs(ay - by) >= min(MOST_PX[1], 280)
    for edge in graph["edges"]:
        assert places[edge["source"]][0] < places[edge["target"]][0]


def test_the_cell_makes_the_node_ones_own():
    """The shown source runs as it is; changed, the placed node follows, and a notebook's own node is never replaced."""
    import linecache

    catalog = current_session().catalog
    declare_examples(catalog)
    flow = opened(by_id("python"))
    flow.run().wait(timeout_s=240)
    source = cell_source("python").replace("64 *", "32 *")
    assert "noqa" not in source
    linecache.cache["<a cell>"] = (len(source), None, source.splitlines(keepends=True), "<a cell>")
    namespace = {"__name__": "__main__"}
    exec(compile(source, "<a cell>", "exec", dont_inherit=True), namespace)  # noqa: S102 - our own text
    assert catalog.find("grain") is namespace["grain"].node_type
    assert flow.states()["grain"] == "stale"
    assert flow.run().wait(timeout_s=240).status == "succeeded"
    declare_examples(catalog)
    assert catalog.find("grain") is namespace["grain"].node_type


def test_a_template_without_python_has_no_cell():
    """Asking for a cell that there is not says which there are."""
    with pytest.raises(errors.UnknownNodeTypeError, match="python"):
        cell_source("still")
