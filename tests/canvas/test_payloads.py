"""Catalog and tape in wire form: complete, newest first, robust against unservable files."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from support.journal import a_generation, picture

from fusionflow_nb import errors
from fusionflow_nb.canvas.catalog_payload import model_facts, node_type_facts
from fusionflow_nb.canvas.tape_payload import generation_facts, tape_facts
from fusionflow_nb.catalog import Catalog
from fusionflow_nb.journal.journal import Journal
from fusionflow_nb.journal.records import InputRecord, ProjectRecord
from fusionflow_nb.media.values import Series, Value
from fusionflow_nb.providers.local.models import MODELS
from fusionflow_nb.providers.model import ModelEntry, PerImage
from fusionflow_nb.tape.query import Tape

CATALOG = Path(__file__).parents[2] / "js" / "dev" / "catalog.json"


def urls(asset):
    return {"url": f"a/{asset.sha256[:6]}", "preview_url": f"p/{asset.sha256[:6]}"}


@pytest.fixture
def journal(tmp_path):
    with Journal.open(tmp_path) as opened:
        yield opened


@pytest.fixture
def tape(journal):
    opened = Tape(journal.path)
    yield opened
    opened.close()


def record(journal, *generations):
    journal.call(journal.record(generations))


def frames(tape, **arguments):
    return tape_facts(tape, **{"project_id": None, "before": None, "limit": 10, "urls": urls, **arguments})


def test_the_dev_page_has_the_current_catalog():
    """The stored catalog of the dev page equals what a canvas receives."""
    catalog = Catalog()
    now = {
        "node_types": [node_type_facts(catalog.get(name)) for name in catalog],
        "models": [model_facts(entry, has_key=True) for entry in MODELS],
    }
    assert json.loads(json.dumps(now, default=str)) == json.loads(CATALOG.read_text(encoding="utf-8"))


def test_a_paid_model_has_a_price_and_a_retirement_date():
    """The picker gets the price as text, the retirement as ISO date, successor and key."""
    entry = ModelEntry(
        provider="x",
        provider_model_id="y",
        tasks=("text-to-image",),
        title="Y",
        price=PerImage(usd=0.04),
        retires_on="2027-03-01",
        successor="x/z",
    )
    facts = model_facts(entry, has_key=False)
    assert {name: facts[name] for name in ("is_free", "price_text", "retires_on", "successor", "has_key")} == {
        "is_free": False,
        "price_text": "$0.04 / image",
        "retires_on": "2027-03-01",
        "successor": "x/z",
        "has_key": False,
    }


def test_an_empty_tape_has_no_frames(tape):
    """Before the first generation, counts and costs are zero."""
    assert frames(tape) == {"frames": [], "generations": 0, "cost_micro_usd": 0}


def test_frames_are_newest_first_and_paged(journal, tape):
    """Pages have no gap and no repetition, even if several generations ended in the same microsecond."""
    generations = [a_generation(at, finished_at_us=1_000 + at // 3, cost_micro_usd=10) for at in range(10)]
    record(journal, *generations)
    first = frames(tape, limit=4)
    assert (first["generations"], first["cost_micro_usd"]) == (10, 100)
    pages, page = [], first
    while page["frames"]:
        pages += page["frames"]
        page = frames(tape, limit=4, before=pages[-1]["generation_id"])
    expected = sorted(generations, key=lambda row: (row.finished_at_us, row.id), reverse=True)
    assert [frame["generation_id"] for frame in pages] == [row.id for row in expected]
    assert page["generations"] == 10


def test_frames_of_a_flow_exclude_other_flows(journal, tape):
    """Frames and totals are those of one project."""
    record(journal, a_generation("a", project_id="one"), a_generation("b", project_id="two", cost_micro_usd=5))
    page = frames(tape, project_id="one")
    assert [frame["node_id"] for frame in page["frames"]] == ["node_a"]
    assert (page["generations"], page["cost_micro_usd"]) == (1, 0)


def test_a_cancelled_generation_is_not_a_frame(journal, tape):
    """It counts among the generations, but the filmstrip omits it."""
    record(journal, a_generation("a"), a_generation("b", status="cancelled", outputs=None))
    page = frames(tape)
    assert [frame["node_id"] for frame in page["frames"]] == ["node_a"]
    assert page["generations"] == 2


def test_a_frame_shows_the_first_result_or_the_failure(journal, tape):
    """Of several images the first, with its URLs; of a value the value; of a failure the state without a cell."""
    four = Series("variant", ("1", "2"), (picture("x"), picture("y")))
    record(
        journal,
        a_generation("s", outputs={"image": four}, finished_at_us=3, coordinate=(("seed", "7"),)),
        a_generation("v", outputs={"text": Value.of({"a": 1})}, finished_at_us=2, prompt_snapshot=None),
        a_generation("f", outputs=None, status="refused", error_code="refused", finished_at_us=1),
    )
    several, value, failed = frames(tape)["frames"]
    assert several["cell"] == {
        "port": "image",
        "coordinate": [["seed", "7"], ["variant", "1"]],
        **picture("x").to_json(),
        **urls(picture("x")),
    }
    assert value["cell"] == {"port": "text", "coordinate": [], "value": {"a": 1}}
    assert value["title"] == "node_v"
    assert (failed["state"], failed["cell"], failed["title"]) == ("refused", None, "a picture of f")


def test_facts_of_a_generation_are_complete(journal, tape):
    """Settings, times, cost, the flow's name, results, and inputs from generations and files."""
    source = a_generation("source")
    asset = picture("file").to_json()
    node = {"id": "load", "type": "load_image", "data": {"params": {"asset": asset}}}
    journal.call(journal.record_project(ProjectRecord("scratch", "Neon", {"nodes": [node], "edges": []}, {})))
    generation = a_generation(
        "made",
        seed=7,
        take=2,
        cost_micro_usd=40_000,
        cost_is_exact=True,
        queued_at_us=1,
        started_at_us=2,
        finished_at_us=3,
        inputs=(
            InputRecord("image", 0, picture("source").digest, source.id),
            InputRecord("mask", 0, picture("file").digest),
            InputRecord("references", 0, picture("gone").digest),
            InputRecord("prompt", 0, "json:" + "0" * 64),
        ),
    )
    record(journal, source, generation)
    facts = generation_facts(tape, generation.id, urls)
    assert {name: facts[name] for name in ("seed", "take", "cost_micro_usd", "cost_is_exact", "flow_name")} == {
        "seed": 7,
        "take": 2,
        "cost_micro_usd": 40_000,
        "cost_is_exact": True,
        "flow_name": "Neon",
    }
    assert (facts["queued_at_us"], facts["started_at_us"], facts["finished_at_us"]) == (1, 2, 3)
    assert facts["settings"] == {"width": 64}
    assert facts["error"] is None
    assert [cell["url"] for cell in facts["cells"]] == [urls(picture("made"))["url"]]
    inputs = [
        (entry["port"], entry["source_generation_id"], entry["cell"] and entry["cell"]["sha256"])
        for entry in facts["inputs"]
    ]
    assert inputs == [
        ("image", source.id, picture("source").sha256),
        ("mask", None, picture("file").sha256),
        ("references", None, None),
    ]


def test_facts_of_a_failed_generation_have_an_error(journal, tape):
    """Code, message and node of the error. An unknown generation raises."""
    generation = a_generation("f", status="failed", outputs=None, error_code="provider", error_message="It fell over.")
    record(journal, generation)
    facts = generation_facts(tape, generation.id, urls)
    assert facts["error"] == {"code": "provider", "message": "It fell over.", "node_id": "node_f"}
    assert facts["cells"] == []
    with pytest.raises(errors.TapeError, match="no generation nowhere"):
        generation_facts(tape, "nowhere", urls)


def test_an_unservable_file_is_sent_without_url(journal, tape):
    """A frame never fails because of one file."""
    record(journal, a_generation("a"))

    def refuse(_asset):
        raise errors.MediaError("Unknown type.")

    assert frames(tape, urls=refuse)["frames"][0]["cell"]["sha256"] == picture("a").sha256
