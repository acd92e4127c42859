"""Pairs of entries that are the same model at two services, each with a source. Similar names are not enough.

Users add their own pairs in `models/`, with the field `equivalents` of an entry.
"""

from __future__ import annotations

import functools
from typing import NamedTuple

from fusionflow_nb.providers.model import Equivalent


class EquivalentPair(NamedTuple):
    """Two entries of the same model, with the source of that fact."""

    first: str
    second: str
    source: str
    source_date: str


EQUIVALENT_PAIRS = (
    EquivalentPair(
        "fal/fal-ai/flux-pro/kontext",
        "bfl/flux-kontext-pro",
        "the sheet of models, flux-kontext: same model at BFL",
        "2026-11",
    ),
    EquivalentPair(
        "fal/openai/gpt-image-2",
        "openai/gpt-image-2",
        "the sheet of OpenAI, Money: gpt-image-2 as billed through fal",
        "2026-11",
    ),
)


@functools.cache
def _by_entry() -> dict[str, tuple[Equivalent, ...]]:
    pairs: dict[str, tuple[Equivalent, ...]] = {}
    for pair in EQUIVALENT_PAIRS:
        for source_id, target_id in ((pair.first, pair.second), (pair.second, pair.first)):
            pairs[source_id] = (
                *pairs.get(source_id, ()),
                Equivalent(id=target_id, source=pair.source, source_date=pair.source_date),
            )
    return pairs


def equivalents_of(identity: str) -> tuple[Equivalent, ...]:
    """The entries of the same model at other services.

    >>> [one.id for one in equivalents_of("bfl/flux-kontext-pro")]
    ['fal/fal-ai/flux-pro/kontext']
    """
    return _by_entry().get(identity, ())
