"""local/ken-burns: a slow camera move over a still, towards or away from a salient region. No neural network.

The seed selects the direction (unless it is set) and one of the most salient positions as the focus.
Frames are equal for equal seeds on one machine; another CPU may round a pixel by 1/255.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image, ImageFilter

from fusionflow_nb.media.camera import View, move_camera
from fusionflow_nb.providers.local import settings

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from numpy.typing import NDArray

DIRECTIONS = ("in", "out", "left", "right", "up", "down")
_GRID = 48
# A pan also zooms by this factor; without it, a pan looks like a scrolling page.
_PAN_DRIFT = 1.05


def ken_burns(
    pixels: NDArray[np.uint8],
    *,
    seed: int,
    tick: Callable[[float], None],
    zoom: float = 1.3,
    direction: str = "auto",
    focus: tuple[float, float] | None = None,
    duration_s: float = 4.0,
    fps: float = 24.0,
    width: int | None = None,
    height: int | None = None,
) -> Iterator[NDArray[np.uint8]]:
    """Yield the frames (height, width, 3) of a camera move over a picture.

    Args:
        pixels: the picture, uint8 (h, w, 3).
        seed: selects direction and focus unless they are set.
        tick: called after each frame with the fraction done; an exception it raises stops the frames.
        zoom: largest magnification, 1 to 2; with "in" or "out", 1 does not move.
        direction: one of DIRECTIONS, or "auto" for "in" or "out" by seed.
        focus: position to zoom to, in fractions of the picture; None selects a salient position by seed.
        duration_s: 1 to 20.
        fps: 12 to 60.
        width: of the frames; None for the picture's, rounded down to even.
        height: of the frames; None for the picture's, rounded down to even.

    Raises:
        SettingError: a setting is out of range.
        MediaError: pixels of another shape.
    """
    count = settings.frame_count(duration_s, fps)
    settings.number("zoom", zoom, 1, 2)
    settings.choice("direction", direction, ("auto", *DIRECTIONS))
    size = (
        int(settings.number("width", width or max(16, pixels.shape[1] // 2 * 2), 16, 4096)),
        int(settings.number("height", height or max(16, pixels.shape[0] // 2 * 2), 16, 4096)),
    )
    draw = int.from_bytes(hashlib.sha256(f"ken-burns {seed}".encode()).digest()[:8], "big")
    selected = direction if direction != "auto" else ("in", "in", "out")[draw % 3]
    position = focus if focus is not None else salient_position(pixels, rank=(draw >> 8) % 3)
    start, end = views(selected, position, zoom)
    return move_camera(pixels, start, end, frame_count=count, width=size[0], height=size[1], tick=tick)


def views(direction: str, focus: tuple[float, float], zoom: float) -> tuple[View, View]:
    """Return the first and last view of a move.

    >>> views("in", (0.25, 0.5), 2.0)
    (View(x=0.5, y=0.5, zoom=1.0), View(x=0.25, y=0.5, zoom=2.0))
    """
    x, y = focus
    close = View(x, y, zoom)
    if direction == "in":
        return View(), close
    if direction == "out":
        return close, View()
    # A pan covers the whole picture on its axis and stays at the focus on the other.
    ends = {"left": ((1, y), (0, y)), "right": ((0, y), (1, y)), "up": ((x, 1), (x, 0)), "down": ((x, 0), (x, 1))}
    first, last = ends[direction]
    return View(*first, max(1.0, zoom / _PAN_DRIFT)), View(*last, zoom)


def salient_position(pixels: NDArray[np.uint8], rank: int) -> tuple[float, float]:
    """Return a position with high contrast and colour, in fractions: the most salient, or one of the next.

    Args:
        pixels: the picture, uint8 (h, w, 3).
        rank: 0 for the most salient; higher ranks are at a distance from lower ranks.
    """
    small = Image.fromarray(pixels).resize((_GRID, _GRID), Image.Resampling.BOX)
    far = np.asarray(small.filter(ImageFilter.GaussianBlur(_GRID / 6)), np.float32)
    saliency = np.abs(np.asarray(small, np.float32) - far).sum(axis=2)
    soft = Image.fromarray(np.minimum(saliency, 255).astype(np.uint8)).filter(ImageFilter.GaussianBlur(_GRID / 12))
    across = (np.arange(_GRID) + 0.5) / _GRID
    # Positions near the border have less weight: the camera cannot centre them.
    central = 1 - (2 * across - 1) ** 2 * 0.7
    score = (np.asarray(soft, np.float32) + 1) * central[:, None] * central[None, :]
    position = (0.5, 0.5)
    for _ in range(rank + 1):
        row, column = divmod(int(score.argmax()), _GRID)
        position = (float(across[column]), float(across[row]))
        distance = np.hypot(across[None, :] - position[0], across[:, None] - position[1])
        score = score * np.minimum(1, distance / 0.35)
    return position
