"""Pictures small enough to stand inside a stored notebook: all of them together keep to a number of bytes."""

from __future__ import annotations

import base64
import io
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

SMALLEST_PX = 40
_LEAST_SHARE_BYTES = 500
_QUALITY = 62


def inlined(
    wanted: Sequence[tuple[str, int]], preview: Callable[[str], bytes | None], *, most_bytes: int
) -> dict[tuple[str, int], str]:
    """Data URIs (WebP) by digest and width; what has no preview or finds no room is left out.

    Args:
        wanted: sha256 and how many CSS pixels wide it is shown; the first ones find room first.
        preview: WebP bytes of a picture, or None.
        most_bytes: of all data URIs together.
    """
    found: dict[tuple[str, int], str] = {}
    rest_bytes = most_bytes
    distinct = list(dict.fromkeys(wanted))
    for at, (sha256, width_px) in enumerate(distinct):
        # Base64 takes four bytes for three. What one picture leaves is shared among those after it.
        share_bytes = (rest_bytes // (len(distinct) - at)) * 3 // 4 - 24
        data = preview(sha256) if share_bytes > _LEAST_SHARE_BYTES else None
        small = None if data is None else _fitted(data, width_px, share_bytes)
        if small is not None:
            uri = f"data:image/webp;base64,{base64.b64encode(small).decode()}"
            found[sha256, width_px] = uri
            rest_bytes -= len(uri)
    return found


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
    side_px = 2 * width_px
    while side_px >= SMALLEST_PX:
        small = picture.copy()
        small.thumbnail((side_px, 2 * side_px))
        stream = io.BytesIO()
        small.save(stream, "WEBP", quality=_QUALITY, method=4)
        if stream.tell() <= most_bytes:
            return stream.getvalue()
        side_px = side_px * 3 // 4
    return None
