"""How loud a sound is along its length, for the wave on its node."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

from fusionflow_nb import errors
from fusionflow_nb.session import current_session

if TYPE_CHECKING:
    from fusionflow_nb.media.values import Asset

LONG_S = 60.0
"""Longer sounds show their preview: reading them would hold up what the views are told."""
BARS = 160


def peaks_of(asset: Asset) -> list[float] | None:
    """The peaks of a stored sound, 0..1, evenly spaced; None where it is long, or cannot be read."""
    if asset.duration_s is None or asset.duration_s > LONG_S:
        return None
    found = _peaks(asset.sha256)
    return None if found is None else list(found)


@lru_cache(maxsize=4096)
def _peaks(sha256: str) -> tuple[float, ...] | None:
    from fusionflow_nb.media.audio import waveform  # noqa: PLC0415 - numpy only where there is sound

    try:
        return tuple(waveform(current_session().store.path(sha256), buckets=BARS))
    except errors.FusionFlowError:
        return None
