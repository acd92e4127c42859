"""Thumbnails small enough to embed in a saved notebook, within a total size limit."""

from __future__ import annotations

import base64
import io
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

SMALLEST_PX = 40
_LEAST_SHARE_BYTES = 1_200
_QUALITY = 62
_CACHE_SIZE = 256
_cache: dict[tuple[str, int, int], str] = {}
"""Recent thumbnails: the next autosave needs mostly the same."""


def inlined(
    images: Sequence[tuple[str, int]], preview: Callable[[str], bytes | None], *, most_bytes: int
) -> dict[tuple[str, int], str]:
    """Data URIs (WebP) by digest and width, without images that have no preview or do not fit.

    Args:
        images: sha256 and displayed width in CSS pixels, in order of priority.
        preview: returns WebP bytes of an image, or None.
        most_bytes: limit for all data URIs together.
    """
    distinct = list(dict.fromkeys(images))
    if not distinct:
        return {}
    # Equal shares in coarse steps, so that cached thumbnails stay valid. Base64 needs four bytes for three.
    share_bytes = (most_bytes // len(distinct)) * 3 // 4 - 24
    if share_bytes < _LEAST_SHARE_BYTES:
        most = most_bytes * 3 // 4 // (_LEAST_SHARE_BYTES + 24)
        distinct, share_bytes = distinct[:most], _LEAST_SHARE_BYTES
    step = max(_LEAST_SHARE_BYTES, share_bytes // 128 * 128)
    uris: dict[tuple[str, int], str] = {}
    for sha256, width_px in distinct:
        uri = _uri(sha256, width_px, step, preview)
        if uri is not None:
            uris[sha256, width_px] = uri
    return uris


def _uri(sha256: str, width_px: int, most_bytes: int, preview: Callable[[str], bytes | None]) -> str | None:
    cached = _cache.get((sha256, width_px, most_bytes))
    if cached is not None:
        return cached
    data = preview(sha256)
    small = None if data is None else _fitted(data, width_px, most_bytes)
    if small is None:
        return None
    uri = f"data:image/webp;base64,{base64.b64encode(small).decode()}"
    while len(_cache) >= _CACHE_SIZE:
        _cache.pop(next(iter(_cache)), None)
    _cache[sha256, width_px, most_bytes] = uri
    return uri


def _fitted(data: bytes, width_px: int, most_bytes: int) -> bytes | None:
    """The image scaled down to at most `most_bytes`; None if the smallest size is still too large."""
    from PIL import Image, UnidentifiedImageError  # noqa: PLC0415 - only if there is an image

    try:
        with Image.open(io.BytesIO(data)) as opened:
            if opened.width <= 2 * width_px and len(data) <= most_bytes:
                return data
            picture = opened.convert("RGBA" if "A" in opened.mode else "RGB")
    except (UnidentifiedImageError, OSError):
        return None  # the preview is damaged
    side_px = min(2 * width_px, picture.width)
    while side_px >= SMALLEST_PX:
        small = picture.resize((side_px, max(1, round(side_px * picture.height / picture.width))))
        stream = io.BytesIO()
        small.save(stream, "WEBP", quality=_QUALITY, method=3)
        if stream.tell() <= most_bytes:
            return stream.getvalue()
        # The size is about proportional to the area; aim slightly lower, so that the next attempt fits.
        side_px = int(side_px * min(0.85, 0.92 * (most_bytes / stream.tell()) ** 0.5))
    return None
