"""Prose and names use the standard words of the field; the counts of retired words may only fall."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from support.language import TREES, Count, count_file, count_tree

COUNTS = Path(__file__).with_name("language_counts.json")
"""Per tree: retired phrases and retired names that are left. Lower a number when you remove some; never raise it."""
MAX_PER_THOUSAND = 1.0
MAX_NAME_SHARE = 0.5


@pytest.fixture(scope="module", params=TREES)
def tree(request: pytest.FixtureRequest) -> tuple[str, Count]:
    """One part of the repository and its counts."""
    return request.param, count_tree(request.param)


def test_few_retired_phrases(tree: tuple[str, Count]) -> None:
    """At most 1.0 retired phrase per 1,000 words of prose."""
    _, count = tree
    assert count.per_thousand <= MAX_PER_THOUSAND, "\n".join(count.phrases)


def test_few_retired_names(tree: tuple[str, Count]) -> None:
    """At most 0.5 % of local names are retired words."""
    _, count = tree
    assert count.name_share <= MAX_NAME_SHARE, "\n".join(count.bad_names)


def test_counts_only_fall(tree: tuple[str, Count]) -> None:
    """No tree has more retired words than the stored count."""
    name, count = tree
    stored = json.loads(COUNTS.read_text())[name]
    assert len(count.phrases) <= stored["phrases"], "\n".join(count.phrases)
    assert len(count.bad_names) <= stored["names"], "\n".join(count.bad_names)


@pytest.mark.parametrize(
    ("suffix", "text", "phrases", "names"),
    [
        (".py", '"""Somebody said so."""\ngiven = 1\n', 2, 1),
        (".py", '# It comes home.\ndef run(found): return "A file was not found."\n', 1, 1),
        (".ts", "/** Nobody hears it. */\nconst told = 1\n", 2, 1),
        (".tsx", "const x = (made) => <p>It mends this file</p>\n", 1, 1),
        (".md", "Read it anew.\n```\nsaid told heard\n```\n", 1, 0),
    ],
)
def test_the_counter_counts(tmp_path: Path, suffix: str, text: str, phrases: int, names: int) -> None:
    """Docstrings, comments, texts and names are read; code and fenced blocks are not prose."""
    path = tmp_path / f"sample{suffix}"
    path.write_text(text)
    count = count_file(path)
    assert (len(count.phrases), len(count.bad_names)) == (phrases, names)
