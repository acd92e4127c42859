"""A camera over a still picture: where it looks at each moment, and the pixels that it sees.

Both Ken Burns forms use it: the transform, which obeys the views it is given, and the local model, which chooses them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

from fusionflow_nb import errors

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from numpy.typing import NDArray

# The share of a move in which the camera gathers speed, and again the share in which it loses it.
_RAMP = 0.35


@dataclass(frozen=True, slots=True)
class View:
    """What a camera sees: its centre in fractions of the picture, and its zoom (1 = as much as fits)."""

    x: float = 0.5
    y: float = 0.5
    zoom: float = 1.0


def ease(t: float) -> float:
    """Smooth progress 0..1: gathers speed, goes evenly, loses speed; speed itself has no kink.

    >>> ease(0.0), ease(0.5), ease(1.0)
    (0.0, 0.5, 1.0)
    """
    if t > 0.5:  # noqa: PLR2004 - the second half mirrors the first
        return 1.0 - ease(1.0 - t)
    u = min(t / _RAMP, 1.0)
    # The integral of a smoothstep ramp up to full speed, then of full speed.
    way = _RAMP * (u * u * u - u * u * u * u / 2) + max(0.0, t - _RAMP)
    return way / (1.0 - _RAMP)


def box_of(view: View, picture_size: tuple[int, int], size: tuple[int, int]) -> tuple[float, float, float, float]:
    """The box (left, top, right, bottom) in picture pixels that a view shows, of the shape of `size`, inside.

    >>> box_of(View(0.0, 0.5, 2.0), (100, 50), (50, 50))
    (0.0, 12.5, 25.0, 37.5)
    """
    picture_width, picture_height = picture_size
    width = min(picture_width, picture_height * size[0] / size[1]) / view.zoom
    height = min(width * size[1] / size[0], picture_height)  # where it is all of it, rounding would reach beyond
    left = min(max(view.x * picture_width - width / 2, 0.0), picture_width - width)
    top = min(max(view.y * picture_height - height / 2, 0.0), picture_height - height)
    return left, top, min(left + width, picture_width), min(top + height, picture_height)


def move_camera(
    pixels: NDArray[np.uint8],
    start: View,
    end: View,
    *,
    frame_count: int,
    width: int,
    height: int,
    tick: Callable[[float], None],
) -> Iterator[NDArray[np.uint8]]:
    """The frames (height, width, 3) of an eased move over a picture, each sampled at fractions of a pixel.

    The zoom grows by equal factors in equal times, and one point of the picture keeps its place while it does: a move
    that is linear in size seems to slow down, and one that treats centre and zoom apart seems to slide.

    Args:
        pixels: the picture, uint8 (h, w, 3).
        start: what is seen first.
        end: what is seen last.
        frame_count: at least 1; one frame shows `start`.
        width: of the frames.
        height: of the frames.
        tick: called after each frame with the share done; what it raises ends the frames.

    Raises:
        MediaError: pixels of another shape.

    >>> black = np.zeros((32, 32, 3), np.uint8)
    >>> one = move_camera(black, View(), View(), frame_count=1, width=16, height=8, tick=lambda share: None)
    >>> next(one).shape
    (8, 16, 3)
    """
    if pixels.ndim != 3 or pixels.shape[2] != 3 or pixels.dtype != np.uint8 or not pixels.size:  # noqa: PLR2004 - RGB
        message = f"A picture of {pixels.dtype} {pixels.shape} cannot be filmed."
        raise errors.MediaError(message, hint="Give uint8 pixels (height, width, 3).")
    picture = Image.fromarray(pixels)
    first = box_of(start, picture.size, (width, height))
    last = box_of(end, picture.size, (width, height))
    # A picture much finer than the frames is shrunk once instead of in every frame; twice as fine stays sharp enough.
    spare = min(first[2] - first[0], last[2] - last[0]) / width
    if spare >= 4:  # noqa: PLR2004 - twice the factor kept
        factor = int(spare / 2)
        picture = picture.reduce(factor)
        first = box_of(start, picture.size, (width, height))
        last = box_of(end, picture.size, (width, height))
    first_width, last_width = first[2] - first[0], last[2] - last[0]
    for index in range(frame_count):
        way = ease(index / max(1, frame_count - 1))
        if abs(last_width - first_width) > first_width / 1000:
            way = (first_width * (last_width / first_width) ** way - first_width) / (last_width - first_width)
        left, top, right, bottom = (a + (b - a) * way for a, b in zip(first, last, strict=True))
        box = (max(left, 0.0), max(top, 0.0), min(right, picture.width), min(bottom, picture.height))
        frame = np.asarray(picture.resize((width, height), Image.Resampling.BICUBIC, box=box))
        tick((index + 1) / frame_count)
        yield frame
