"""Waveform peaks of a sound, shown on its node."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

from fusionflow_nb import errors
from fusionflow_nb.session import current_session

if TYPE_CHECKING:
    from fusionflow_nb.media.values import Asset

MAX_DURATION_S = 60.0
"""Longer sounds show their preview instead: reading them would delay messages to the views."""
BARS = 160


def peaks_of(asset: Asset) -> list[float] | None:
    """Return evenly spaced peaks of a stored sound, 0 to 1; None if it is long or unreadable."""
    if asset.duration_s is None or asset.duration_s > MAX_DURATION_S:
        return None
    peaks = _peaks(asset.sha256)
    return None if peaks is None else list(peaks)


@lru_cache(maxsize=4096)
def _peaks(sha256: str) -> tuple[float, ...] | None:
    from fusionflow_nb.media.audio import waveform  # noqa: PLC0415 - numpy only if there is a sound

    try:
        return tuple(waveform(current_session().store.path(sha256), buckets=BARS))
    except errors.FusionFlowError:
        return None
