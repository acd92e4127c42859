"""A moving camera over an image: its view at each time, and the pixels in view.

Used by both Ken Burns implementations: the transform with views as parameters, and the local model that chooses them.
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

# The share of a move in which the camera accelerates, and in which it decelerates.
_RAMP = 0.35


@dataclass(frozen=True, slots=True)
class View:
    """The view of a camera: its centre in fractions of the image, and its zoom (1 = as much as fits)."""

    x: float = 0.5
    y: float = 0.5
    zoom: float = 1.0


def ease(t: float) -> float:
    """Smooth progress 0..1: accelerates, moves evenly, decelerates; the speed is smooth too.

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
    """The box (left, top, right, bottom) of a view in pixels, with the aspect ratio of `size`, inside the image.

    >>> box_of(View(0.0, 0.5, 2.0), (100, 50), (50, 50))
    (0.0, 12.5, 25.0, 37.5)
    """
    picture_width, picture_height = picture_size
    width = min(picture_width, picture_height * size[0] / size[1]) / view.zoom
    height = min(width * size[1] / size[0], picture_height)  # without the limit, rounding could exceed the image
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
    """The frames (height, width, 3) of an eased move over an image, sampled at fractions of a pixel.

    The zoom grows by equal factors in equal times around a fixed point of the image: a zoom that is linear in size
    seems to slow down, and separate moves of centre and zoom seem to slide.

    Args:
        pixels: the image, uint8 (h, w, 3).
        start: the first view.
        end: the last view.
        frame_count: at least 1; one frame shows `start`.
        width: of the frames.
        height: of the frames.
        tick: called after each frame with the fraction done; may raise to stop.

    Raises:
        MediaError: the pixels have another shape.

    >>> black = np.zeros((32, 32, 3), np.uint8)
    >>> frames = move_camera(black, View(), View(), frame_count=1, width=16, height=8, tick=lambda share: None)
    >>> next(frames).shape
    (8, 16, 3)
    """
    if pixels.ndim != 3 or pixels.shape[2] != 3 or pixels.dtype != np.uint8 or not pixels.size:  # noqa: PLR2004 - RGB
        message = f"Pixels of {pixels.dtype} {pixels.shape} are not supported."
        raise errors.MediaError(message, hint="Pass uint8 pixels (height, width, 3).")
    picture = Image.fromarray(pixels)
    first = box_of(start, picture.size, (width, height))
    last = box_of(end, picture.size, (width, height))
    # A much larger image is downscaled once instead of in every frame; twice the resolution stays sharp.
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
