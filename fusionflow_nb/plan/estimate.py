"""Estimate the cost of a call from its settings and input pictures."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from fusionflow_nb.media.values import Asset
from fusionflow_nb.plan.prepare import default_settings

if TYPE_CHECKING:
    from collections.abc import Sequence

    from fusionflow_nb.plan.job import Bound
    from fusionflow_nb.providers.model import Estimate, ModelEntry


def estimate_of(bound: Bound | None) -> Estimate | None:
    """The estimate of a bound job; None if it calls no model."""
    if bound is None or bound.entry is None:
        return None
    return estimate_settings(bound.entry, bound.values, pixel_counts(bound.media))


def estimate_settings(entry: ModelEntry, settings: dict[str, Any], pictures: Sequence[int | None] = ()) -> Estimate:
    """The estimate of a call with these settings; settings that are not set cost what the model's defaults cost."""
    prompt = settings.get("prompt")
    return entry.estimate(
        {**default_settings(entry), **settings},
        prompt=prompt if isinstance(prompt, str) else None,
        image_pixels=pictures,
    )


def pixel_counts(media: dict[str, Any]) -> list[int | None]:
    """The number of pixels of each input picture; None if unknown."""
    assets = [asset for value in media.values() for asset in (value if isinstance(value, list) else [value])]
    return [
        asset.width * asset.height if asset.width and asset.height else None
        for asset in assets
        if isinstance(asset, Asset) and asset.media_type.startswith("image/")
    ]
