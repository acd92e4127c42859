"""What the kernel tells views of its catalog: all that a node, a form and the model picker are drawn from."""

from __future__ import annotations

import json
from pathlib import Path

from fusionflow_nb.canvas.facts import model_facts, node_type_facts
from fusionflow_nb.catalog import Catalog
from fusionflow_nb.providers.local.models import MODELS
from fusionflow_nb.providers.model import ModelEntry, PerImage

CATALOG = Path(__file__).parent.parent / "js" / "dev" / "catalog.json"


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
