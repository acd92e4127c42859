"""The static picture: self-contained, safe in an untrusted notebook, small enough to be saved."""

from __future__ import annotations

import base64
import io
import re

import numpy as np
from PIL import Image

from fusionflow_nb.canvas.snapshot import MOST_BYTES, snapshot_html, snapshot_text
from fusionflow_nb.flow import edits

# The part of our HTML that JupyterLab's sanitizer keeps.
TAGS = {"div", "span", "b", "img"}
ATTRIBUTES = {"class", "style", "title", "alt", "src"}


def noisy(seed):
    """A preview that compresses badly."""
    pixels = np.random.default_rng(seed).integers(0, 255, (170, 256, 3), dtype=np.uint8)
    stream = io.BytesIO()
    Image.fromarray(pixels).save(stream, "WEBP", quality=90)
    return stream.getvalue()


def result(sha256="", state="succeeded", coordinate=(), **more):
    cells = [{"port": "image", "coordinate": coordinate, "sha256": sha256, "width": 3, "height": 2}] if sha256 else []
    return {"coordinate": coordinate, "state": state, "cells": cells, **more}


def drawing(html):
    """The SVG of the edges."""
    return base64.b64decode(re.search(r"data:image/svg\+xml;base64,([^\"]+)", html)[1]).decode()


def test_only_html_that_a_sanitizer_keeps_is_used(flow):
    """No script, style sheet, SVG element, id or handler; each theme colour follows a fallback."""
    words = flow.text("dawn", name="words")
    flow.text_overlay(text=words, name="over")
    html = snapshot_html(flow, {"over": [result("ab")]}, lambda _: noisy(1), css_class="ff-snapshot-1")
    assert set(re.findall(r"<(\w+)", html)) <= TAGS
    assert set(re.findall(r"\s([\w-]+)=\"", re.sub(r'"[^"]*"', '""', html))) <= ATTRIBUTES
    for style in re.findall(r'style="([^"]*)"', html):
        rules = [rule for rule in style.split(";") if rule]
        names = [rule.split(":")[0] for rule in rules]
        for index, rule in enumerate(rules):
            if "var(" in rule:
                assert names[index] == names[index - 1]
    assert html.startswith('<div class="ff-snapshot-1"')


def test_all_text_is_escaped(flow):
    """Names, prompts, titles, errors and labels cannot become markup."""
    evil = '"><script>alert(1)</script>'
    flow.history.do([edits.SetFlow(field="name", value=evil)], origin="test")
    node = flow.text(evil, name="words")
    flow.place(node, 0, 0, title=evil)
    failed = result(state="failed", coordinate=[["prompt", evil]], error={"code": "x", "message": evil})
    html = snapshot_html(flow, {"words": [failed]}, lambda _: None, css_class=evil)
    assert "<script" not in html
    assert html.count("&lt;script&gt;") >= 4


def test_a_missing_result_shows_its_reason(flow):
    """In a batch, the place of a missing result shows its state, and the node counts it."""
    flow.text("dawn", name="words")
    refused = result(state="refused", coordinate=[["seed", "2"]], error={"code": "refused", "message": "Not this."})
    results = [result("ab", coordinate=[["seed", "1"]]), refused]
    html = snapshot_html(flow, {"words": results}, lambda _: noisy(1))
    assert "1/2 · 1 refused" in html
    assert 'title="2: Not this."' in html
    assert html.count("data:image/webp") == 1
    assert "1/2 · 1 refused" in snapshot_text(flow, {"words": results})


def test_the_size_is_limited_for_any_number_of_images(flow):
    """A hundred noisy images fit at smaller sizes; the same image is embedded once."""
    changes = [
        edits.AddNode(node={"id": f"n_{at}", "type": "text"}, layout={"x": 320.0 * (at % 10), "y": 300.0 * (at // 10)})
        for at in range(100)
    ]
    flow.history.do(changes, origin="test")
    results = {f"n_{at}": [result(f"{at}")] for at in range(100)}
    html = snapshot_html(flow, results, lambda sha256: noisy(int(sha256)))
    assert len(html) <= MOST_BYTES
    assert html.count("data:image/webp") >= 50
    single = snapshot_html(flow, {"n_0": [result("0")]}, lambda sha256: noisy(int(sha256)))
    assert single.count("data:image/webp") == 1


def test_large_flows_are_drawn_as_an_overview(flow):
    """Of thousands of nodes only their positions are drawn, within a notebook's width, in one small image."""
    changes = [
        edits.AddNode(node={"id": f"n_{at}", "type": "text"}, layout={"x": 320.0 * (at % 50), "y": 300.0 * (at // 50)})
        for at in range(2500)
    ]
    changes += [
        edits.AddEdge(
            edge={"source": f"n_{at}", "sourceHandle": "text", "target": f"n_{at + 1}", "targetHandle": "text"}
        )
        for at in range(2499)
    ]
    flow.history.do(changes, origin="test")
    html = snapshot_html(flow, {}, lambda _: None)
    assert len(html) <= MOST_BYTES
    assert len(re.findall(r"M\d+ \d+h", drawing(html))) == 2500
    assert int(re.search(r"width:(\d+)px", html)[1]) <= 960


def test_edges_of_nodes_without_results_are_dashed(flow):
    """An edge from a node with results is solid."""
    words = flow.text("dawn", name="words")
    flow.text_overlay(text=words, name="over")
    assert "stroke-dasharray" in drawing(snapshot_html(flow, {}, lambda _: None))
    value = {"coordinate": [], "state": "succeeded", "cells": [{"port": "text", "coordinate": [], "value": "dawn"}]}
    assert "stroke-dasharray" not in drawing(snapshot_html(flow, {"words": [value]}, lambda _: None))


def test_unknown_types_and_missing_previews_are_shown(flow):
    """An unknown type, a node without position, a missing and a damaged preview are no errors."""
    flow.history.do(
        [edits.AddNode(node={"id": "theirs", "type": "unknown"}), edits.AddNode(node={"id": "other", "type": "text"})],
        origin="test",
    )
    flow.history.do(
        [edits.AddEdge(edge={"source": "theirs", "sourceHandle": "x", "target": "other", "targetHandle": "text"})],
        origin="test",
    )
    lost = result("lost")
    lost["cells"][0]["media_type"] = "image/png"
    for preview in (lambda _: None, lambda _: b"no picture"):
        html = snapshot_html(flow, {"theirs": [lost]}, preview)
        assert "theirs" in html
        assert "image/png" in html


def test_an_empty_flow_is_an_empty_frame(flow):
    """HTML and text show zero nodes."""
    assert "0 nodes" in snapshot_html(flow, {}, lambda _: None)
    assert snapshot_text(flow, {}) == "Test: 0 nodes"
