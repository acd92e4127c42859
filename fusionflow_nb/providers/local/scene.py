"""A picture with depth, prepared for a moving camera: the visible layer and the layer behind depth edges."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from fusionflow_nb.providers.local import warp

if TYPE_CHECKING:
    from numpy.typing import NDArray

# Neighbouring depths that differ by more than this fraction of the depth range form an edge that hides pixels.
_EDGE = 0.06


@dataclass(frozen=True, slots=True)
class Scene:
    """Layers that a camera can see; each array (h, w), depth 0 far .. 1 near.

    Args:
        pictures: packed (2, h, w): the picture, and the picture without the near sides of its edges.
        depth: depth of the first picture.
        nearest: nearest depth in the neighbourhood of each pixel.
        is_behind: whether a pixel is on the far side of a nearby edge.
        back_depth: depth of the second picture.
    """

    pictures: NDArray[np.uint64]
    depth: NDArray[np.float32]
    nearest: NDArray[np.float32]
    is_behind: NDArray[np.bool_]
    back_depth: NDArray[np.float32]


def prepare(pixels: NDArray[np.uint8], depth: NDArray[np.float32], reach: int) -> Scene:
    """Prepare a picture (h, w, 3) and its depth (h, w) for a camera that moves pixels by up to `reach`."""
    depth = _sharpened(_sharpened(depth))
    near_side, far_side = largest(depth, 1), least(depth, 1)
    is_edge = near_side - far_side > _EDGE
    # Around each edge: the maximum depth of its near side, the minimum of its far side, and the side of each pixel.
    # (Depth alone is not sufficient: a floor is both near and far, without an edge.)
    top = largest(np.where(is_edge, near_side, np.float32(-1)), reach)
    bottom = least(np.where(is_edge, far_side, np.float32(2)), reach)
    is_around = top >= 0
    is_before = is_around & (depth > (top + bottom) * np.float32(0.5))
    is_behind = is_around & ~is_before
    # Pixels on the far side that touch an edge are blended with the near side, so they are filled in as well.
    is_mixed = is_behind & (largest(is_before.astype(np.float32), 1) > 0)
    layers = np.dstack([pixels.astype(np.float32), depth])
    filled = fill(layers, is_behind & ~is_mixed)
    back = np.where((is_before | is_mixed)[..., None], filled, layers)
    back_pixels = np.clip(back[..., :3] + np.float32(0.5), 0, 255).astype(np.uint8)
    return Scene(
        pictures=np.stack([warp.pack(pixels), warp.pack(back_pixels)]),
        depth=depth,
        nearest=largest(depth, reach),
        is_behind=is_behind,
        back_depth=np.ascontiguousarray(back[..., 3], np.float32),
    )


def _sharpened(depth: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the depth with sharp edges: intermediate values, created by a resize, would stretch."""
    near_side, far_side = largest(depth, 1), least(depth, 1)
    steps = np.where(depth * 2 > near_side + far_side, near_side, far_side)
    return np.where(near_side - far_side > _EDGE, steps, depth)


def largest(values: NDArray[np.float32], reach: int) -> NDArray[np.float32]:
    """Return the maximum (h, w) within `reach` pixels, in a square."""
    for axis in (0, 1):
        done = 0
        while done < reach:
            # The steps double: each maximum covers the pixels of the previous step.
            step = min(done + 1, reach - done)
            values = np.maximum(np.maximum(values, _moved(values, step, axis)), _moved(values, -step, axis))
            done += step
    return values


def least(values: NDArray[np.float32], reach: int) -> NDArray[np.float32]:
    """Return the minimum (h, w) within `reach` pixels, in a square."""
    return -largest(-values, reach)


def fill(values: NDArray[np.float32], is_known: NDArray[np.bool_]) -> NDArray[np.float32]:
    """Fill the unknown values (h, w, n) smoothly from the known values: halve the size repeatedly, then double it."""
    if is_known.all() or not is_known.any():
        return values
    weight = is_known.astype(np.float32)[..., None]
    levels = [(values * weight, weight)]
    while max(levels[-1][1].shape[:2]) > 1 and not (levels[-1][1] > 0).all():
        levels.append((_halved(levels[-1][0]), _halved(levels[-1][1])))
    smooth = _mean(*levels[-1])
    for total, weight in reversed(levels[:-1]):
        height, width = weight.shape[:2]
        own = np.minimum(weight, 1)
        smooth = _doubled(smooth)[:height, :width] * (1 - own) + _mean(total, weight) * own
    return smooth


def _mean(total: NDArray[np.float32], weight: NDArray[np.float32]) -> NDArray[np.float32]:
    return np.divide(total, np.maximum(weight, np.float32(1e-6)), dtype=np.float32)


def _moved(values: NDArray[np.float32], step: int, axis: int) -> NDArray[np.float32]:
    """Move values by `step` along an axis; the border repeats."""
    indices = np.clip(np.arange(values.shape[axis]) - step, 0, values.shape[axis] - 1)
    return values.take(indices, axis=axis)


def _halved(values: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the sums of blocks of 2 x 2."""
    padded = np.pad(values, ((0, values.shape[0] % 2), (0, values.shape[1] % 2), (0, 0)))
    return padded[::2, ::2] + padded[1::2, ::2] + padded[::2, 1::2] + padded[1::2, 1::2]


def _doubled(values: NDArray[np.float32]) -> NDArray[np.float32]:
    """Double the size with linear interpolation."""
    for axis in (0, 1):
        own = values * np.float32(0.75)
        before, after = _moved(values, 1, axis), _moved(values, -1, axis)
        shape = list(values.shape)
        shape[axis] *= 2
        pair = (own + before * np.float32(0.25), own + after * np.float32(0.25))
        values = np.stack(pair, axis=axis + 1).reshape(shape)
    return values
