"""Measures of a picture, its light and depth while it is rendered, and progress by stages."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from numpy.typing import NDArray

    from fusionflow_nb.procedural.noise import F32

    Tick: TypeAlias = Callable[[float], None]


@dataclass(frozen=True, slots=True)
class Rendered:
    """A finished picture: sRGB (height, width, 3), and depth (height, width) from 0 far to 1 near where it is known."""

    pixels: NDArray[np.uint8]
    depth: F32 | None


@dataclass(frozen=True, slots=True)
class Frame:
    """Measures of a picture. Lengths in "units" are fractions of `unit` pixels: scenes look alike at any size."""

    width: int
    height: int

    @property
    def unit(self) -> float:
        """Pixels of one unit: the height, unless the picture is a tall one."""
        return min(float(self.height), self.width * 1.3)

    def across(self, start: int = 0, stop: int | None = None) -> F32:
        """Units right of the middle for pixel columns [start, stop)."""
        columns = np.arange(start, self.width if stop is None else stop, dtype=np.float32)
        return (columns + np.float32(0.5 - self.width / 2)) * np.float32(1 / self.unit)

    def rows(self, part: slice) -> F32:
        """Pixel row centres of a tile of rows, as a column (rows, 1)."""
        return (np.arange(part.start, part.stop, dtype=np.float32) + np.float32(0.5))[:, None]


def tiles(stop: int, size: int, start: int = 0) -> Iterator[slice]:
    """Slices of at most `size` that cover start..stop, in order."""
    for first in range(start, stop, size):
        yield slice(first, min(first + size, stop))


def tile_rows(width: int, pixels: int = 49152) -> int:
    """Return the rows of a tile of about that many pixels: it fits the processor's cache, and cancel is quick."""
    return max(1, pixels // width)


class Stages:
    """Splits a tick into stages of known cost, so that its fraction is proportional to the work."""

    __slots__ = ("_costs", "_done", "_tick")

    def __init__(self, tick: Tick, costs: Sequence[float]) -> None:
        total = sum(costs)
        self._tick = tick
        self._costs = [cost / total for cost in costs]
        self._done = 0.0

    def next(self) -> Tick:
        """Return the tick of the next stage, which takes 0..1 of that stage."""
        start, share = self._done, self._costs.pop(0)
        self._done += share
        tick = self._tick

        def advance(fraction: float) -> None:
            tick(min(1.0, start + share * fraction))

        return advance


def box_blur(image: F32, radius: int, axis: int) -> F32:
    """Mean over 2 * radius + 1 neighbours along an axis, edges repeated; running sums, so any radius costs the same."""
    pad = [(0, 0)] * image.ndim
    pad[axis] = (radius + 1, radius)
    sums = np.cumsum(np.pad(image, pad, mode="edge"), axis=axis, dtype=np.float64)
    span = 2 * radius + 1
    high = np.take(sums, range(span, sums.shape[axis]), axis=axis)
    low = np.take(sums, range(sums.shape[axis] - span), axis=axis)
    return ((high - low) * (1.0 / span)).astype(np.float32)


def soft_blur(image: F32, radius: int) -> F32:
    """Three box blurs both ways: nearly a Gaussian of that radius (image is (height, width, ...))."""
    for _ in range(3):
        image = box_blur(box_blur(image, radius, 0), radius, 1)
    return image


def shrink(image: F32, factor: int) -> F32:
    """Means of factor x factor blocks of (height, width, channels); a ragged edge is filled by repeating it."""
    height, width = image.shape[:2]
    rows, columns = -height % factor, -width % factor
    if rows or columns:
        image = np.pad(image, ((0, rows), (0, columns), (0, 0)), mode="edge")
    total = np.zeros((image.shape[0] // factor, image.shape[1] // factor, image.shape[2]), np.float32)
    for row in range(factor):
        for column in range(factor):
            total += image[row::factor, column::factor]
    total *= np.float32(1 / (factor * factor))
    return total


def enlarge_rows(small: F32, rows: F32, width: int, factor: float) -> F32:
    """Part of a smooth enlargement by factor: (len(rows), width, channels) for pixel row centres (bilinear)."""
    height, columns = small.shape[:2]
    place = np.clip(rows.reshape(-1) * np.float32(1 / factor) - np.float32(0.5), 0.0, height - 1.0)
    index = np.minimum(place.astype(np.int64), max(height - 2, 0))
    part = (place - index.astype(np.float32))[:, None, None]
    below = small[np.minimum(index + 1, height - 1)]
    strip = small[index]
    strip = strip + (below - strip) * part
    place = np.clip(
        (np.arange(width, dtype=np.float32) + 0.5) * np.float32(1 / factor) - 0.5,
        0.0,
        columns - 1.0,
    )
    index = np.minimum(place.astype(np.int64), max(columns - 2, 0))
    part = (place.astype(np.float32) - index.astype(np.float32))[None, :, None]
    left: F32 = strip.take(index, axis=1)
    right = strip.take(np.minimum(index + 1, columns - 1), axis=1)
    left += (right - left) * part
    return left
