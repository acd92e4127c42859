"""Media against the limits of the service that is to read them, before anything is sent.

Too large a picture is an error that names the limit; it is made smaller only where a person allows it (`reduce=True`),
and then the tape says so.
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
_MARGIN = 0.95
"""Bytes go with the area only about."""


class FittedMedia(NamedTuple):
    """What may be sent, and what was made smaller for it."""

    media: dict[str, list[Asset]]
    reduced: list[dict[str, Any]]
    """For the tape: port, index, and what it was and is (sha256, width, height, size_bytes)."""


def fit_to_limits(
    media: Mapping[str, Sequence[Asset]], entry: ModelEntry, store: AssetStore, *, may_reduce: bool, node_id: str
) -> FittedMedia:
    """The media of a call as its model reads them. Blocking where a picture is made smaller.

    Raises:
        MediaError: too many, too large, or of a type that is not read; names the limit.
    """
    _check_counts(media, entry, node_id)
    found: dict[str, list[Asset]] = {}
    reduced: list[dict[str, Any]] = []
    for port, assets in media.items():
        reads = entry.reads.get(kind_of(port))
        found[port] = list(assets)
        for index, asset in enumerate(assets):
            too = _excess(asset, reads)
            if reads is None or not too:
                continue
            name = port if len(assets) == 1 else f"{port}[{index}]"
            if not _can_reduce(asset, port):
                raise _error(name, too, reads, entry, node_id, hint="Convert it, or make it smaller, first.")
            if not may_reduce:
                raise _error(name, too, reads, entry, node_id, hint=_HINT)
            found[port][index] = smaller = _reduced(asset, reads, store, node_id)
            reduced.append({"port": port, "index": index, "from": _facts(asset), "to": _facts(smaller)})
    _keep_masks_alike(found, media, reduced, store)
    return FittedMedia(found, reduced)


_HINT = "reduce=True lets it be made smaller for this service; or connect a resize node."


def _check_counts(media: Mapping[str, Sequence[Asset]], entry: ModelEntry, node_id: str) -> None:
    counts: dict[str, int] = {}
    for port, assets in media.items():
        counts[kind_of(port)] = counts.get(kind_of(port), 0) + len(assets)
        spelled = entry.wire.references.get(port, "[]") if entry.wire is not None else "[]"
        if len(assets) > 1 and not spelled.endswith(("[]", "#")):
            raise errors.MediaError(
                f"{entry.id} reads one medium as {port}, not {len(assets)}.", node_id=node_id, hint="Connect one."
            )
    for kind, count in counts.items():
        reads = entry.reads.get(kind)
        if reads is not None and reads.count is not None and count > reads.count:
            raise errors.MediaError(
                f"{entry.id} reads {reads.count} {kind}s in one call, not {count}.",
                node_id=node_id,
                hint="Connect fewer.",
            )


def _excess(asset: Asset, reads: InputLimits | None) -> list[str]:
    """What of a medium is beyond the limits, in words."""
    if reads is None:
        return []
    said = []
    if reads.media_types and asset.media_type not in reads.media_types:
        said.append(f"is {asset.media_type}")
    if reads.size_bytes is not None and asset.size_bytes > reads.size_bytes:
        said.append(f"has {asset.size_bytes / 1e6:.1f} MB")
    if reads.pixels is not None and asset.width and asset.height and asset.width * asset.height > reads.pixels:
        said.append(f"has {asset.width} x {asset.height} pixels")
    return said


def _can_reduce(asset: Asset, port: str) -> bool:
    """Films and sounds are not; nor is a mask, which goes with its picture."""
    return asset.media_type.startswith("image/") and kind_of(port) == "image"


def _error(
    name: str, too: list[str], reads: InputLimits, entry: ModelEntry, node_id: str, *, hint: str
) -> errors.MediaError:
    return errors.MediaError(
        f"{name} {' and '.join(too)}; {entry.id} reads {reads.describe()} at most.", node_id=node_id, hint=hint
    )


def _reduced(asset: Asset, reads: InputLimits, store: AssetStore, node_id: str) -> Asset:
    """The picture as large as the limits allow, in the store. Deterministic: the same picture becomes the same one."""
    from fusionflow_nb.media.picture import open_picture  # noqa: PLC0415 - Pillow only where there is something to do

    picture = open_picture(store.path(asset.sha256))
    scale = 1.0
    if reads.pixels is not None:
        scale = min(1.0, (reads.pixels / (picture.width * picture.height)) ** 0.5)
    while min(picture.size) * scale >= min(SMALLEST_PX, *picture.size):
        encoded = _encoded(_scaled(picture, scale), reads)
        if reads.size_bytes is None or len(encoded) <= reads.size_bytes:
            return store.put(encoded)
        scale *= _MARGIN * min(1.0, (reads.size_bytes / len(encoded)) ** 0.5)
    raise errors.MediaError(
        f"No picture that can be made of this one keeps within {reads.describe()}.",
        node_id=node_id,
        hint="Connect another.",
    )


def _scaled(picture: Picture, scale: float) -> Picture:
    if scale >= 1:
        return picture
    from PIL import Image  # noqa: PLC0415

    # Down, never up: the limit holds for what comes out.
    size = (max(1, int(picture.width * scale)), max(1, int(picture.height * scale)))
    return picture.resize(size, Image.Resampling.LANCZOS, reducing_gap=2.0)


def _encoded(picture: Picture, reads: InputLimits) -> bytes:
    """In a type that is read; with its transparency where it has any."""
    from fusionflow_nb.media.picture import encode_jpeg, encode_png, encode_webp  # noqa: PLC0415

    is_read = reads.media_types.__contains__ if reads.media_types else lambda _: True
    if picture.mode != "RGBA" and is_read("image/jpeg"):
        return encode_jpeg(picture, QUALITY)
    if is_read("image/webp"):
        return encode_webp(picture, QUALITY)
    return encode_png(picture) if is_read("image/png") else encode_jpeg(picture, QUALITY)


def _keep_masks_alike(
    found: dict[str, list[Asset]],
    media: Mapping[str, Sequence[Asset]],
    reduced: list[dict[str, Any]],
    store: AssetStore,
) -> None:
    """A mask is as large as the picture it lies on."""
    if not found.get("mask") or not found.get("image") or found["image"][0] == media["image"][0]:
        return
    from PIL import Image  # noqa: PLC0415

    from fusionflow_nb.media.picture import encode_png, open_picture  # noqa: PLC0415

    picture = open_picture(store.path(found["image"][0].sha256))
    for index, mask in enumerate(media["mask"]):
        small = open_picture(store.path(mask.sha256)).resize(picture.size, Image.Resampling.LANCZOS)
        found["mask"][index] = asset = store.put(encode_png(small))
        reduced.append({"port": "mask", "index": index, "from": _facts(mask), "to": _facts(asset)})


def _facts(asset: Asset) -> dict[str, Any]:
    return {
        "sha256": asset.sha256,
        "width": asset.width,
        "height": asset.height,
        "size_bytes": asset.size_bytes,
    }
