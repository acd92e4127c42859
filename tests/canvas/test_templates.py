"""Templates: flows that run without an API key and have a clean layout; a cell redefines their Python node."""

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
"""Maximum size of a node in a template, at its default width."""


def opened(template):
    return Flow.from_document(from_wire(template["graph"], id="x", name=template["title"], variables={}))


def by_id(template_id):
    return next(template for template in templates() if template["id"] == template_id)


def test_there_are_four_templates_with_summaries():
    """A still, a sweep, image to video, a Python node; only the last has a cell."""
    entries = templates()
    assert [entry["id"] for entry in entries] == list(LAST)
    assert all(entry["title"] and entry["summary"] for entry in entries)
    assert [entry["id"] for entry in entries if "cell" in entry] == ["python"]
    entries[0]["graph"].clear()
    assert templates()[0]["graph"]


@pytest.mark.slow
@pytest.mark.parametrize("template_id", LAST)
def test_a_template_runs_without_a_key(template_id):
    """In a new home with the installed providers, every node succeeds, for free."""
    declare_examples(current_session().catalog)
    flow = opened(by_id(template_id))
    run = flow.run().wait(timeout_s=240)
    assert run.status == "succeeded", run.errors
    assert run.cost_usd == 0
    assert set(flow.states().values()) == {"fresh"}
    result = run[LAST[template_id]]
    shown = PIL.Image.fromarray(result.frame(1.0)) if template_id == "film" else result.pil()
    # The image is not a flat colour.
    assert len(set(shown.convert("L").resize((32, 32)).tobytes())) > 16
    if template_id == "sweep":
        cells = run["pictures"].cells
        prompts = [label for cell in cells for axis, label in cell.labels if axis == "prompt"]
        assert prompts == ["aurora over a pine forest"] * 3 + ["desert dunes at sunset"] * 3
        assert len({cell.value.asset.sha256 for cell in cells}) == 6


@pytest.mark.parametrize("template_id", LAST)
def test_nodes_do_not_overlap_and_edges_go_right(template_id):
    """Every node has a position with space around it, to the right of its inputs."""
    graph = by_id(template_id)["graph"]
    places = {node["id"]: (node["position"]["x"], node["position"]["y"]) for node in graph["nodes"]}
    assert not any(node.get("is_unplaced") for node in graph["nodes"])
    for (ax, ay), (bx, by) in itertools.combinations(places.values(), 2):
        assert abs(ax - bx) >= MOST_PX[0] or abs(ay - by) >= min(MOST_PX[1], 280)
    for edge in graph["edges"]:
        assert places[edge["source"]][0] < places[edge["target"]][0]


def test_the_cell_redefines_the_python_node():
    """The source runs unchanged; after a change, placed nodes are stale; the notebook's node is not replaced."""
    import linecache

    catalog = current_session().catalog
    declare_examples(catalog)
    flow = opened(by_id("python"))
    flow.run().wait(timeout_s=240)
    source = cell_source("python").replace("64 *", "32 *")
    assert "noqa" not in source
    linecache.cache["<a cell>"] = (len(source), None, source.splitlines(keepends=True), "<a cell>")
    namespace = {"__name__": "__main__"}
    exec(compile(source, "<a cell>", "exec", dont_inherit=True), namespace)  # noqa: S102 - from this package
    assert catalog.find("grain") is namespace["grain"].node_type
    assert flow.states()["grain"] == "stale"
    assert flow.run().wait(timeout_s=240).status == "succeeded"
    declare_examples(catalog)
    assert catalog.find("grain") is namespace["grain"].node_type


def test_a_template_without_python_has_no_cell():
    """The error lists the templates that have a cell."""
    with pytest.raises(errors.UnknownNodeTypeError, match="python"):
        cell_source("still")
