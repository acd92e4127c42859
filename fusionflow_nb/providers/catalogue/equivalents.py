"""Which entries are one and the same model at two services. A name that looks alike is no reason: a source says so.

A person adds pairs of their own in `models/`, by the `equivalents` of an entry.
"""

from __future__ import annotations

import functools
from typing import NamedTuple

from fusionflow_nb.providers.model import Equivalent


class EquivalentPair(NamedTuple):
    """Two entries that are one model, and who says so."""

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
    found: dict[str, tuple[Equivalent, ...]] = {}
    for same in EQUIVALENT_PAIRS:
        for one, other in ((same.first, same.second), (same.second, same.first)):
            found[one] = (
                *found.get(one, ()),
                Equivalent(id=other, source=same.source, source_date=same.source_date),
            )
    return found


def equivalents_of(identity: str) -> tuple[Equivalent, ...]:
    """The entries that are the same model as this one.

    >>> [one.id for one in equivalents_of("bfl/flux-kontext-pro")]
    ['fal/fal-ai/flux-pro/kontext']
    """
    return _by_entry().get(identity, ())
