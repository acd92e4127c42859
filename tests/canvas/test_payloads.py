"""What the kernel tells views of catalog and tape: complete, newest first, never failing for one file."""

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


def address(asset):
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


def frames(tape, **asked):
    return tape_facts(tape, **{"project_id": None, "before": None, "limit": 10, "address": address, **asked})


def test_the_dev_page_draws_what_the_kernel_says():
    """The stored catalog of the dev page is what a canvas receives today."""
    known = Catalog()
    now = {
        "node_types": [node_type_facts(known.get(name)) for name in known],
        "models": [model_facts(entry, has_key=True) for entry in MODELS],
    }
    assert json.loads(json.dumps(now, default=str)) == json.loads(CATALOG.read_text(encoding="utf-8"))


def test_a_paid_model_says_its_price_and_its_end():
    """Price in words, retirement as an ISO date, successor and key: what one needs to choose."""
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
    """Before the first generation there is an honest nothing."""
    assert frames(tape) == {"frames": [], "generations": 0, "cost_micro_usd": 0}


def test_frames_are_newest_first_and_go_on_where_they_ended(journal, tape):
    """Pages follow each other without a gap or a repeat, also where several ended in one microsecond."""
    made = [a_generation(at, finished_at_us=1_000 + at // 3, cost_micro_usd=10) for at in range(10)]
    record(journal, *made)
    first = frames(tape, limit=4)
    assert (first["generations"], first["cost_micro_usd"]) == (10, 100)
    seen, page = [], first
    while page["frames"]:
        seen += page["frames"]
        page = frames(tape, limit=4, before=seen[-1]["generation_id"])
    expected = sorted(made, key=lambda one: (one.finished_at_us, one.id), reverse=True)
    assert [one["generation_id"] for one in seen] == [one.id for one in expected]
    assert page["generations"] == 10


def test_frames_of_a_flow_are_its_own(journal, tape):
    """Other projects neither show nor count."""
    record(journal, a_generation("a", project_id="one"), a_generation("b", project_id="two", cost_micro_usd=5))
    found = frames(tape, project_id="one")
    assert [one["node_id"] for one in found["frames"]] == ["node_a"]
    assert (found["generations"], found["cost_micro_usd"]) == (1, 0)


def test_what_was_cancelled_is_no_frame(journal, tape):
    """Somebody took it back: it counts among the calls, and the filmstrip shows what came before."""
    record(journal, a_generation("a"), a_generation("b", status="cancelled", outputs=None))
    found = frames(tape)
    assert [one["node_id"] for one in found["frames"]] == ["node_a"]
    assert found["generations"] == 2


def test_a_frame_shows_the_first_result_and_says_what_failed(journal, tape):
    """Of four pictures the first, with its addresses; of a value the value; of a failure its state and no cell."""
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
        **address(picture("x")),
    }
    assert value["cell"] == {"port": "text", "coordinate": [], "value": {"a": 1}}
    assert value["title"] == "node_v"
    assert (failed["state"], failed["cell"], failed["title"]) == ("refused", None, "a picture of f")


def test_a_generation_tells_how_it_was_made(journal, tape):
    """Settings, times, cost, the flow's name, results, and pictures that went in, from generations and from files."""
    source = a_generation("source")
    asset = picture("file").to_json()
    node = {"id": "load", "type": "load_image", "data": {"params": {"asset": asset}}}
    journal.call(journal.record_project(ProjectRecord("scratch", "Neon", {"nodes": [node], "edges": []}, {})))
    made = a_generation(
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
    record(journal, source, made)
    facts = generation_facts(tape, made.id, address)
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
    assert [cell["url"] for cell in facts["cells"]] == [address(picture("made"))["url"]]
    shown = [
        (one["port"], one["source_generation_id"], one["cell"] and one["cell"]["sha256"]) for one in facts["inputs"]
    ]
    assert shown == [
        ("image", source.id, picture("source").sha256),
        ("mask", None, picture("file").sha256),
        ("references", None, None),
    ]


def test_a_failed_generation_says_why(journal, tape):
    """Code, sentence and node of the error; an unknown generation is an error itself."""
    made = a_generation("f", status="failed", outputs=None, error_code="provider", error_message="It fell over.")
    record(journal, made)
    facts = generation_facts(tape, made.id, address)
    assert facts["error"] == {"code": "provider", "message": "It fell over.", "node_id": "node_f"}
    assert facts["cells"] == []
    with pytest.raises(errors.TapeError, match="no generation nowhere"):
        generation_facts(tape, "nowhere", address)


def test_what_nothing_serves_is_told_without_an_address(journal, tape):
    """A medium that cannot be addressed is named all the same: a frame of the tape never fails because of one file."""
    record(journal, a_generation("a"))

    def refuse(_asset):
        raise errors.MediaError("No type of ours.")

    assert frames(tape, address=refuse)["frames"][0]["cell"]["sha256"] == picture("a").sha256
