"""Fast sub-pixel lookups in a picture: three colours per operation, in integers, equal on all machines."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

# A 64-bit word holds red, green and blue in 16 bits each: one multiplication processes all three.
_LANES = np.uint64(0x0000_00FF_00FF_00FF)
_HALF = np.uint64(0x0000_0080_0080_0080)
_EIGHT = np.uint64(8)
_ONE = 256


def pack(pixels: NDArray[np.uint8]) -> NDArray[np.uint64]:
    """Pack pixels (h, w, 3) into words (h, w), for `sample`."""
    words: NDArray[np.uint64] = pixels[..., 0].astype(np.uint64)
    words |= pixels[..., 1].astype(np.uint64) << np.uint64(16)
    words |= pixels[..., 2].astype(np.uint64) << np.uint64(32)
    return words


def unpack(words: NDArray[np.uint64]) -> NDArray[np.uint8]:
    """Return the pixels (h, w, 3) of words (h, w)."""
    lanes = words.view(np.uint16).reshape(*words.shape, 4) if np.little_endian else words.byteswap().view(np.uint16)
    return lanes.reshape(*words.shape, 4)[..., :3].astype(np.uint8)


def sample(
    words: NDArray[np.uint64], x: NDArray[np.float32], y: NDArray[np.float32], page: NDArray[np.bool_]
) -> NDArray[np.uint64]:
    """Look up (x, y) in pixels in two packed pictures (2, h, w): the first, or the second where `page` is true.

    Bilinear, to 1/256 pixel; positions outside the picture use its border.
    """
    height, width = words.shape[1:]
    across = np.clip(x, 0, width - 1) * np.float32(_ONE) + np.float32(0.5)
    down = np.clip(y, 0, height - 1) * np.float32(_ONE) + np.float32(0.5)
    fixed_x, fixed_y = across.astype(np.int32), down.astype(np.int32)
    part_x, part_y = (fixed_x & 255).astype(np.uint64), (fixed_y & 255).astype(np.uint64)
    column, row = fixed_x >> 8, fixed_y >> 8
    here = (page * np.int32(height) + row) * np.int32(width) + column
    right = (column < width - 1).astype(np.int32)
    below = (row < height - 1).astype(np.int32) * np.int32(width)
    flat = words.ravel()
    upper = _mix(flat.take(here), flat.take(here + right), part_x)
    here += below
    lower = _mix(flat.take(here), flat.take(here + right), part_x)
    return _mix(upper, lower, part_y)


def _mix(first: NDArray[np.uint64], second: NDArray[np.uint64], part: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """Interpolate each lane by `part`/256 from first to second, rounded."""
    second *= part
    first *= np.uint64(_ONE) - part
    first += second
    first += _HALF
    first >>= _EIGHT
    first &= _LANES
    return first


def blend(back: NDArray[np.uint64], front: NDArray[np.uint64], share: NDArray[np.float32]) -> NDArray[np.uint64]:
    """Blend packed pixels: `share` (0..1) of the front over the back."""
    return _mix(back, front, (share * np.float32(_ONE) + np.float32(0.5)).astype(np.uint64))
