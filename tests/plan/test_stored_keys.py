"""Content keys are stable: 500 generated flows get the keys that an older version computed.

If a key changes, users pay again for cached results. After a deliberate change of a node type's version or a model's
`behaviour`, tests/fixtures/generate_flows.py writes the file again.
"""

from __future__ import annotations

import gzip
import importlib.util
import json
from pathlib import Path
from typing import Any

import pytest

FIXTURES = Path(__file__).resolve().parent.parent / "fixtures"


@pytest.fixture(scope="module")
def stored() -> Any:
    return json.loads(gzip.decompress((FIXTURES / "keys-2026-11-23.json.gz").read_bytes()))


@pytest.fixture(scope="module")
def planned() -> Any:
    spec = importlib.util.spec_from_file_location("generate_flows", FIXTURES / "generate_flows.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.planned()


def test_the_generated_flows_are_unchanged(stored: Any, planned: Any) -> None:
    """Otherwise their keys could not be compared. Every node has a key."""
    assert planned["flows"] == stored["flows"]
    assert len(stored["keys"]) == 500
    assert all(all(keys.values()) for keys in stored["keys"])


def test_every_node_keeps_its_content_key(stored: Any, planned: Any) -> None:
    """Byte by byte, for built-in node types with literals, variables, edges, batches, takes, models and settings."""
    changed = [
        (number, node_id)
        for number, (before, now) in enumerate(zip(stored["keys"], planned["keys"], strict=True))
        for node_id in before
        if now.get(node_id) != before[node_id]
    ]
    assert not changed, f"{len(changed)} keys differ, first of {changed[:5]}"
    assert planned["keys"] == stored["keys"]


def test_digests_survive_moves_of_public_names(stored: Any, planned: Any) -> None:
    """The digest contains the module of an imported name, which must not change when the name moves."""
    assert planned["imported"] == stored["imported"]
