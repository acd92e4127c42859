"""Pictures small enough to stand inside a stored notebook: all of them together keep to a number of bytes."""

from __future__ import annotations

import base64
import io
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

SMALLEST_PX = 40
_LEAST_SHARE_BYTES = 1_200
_QUALITY = 62
_MOST_KEPT = 256
_made: dict[tuple[str, int, int], str] = {}
"""What was made lately: the next autosave shows mostly the same."""


def inlined(
    wanted: Sequence[tuple[str, int]], preview: Callable[[str], bytes | None], *, most_bytes: int
) -> dict[tuple[str, int], str]:
    """Data URIs (WebP) by digest and width; what has no preview or finds no room is left out.

    Args:
        wanted: sha256 and how many CSS pixels wide it is shown; the first ones find room first.
        preview: WebP bytes of a picture, or None.
        most_bytes: of all data URIs together.
    """
    distinct = list(dict.fromkeys(wanted))
    if not distinct:
        return {}
    # Equal shares: a picture keeps its form, made once, while others come and go. Base64 takes four bytes for three.
    share_bytes = (most_bytes // len(distinct)) * 3 // 4 - 24
    if share_bytes < _LEAST_SHARE_BYTES:
        most = most_bytes * 3 // 4 // (_LEAST_SHARE_BYTES + 24)
        distinct, share_bytes = distinct[:most], _LEAST_SHARE_BYTES
    step = max(_LEAST_SHARE_BYTES, share_bytes // 128 * 128)
    found: dict[tuple[str, int], str] = {}
    for sha256, width_px in distinct:
        uri = _uri(sha256, width_px, step, preview)
        if uri is not None:
            found[sha256, width_px] = uri
    return found


def _uri(sha256: str, width_px: int, most_bytes: int, preview: Callable[[str], bytes | None]) -> str | None:
    known = _made.get((sha256, width_px, most_bytes))
    if known is not None:
        return known
    data = preview(sha256)
    small = None if data is None else _fitted(data, width_px, most_bytes)
    if small is None:
        return None
    uri = f"data:image/webp;base64,{base64.b64encode(small).decode()}"
    while len(_made) >= _MOST_KEPT:
        _made.pop(next(iter(_made)), None)
    _made[sha256, width_px, most_bytes] = uri
    return uri


def _fitted(data: bytes, width_px: int, most_bytes: int) -> bytes | None:
    """A picture of at most so many bytes: None where even the smallest is too large."""
    from PIL import Image, UnidentifiedImageError  # noqa: PLC0415 - only where there is a picture

    try:
        with Image.open(io.BytesIO(data)) as opened:
            if opened.width <= 2 * width_px and len(data) <= most_bytes:
                return data
            picture = opened.convert("RGBA" if "A" in opened.mode else "RGB")
    except (UnidentifiedImageError, OSError):
        return None  # a damaged preview: the picture itself is not
    side_px = min(2 * width_px, picture.width)
    while side_px >= SMALLEST_PX:
        small = picture.resize((side_px, max(1, round(side_px * picture.height / picture.width))))
        stream = io.BytesIO()
        small.save(stream, "WEBP", quality=_QUALITY, method=3)
        if stream.tell() <= most_bytes:
            return stream.getvalue()
        # Bytes go with the area, about; a little less, so that the next try fits.
        side_px = int(side_px * min(0.85, 0.92 * (most_bytes / stream.tell()) ** 0.5))
    return None
