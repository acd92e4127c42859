"""Content keys do not change from tree to tree: 500 generated flows get the keys that an older tree planned.

A key that changes makes users pay again for results they have. Where a node type's version or a model's `behaviour`
is raised on purpose, tests/fixtures/generate_flows.py writes the file again.
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


def test_the_generated_flows_are_the_same(stored: Any, planned: Any) -> None:
    """Else their keys could not be compared; every node of each has a key."""
    assert planned["flows"] == stored["flows"]
    assert len(stored["keys"]) == 500
    assert all(all(keys.values()) for keys in stored["keys"])


def test_every_node_gets_the_key_it_had(stored: Any, planned: Any) -> None:
    """Byte by byte, for built-in node types with literals, variables, edges, batches, takes, models and settings."""
    changed = [
        (number, node_id)
        for number, (before, now) in enumerate(zip(stored["keys"], planned["keys"], strict=True))
        for node_id in before
        if now.get(node_id) != before[node_id]
    ]
    assert not changed, f"{len(changed)} keys differ, first of {changed[:5]}"
    assert planned["keys"] == stored["keys"]


def test_a_python_node_that_reads_a_public_name_keeps_its_digest(stored: Any, planned: Any) -> None:
    """The digest names the module of what is imported: a public name that moves must not change it."""
    assert planned["imported"] == stored["imported"]
