"""Check input media against the limits of a model before the request is sent.

An image beyond a limit raises an error that names the limit. With `reduce=True` it is scaled down instead, and the tape
records both versions.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from fusionflow_nb import errors
from fusionflow_nb.providers.input_limits import kind_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from PIL.Image import Image as Picture

    from fusionflow_nb.assets.protocol import AssetStore
    from fusionflow_nb.media.values import Asset
    from fusionflow_nb.providers.input_limits import InputLimits
    from fusionflow_nb.providers.model import ModelEntry

QUALITY = 92
SMALLEST_PX = 64
"""No side is scaled below this."""
_MARGIN = 0.95
"""File size is only roughly proportional to area."""


class FittedMedia(NamedTuple):
    """Media within the limits, and what was scaled down for that."""

    media: dict[str, list[Asset]]
    reduced: list[dict[str, Any]]
    """For the tape: port, index, and the facts before and after (sha256, width, height, size_bytes)."""


def fit_to_limits(
    media: Mapping[str, Sequence[Asset]], entry: ModelEntry, store: AssetStore, *, may_reduce: bool, node_id: str
) -> FittedMedia:
    """The media of a call, within the limits of its model. Blocks if an image is scaled down.

    Raises:
        MediaError: too many, too large, or of a type that is not accepted; names the limit.
    """
    _check_counts(media, entry, node_id)
    fitted: dict[str, list[Asset]] = {}
    reduced: list[dict[str, Any]] = []
    for port, assets in media.items():
        limits = entry.reads.get(kind_of(port))
        fitted[port] = list(assets)
        for index, asset in enumerate(assets):
            excess = _excess(asset, limits)
            if limits is None or not excess:
                continue
            name = port if len(assets) == 1 else f"{port}[{index}]"
            if not _can_reduce(asset, port):
                raise _error(name, excess, limits, entry, node_id, hint="Convert it or scale it down first.")
            if not may_reduce:
                raise _error(name, excess, limits, entry, node_id, hint=_HINT)
            fitted[port][index] = smaller = _reduced(asset, limits, store, node_id)
            reduced.append({"port": port, "index": index, "from": _facts(asset), "to": _facts(smaller)})
    _scale_masks(fitted, media, reduced, store)
    return FittedMedia(fitted, reduced)


_HINT = "reduce=True scales it down for this service; or connect a resize node."


def _check_counts(media: Mapping[str, Sequence[Asset]], entry: ModelEntry, node_id: str) -> None:
    counts: dict[str, int] = {}
    for port, assets in media.items():
        counts[kind_of(port)] = counts.get(kind_of(port), 0) + len(assets)
        field = entry.wire.references.get(port, "[]") if entry.wire is not None else "[]"
        if len(assets) > 1 and not field.endswith(("[]", "#")):
            raise errors.MediaError(
                f"{entry.id} accepts one asset as {port}, got {len(assets)}.", node_id=node_id, hint="Connect one."
            )
    for kind, count in counts.items():
        limits = entry.reads.get(kind)
        if limits is not None and limits.count is not None and count > limits.count:
            raise errors.MediaError(
                f"{entry.id} accepts {limits.count} {kind}s per call, got {count}.",
                node_id=node_id,
                hint="Connect fewer.",
            )


def _excess(asset: Asset, limits: InputLimits | None) -> list[str]:
    """The properties of an asset that exceed the limits, as text."""
    if limits is None:
        return []
    excess = []
    if limits.media_types and asset.media_type not in limits.media_types:
        excess.append(f"is {asset.media_type}")
    if limits.size_bytes is not None and asset.size_bytes > limits.size_bytes:
        excess.append(f"has {asset.size_bytes / 1e6:.1f} MB")
    if limits.pixels is not None and asset.width and asset.height and asset.width * asset.height > limits.pixels:
        excess.append(f"has {asset.width} x {asset.height} pixels")
    return excess


def _can_reduce(asset: Asset, port: str) -> bool:
    """Only images can; a mask is scaled with its image."""
    return asset.media_type.startswith("image/") and kind_of(port) == "image"


def _error(
    name: str, excess: list[str], limits: InputLimits, entry: ModelEntry, node_id: str, *, hint: str
) -> errors.MediaError:
    return errors.MediaError(
        f"{name} {' and '.join(excess)}; {entry.id} accepts {limits.describe()} at most.", node_id=node_id, hint=hint
    )


def _reduced(asset: Asset, limits: InputLimits, store: AssetStore, node_id: str) -> Asset:
    """Store the largest version of the image within the limits. Deterministic: equal input gives equal bytes."""
    from fusionflow_nb.media.picture import open_picture  # noqa: PLC0415 - Pillow only if an image is scaled

    picture = open_picture(store.path(asset.sha256))
    scale = 1.0
    if limits.pixels is not None:
        scale = min(1.0, (limits.pixels / (picture.width * picture.height)) ** 0.5)
    while min(picture.size) * scale >= min(SMALLEST_PX, *picture.size):
        encoded = _encoded(_scaled(picture, scale), limits)
        if limits.size_bytes is None or len(encoded) <= limits.size_bytes:
            return store.put(encoded)
        scale *= _MARGIN * min(1.0, (limits.size_bytes / len(encoded)) ** 0.5)
    raise errors.MediaError(
        f"The image cannot be reduced to {limits.describe()}.",
        node_id=node_id,
        hint="Connect another image.",
    )


def _scaled(picture: Picture, scale: float) -> Picture:
    if scale >= 1:
        return picture
    from PIL import Image  # noqa: PLC0415

    # Round down, so that the result stays within the limit.
    size = (max(1, int(picture.width * scale)), max(1, int(picture.height * scale)))
    return picture.resize(size, Image.Resampling.LANCZOS, reducing_gap=2.0)


def _encoded(picture: Picture, limits: InputLimits) -> bytes:
    """Encode in an accepted type; transparency is kept."""
    from fusionflow_nb.media.picture import encode_jpeg, encode_png, encode_webp  # noqa: PLC0415

    accepts = limits.media_types.__contains__ if limits.media_types else lambda _: True
    if picture.mode != "RGBA" and accepts("image/jpeg"):
        return encode_jpeg(picture, QUALITY)
    if accepts("image/webp"):
        return encode_webp(picture, QUALITY)
    return encode_png(picture) if accepts("image/png") else encode_jpeg(picture, QUALITY)


def _scale_masks(
    fitted: dict[str, list[Asset]],
    media: Mapping[str, Sequence[Asset]],
    reduced: list[dict[str, Any]],
    store: AssetStore,
) -> None:
    """Scale masks to the size of their image."""
    if not fitted.get("mask") or not fitted.get("image") or fitted["image"][0] == media["image"][0]:
        return
    from PIL import Image  # noqa: PLC0415

    from fusionflow_nb.media.picture import encode_png, open_picture  # noqa: PLC0415

    picture = open_picture(store.path(fitted["image"][0].sha256))
    for index, mask in enumerate(media["mask"]):
        scaled = open_picture(store.path(mask.sha256)).resize(picture.size, Image.Resampling.LANCZOS)
        fitted["mask"][index] = asset = store.put(encode_png(scaled))
        reduced.append({"port": "mask", "index": index, "from": _facts(mask), "to": _facts(asset)})


def _facts(asset: Asset) -> dict[str, Any]:
    return {
        "sha256": asset.sha256,
        "width": asset.width,
        "height": asset.height,
        "size_bytes": asset.size_bytes,
    }
